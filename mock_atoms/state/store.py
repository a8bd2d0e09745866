"""What the server remembers of each tenant. One protocol, so that it may be kept elsewhere than in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol, TypeVar

from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.models import InitialData
from mock_atoms.faults.engine import Counters
from mock_atoms.state.changes import TenantChanges

T = TypeVar("T")
next_version = count(1).__next__
"""Return a version that no state of this process has had."""


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

    def set_data(self, initial_data: InitialData | None, changes: TenantChanges | None) -> None:
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

    What `read` and `update` are given is called once, with nobody coming between, and may be called again from the
    beginning where a store finds only afterwards that somebody did. A request asks for the number and the counters of
    its tenant, then for what it holds: a store elsewhere may keep the two under two keys.
    """

    async def read(self, tenant: Tenant, query: Callable[[TenantState], T]) -> T:
        """Return what `query` makes of the state of `tenant`, which it does not change."""
        ...

    async def update(self, tenant: Tenant, change: Callable[[TenantState], T]) -> T:
        """Return what `change` makes of the state of `tenant`, and keep its changes to it; none where it raises."""
        ...

    async def update_all(self, change: Callable[[TenantState], None]) -> None:
        """Let `change` change the state of every tenant that is known."""
        ...

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        """Forget all tenants, or those of one token or of one test: they begin anew."""
        ...

    async def tenants(self) -> list[TenantState]:
        """Return the state of every tenant that is known, the least recently used first. It is not to be changed."""
        ...

    async def replace_all(self, states: list[TenantState]) -> None:
        """Put `states`, the least recently used first, in the place of all that is known.

        Raises:
            FullError: they are too large; nothing has changed.
        """
        ...
