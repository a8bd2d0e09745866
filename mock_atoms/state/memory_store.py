"""The store that keeps tenants in memory."""

from collections.abc import Collection

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import Tenant
from mock_atoms.core.tenant_index import TenantIndex
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import Evaluate, Evaluation, FaultDecision
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.state.operations import DataOperation
from mock_atoms.state.store import TenantState

MAX_TENANTS = 10_000
MAX_STORE_BYTES = 256 * 1024 * 1024


def check_capacity(size_bytes: int, max_bytes: int) -> None:
    """Check the size of all tenants.

    Raises:
        CapacityError: they are too large.
    """
    if size_bytes > max_bytes:
        raise CapacityError(f"the tenants need about {size_bytes} bytes; the maximum is {max_bytes}")


class MemoryStore:
    """A `Store` in memory that evicts the least recently used tenants.

    Not thread-safe: one event loop owns it.

    Args:
        journal: records the arrival of requests.
        generator: generates the ids of requests.
        max_tenants: maximum number of tenants. An evicted tenant has its initial data again.
        max_bytes: maximum memory of all states, approximately.
    """

    def __init__(
        self,
        journal: Journal,
        generator: Generator,
        max_tenants: int = MAX_TENANTS,
        max_bytes: int = MAX_STORE_BYTES,
    ) -> None:
        self._journal = journal
        self._generator = generator
        self._max_tenants = max_tenants
        self._max_bytes = max_bytes
        self._tenants: LruCache[bytes, TenantState] = LruCache()
        self._keys_by_tenant: TenantIndex[bytes] = TenantIndex()
        self._size_bytes = 0

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
            self._resize(state, before)
        return evaluation.decision

    async def commit(self, tenant: Tenant, operation: DataOperation, version: int | None = None) -> bool:
        """Change the data of `tenant` if it has this version, and return whether it has."""
        state = self.state_of(tenant)
        if version not in (None, state.version):
            return False
        before = state.size_bytes
        state.apply(operation)
        self._resize(state, before)
        return True

    def remove_counters(
        self, rule_ids: Collection[str], token_digest: bytes | None = None, test_digest: bytes | None = None
    ) -> Steps[None]:
        """Remove counters of fault rules from all states, or from those of one token, one test or both."""
        for state in self._states(token_digest, test_digest):
            if state.is_live:
                before = state.size_bytes
                for rule_id in state.counters.keys() & rule_ids:
                    del state.counters[rule_id]
                self._resize(state, before)
            yield

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> list[TenantState]:
        """Delete and return the state of all tenants, or of those of one token, one test or both."""
        if token_digest is None and test_digest is None:
            self._size_bytes = 0
            self._keys_by_tenant.clear()
            return self._tenants.clear()
        removed = self._states(token_digest, test_digest)
        for state in removed:
            self._tenants.remove(state.tenant.key)
            self._forget(state)
        return removed

    async def tenants(self) -> list[TenantState]:
        """Return the states of all known tenants, least recently used first."""
        return list(self._tenants)

    async def replace_all(self, states: list[TenantState]) -> list[TenantState]:
        """Replace all states with `states`, least recently used first, and return the old ones.

        Raises:
            CapacityError: they are too large; nothing has changed.
        """
        sizes = [state.size_bytes for state in states]
        check_capacity(sum(sizes), self._max_bytes)
        replaced = self._tenants.clear()
        self._keys_by_tenant.clear()
        for state in states[-self._max_tenants :]:
            self._put(state)
        self._size_bytes = sum(sizes[-self._max_tenants :])
        return replaced

    def state_of(self, tenant: Tenant) -> TenantState:
        """Return the state of `tenant`, marked as used now."""
        state = self._tenants.get(tenant.key)
        if state is None:
            state = TenantState(tenant)
            self._put(state)
            self._size_bytes += state.size_bytes
            if len(self._tenants) > self._max_tenants:
                self._forget(self._tenants.evict())
        else:
            state.used = next_use()
        return state

    def _resize(self, state: TenantState, before: int) -> None:
        """Adapt to the size of a state that has changed, and evict others if all are too large."""
        self._size_bytes += state.size_bytes - before
        while self._size_bytes > self._max_bytes and len(self._tenants) > 1:
            self._forget(self._tenants.evict())

    def _states(self, token_digest: bytes | None, test_digest: bytes | None) -> list[TenantState]:
        if token_digest is None and test_digest is None:
            return list(self._tenants)
        found = map(self._tenants.get, self._keys_by_tenant.find(token_digest, test_digest))
        return [state for state in found if state is not None]

    def _put(self, state: TenantState) -> None:
        tenant = state.tenant
        self._tenants.put(tenant.key, state)
        self._keys_by_tenant.add(tenant.key, tenant.token_digest, tenant.test_digest)

    def _forget(self, state: TenantState) -> None:
        """Adapt to a state that is no longer in `_tenants`."""
        tenant = state.tenant
        self._keys_by_tenant.remove(tenant.key, tenant.token_digest, tenant.test_digest)
        self._size_bytes -= state.size_bytes
