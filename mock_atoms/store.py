"""What the server remembers of each tenant: how far its counters are, and the fixture it reads."""

from collections import OrderedDict
from dataclasses import dataclass, field

from mock_atoms.contract import Audience
from mock_atoms.faults import Counters
from mock_atoms.fixtures import Fixtures
from mock_atoms.tenancy import Caller

MAX_TENANTS = 10_000
MAX_KEPT_AUDIENCES = 100_000


@dataclass(slots=True)
class Tenant:
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
        self._tenants: OrderedDict[bytes, Tenant] = OrderedDict()
        self._kept = 0

    def tenant(self, key: bytes) -> Tenant:
        """Return the state of tenant `key`, and count it as used now."""
        tenant = self._tenants.get(key)
        if tenant is None:
            tenant = self._tenants[key] = Tenant()
            if len(self._tenants) > self._max_tenants:
                _, oldest = self._tenants.popitem(last=False)
                self._release(oldest)
        else:
            self._tenants.move_to_end(key)
        return tenant

    def audiences(self, caller: Caller) -> list[Audience]:
        """Return the audiences of `caller`, in the order in which they were created."""
        tenant = self.tenant(caller.tenant)
        if tenant.audiences is None:
            tenant.audiences = self._fixtures.audiences(caller)
            self._kept += len(tenant.audiences)
            for other in self._tenants.values():
                if self._kept <= self._max_audiences:
                    break
                if other is not tenant:
                    self._release(other)
        return tenant.audiences

    def _release(self, tenant: Tenant) -> None:
        if tenant.audiences is not None:
            self._kept -= len(tenant.audiences)
            tenant.audiences = None
