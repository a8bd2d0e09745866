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
        loop = asyncio.get_running_loop()
        lock = self._locks.get(loop)
        if lock is None:
            lock = self._locks[loop] = asyncio.Lock()
        return lock
