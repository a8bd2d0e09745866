"""Access to the data of each tenant, through the store."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from weakref import WeakValueDictionary

from mock_atoms.core.slices import Slices, Steps, stop_if_disconnected
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.core.timestamps import WallClock
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import InitialData
from mock_atoms.state.store import ConflictError, Store, TenantState
from mock_atoms.state.tenant_data import Change, Readings, TenantData

T = TypeVar("T")


class Repositories:
    """The data of each tenant, for its repositories.

    Args:
        store: keeps the state of tenants.
        fixtures: the initial data of tenants.
        generator: generates members and ids.
        now: wall clock for creation and update times.
        slices: runs long work.
        readings: what to do where the vendor's sources disagree.
    """

    def __init__(  # noqa: PLR0913 - what makes the data of a tenant
        self,
        store: Store,
        fixtures: Fixtures,
        generator: Generator,
        now: WallClock,
        slices: Slices,
        *,
        readings: Readings = Readings(),  # noqa: B008 - immutable
    ) -> None:
        self._store = store
        self._readings = readings
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self.slices = slices
        self._fixtures = fixtures
        self._generator = generator
        self._now = now

    async def read(self, caller: AuthenticatedCaller, query: Callable[[TenantData], T]) -> T:
        """Return the result of `query` on the data of `caller`. It must not change anything."""
        initial_data = await self._initial_data(caller)
        return query(self._data(caller, await self._store.load(caller.tenant), initial_data))

    async def read_in_steps(self, caller: AuthenticatedCaller, query: Callable[[TenantData], Steps[T]]) -> T:
        """Return the result of the steps that `query` returns. They must not depend on later changes."""
        steps = await self.read(caller, query)
        ended = self.slices.begin(steps)
        if ended is not None:  # to look for a disconnected client would take longer
            return ended[0]
        await stop_if_disconnected()
        return await self.slices.run_promptly(steps)

    async def update(self, caller: AuthenticatedCaller, prepare: Callable[[TenantData], Change[T]]) -> T:
        """Return the result of a change to the data of `caller`, and save it.

        `prepare` runs in slices. The changes of one tenant wait for each other. A change whose
        data is replaced in between, by a reset for example, counts as made before that: the store drops it.
        """
        tenant = caller.tenant
        turn = self._turns.setdefault(tenant.key, asyncio.Lock())
        async with turn:
            while True:
                initial_data = await self._run_in_slices(self._fixtures.initial_data_steps(caller))
                state = await self._store.load(tenant)
                mark = self._store.mark()
                result, operation = await self._run_in_slices(prepare(self._data(caller, state, initial_data)))
                with suppress(ConflictError):  # then it is prepared again
                    if operation is not None:
                        await self._store.commit(tenant, operation, mark)
                    return result

    async def _run_in_slices(self, steps: Steps[T]) -> T:
        """Run work that other requests wait for, some of which may hold a slot."""
        return await self.slices.run_promptly(steps, needs_slot=False)

    async def _initial_data(self, caller: AuthenticatedCaller) -> InitialData:
        """Return the initial data of `caller`, which takes a while for a thousand audiences."""
        return await self.slices.run_promptly(self._fixtures.initial_data_steps(caller))

    def _data(self, caller: AuthenticatedCaller, state: TenantState, initial_data: InitialData) -> TenantData:
        initial_data = initial_data if state.initial_data is None else state.initial_data
        return TenantData(
            caller, state, initial_data, self._fixtures, self._generator, now=self._now, readings=self._readings
        )
