"""Access to the audience repository of each tenant, through the store."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.core.timestamps import WallClock
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.store import Store, TenantState

T = TypeVar("T")


class AudienceRepositories:
    """The audience repository of each tenant.

    Args:
        store: keeps the state of tenants.
        fixtures: the initial data of tenants.
        generator: generates members and ids.
        now: wall clock for creation and update times.
    """

    def __init__(self, store: Store, fixtures: Fixtures, generator: Generator, now: WallClock) -> None:
        self._store = store
        self._fixtures = fixtures
        self._generator = generator
        self._now = now

    async def read(self, caller: AuthenticatedCaller, query: Callable[[AudienceRepository], T]) -> T:
        """Return the result of `query` on the repository of `caller`. It must not change anything."""
        return await self._store.read(caller.tenant, partial(self._apply, caller, query))

    async def update(self, caller: AuthenticatedCaller, change: Callable[[AudienceRepository], T]) -> T:
        """Return the result of `change` on the repository of `caller`, and save its changes. It runs atomically."""
        return await self._store.update(caller.tenant, partial(self._apply, caller, change))

    def _apply(self, caller: AuthenticatedCaller, function: Callable[[AudienceRepository], T], state: TenantState) -> T:
        return function(AudienceRepository(caller, state, self._fixtures, self._generator, self._now))
