"""The states of tenants in memory."""

from collections.abc import Callable, Iterator, Sequence

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import Tenant
from mock_atoms.core.tenant_index import TenantIndex
from mock_atoms.state.store import TenantState, next_version


def check_capacity(size_bytes: int, max_bytes: int) -> None:
    """Check the size of all tenants.

    Raises:
        CapacityError: they are too large.
    """
    if size_bytes > max_bytes:
        raise CapacityError(f"the tenants need about {size_bytes} bytes; the maximum is {max_bytes}")


class TenantStates:
    """The states of tenants, by token and test. The least recently used ones are evicted.

    Args:
        max_tenants: maximum number of tenants. An evicted tenant has its initial data again.
        max_bytes: maximum memory of all states, approximately.

    Attributes:
        on_removal: called with each state that was removed or evicted.
        on_eviction: called with each state that was evicted.
    """

    def __init__(self, max_tenants: int, max_bytes: int) -> None:
        self._max_tenants = max_tenants
        self._max_bytes = max_bytes
        self._states: LruCache[bytes, TenantState] = LruCache()
        self._keys: TenantIndex[bytes] = TenantIndex()
        self._size_bytes = 0
        self._removed: list[TenantState] = []
        self.on_removal: Callable[[TenantState], None] = _do_nothing
        self.on_eviction: Callable[[TenantState], None] = _do_nothing

    def __iter__(self) -> Iterator[TenantState]:
        """Return all states, least recently used first."""
        return (state for state in self._states if state.is_live)

    def get(self, tenant: Tenant) -> TenantState | None:
        """Return the state of `tenant`, or `None` if it has none."""
        state = self._states.get(tenant.key)
        return state if state is not None and state.is_live else None

    def use(self, tenant: Tenant) -> TenantState:
        """Return the state of `tenant`, marked as used now. It may be new."""
        state = self._states.get(tenant.key)
        if state is None or not state.is_live:
            state = TenantState(tenant)
            self._put(state)
            self._size_bytes += state.size_bytes
            while len(self._states) > self._max_tenants:
                self._evict()
        else:
            state.used = next_use()
        return state

    def find(self, token_digest: bytes | None, test_digest: bytes | None) -> list[TenantState]:
        """Return all states, or those of one token, one test or both."""
        if token_digest is None and test_digest is None:
            return list(self)
        found = map(self._states.get, self._keys.find(token_digest, test_digest))
        return [state for state in found if state is not None and state.is_live]

    def resize(self, state: TenantState, before: int) -> None:
        """Adapt to the size of a state that has changed, and evict others if all are too large.

        Args:
            state: the state.
            before: its size before the change.
        """
        self._size_bytes += state.size_bytes - before
        while self._size_bytes > self._max_bytes and len(self._states) > 1:
            self._evict()

    def remove_counters(self, rule_ids: set[str], token_digest: bytes | None, test_digest: bytes | None) -> Steps[None]:
        """Remove the counters that the tenants of one token, one test or both have for some rules."""
        for state in self.find(token_digest, test_digest):
            if state.is_live:
                before = state.size_bytes
                for rule_id in state.counters.keys() & rule_ids:
                    del state.counters[rule_id]
                self.resize(state, before)
            yield

    def remove(self, key: bytes) -> None:
        """Remove the state of the tenant with this key, if it has one."""
        state = self._states.remove(key)
        if state is not None:
            self._forget(state)

    def remove_all(self, token_digest: bytes | None, test_digest: bytes | None) -> list[TenantState]:
        """Remove the states of one token, one test or both, and return them. Run `release_removed` afterwards."""
        removed = self.find(token_digest, test_digest)
        for state in removed:
            state.is_live = False
        self._removed += removed
        return removed

    def release_removed(self) -> Steps[None]:
        """Release the memory of the removed states, one in each step. Until then, it counts."""
        while self._removed:
            self._release()
            yield

    def restore(self, state: TenantState) -> None:
        """Add a state in place of the one that its tenant may have."""
        state.version = next_version()  # what is prepared for earlier data has no effect
        self._put(state)
        self.resize(state, 0)
        while len(self._states) > self._max_tenants:
            self._evict()

    def check(self, states: Sequence[TenantState]) -> None:
        """Check that `states` can replace all others.

        Raises:
            CapacityError: they are too large.
        """
        check_capacity(sum(state.size_bytes for state in states), self._max_bytes)

    def replace_all(self, states: Sequence[TenantState] = ()) -> list[TenantState]:
        """Replace all states by others, least recently used first, and return those that were removed."""
        removed = self._states.clear()
        self._keys.clear()
        for state in removed:
            self.on_removal(state)
        kept = states[-self._max_tenants :]
        for state in kept:
            state.version = next_version()  # what is prepared for earlier data has no effect
            self._put(state)
        self._size_bytes = sum(state.size_bytes for state in kept)
        return removed

    def _put(self, state: TenantState) -> None:
        tenant = state.tenant
        self.remove(tenant.key)
        self._states.put(tenant.key, state)
        self._keys.add(tenant.key, tenant.token_digest, tenant.test_digest)

    def _evict(self) -> None:
        """Remove the least recently used state, unless there are removed ones to release."""
        if self._removed:
            self._release()
            return
        state = self._states.evict()
        self._forget(state)
        self.on_eviction(state)

    def _release(self) -> None:
        state = self._removed.pop()
        if self._states.get(state.tenant.key) is state:
            self.remove(state.tenant.key)

    def _forget(self, state: TenantState) -> None:
        """Adapt to a state that is no longer in `_states`."""
        tenant = state.tenant
        self._keys.remove(tenant.key, tenant.token_digest, tenant.test_digest)
        self._size_bytes -= state.size_bytes
        self.on_removal(state)


def _do_nothing(_state: TenantState) -> None:
    """Do nothing."""
