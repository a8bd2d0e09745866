"""Long work in short slices, so that the event loop serves other clients in between."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Generator, Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from math import inf
from sys import getrefcount
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from mock_atoms.core.fair_semaphore import FairSemaphore
from mock_atoms.core.loop_lock import LoopLock
from mock_atoms.core.timestamps import MonotonicClock

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work that yields wherever it may pause, after a millisecond at most, and returns its result."""
SLICE_SECONDS = 0.002
"""Duration of a slice."""
SHORT_SECONDS = 0.0005
"""Longest duration of work that needs no slices. A request may do several, and many requests may arrive together."""
REST_SECONDS = 0.01
"""How long other work takes turns after some has turned out to be long: thousands of clients may send it together."""
PAUSE_TURNS = 16
"""Turns of the event loop between two slices. A request takes some, and uvloop accepts one connection in each."""

MAX_WORK_SLOTS = 4
"""Number of requests to the vendor's API whose long work runs at the same time. The others wait with little memory."""
MAX_WORK_SLOTS_PER_KEY = 3
"""Maximum number of these requests with the same key, so that one key cannot block all others."""
_TURNS_TO_NOTICE = 2
"""Turns of the event loop until it notices a client that disconnects directly after it has sent its request."""
IS_DISCONNECTED: ContextVar[Callable[[], bool] | None] = ContextVar("IS_DISCONNECTED", default=None)
"""Returns whether the client of the current request has disconnected. `None`: its long work always runs to its end."""


class WorkSlot:
    """A slot for the long work of one request. The number of slots that are held at the same time is limited.

    Args:
        slots: limits the number.
        key: the requests of different keys take turns to get a slot, and no key has all of them.
    """

    def __init__(self, slots: FairSemaphore, key: Hashable) -> None:
        self._slots = slots
        self._key = key
        self._is_held = False

    async def acquire(self) -> None:
        """Wait for the slot, unless the request holds it."""
        if not self._is_held:
            await self._slots.acquire(self._key)
            self._is_held = True

    def release(self) -> None:
        """Release the slot, if the request holds it."""
        if self._is_held:
            self._is_held = False
            self._slots.release(self._key)

    @contextmanager
    def in_use(self) -> Iterator["WorkSlot"]:
        """Make it the slot of the current request, and release it afterwards."""
        previous = WORK_SLOT.set(self)
        try:
            yield self
        finally:
            WORK_SLOT.reset(previous)
            self.release()


WORK_SLOT: ContextVar[WorkSlot | None] = ContextVar("WORK_SLOT", default=None)
"""The slot of the current request. `None`: its long work does not wait for one."""


def start_outside_request(work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
    """Start a task that may outlive the current request: it neither has its slot nor ends with its client."""
    return asyncio.get_running_loop().create_task(work, context=Context())


class ClientDisconnectedError(asyncio.CancelledError):
    """The client that waited for the long work has disconnected. Like a cancellation, it is no error of a request."""


async def stop_if_disconnected() -> None:
    """Let the event loop notice that the client has disconnected, before work that only the client needs.

    Raises:
        ClientDisconnectedError: the client has disconnected.
    """
    is_disconnected = IS_DISCONNECTED.get()
    if is_disconnected is not None:
        for _ in range(_TURNS_TO_NOTICE):
            await asyncio.sleep(0)
        if is_disconnected():
            raise ClientDisconnectedError


class Slices:
    """Runs long work in slices. The long work of several clients takes turns: one slice at a time.

    Other requests run between the slices. So long work copies what it reads if that may change meanwhile.

    Args:
        clock: the monotonic clock.
    """

    def __init__(self, clock: MonotonicClock) -> None:
        self._clock = clock
        self._rest_ends_at = -inf
        self._running = 0  # number of calls of `run` in progress
        self._turn = LoopLock()
        self._work_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, FairSemaphore] = WeakKeyDictionary()

    def work_slot(self, key: Hashable) -> WorkSlot:
        """Return a slot for one request, which does not hold it yet."""
        loop = asyncio.get_running_loop()
        slots = self._work_slots.get(loop)
        if slots is None:
            slots = self._work_slots[loop] = FairSemaphore(MAX_WORK_SLOTS, MAX_WORK_SLOTS_PER_KEY)
        return WorkSlot(slots, key)

    def begin(self, steps: Steps[Result]) -> tuple[Result] | None:
        """Run `steps` for at most `SHORT_SECONDS`: short work needs no task and no turn.

        Returns:
            The result in a tuple if they end, otherwise `None`; `run` then continues them. No step runs while a call
            of `run` is in progress, or after other work turned out to be long.
        """
        return None if self._running else self._begin(steps, SHORT_SECONDS)

    async def run_promptly(self, steps: Steps[Result], *, needs_slot: bool = True) -> Result:
        """Run `steps` to its end like `run`, but its first slice immediately: short work does not wait for its turn.

        It does wait for its turn after other work turned out to be long.
        """
        ended = self._begin(steps, SLICE_SECONDS)
        return await self.run(steps, needs_slot=needs_slot) if ended is None else ended[0]

    def _begin(self, steps: Steps[Result], seconds: float) -> tuple[Result] | None:
        """Run `steps` for `seconds` at most, and return the result in a tuple if they end."""
        began_at = self._clock()
        if began_at < self._rest_ends_at:
            return None
        end = began_at + seconds
        try:
            while self._clock() < end:
                next(steps)
        except StopIteration as stop:
            return (stop.value,)
        self._rest_ends_at = end + REST_SECONDS
        return None

    async def run(self, steps: Steps[Result], *, needs_slot: bool = True) -> Result:
        """Run `steps` to its end and return its result. If the caller is cancelled, `steps` is closed.

        Args:
            steps: the work.
            needs_slot: whether to wait for the slot of the request. Work that others wait for must not.

        Raises:
            ClientDisconnectedError: the client has disconnected, as `IS_DISCONNECTED` returned before a slice.
        """
        is_disconnected, slot = IS_DISCONNECTED.get(), WORK_SLOT.get()
        self._running += 1
        try:
            if slot is not None and needs_slot:
                await slot.acquire()
            while True:
                async with self._turn:
                    if is_disconnected is not None and is_disconnected():
                        raise ClientDisconnectedError
                    end = self._clock() + SLICE_SECONDS
                    while self._clock() < end:
                        next(steps)
                    for _ in range(PAUSE_TURNS):
                        await asyncio.sleep(0)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return] # typeshed has no type for the result of a generator
        finally:
            self._running -= 1
            if not self._running:  # no other long work waits
                self._rest_ends_at = -inf
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


def _references_of_item(objects: list[Any]) -> int:
    """Return the number of references that Python counts for an object that only a list holds. Releases differ."""
    return getrefcount(objects[-1])


_REFERENCES_OF_ITEM = _references_of_item([object()])


def free(objects: list[Any]) -> Steps[None]:
    """Empty a list of objects one by one: to free a full journal takes too long for one step."""
    while objects:
        freed = objects.pop()
        if isinstance(freed, Divisible):
            parts = freed.parts()
            del freed
            yield from free(parts)
        yield


def free_unshared(objects: list[Any]) -> Steps[None]:
    """Empty a list of objects like `free`, but take only those apart that nothing else holds."""
    while objects:
        if isinstance(objects[-1], Divisible) and getrefcount(objects[-1]) == _REFERENCES_OF_ITEM:
            yield from free([objects.pop()])
        else:
            objects.pop()
            yield


def collect(items: Iterable[Result]) -> Steps[list[Result]]:
    """Return `items` as a list. Each item is one step."""
    collected = []
    for item in items:
        collected.append(item)
        yield
    return collected
