"""Delays that end early if the client disconnects or the server shuts down."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from enum import Enum, auto
from typing import Any, TypeVar

Result = TypeVar("Result")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Sleep = Callable[[float], Awaitable[None]]


class WaitResult(Enum):
    """Reason why a wait ended."""

    ELAPSED = auto()
    CLIENT_DISCONNECTED = auto()
    SHUTDOWN = auto()


class ShutdownSignal:
    """Notifies waiting requests that the server shuts down. It is bound to an event loop by its first waiter."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """End all waits. Call it in the event loop of the waiters."""
        for waiter in self._waiters:
            if not waiter.done():  # a cancelled one is still there until its task has run
                waiter.set_result(None)
        self._waiters.clear()

    async def wait(self) -> None:
        """Return after `notify` is called."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)


class CancellableWaiter:
    """Waits for a duration, a disconnect or the shutdown, whichever comes first.

    Args:
        shutdown_signal: ends all waits.
        sleep: waits for a number of seconds.
    """

    def __init__(self, shutdown_signal: ShutdownSignal, sleep: Sleep = asyncio.sleep) -> None:
        self._shutdown_signal = shutdown_signal
        self._sleep = sleep

    async def wait(self, seconds: float | None, receive: Receive) -> WaitResult:
        """Wait for `seconds`, without a limit if `None`, and return why the wait ended.

        A server reports a disconnect only while the request is read, so this reads it meanwhile.

        Args:
            seconds: the duration.
            receive: the ASGI callable of the request. Its messages are dropped.
        """
        tasks = {
            asyncio.ensure_future(wait_forever() if seconds is None else self._sleep(seconds)): WaitResult.ELAPSED,
            asyncio.ensure_future(_wait_for_disconnect(receive)): WaitResult.CLIENT_DISCONNECTED,
            asyncio.ensure_future(self._shutdown_signal.wait()): WaitResult.SHUTDOWN,
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return next(result for task, result in tasks.items() if task in done)


class InterruptedWorkError(Exception):
    """The client disconnected, or the server shut down, before the end of a work."""


async def run_while_connected(
    work: Coroutine[Any, Any, Result], receive: Receive, shutdown_signal: ShutdownSignal
) -> Result:
    """Return the result of `work`. A disconnect of the client of `receive`, or the shutdown, cancels it.

    Raises:
        InterruptedWorkError: the work was cancelled.
    """
    task = asyncio.ensure_future(work)

    async def wait_for_work(_seconds: float) -> None:
        await asyncio.wait({task})

    try:
        result = await CancellableWaiter(shutdown_signal, wait_for_work).wait(0, receive)
        if result is WaitResult.ELAPSED:
            return task.result()
        raise InterruptedWorkError(result.name)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def wait_forever() -> None:
    """Wait until the task is cancelled."""
    await asyncio.Future()


async def _wait_for_disconnect(receive: Receive) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
    if (await receive())["type"] != "http.disconnect":
        await wait_forever()  # this transport does not report disconnects
