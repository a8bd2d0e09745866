"""The state of a tenant, and the protocol of the stores that keep it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from mock_atoms.core.slices import Divisible
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.fixtures import FixtureData, FixtureSet
from mock_atoms.data.models import InitialData
from mock_atoms.faults.engine import COUNTER_BYTES, Counters, Evaluate, FaultDecision
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rules import Rule
from mock_atoms.journal.exchange import Exchange
from mock_atoms.state.changes import TenantChanges
from mock_atoms.state.operations import DataOperation, SetInitialData, apply_to
from mock_atoms.wiremock.scenarios import STARTED, ScenarioStates
from mock_atoms.wiremock.stubs import Stub

next_version = count(1).__next__
"""Return a version that no other state of this process has."""
_STATE_BYTES = 2_500
"""Estimated memory of a state without data: its tenant with a long test id, and its place in a store."""
SCENARIO_BYTES = 600
"""Estimated memory of the state of one scenario."""


@dataclass(slots=True, weakref_slot=True)
class TenantState(Divisible):
    """State of one tenant.

    Attributes:
        tenant: the tenant.
        requests: number of requests so far.
        counters: counters of the fault rules evaluated for it.
        initial_data: initial data set by a test; `None` if it follows from seed, token and fixture files.
        changes: changes since; `None` if there are none.
        scenarios: states of the scenarios that it has moved.
        version: a number that grows with each change of the data. No two states of a process share one, not even
            those of one tenant before and after a reset. A cache key can be built from it.
        reloaded: the version that the last reload of files gave it; 0 if there was none.
        used: when it was last used, see `lru.next_use`.
        is_live: whether a store in this process still holds this object. Everything but the data of a live state can
            be changed in place. States of a remote store are never live.
    """

    tenant: Tenant
    requests: int = 0
    counters: Counters = field(default_factory=dict)
    initial_data: InitialData | None = None
    changes: TenantChanges | None = None
    scenarios: ScenarioStates = field(default_factory=dict)
    version: int = field(init=False, default_factory=next_version, compare=False)
    reloaded: int = field(init=False, default=0, compare=False)
    used: float = field(init=False, default=0.0, compare=False)
    is_live: bool = field(init=False, default=False, compare=False)

    def apply(self, operation: DataOperation) -> None:
        """Change the data, with a new version."""
        if isinstance(operation, SetInitialData):
            self.initial_data, self.changes = operation.initial_data, None
        else:
            changes = TenantChanges() if self.changes is None else self.changes.copy()
            apply_to(changes, operation)
            self.changes = changes
        self.version = next_version()

    def parts(self) -> list[Any]:
        """Return its counters and data."""
        parts: list[Any] = [*self.counters.values(), self.initial_data]
        if self.changes is not None:
            parts += self.changes.audiences.values()
            parts += self.changes.deleted_ids
            parts += self.changes.agents.values()
            parts += self.changes.campaigns.values()
            parts += self.changes.deleted_campaigns
        return parts

    @property
    def is_unchanged(self) -> bool:
        """Whether the data follows from seed, token and fixture files alone."""
        return self.initial_data is None and self.changes is None

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the state."""
        size = _STATE_BYTES + COUNTER_BYTES * len(self.counters)
        if self.scenarios:
            size += SCENARIO_BYTES * len(self.scenarios)
        if self.initial_data is not None:
            size += self.initial_data.size_bytes
        return size if self.changes is None else size + self.changes.size_bytes


class ConflictError(Exception):
    """The data that a change was prepared for has changed: another server did it, or a reload. Prepare it again."""


class StoreContent(NamedTuple):
    """All that a store keeps.

    Attributes:
        rules: the active fault rules in order of precedence.
        fixtures: the data of fixture files, or of the last import, by token digest.
        tenants: the states of all known tenants, least recently used first.
        stubs: the stubs in the order in which they were added.
        scenarios: name and state of each scenario that is not in its first state for all tenants.
        generations: the generation of each scenario: states of tenants that have another one have no effect.
    """

    rules: list[ActiveRule]
    fixtures: dict[bytes, FixtureData]
    tenants: list[TenantState]
    stubs: Sequence[Stub] = ()
    scenarios: Sequence[tuple[str, str]] = ()
    generations: Mapping[str, int] = MappingProxyType({})


