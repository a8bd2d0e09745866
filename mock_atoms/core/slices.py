"""Long work in short slices, so that the event loop serves other clients in between."""

import asyncio
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

_TURNS_TO_NOTICE = 2
"""Turns of the event loop until it has read that a client disconnected right behind its request."""
CLIENT_IS_GONE: ContextVar[Callable[[], bool] | None] = ContextVar("CLIENT_IS_GONE", default=None)
"""Returns whether the client of the current request has gone. `None`: its work always runs to its end."""


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

    async def run_promptly(self, steps: Steps[Result]) -> Result:
        """Run `steps` to its end like `run`, but its first slice immediately: short work does not wait for its turn."""
        end = self._clock() + SLICE_SECONDS
        try:
            while self._clock() < end:
                next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # the same as in `run`
        return await self.run(steps)

    async def run(self, steps: Steps[Result]) -> Result:
        """Run `steps` to its end and return its result. If the caller is cancelled, `steps` is closed.

        Raises:
            ClientGoneError: the client has gone, as `CLIENT_IS_GONE` returned before a slice.
        """
        is_gone = CLIENT_IS_GONE.get()
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        try:
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


def free(objects: list[Any]) -> Steps[None]:
    """Empty a list of objects one by one: to free a full journal takes too long for one step."""
    while objects:
        objects.pop()
        yield


def collect(items: Iterable[Result]) -> Steps[list[Result]]:
    """Return `items` as a list. Each item is one step."""
    collected = []
    for item in items:
        collected.append(item)
        yield
    return collected
