"""Access to the audience repository of each tenant, through the store."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from mock_atoms.core.slices import Slices, Steps, run_without_pauses, stop_if_disconnected
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.core.timestamps import WallClock
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import InitialData
from mock_atoms.state.audiences import AudienceRepository, Change
from mock_atoms.state.store import Store, TenantState

T = TypeVar("T")


class AudienceRepositories:
    """The audience repository of each tenant.

    Args:
        store: keeps the state of tenants.
        fixtures: the initial data of tenants.
        generator: generates members and ids.
        now: wall clock for creation and update times.
        slices: runs long work.
    """

    def __init__(self, store: Store, fixtures: Fixtures, generator: Generator, now: WallClock, slices: Slices) -> None:
        self._store = store
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self.slices = slices
        self._fixtures = fixtures
        self._generator = generator
        self._now = now

    async def read(self, caller: AuthenticatedCaller, query: Callable[[AudienceRepository], T]) -> T:
        """Return the result of `query` on the repository of `caller`. It must not change anything."""
        initial_data = await self._initial_data(caller)
        return await self._store.read(caller.tenant, partial(self._apply, caller, query, initial_data))

    async def read_in_steps(self, caller: AuthenticatedCaller, query: Callable[[AudienceRepository], Steps[T]]) -> T:
        """Return the result of the steps that `query` returns. They must not depend on later changes."""
        await stop_if_disconnected()
        return await self.slices.run_promptly(await self.read(caller, query))

    async def update(self, caller: AuthenticatedCaller, prepare: Callable[[AudienceRepository], Change[T]]) -> T:
        """Return the result of a change to the repository of `caller`, and save it.

        `prepare` runs in slices, and the change it prepares atomically. The changes of one tenant wait for each other.
        If the data was replaced in between, by a reset for example, the change is prepared again.
        """
        turn = self._turns.setdefault(caller.tenant.key, asyncio.Lock())
        initial_data = await self._initial_data(caller)
        async with turn:
            state, version, change = await self._store.read(
                caller.tenant, lambda state: (state, state.version, self._apply(caller, prepare, initial_data, state))
            )
            # Requests that hold a slot may wait for this turn.
            apply = await self.slices.run_promptly(change, needs_slot=False)

            def save(current: TenantState) -> T:
                if current is state and current.version == version:
                    return apply()
                return run_without_pauses(self._apply(caller, prepare, initial_data, current))()

            return await self._store.update(caller.tenant, save)

    async def _initial_data(self, caller: AuthenticatedCaller) -> InitialData:
        """Return the initial data of `caller`, which takes a while for a thousand audiences."""
        return await self.slices.run_promptly(self._fixtures.initial_data_steps(caller))

    def _apply(
        self,
        caller: AuthenticatedCaller,
        function: Callable[[AudienceRepository], T],
        initial_data: InitialData,
        state: TenantState,
    ) -> T:
        initial_data = initial_data if state.initial_data is None else state.initial_data
        return function(AudienceRepository(caller, state, initial_data, self._fixtures, self._generator, now=self._now))
