"""The store of servers that share a log."""

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any, Self

from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.json_stream import dump_json
from mock_atoms.core.slices import Slices, free
from mock_atoms.core.tenancy import AuthenticatedCaller, Tenant
from mock_atoms.core.timestamps import WallClock
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import Evaluate, FaultDecision, FaultEngine, RuleEvaluator
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import Rule
from mock_atoms.journal.exchange import Exchange
from mock_atoms.state.log_contents import (
    operation_json,
    parse_operation,
    parse_request,
    parse_tenant,
    request_json,
    tenant_json,
)
from mock_atoms.state.memory_store import MAX_STORE_BYTES, MAX_TENANTS, MemoryStore
from mock_atoms.state.operations import DataOperation
from mock_atoms.state.replica import ApplyForeign, Replica
from mock_atoms.state.replicated_journal import ReplicatedJournal
from mock_atoms.state.snapshot import content_steps, parse_content
from mock_atoms.state.store import ConflictError, StoreContent, TenantState
from mock_atoms.wiremock.scenarios import STARTED
from mock_atoms.wiremock.stub_book import StubBook
from mock_atoms.wiremock.stubs import Stub, load_json_path, parse_records

_MAX_POSITIONS = 10_000
"""Number of tenants whose last change is known, and of resets."""


class RecentPositions:
    """The last position in the log of each key. Of many keys, the oldest are forgotten."""

    def __init__(self) -> None:
        self._positions: OrderedDict[str, int] = OrderedDict()
        self._forgotten = 0  # the last position that was forgotten

    @classmethod
    def from_json(cls, content: list[Any]) -> Self:
        """Return the positions that `as_json` returned."""
        recent = cls()
        recent._forgotten, positions = content
        recent._positions = OrderedDict(positions)
        return recent

    def as_json(self) -> list[Any]:
        """Return the positions as JSON."""
        return [self._forgotten, list(self._positions.items())]

    def put(self, key: str, position: int) -> None:
        """Note the last position of a key."""
        self._positions[key] = position
        self._positions.move_to_end(key)
        if len(self._positions) > _MAX_POSITIONS:
            _, self._forgotten = self._positions.popitem(last=False)

    def is_after(self, keys: Iterable[str], position: int) -> bool:
        """Return whether the last position of one of `keys` may be after `position`."""
        return max(self._forgotten, *(self._positions.get(key, 0) for key in keys)) > position


def _reset_key(token_digest: str | None, test_digest: str | None) -> str:
    return f"{token_digest or '*'} {test_digest or '*'}"


