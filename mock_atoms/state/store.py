"""What the server remembers of each tenant. One protocol, so that it may be kept elsewhere than in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, TypeVar

from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.models import InitialData
from mock_atoms.faults.engine import Counters
from mock_atoms.faults.rulebook import CapacityError
from mock_atoms.state.changes import TenantChanges

T = TypeVar("T")
next_version = count(1).__next__
"""Return a version that no state of this process has had."""
MAX_TENANTS = 10_000
MAX_SIZE = 256 * 1024 * 1024


@dataclass(slots=True, weakref_slot=True)
class TenantState:
    """State of one tenant.

    Attributes:
        tenant: whose it is.
        requests: how many requests it has sent.
        counters: how often each fault rule was asked and struck.
        chosen: what was chosen for it to begin with; `None` where that follows from seed, token and fixture files.
        overlay: what it changed since; `None` where that is nothing.
        version: a number that grows with each change of the data. No two states of a process share one, not even
            those of one tenant before and after a reset, so that a cache key may be built from it.
        used: when it was used last, see `recent.next_use`.
        is_live: whether it is what its store knows of the tenant still: all but what it holds may be changed in it
            then, with nobody having to wait. Never so of a store that is elsewhere.
    """

    tenant: Tenant
    requests: int = 0
    counters: Counters = field(default_factory=dict)
    initial_data: InitialData | None = None
    changes: TenantChanges | None = None
    version: int = field(init=False, default_factory=next_version, compare=False)
    used: float = field(init=False, default=0.0, compare=False)
    is_live: bool = field(init=False, default=False, compare=False)

    def hold(self, initial_data: InitialData | None, changes: TenantChanges | None) -> None:
        """Change what it holds."""
        self.initial_data, self.changes = initial_data, changes
        self.version = next_version()

    @property
    def is_unchanged(self) -> bool:
        """Whether all that it holds follows from seed, token and fixture files."""
        return self.initial_data is None and self.changes is None

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes that nothing could be made again from."""
        size = 0 if self.initial_data is None else self.initial_data.size
        return size if self.changes is None else size + self.changes.size


class Store(Protocol):
    """State by tenant. A tenant that is not known yet begins with nothing chosen, changed or counted.

    What `view` and `change` are given is called once, with nobody coming between, and may be called again from the
    beginning where a store finds only afterwards that somebody did. A request asks for the number and the counters of
    its tenant, then for what it holds: a store elsewhere may keep the two under two keys.
    """

    async def view(self, tenant: Tenant, look: Callable[[TenantState], T]) -> T:
        """Return what `look` makes of the state of `tenant`, which it does not change."""
        ...

    async def change(self, tenant: Tenant, do: Callable[[TenantState], T]) -> T:
        """Return what `do` makes of the state of `tenant`, and keep its changes to it; none where it raises."""
        ...

    async def update_all(self, do: Callable[[TenantState], None]) -> None:
        """Let `do` change the state of every tenant that is known."""
        ...

    async def forget(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        """Forget all tenants, or those of one token or of one test: they begin anew."""
        ...

    async def states(self) -> list[TenantState]:
        """Return the state of every tenant that is known, the least recently used first. It is not to be changed."""
        ...

    async def replace(self, states: list[TenantState]) -> None:
        """Put `states`, the least recently used first, in the place of all that is known.

        Raises:
            FullError: they are too large; nothing has changed.
        """
        ...


class MemoryStore:
    """Tenants in memory, the least recently used forgotten first.

    Not thread-safe: one event loop owns it. What `change` is given changes nothing where it raises.

    Args:
        max_tenants: how many tenants are remembered. A forgotten tenant begins anew.
        max_size: how many bytes may be remembered of all tenants together, about, counters aside.
    """

    def __init__(self, max_tenants: int = MAX_TENANTS, max_size: int = MAX_SIZE) -> None:
        self._max_tenants = max_tenants
        self._max_size = max_size
        self._tenants: LruCache[bytes, TenantState] = LruCache()
        self._size = 0

    async def view(self, tenant: Tenant, look: Callable[[TenantState], T]) -> T:
        """Return what `look` makes of the state of `tenant`, which it does not change."""
        return look(self._state_of(tenant))

    async def change(self, tenant: Tenant, do: Callable[[TenantState], T]) -> T:
        """Return what `do` makes of the state of `tenant`, and keep its changes to it."""
        state = self._state_of(tenant)
        before = state.size
        result = do(state)
        self._size += state.size - before
        while self._size > self._max_size and len(self._tenants) > 1:
            self._size -= self._tenants.evict().size
        return result

    async def update_all(self, do: Callable[[TenantState], None]) -> None:
        """Let `do` change the state of every tenant that is known."""
        for state in self._tenants:
            do(state)
        self._size = sum(state.size for state in self._tenants)

    async def forget(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        """Forget all tenants, or those of one token or of one test: they begin anew."""
        for state in self._tenants:
            if state.tenant.belongs_to(token_digest, test_digest):
                self._tenants.remove(state.tenant.key)
                self._size -= state.size

    async def states(self) -> list[TenantState]:
        """Return the state of every tenant that is known, the least recently used first. It is not to be changed."""
        return list(self._tenants)

    async def replace(self, states: list[TenantState]) -> None:
        """Put `states`, the least recently used first, in the place of all that is known.

        Raises:
            FullError: they are too large; nothing has changed.
        """
        size = sum(state.size for state in states)
        if size > self._max_size:
            raise CapacityError(f"what tenants hold takes about {size} bytes, and {self._max_size} are kept at most")
        self._tenants.clear()
        for state in states[-self._max_tenants :]:
            self._tenants.put(state.tenant.key, state)
        self._size = sum(state.size for state in self._tenants)

    def _state_of(self, tenant: Tenant) -> TenantState:
        """Return the state of `tenant`, which is used now."""
        state = self._tenants.get(tenant.key)
        if state is None:
            state = TenantState(tenant)
            self._tenants.put(tenant.key, state)
            if len(self._tenants) > self._max_tenants:
                self._size -= self._tenants.evict().size
        else:
            state.used = next_use()
        return state