class Store(Protocol):
    """The state of tenants, the active fault rules, the stubs and the imported fixtures.

    An unknown tenant has an empty `TenantState`. The `RuleBook`, the `StubBook` and the `Fixtures` of a process are its
    copies of the rules, the stubs and the fixtures, which requests read. The store keeps them up to date.

    Do not change what a store returns. The next operation may change it.
    """

    async def load(self, tenant: Tenant) -> TenantState:
        """Return the state of `tenant` as it is now."""
        ...

    async def begin(self, tenant: Tenant, exchange: Exchange, evaluate: Evaluate | None) -> FaultDecision | None:
        """Count a request, evaluate its fault rules and record its arrival in the journal, all or nothing.

        Args:
            tenant: the tenant that is counted. It differs from the exchange's tenant if the token is invalid.
            exchange: the request. It gets its id, which follows from the tenant and the number of its requests.
            evaluate: evaluates the rules that are in the `RuleBook` when it is called, so bring that up to date first.
                A store may call it several times. `None` for a request that no rule can apply to.

        Returns:
            The faults of the request; `None` if there are none.
        """
        ...

    async def synchronize(self) -> None:
        """Bring everything up to date that this process keeps of the store."""
        ...

    async def close(self) -> None:
        """Close all connections. The store opens new ones when it is used again."""
        ...

    def mark(self) -> int:
        """Return a mark of the data as it is now, for `commit`."""
        ...

    async def commit(self, tenant: Tenant, operation: DataOperation, mark: int | None = None) -> bool:
        """Change the data of `tenant`.

        Args:
            tenant: the tenant.
            operation: the change. Do not use it afterwards: the store may keep and modify its objects.
            mark: the mark of the data that it was made for; `None` for any.

        Returns:
            Whether the change was made. It was not if the data has been replaced since `mark`, for example by a reset.

        Raises:
            ConflictError: another server has changed it since, or files were reloaded.
        """
        ...

    async def tenants(self) -> list[TenantState]:
        """Return the states of all known tenants, least recently used first."""
        ...

    async def rules(self) -> list[ActiveRule]:
        """Return the active rules in order of precedence."""
        ...

    async def rule(self, rule_id: str) -> ActiveRule | None:
        """Return the active rule with this id, or `None` if there is none."""
        ...

    async def add_rule(self, rule: Rule) -> ActiveRule:
        """Activate a rule, see `RuleBook.add`.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        ...

    async def remove_rules(self, rule_ids: Collection[str] | None = None) -> None:
        """Remove rules, and the counters that tenants have for them.

        Args:
            rule_ids: their ids, of which unknown ones have no effect; `None` for all but the startup rules.
        """
        ...

    async def put_stubs(
        self, stubs: Sequence[Stub], *, keeps_existing: bool = False, removes_others: bool = False
    ) -> None:
        """Add stubs, all or nothing, see `StubBook.put`.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        ...

    async def remove_stubs(self, stub_ids: Collection[str] | None = None) -> None:
        """Remove the stubs with these ids, of which unknown ones have no effect, or all."""
        ...

    async def save_stubs(self) -> None:
        """Make all stubs persistent, so that a reset keeps them."""
        ...

    async def reset_stubs(self) -> None:
        """Restore the stubs of files, keep the persistent ones, and reset all scenarios."""
        ...

    async def choose_stub(self, tenant: Tenant, stub_ids: Sequence[str]) -> Stub | None:
        """Return the first stub whose scenario is in the state that it requires, and move the scenario.

        Args:
            tenant: the tenant whose states count.
            stub_ids: ids of the stubs that match a request, in order of precedence.
        """
        ...

    async def set_scenarios(self, state: str = STARTED, name: str | None = None, tenant: Tenant | None = None) -> None:
        """Set the state of one scenario, or of all, for one tenant or for all."""
        ...

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        """Delete the created rules and the states of all tenants, or only those of one token, one test or both.

        A complete reset also restores the startup rules, without counts, the stubs of files and the fixture files.
        """
        ...

    async def replace_files(self, files: FixtureSet, stubs: Sequence[Stub]) -> list[Any]:
        """Replace the fixture files and the stubs of files, and return what is no longer kept.

        A tenant without changes has the new initial data from now on; another one keeps its data until it is reset.
        Clear the caches of responses before anything else is awaited.

        Raises:
            CapacityError: there would be too many stubs, or they are too large. Nothing has changed.
        """
        ...

    async def export(self) -> StoreContent:
        """Return all content."""
        ...

    async def replace_all(self, content: StoreContent) -> None:
        """Replace all content by `content`, which belongs to the store from now on. An error changes nothing.

        Raises:
            CapacityError: there are too many rules, or rules or tenants are too large.
        """
        ...
