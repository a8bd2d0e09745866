"""The store that keeps tenants in memory."""

from collections.abc import Callable
from typing import TypeVar

from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.core.tenancy import Tenant
from mock_atoms.faults.rulebook import CapacityError
from mock_atoms.state.store import TenantState

T = TypeVar("T")
MAX_TENANTS = 10_000
MAX_SIZE = 256 * 1024 * 1024


class MemoryStore:
    """Tenants in memory, the least recently used forgotten first.

    Not thread-safe: one event loop owns it. What `update` is given changes nothing where it raises.

    Args:
        max_tenants: how many tenants are remembered. A forgotten tenant begins anew.
        max_size: how many bytes may be remembered of all tenants together, about, counters aside.
    """

    def __init__(self, max_tenants: int = MAX_TENANTS, max_size: int = MAX_SIZE) -> None:
        self._max_tenants = max_tenants
        self._max_size = max_size
        self._tenants: LruCache[bytes, TenantState] = LruCache()
        self._size = 0

    async def read(self, tenant: Tenant, query: Callable[[TenantState], T]) -> T:
        """Return what `query` makes of the state of `tenant`, which it does not change."""
        return query(self._state_of(tenant))

    async def update(self, tenant: Tenant, change: Callable[[TenantState], T]) -> T:
        """Return what `change` makes of the state of `tenant`, and keep its changes to it."""
        state = self._state_of(tenant)
        before = state.size
        result = change(state)
        self._size += state.size - before
        while self._size > self._max_size and len(self._tenants) > 1:
            self._size -= self._tenants.evict().size
        return result

    async def update_all(self, change: Callable[[TenantState], None]) -> None:
        """Let `change` change the state of every tenant that is known."""
        for state in self._tenants:
            change(state)
        self._size = sum(state.size for state in self._tenants)

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        """Forget all tenants, or those of one token or of one test: they begin anew."""
        for state in self._tenants:
            if state.tenant.belongs_to(token_digest, test_digest):
                self._tenants.remove(state.tenant.key)
                self._size -= state.size

    async def tenants(self) -> list[TenantState]:
        """Return the state of every tenant that is known, the least recently used first. It is not to be changed."""
        return list(self._tenants)

    async def replace_all(self, states: list[TenantState]) -> None:
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
