"""The store that keeps tenants in memory."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from mock_atoms.core.loop_lock import LoopLock
from mock_atoms.core.slices import Slices, Steps, free
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.fixtures import Fixtures, FixtureSet, find_audience_tokens
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import InitialData
from mock_atoms.faults.engine import Evaluate, Evaluation, FaultDecision
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import Rule
from mock_atoms.journal.events import (
    RESET,
    RULE_ADDED,
    RULE_REMOVED,
    STATE_IMPORTED,
    STUB_ADDED,
    STUB_REMOVED,
    STUBS_CHANGED,
    TENANT_CHANGED,
)
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.state.operations import DataOperation
from mock_atoms.state.start_point import Present, StartPoint
from mock_atoms.state.store import ConflictError, StoreContent, TenantState, next_version
from mock_atoms.state.tenant_states import TenantStates
from mock_atoms.wiremock.scenarios import STARTED
from mock_atoms.wiremock.stub_book import StubBook, check_stub_capacity
from mock_atoms.wiremock.stubs import Stub

MAX_TENANTS = 10_000
MAX_STORE_BYTES = 256 * 1024 * 1024


def _tenant_json(tenant: Tenant) -> dict[str, Any]:
    return {"token": tenant.label, "tokenDigest": tenant.token_digest.hex(), "testId": tenant.test_id}


class MemoryStore:
    """A `Store` in memory that evicts the least recently used tenants.

    Not thread-safe: one event loop owns it.

    Args:
        journal: records the arrival of requests.
        generator: generates the ids of requests.
        rules: the active fault rules. Only the store changes them.
        fixtures: the initial data of tokens. Only the store imports data into it.
        slices: runs long work.
        stubs: the active stubs. Only the store changes them.
        start: the state that a reset restores; by default startup rules and files alone.
        max_tenants: maximum number of tenants. An evicted tenant has its initial data again.
        max_bytes: maximum memory of all states, approximately.

    Attributes:
        state_of: returns the state of a tenant, marked as used now.
    """

    def __init__(  # noqa: PLR0913 - what it keeps, and how much of it
        self,
        journal: Journal,
        generator: Generator,
        rules: RuleBook,
        fixtures: Fixtures,
        slices: Slices,
        *,
        stubs: StubBook | None = None,
        start: StartPoint | None = None,
        max_tenants: int = MAX_TENANTS,
        max_bytes: int = MAX_STORE_BYTES,
    ) -> None:
        self._journal = journal
        self._events = journal.events
        self._generator = generator
        self._rules = rules
        self._fixtures = fixtures
        self._slices = slices
        self._stubs = StubBook() if stubs is None else stubs
        self._stub_lock = LoopLock()  # a long change is made although others come all the time
        self._start = start
        self._states = TenantStates(max_tenants, max_bytes)
        self.state_of = self._states.use

    async def load(self, tenant: Tenant) -> TenantState:
        """Return the state of `tenant` as it is now."""
        return self.state_of(tenant)

    async def begin(self, tenant: Tenant, exchange: Exchange, evaluate: Evaluate | None) -> FaultDecision | None:
        """Count a request, evaluate its fault rules and record its arrival. Return its faults."""
        state = self.state_of(tenant)
        decision = self.count(state, exchange, None if evaluate is None else evaluate(state.counters))
        self._journal.add(exchange)
        return decision

    def count(self, state: TenantState, exchange: Exchange, evaluation: Evaluation | None) -> FaultDecision | None:
        """Count a request and its evaluated fault rules, and give it its id. Return its faults."""
        state.requests += 1
        exchange.id = self._generator.request_id(state.tenant.key, state.requests)
        if evaluation is None:
            return None
        if evaluation.evaluated:
            before = state.size_bytes
            evaluation.apply(state.counters)
            self._states.resize(state, before)
        return evaluation.decision

    async def synchronize(self) -> None:
        """Do nothing: the store has everything."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def mark(self) -> int:
        """Return a mark of now: a version that is higher than all others."""
        return next_version()

    async def commit(self, tenant: Tenant, operation: DataOperation, mark: int | None = None) -> bool:
        """Change the data of `tenant` unless it was replaced since `mark`, and return whether it was changed.

        Raises:
            ConflictError: files were reloaded since `mark`.
        """
        state = self.state_of(tenant)
        if mark is not None and state.version > mark:
            if state.version == state.reloaded:
                raise ConflictError
            return False
        before = state.size_bytes
        state.apply(operation)
        self._states.resize(state, before)
        self._events.publish(TENANT_CHANGED, partial(_tenant_json, tenant), (tenant.token_digest, tenant.test_digest))
        return True

    async def tenants(self) -> list[TenantState]:
        """Return the states of all known tenants, least recently used first."""
        return list(self._states)

    async def rules(self) -> list[ActiveRule]:
        """Return the active rules in order of precedence."""
        return list(self._rules)

    async def rule(self, rule_id: str) -> ActiveRule | None:
        """Return the active rule with this id, or `None` if there is none."""
        return self._rules.get(rule_id)

    async def add_rule(self, rule: Rule) -> ActiveRule:
        """Activate a rule.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        active_rule = self._rules.add(rule)
        self._publish_rule(active_rule)
        return active_rule

    async def remove_rules(self, rule_ids: Collection[str] | None = None) -> None:
        """Remove rules, or all but the startup rules, and the counters that tenants have for them."""
        removed_ids = self._rules.created_ids() if rule_ids is None else rule_ids
        removed = await self._slices.run_promptly(self._remove_rules(removed_ids))
        await self._slices.run_promptly(free(removed))

    async def put_stubs(
        self, stubs: Sequence[Stub], *, keeps_existing: bool = False, removes_others: bool = False
    ) -> None:
        """Add stubs, all or nothing.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        stubs_to_put = partial(
            StubBook.put_steps, stubs=stubs, keeps_existing=keeps_existing, removes_others=removes_others
        )
        removed = await self._change_stubs(stubs_to_put, lambda: len(stubs) + len(self._stubs) * removes_others)
        if len(stubs) > 1 or removes_others:
            self._events.publish(STUBS_CHANGED, {})
        else:
            for stub in stubs:
                if self._stubs.get(stub.id) is stub:
                    self._events.publish(STUB_ADDED, stub.as_json, size_bytes=stub.size_bytes)
        await self._slices.run_promptly(free(removed))

    async def remove_stubs(self, stub_ids: Collection[str] | None = None) -> None:
        """Remove the stubs with these ids, or all."""
        if stub_ids is None:
            async with self._stub_lock:
                removed = self._stubs.remove_all()
        else:
            stubs_to_remove = partial(StubBook.remove_steps, stub_ids=stub_ids)
            removed = await self._change_stubs(stubs_to_remove, partial(len, stub_ids))
        if stub_ids is None or len(stub_ids) > 1:
            self._events.publish(STUBS_CHANGED, {})
        elif removed:
            self._events.publish(STUB_REMOVED, {"id": removed[0].id})
        await self._slices.run_promptly(free(removed))

    async def save_stubs(self) -> None:
        """Make all stubs persistent."""
        removed = await self._change_stubs(StubBook.save_steps, lambda: len(self._stubs))
        self._events.publish(STUBS_CHANGED, {})
        await self._slices.run_promptly(free(removed))

    async def reset_stubs(self) -> None:
        """Restore the stubs of files, keep the persistent ones, and reset all scenarios."""
        removed = await self._change_stubs(StubBook.reset_steps, lambda: self._stubs.reset_size)
        self._events.publish(STUBS_CHANGED, {})
        await self._slices.run_promptly(free(removed))

    async def _change_stubs(
        self, change: Callable[[StubBook], Steps[list[Any]]], size_of_change: Callable[[], int]
    ) -> list[Any]:
        """Change the stubs when earlier changes have ended, see `StubBook.change`."""
        async with self._stub_lock:
            return await self._slices.run_promptly(self._stubs.change(change, size_of_change()), needs_slot=False)

    async def choose_stub(self, tenant: Tenant, stub_ids: Sequence[str]) -> Stub | None:
        """Return the first stub whose scenario is in the state that it requires, and move the scenario."""
        state = self.state_of(tenant)
        before = state.size_bytes
        stub = self._stubs.choose(stub_ids, state.scenarios)
        self._states.resize(state, before)
        return stub

    async def set_scenarios(self, state: str = STARTED, name: str | None = None, tenant: Tenant | None = None) -> None:
        """Set the state of one scenario, or of all, for one tenant or for all."""
        if tenant is None:
            async with self._stub_lock:
                self._stubs.set_scenarios(state, name)
            return
        tenant_state = self.state_of(tenant)
        before = tenant_state.size_bytes
        for scenario in self._stubs.scenarios.values():
            if name in (None, scenario.name):
                scenario.move(tenant_state.scenarios, state)
        self._states.resize(tenant_state, before)

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        """Delete created rules and the states of all tenants, or only those of one token, one test or both.

        Restores what the start state has of them.
        """
        start = None
        if self._start is not None and self._start.has(token_digest, test_digest):
            start = await self._slices.run(self._start.parse())
        if token_digest is not None or test_digest is not None:
            removed = await self._slices.run_promptly(self._remove(token_digest, test_digest, start))
        elif start is not None and self._start is not None:
            removed = await self._return_to(start)
            self._start.note(start)
        else:
            removed = [
                *await self._change_stubs(StubBook.reset_steps, lambda: self._stubs.reset_size),
                self._rules.reset(),
                *self._fixtures.import_data(None),
                *self._states.replace_all(),
            ]
        digests = {
            "tokenDigest": token_digest and token_digest.hex(),
            "testIdDigest": test_digest and test_digest.hex(),
        }
        self._events.publish(RESET, digests, (token_digest, test_digest))
        await self._slices.run_promptly(free(removed))

    async def _return_to(self, start: StoreContent) -> list[Any]:
        """Replace all content by the start state, keep the persistent stubs, and return what was removed."""
        return await self._install(start, StubBook.return_steps)

    async def replace_files(self, files: FixtureSet, stubs: Sequence[Stub]) -> list[Any]:
        """Replace the fixture files and the stubs of files, and return what is no longer kept.

        A tenant without changes has the new initial data from now on; another one keeps its data until it is reset.

        Raises:
            CapacityError: there would be too many stubs, or they are too large. Nothing has changed.
        """
        replace_stubs = partial(StubBook.replace_startup_steps, startup_stubs=stubs)
        released = await self._change_stubs(replace_stubs, lambda: len(stubs) + self._stubs.reset_size)
        previous: dict[bytes, InitialData] = {}
        while True:
            callers = {} if self._fixtures.is_imported else files.changed
            found = [state for digest in callers for state in self._states.find(digest, None)]
            states = [state for state in found if state.initial_data is None]
            changed = {state.tenant.token_digest for state in states if state.changes is not None}
            missing = changed - previous.keys()
            if not missing:
                break
            for digest in missing:
                data = await self._slices.run(self._fixtures.initial_data_steps(callers[digest]))
                previous[digest] = InitialData(data.audiences, data.organization, is_shared=True)
        for state in states:
            if state.changes is None:
                state.version = state.reloaded = next_version()
            else:
                state.initial_data = previous[state.tenant.token_digest]
        return [*released, *self._fixtures.replace_files(files)]

    async def export(self) -> StoreContent:
        """Return all content."""
        fixtures = await self._slices.run(self._fixtures.export_data())
        stubs = self._stubs
        return StoreContent(
            await self.rules(),
            fixtures,
            await self.tenants(),
            stubs.by_age(),
            stubs.moved_scenarios(),
            {name: scenario.generation for name, scenario in stubs.scenarios.items()},
        )

    async def replace_all(self, content: StoreContent) -> None:
        """Replace all content by `content`. An error changes nothing.

        Raises:
            CapacityError: there are too many rules, or rules or tenants are too large.
        """
        replaced = await self._install(content)
        if self._start is not None:
            self._start.is_replaced = True
        self._events.publish(STATE_IMPORTED, {})
        await self._slices.run(free(replaced))

    async def _install(
        self, content: StoreContent, import_stubs: Callable[..., Steps[list[Any]]] = StubBook.import_steps
    ) -> list[Any]:
        """Replace all content, and return what was removed. An error changes nothing.

        Args:
            content: the content.
            import_stubs: replaces the stubs of a book, see `StubBook.import_steps`.

        Raises:
            CapacityError: there are too many rules, or rules or tenants are too large.
        """
        rules = await self._slices.run(self._rules.prepare(content.rules))
        audience_tokens = await self._slices.run(find_audience_tokens(content.fixtures))
        self._states.check(content.tenants)
        check_stub_capacity(len(content.stubs), sum(stub.size_bytes for stub in content.stubs))
        stubs_to_import = partial(import_stubs, stubs=content.stubs, states=content.scenarios)
        return [
            *await self._change_stubs(stubs_to_import, lambda: len(content.stubs) + len(self._stubs)),
            self._rules.replace_all(rules),
            *self._fixtures.import_data(content.fixtures, audience_tokens),
            *self._states.replace_all(content.tenants),
        ]

    def _remove_rules(self, rule_ids: Collection[str]) -> Steps[list[Any]]:
        """Remove rules and their counters, and return the rules."""
        removed = []
        ids_by_tenant: dict[tuple[bytes | None, bytes | None], set[str]] = {}
        for rule_id in rule_ids:
            active_rule = self._remove_rule(rule_id)
            if active_rule is not None:
                removed.append(active_rule)
                match = active_rule.rule.match
                ids_by_tenant.setdefault((match.token_digest, match.test_digest), set()).add(rule_id)
            yield
        for digests, removed_ids in ids_by_tenant.items():
            yield from self._states.remove_counters(removed_ids, *digests)
        return removed

    def _remove_rule(self, rule_id: str) -> ActiveRule | None:
        active_rule = self._rules.remove(rule_id)
        if active_rule is not None:
            match = active_rule.rule.match
            self._events.publish(RULE_REMOVED, {"id": rule_id}, (match.token_digest, match.test_digest))
        return active_rule

    def _remove(
        self, token_digest: bytes | None, test_digest: bytes | None, start: StoreContent | None
    ) -> Steps[list[Any]]:
        """Remove the created rules and the states of one token, one test or both, and return them.

        Restores those that the start state has.
        """
        removed: list[Any] = []
        for rule_id in self._rules.created_ids(token_digest, test_digest):
            removed.append(self._remove_rule(rule_id))
            yield
        removed += self._states.remove_all(token_digest, test_digest)  # all that have counters of these rules
        if start is not None and self._start is not None:
            present = Present(self._rules, self._states, self._stubs.scenarios)
            restored, rest = self._start.restore(start, token_digest, test_digest, present)
            removed += rest
            for rule in restored:
                self._publish_rule(rule)
        yield from self._states.release_removed()
        return removed

    def _publish_rule(self, rule: ActiveRule) -> None:
        scope = (rule.rule.match.token_digest, rule.rule.match.test_digest)
        self._events.publish(RULE_ADDED, rule.as_json, scope, rule.rule.size_bytes)
