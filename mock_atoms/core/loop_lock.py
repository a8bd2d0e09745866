"""A lock that works in one event loop after another."""

import asyncio
from weakref import WeakKeyDictionary


class LoopLock:
    """A lock like `asyncio.Lock`, which works in one event loop only. This one is a separate lock in each."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    async def __aenter__(self) -> None:
        await self._lock().acquire()

    async def __aexit__(self, *_error: object) -> None:
        self._lock().release()

    def _lock(self) -> asyncio.Lock:
        return self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
