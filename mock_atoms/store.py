"""What the server remembers of each tenant: how far its counters are, and the audiences it holds."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from mock_atoms.contract import Audience
from mock_atoms.faults import Counters
from mock_atoms.fixtures import Fixtures
from mock_atoms.tenancy import Caller

T = TypeVar("T")
MAX_TENANTS = 10_000
MAX_KEPT_AUDIENCES = 100_000


class Store(Protocol):
    """State by tenant. A tenant that is not known yet begins with its fixture and counters at zero."""

    async def count_request(self, tenant: bytes) -> int:
        """Count one more request of `tenant`, and return how many there have been with it."""
        ...

    async def with_counters(self, tenant: bytes, use: Callable[[Counters], T]) -> T:
        """Return what `use` makes of the counters of `tenant`, keeping its changes to them. Nobody comes between."""
        ...

    async def audiences(self, caller: Caller) -> list[Audience]:
        """Return the audiences of `caller`, in the order in which they were created. They are not to be changed."""
        ...


@dataclass(slots=True)
class _Tenant:
    """State of one tenant.

    Attributes:
        requests: how many requests it has sent.
        counters: how often each fault rule was asked and struck.
        audiences: its fixture once it has been read; dropped first when memory is short, since it can be made again.
    """

    requests: int = 0
    counters: Counters = field(default_factory=dict)
    audiences: list[Audience] | None = None


class MemoryStore:
    """Tenants in memory, the least recently used forgotten first.

    Not thread-safe: one event loop owns it.

    Args:
        fixtures: what a tenant holds before anyone changes it.
        max_tenants: how many tenants are remembered. A forgotten tenant starts anew: same data, counters at zero.
        max_audiences: how many audiences of all tenants together are kept ready.
    """

    def __init__(
        self, fixtures: Fixtures, max_tenants: int = MAX_TENANTS, max_audiences: int = MAX_KEPT_AUDIENCES
    ) -> None:
        self._fixtures = fixtures
        self._max_tenants = max_tenants
        self._max_audiences = max_audiences
        self._tenants: OrderedDict[bytes, _Tenant] = OrderedDict()
        self._kept = 0

    async def count_request(self, tenant: bytes) -> int:
        """Count one more request of `tenant`, and return how many there have been with it."""
        state = self._tenant(tenant)
        state.requests += 1
        return state.requests

    async def with_counters(self, tenant: bytes, use: Callable[[Counters], T]) -> T:
        """Return what `use` makes of the counters of `tenant`, keeping its changes to them."""
        return use(self._tenant(tenant).counters)

    async def audiences(self, caller: Caller) -> list[Audience]:
        """Return the audiences of `caller`, in the order in which they were created. They are not to be changed."""
        tenant = self._tenant(caller.tenant)
        if tenant.audiences is None:
            tenant.audiences = self._fixtures.audiences(caller)
            self._kept += len(tenant.audiences)
            for other in self._tenants.values():
                if self._kept <= self._max_audiences:
                    break
                if other is not tenant:
                    self._release(other)
        return tenant.audiences

    def _tenant(self, key: bytes) -> _Tenant:
        """Return the state of tenant `key`, and count it as used now."""
        tenant = self._tenants.get(key)
        if tenant is None:
            tenant = self._tenants[key] = _Tenant()
            if len(self._tenants) > self._max_tenants:
                _, oldest = self._tenants.popitem(last=False)
                self._release(oldest)
        else:
            self._tenants.move_to_end(key)
        return tenant

    def _release(self, tenant: _Tenant) -> None:
        if tenant.audiences is not None:
            self._kept -= len(tenant.audiences)
            tenant.audiences = None
