"""Holding an answer back: until its time has come, the client has gone, or the server closes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum, auto
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Sleep = Callable[[float], Awaitable[None]]


class WaitResult(Enum):
    """Why holding ended."""

    ELAPSED = auto()
    CLIENT_DISCONNECTED = auto()
    SHUTDOWN = auto()


class ShutdownSignal:
    """Tells requests that are held back that the server wants to end. Belongs to no event loop until one waits."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """End all waiting. Call it in the event loop of those who wait."""
        for waiter in self._waiters:
            waiter.set_result(None)
        self._waiters.clear()

    async def wait(self) -> None:
        """Return once the end is announced."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)


class CancellableWaiter:
    """Holds answers back.

    Args:
        closing: ends all holding when it is announced.
        sleep: waits.
    """

    def __init__(self, shutdown_signal: ShutdownSignal, sleep: Sleep = asyncio.sleep) -> None:
        self._shutdown_signal = shutdown_signal
        self._sleep = sleep

    async def wait(
        self, seconds: float | None, receive: Receive, *, keep_messages: bool = True
    ) -> tuple[WaitResult, Receive]:
        """Hold back for `seconds`, or for ever.

        Meanwhile the request is read, since only then does a server tell of a client that has gone; what is read is
        forgotten unless it is to be kept.

        Returns:
            Why holding ended, and the `receive` to go on with, which gives once more what was read.
        """
        early: list[Message] = []

        async def until_gone() -> None:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                if keep_messages:
                    early.append(message)
                more = message.get("more_body", False)
            if (await receive())["type"] != "http.disconnect":
                await _for_ever()  # a transport that cannot tell: never

        async def again() -> Message:
            return early.pop(0) if early else await receive()

        tasks = {
            asyncio.ensure_future(_for_ever() if seconds is None else self._sleep(seconds)): WaitResult.ELAPSED,
            asyncio.ensure_future(until_gone()): WaitResult.CLIENT_DISCONNECTED,
            asyncio.ensure_future(self._shutdown_signal.wait()): WaitResult.SHUTDOWN,
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return next(outcome for task, outcome in tasks.items() if task in done), again


async def _for_ever() -> None:
    await asyncio.Future()
