"""What the server remembers of each tenant: how far its counters are, and the audiences it holds."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from mock_atoms.contract import Audience
from mock_atoms.faults import Counters
from mock_atoms.fixtures import Fixtures
from mock_atoms.rulebook import FullError
from mock_atoms.tenancy import Caller, Tenant

T = TypeVar("T")
MAX_TENANTS = 10_000
MAX_KEPT_AUDIENCES = 100_000
MAX_CHOSEN_AUDIENCES = 100_000


@dataclass(slots=True)
class TenantState:
    """State of one tenant.

    Attributes:
        tenant: whose it is.
        requests: how many requests it has sent.
        counters: how often each fault rule was asked and struck.
        audiences: what it holds, once that has been read.
        chosen: whether they were chosen for it. If not they follow from seed and token: they can be made again, and are
            dropped first when memory is short.
    """

    tenant: Tenant
    requests: int = 0
    counters: Counters = field(default_factory=dict)
    audiences: list[Audience] | None = None
    chosen: bool = False


class Store(Protocol):
    """State by tenant. A tenant that is not known yet begins with its fixture and counters at zero."""

    async def count_request(self, tenant: Tenant) -> int:
        """Count one more request of `tenant`, and return how many there have been with it."""
        ...

    async def with_counters(self, tenant: Tenant, use: Callable[[Counters], T]) -> T:
        """Return what `use` makes of the counters of `tenant`, keeping its changes to them. Nobody comes between."""
        ...

    async def audiences(self, caller: Caller) -> list[Audience]:
        """Return the audiences of `caller`, in the order in which they were created. They are not to be changed."""
        ...

    async def choose_audiences(self, tenant: Tenant, audiences: list[Audience]) -> None:
        """Put `audiences` in the place of what `tenant` holds.

        Raises:
            FullError: too many were chosen for all tenants together.
        """
        ...

    async def forget(self, owner: bytes | None = None, test: bytes | None = None) -> None:
        """Forget all tenants, or those of one token or of one test: they begin anew."""
        ...

    async def forget_rules(self, rule_ids: Collection[str]) -> None:
        """Forget how often these rules were asked and struck, in all tenants."""
        ...

    async def states(self) -> list[TenantState]:
        """Return the state of every tenant that is known, the least recently used first. It is not to be changed."""
        ...

    async def replace(self, states: list[TenantState]) -> None:
        """Put `states`, the least recently used first, in the place of all that is known.

        Raises:
            FullError: too many audiences were chosen; nothing has changed.
        """
        ...


class MemoryStore:
    """Tenants in memory, the least recently used forgotten first.

    Not thread-safe: one event loop owns it.

    Args:
        fixtures: what a tenant holds before anyone changes it.
        max_tenants: how many tenants are remembered. A forgotten tenant starts anew: same data, counters at zero.
        max_audiences: how many audiences that can be made again are kept ready, of all tenants together.
        max_chosen: how many audiences may be chosen for tenants, of all tenants together.
    """

    def __init__(
        self,
        fixtures: Fixtures,
        max_tenants: int = MAX_TENANTS,
        max_audiences: int = MAX_KEPT_AUDIENCES,
        max_chosen: int = MAX_CHOSEN_AUDIENCES,
    ) -> None:
        self._fixtures = fixtures
        self._max_tenants = max_tenants
        self._max_audiences = max_audiences
        self._max_chosen = max_chosen
        self._tenants: OrderedDict[bytes, TenantState] = OrderedDict()
        self._kept = 0
        self._chosen = 0

    async def count_request(self, tenant: Tenant) -> int:
        """Count one more request of `tenant`, and return how many there have been with it."""
        state = self._state(tenant)
        state.requests += 1
        return state.requests

    async def with_counters(self, tenant: Tenant, use: Callable[[Counters], T]) -> T:
        """Return what `use` makes of the counters of `tenant`, keeping its changes to them."""
        return use(self._state(tenant).counters)

    async def audiences(self, caller: Caller) -> list[Audience]:
        """Return the audiences of `caller`, in the order in which they were created. They are not to be changed."""
        state = self._state(caller.tenant)
        if state.audiences is None:
            self._hold(state, self._fixtures.audiences(caller), chosen=self._fixtures.are_written(caller))
            for other in self._tenants.values():
                if self._kept <= self._max_audiences:
                    break
                if other is not state and not other.chosen:
                    self._release(other)
        return state.audiences or []

    async def choose_audiences(self, tenant: Tenant, audiences: list[Audience]) -> None:
        """Put `audiences` in the place of what `tenant` holds.

        Raises:
            FullError: too many were chosen for all tenants together.
        """
        known = self._tenants.get(tenant.key)
        before = len(known.audiences or ()) if known is not None and known.chosen else 0
        self._make_room(self._chosen - before + len(audiences))
        self._hold(self._state(tenant), audiences, chosen=True)

    async def forget(self, owner: bytes | None = None, test: bytes | None = None) -> None:
        """Forget all tenants, or those of one token or of one test: they begin anew."""
        for key, state in list(self._tenants.items()):
            if state.tenant.is_of(owner, test):
                self._release(self._tenants.pop(key))

    async def forget_rules(self, rule_ids: Collection[str]) -> None:
        """Forget how often these rules were asked and struck, in all tenants."""
        gone = set(rule_ids)
        for state in self._tenants.values():
            for rule_id in state.counters.keys() & gone:
                del state.counters[rule_id]

    async def states(self) -> list[TenantState]:
        """Return the state of every tenant that is known, the least recently used first. It is not to be changed."""
        return list(self._tenants.values())

    async def replace(self, states: list[TenantState]) -> None:
        """Put `states`, the least recently used first, in the place of all that is known.

        Raises:
            FullError: too many audiences were chosen; nothing has changed.
        """
        self._make_room(sum(len(state.audiences or ()) for state in states if state.chosen))
        await self.forget()
        for given in states:
            state = self._state(given.tenant)
            state.requests, state.counters = given.requests, given.counters
            if given.audiences is not None:
                self._hold(state, given.audiences, chosen=given.chosen)

    def _state(self, tenant: Tenant) -> TenantState:
        """Return the state of `tenant`, and count it as used now."""
        state = self._tenants.get(tenant.key)
        if state is None:
            state = self._tenants[tenant.key] = TenantState(tenant)
            if len(self._tenants) > self._max_tenants:
                _, oldest = self._tenants.popitem(last=False)
                self._release(oldest)
        else:
            self._tenants.move_to_end(tenant.key)
        return state

    def _make_room(self, wanted: int) -> None:
        if wanted > self._max_chosen:
            raise FullError(f"at most {self._max_chosen} audiences may be chosen for all tenants: reset some of them")

    def _hold(self, state: TenantState, audiences: list[Audience], *, chosen: bool) -> None:
        self._release(state)
        state.audiences, state.chosen = audiences, chosen
        if chosen:
            self._chosen += len(audiences)
        else:
            self._kept += len(audiences)

    def _release(self, state: TenantState) -> None:
        if state.audiences is not None:
            if state.chosen:
                self._chosen -= len(state.audiences)
            else:
                self._kept -= len(state.audiences)
            state.audiences = None
            state.chosen = False