class ReplicatedStore(MemoryStore):
    """A copy of the store that servers share. Each change goes through the log to all copies.

    Args:
        journal: records the arrival of requests.
        generator: generates the ids of requests.
        rules: the active fault rules. Only the store changes them.
        fixtures: the initial data of tokens. Only the store imports data into it.
        slices: runs long work.
        replica: the connection to the log.
        engine: evaluates the rules for the requests of other servers.
        now: the wall clock of this server. All servers apply an entry with the time of the server that wrote it.
        tenant_ttl: seconds after which a tenant that is not used has its initial data again.
        stubs: the active stubs. Only the store changes them.
        max_tenants: maximum number of tenants. An evicted tenant has its initial data again.
        max_bytes: maximum memory of all states, approximately.
    """

    def __init__(  # noqa: PLR0913 - what it keeps, and what changes it
        self,
        journal: ReplicatedJournal,
        generator: Generator,
        rules: RuleBook,
        fixtures: Fixtures,
        slices: Slices,
        *,
        replica: Replica,
        engine: FaultEngine,
        now: WallClock,
        tenant_ttl: float,
        stubs: StubBook | None = None,
        max_tenants: int = MAX_TENANTS,
        max_bytes: int = MAX_STORE_BYTES,
    ) -> None:
        super().__init__(
            journal, generator, rules, fixtures, slices, stubs=stubs, max_tenants=max_tenants, max_bytes=max_bytes
        )
        self._shared_journal = journal
        self._replica = replica
        self._engine = engine
        self._now = now
        self._tenant_ttl = tenant_ttl
        self._used_at: OrderedDict[bytes, float] = OrderedDict()  # seconds since 1970, by tenant that has a state
        self._changed_at = RecentPositions()  # by tenant
        self._reset_at = RecentPositions()  # by token, test or both
        self._states.on_removal = self._forget_use
        self._states.on_eviction = self._note_eviction
        replica.snapshots = self
        replica.handle("begin", self._begin_foreign)
        for kind, handler in {
            "commit": self._commit_foreign,
            "add-rule": self._add_rule_foreign,
            "remove-rules": self._remove_rules_foreign,
            "put-stubs": self._put_stubs_foreign,
            "remove-stubs": self._remove_stubs_foreign,
            "save-stubs": self._save_stubs_foreign,
            "reset-stubs": self._reset_stubs_foreign,
            "choose-stub": self._choose_stub_foreign,
            "set-scenarios": self._set_scenarios_foreign,
            "reset": self._reset_foreign,
            "replace": self._replace_foreign,
        }.items():
            replica.handle(kind, partial(self._apply_unless_restored, handler))

    async def _apply_unless_restored(self, handler: ApplyForeign, entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        if not self._replica.is_restoring:
            await handler(entry_id, content)

    def first_needed(self) -> int:
        """Return the position of the first entry that a server needs besides a snapshot of now."""
        return self._shared_journal.first_needed()

    async def make_snapshot(self) -> bytes:
        """Return a snapshot of now. Nothing changes until it has returned."""
        used_at = [[key.hex(), seconds] for key, seconds in self._used_at.items()]
        changes = [self._changed_at.as_json(), self._reset_at.as_json()]
        own = dump_json([used_at, *changes, self._shared_journal.as_json()]).encode()
        content = await self._slices.run_promptly(content_steps(await self.export()), needs_slot=False)
        return b"%b\n%b" % (own, content)

    async def restore_snapshot(self, content: bytes) -> None:
        """Replace everything by a snapshot."""
        own, text = content.split(b"\n", 1)
        used_at, changed_at, reset_at, journal = json.loads(own)
        await super().replace_all(await self._slices.run(parse_content(text, self._shared_journal.credentials)))
        self._used_at = OrderedDict((bytes.fromhex(key), seconds) for key, seconds in used_at)
        self._changed_at = RecentPositions.from_json(changed_at)
        self._reset_at = RecentPositions.from_json(reset_at)
        await self._shared_journal.restore(journal)

    async def synchronize(self) -> None:
        """Apply all changes that any server has made until now."""
        await self._replica.synchronize()

    async def close(self) -> None:
        """Close the connection to the log."""
        await self._replica.close()

    async def begin(self, tenant: Tenant, exchange: Exchange, evaluate: Evaluate | None) -> FaultDecision | None:
        """Count a request, evaluate its fault rules and record its arrival. Return its faults."""
        entry_id = self._replica.new_id()
        self._shared_journal.note_own(entry_id, exchange)
        counted = None if tenant is exchange.tenant else tenant_json(tenant)
        evaluated = [evaluate.method, evaluate.api_path] if isinstance(evaluate, RuleEvaluator) else None
        try:
            return await self._replica.change(
                "begin",
                [request_json(exchange), counted, evaluated],
                lambda: self._begin(entry_id, tenant, exchange, evaluate),
                entry_id,
            )
        except StoreUnavailableError:
            self._shared_journal.give_up(exchange)  # the log may have the request
            raise

    async def _begin(
        self, entry_id: str, tenant: Tenant, exchange: Exchange, evaluate: Evaluate | None
    ) -> FaultDecision | None:
        self._shared_journal.note_start(entry_id, exchange)
        now = exchange.arrived_at.timestamp()
        while self._used_at:
            key, used_at = next(iter(self._used_at.items()))
            if used_at >= now - self._tenant_ttl:
                break
            self._expire(key)
        self._note_use(tenant, now)
        return await super().begin(tenant, exchange, evaluate)

    def _seconds(self) -> float:
        return self._now().timestamp()

    def _note_use(self, tenant: Tenant, seconds: float) -> None:
        """Note when a tenant is used. Call this directly before the use, which may create its state."""
        self._used_at[tenant.key] = seconds
        self._used_at.move_to_end(tenant.key)

    def _expire(self, key: bytes) -> None:
        self._states.remove(key)
        self._changed_at.put(key.hex(), self._replica.applying)

    def _forget_use(self, state: TenantState) -> None:
        self._used_at.pop(state.tenant.key, None)

    def _note_eviction(self, state: TenantState) -> None:
        """Let a change that was prepared for an evicted tenant be prepared again."""
        self._changed_at.put(state.tenant.key.hex(), self._replica.applying)

    async def _begin_foreign(self, entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        request, counted, evaluated = content
        exchange = parse_request(request)
        if self._replica.is_restoring:
            self._shared_journal.restore_start(entry_id, exchange)
            return
        tenant = exchange.tenant if counted is None else parse_tenant(counted)
        evaluate = None
        if evaluated is not None:
            # Only a magic key brings its own rule, and its label is the complete key.
            caller = AuthenticatedCaller(tenant.label, tenant)
            method, api_path = evaluated
            evaluate = RuleEvaluator(self._engine, caller, method, api_path, exchange.arrived_at)
        decision = await self._begin(entry_id, tenant, exchange, evaluate)
        if decision is not None:
            exchange.faults, exchange.delay_ms = decision.rule_ids, decision.delay_ms

    async def load(self, tenant: Tenant) -> TenantState:
        """Return the state of `tenant` in this copy. That is no use of it: other copies do not know of it."""
        return self._states.get(tenant) or TenantState(tenant)

    def mark(self) -> int:
        """Return a mark of now."""
        return max(self._replica.position, self._replica.restored)  # a restored copy is ahead of its position

    async def commit(self, tenant: Tenant, operation: DataOperation, mark: int | None = None) -> bool:
        """Change the data of `tenant`, and return whether that was possible: not if it was reset since `mark`.

        Raises:
            ConflictError: another server has changed it since `mark`.
        """
        operation_content = await self._slices.run_promptly(operation_json(operation), needs_slot=False)
        seconds = self._seconds()
        content = [tenant_json(tenant), operation_content, mark, seconds]
        return await self._replica.change("commit", content, lambda: self._commit(tenant, operation, mark, seconds))

    async def _commit(self, tenant: Tenant, operation: DataOperation, mark: int | None, seconds: float) -> bool:
        if mark is not None:
            if self._changed_at.is_after([tenant.key.hex()], mark):
                raise ConflictError
            token = tenant.token_digest.hex()
            test = None if tenant.test_digest is None else tenant.test_digest.hex()
            resets = [_reset_key(*digests) for digests in ((None, None), (token, None), (None, test), (token, test))]
            if self._reset_at.is_after(resets, mark):
                return False
        self._changed_at.put(tenant.key.hex(), self._replica.applying)
        self._note_use(tenant, seconds)
        return await super().commit(tenant, operation)

    async def _commit_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        tenant, operation, base, seconds = content
        parsed = await self._slices.run_promptly(parse_operation(operation), needs_slot=False)
        await self._commit(parse_tenant(tenant), parsed, base, seconds)

    async def add_rule(self, rule: Rule) -> ActiveRule:
        """Activate a rule. Credentials in its texts are masked.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        content = rule.as_json()
        return await self._replica.change("add-rule", content, lambda: self._add_rule_foreign("", content))

    async def _add_rule_foreign(self, _entry_id: str, content: Any) -> ActiveRule:  # noqa: ANN401 - any JSON
        return await super().add_rule(parse_fault(content))

    async def remove_rules(self, rule_ids: Collection[str] | None = None) -> None:
        """Remove rules, or all but the startup rules, and the counters that tenants have for them."""
        content = None if rule_ids is None else [*rule_ids]
        await self._replica.change("remove-rules", content, lambda: self._remove_rules_foreign("", content))

    async def _remove_rules_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        await super().remove_rules(content)

    async def put_stubs(
        self, stubs: Sequence[Stub], *, keeps_existing: bool = False, removes_others: bool = False
    ) -> None:
        """Add stubs, all or nothing. Credentials in their texts are masked.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        content = [[stub.as_record() for stub in stubs], keeps_existing, removes_others]
        await self._replica.change("put-stubs", content, lambda: self._put_stubs_foreign("", content))

    async def _put_stubs_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        records, keeps_existing, removes_others = content
        await load_json_path(self._slices, records)
        steps = parse_records(records, self._shared_journal.credentials)
        stubs = await self._slices.run_promptly(steps, needs_slot=False)
        await super().put_stubs(stubs, keeps_existing=keeps_existing, removes_others=removes_others)

    async def remove_stubs(self, stub_ids: Collection[str] | None = None) -> None:
        """Remove the stubs with these ids, or all."""
        content = None if stub_ids is None else [*stub_ids]
        await self._replica.change("remove-stubs", content, lambda: self._remove_stubs_foreign("", content))

    async def _remove_stubs_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        await super().remove_stubs(content)

    async def save_stubs(self) -> None:
        """Make all stubs persistent."""
        await self._replica.change("save-stubs", None, lambda: self._save_stubs_foreign("", None))

    async def _save_stubs_foreign(self, _entry_id: str, _content: Any) -> None:  # noqa: ANN401 - any JSON
        await super().save_stubs()

    async def reset_stubs(self) -> None:
        """Restore the stubs of files, keep the persistent ones, and reset all scenarios."""
        await self._replica.change("reset-stubs", None, lambda: self._reset_stubs_foreign("", None))

    async def _reset_stubs_foreign(self, _entry_id: str, _content: Any) -> None:  # noqa: ANN401 - any JSON
        await super().reset_stubs()

    async def choose_stub(self, tenant: Tenant, stub_ids: Sequence[str]) -> Stub | None:
        """Return the first stub whose scenario is in the state that it requires, and move the scenario."""
        content = [tenant_json(tenant), [*stub_ids], self._seconds()]
        return await self._replica.change("choose-stub", content, lambda: self._choose_stub_foreign("", content))

    async def _choose_stub_foreign(self, _entry_id: str, content: Any) -> Stub | None:  # noqa: ANN401 - any JSON
        tenant_content, stub_ids, seconds = content
        tenant = parse_tenant(tenant_content)
        self._note_use(tenant, seconds)
        return await super().choose_stub(tenant, stub_ids)

    async def set_scenarios(self, state: str = STARTED, name: str | None = None, tenant: Tenant | None = None) -> None:
        """Set the state of one scenario, or of all, for one tenant or for all."""
        content = [state, name, None if tenant is None else tenant_json(tenant), self._seconds()]
        await self._replica.change("set-scenarios", content, lambda: self._set_scenarios_foreign("", content))

    async def _set_scenarios_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        state, name, tenant_content, seconds = content
        tenant = None if tenant_content is None else parse_tenant(tenant_content)
        if tenant is not None:
            self._note_use(tenant, seconds)
        await super().set_scenarios(state, name, tenant)

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        """Delete created rules and the states of all tenants, or only those of one token, one test or both."""
        content = [None if digest is None else digest.hex() for digest in (token_digest, test_digest)]
        await self._replica.change("reset", content, lambda: self._reset_foreign("", content))

    async def _reset_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        self._reset_at.put(_reset_key(*content), self._replica.applying)
        if content == [None, None]:  # a request may have started since the journal was cleared
            await self._slices.run_promptly(free(await self._shared_journal.clear_copy()))
        await super().reset(*(None if digest is None else bytes.fromhex(digest) for digest in content))

    async def replace_all(self, content: StoreContent) -> None:
        """Replace all content by `content`. An error changes nothing.

        Raises:
            CapacityError: there are too many rules, or rules or tenants are too large.
        """
        text = (await self._slices.run_promptly(content_steps(content), needs_slot=False)).decode()
        entry = [text, self._seconds()]
        await self._replica.change("replace", entry, lambda: self._replace_foreign("", entry))

    async def _replace_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        text, seconds = content
        await super().replace_all(
            await self._slices.run(parse_content(text.encode(), self._shared_journal.credentials))
        )
        self._reset_at.put(_reset_key(None, None), self._replica.applying)
        self._used_at = OrderedDict((state.tenant.key, seconds) for state in self._states)
