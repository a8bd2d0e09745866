"""Long work in short slices, so that the event loop serves other clients in between."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from mock_atoms.core.timestamps import MonotonicClock

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work that yields wherever it may pause, after a millisecond at most, and returns its result."""
SLICE_SECONDS = 0.002
"""Duration of a slice."""
PAUSE_TURNS = 16
"""Turns of the event loop between two slices. A request takes some, and uvloop accepts one connection in each."""

MAX_PLACES = 4
"""Number of requests to the vendor's API whose long work runs at the same time. The others wait with little memory."""
_TURNS_TO_NOTICE = 2
"""Turns of the event loop until it has read that a client disconnected right behind its request."""
CLIENT_IS_GONE: ContextVar[Callable[[], bool] | None] = ContextVar("CLIENT_IS_GONE", default=None)
"""Returns whether the client of the current request has gone. `None`: its work always runs to its end."""


class Place:
    """The place of one request among those whose long work runs at the same time.

    Args:
        places: all places.
    """

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_taken = False

    async def take(self) -> None:
        """Wait for a place, unless the request has one."""
        if not self._is_taken:
            await self._places.acquire()
            self._is_taken = True

    def give_back(self) -> None:
        """Let another request have the place."""
        if self._is_taken:
            self._is_taken = False
            self._places.release()


PLACE: ContextVar[Place | None] = ContextVar("PLACE", default=None)
"""The place of the current request. `None`: its work does not wait for one."""


class ClientGoneError(asyncio.CancelledError):
    """The client that the work was for has gone. Like a cancellation, it is no error of a request."""


async def stop_if_client_is_gone() -> None:
    """Let the event loop notice that the client has disconnected, before work that only the client needs.

    Raises:
        ClientGoneError: the client has gone.
    """
    is_gone = CLIENT_IS_GONE.get()
    if is_gone is not None:
        for _ in range(_TURNS_TO_NOTICE):
            await asyncio.sleep(0)
        if is_gone():
            raise ClientGoneError


class Slices:
    """Runs long work in slices. Works of several clients take turns: one slice of one work at a time.

    Other requests run between the slices of a work. So a work copies what it reads if it may change meanwhile.

    Args:
        clock: the monotonic clock.
    """

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def place(self) -> Place:
        """Return a place for one request, which is not taken yet."""
        return Place(self._places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MAX_PLACES)))

    async def run_promptly(self, steps: Steps[Result], *, needs_place: bool = True) -> Result:
        """Run `steps` to its end like `run`, but its first slice immediately: short work does not wait for its turn."""
        end = self._clock() + SLICE_SECONDS
        try:
            while self._clock() < end:
                next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # the same as in `run`
        return await self.run(steps, needs_place=needs_place)

    async def run(self, steps: Steps[Result], *, needs_place: bool = True) -> Result:
        """Run `steps` to its end and return its result. If the caller is cancelled, `steps` is closed.

        Args:
            steps: the work.
            needs_place: whether to wait for a place. Work that others wait for must not.

        Raises:
            ClientGoneError: the client has gone, as `CLIENT_IS_GONE` returned before a slice.
        """
        is_gone, place = CLIENT_IS_GONE.get(), PLACE.get()
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
            if place is not None and needs_place:
                await place.take()
            while True:
                async with turn:
                    if is_gone is not None and is_gone():
                        raise ClientGoneError
                    end = self._clock() + SLICE_SECONDS
                    while self._clock() < end:
                        next(steps)
                    for _ in range(PAUSE_TURNS):
                        await asyncio.sleep(0)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # typeshed has no type for the result of a generator
        finally:
            steps.close()


def run_without_pauses(steps: Steps[Result]) -> Result:
    """Run `steps` to its end without a pause and return its result."""
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return] # the same


class Divisible:
    """An object that is freed part by part: to free all its memory takes too long for one step."""

    __slots__ = ()

    @abstractmethod
    def parts(self) -> list[Any]:
        """Return its parts. It does not change, because it may be in use elsewhere."""


def free(objects: list[Any]) -> Steps[None]:
    """Empty a list of objects one by one: to free a full journal takes too long for one step."""
    while objects:
        freed = objects.pop()
        if isinstance(freed, Divisible):
            parts = freed.parts()
            del freed
            yield from free(parts)
        yield


def collect(items: Iterable[Result]) -> Steps[list[Result]]:
    """Return `items` as a list. Each item is one step."""
    collected = []
    for item in items:
        collected.append(item)
        yield
    return collected
