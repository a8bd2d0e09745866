"""A semaphore that is fair to keys, not to waiters."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable


class FairSemaphore:
    """A semaphore whose waiters take turns by key: thousands of waiters with one key do not hold up another's.

    Args:
        value: how often it can be acquired at the same time.
    """

    def __init__(self, value: int) -> None:
        self._value = value
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def acquire(self, key: Hashable) -> None:
        """Acquire the semaphore. Waiters with equal keys get it in the order of their calls."""
        if self._value:
            self._value -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it got its turn before
                self.release()
            raise

    def release(self) -> None:
        """Release the semaphore, to the first waiter of the key that has waited longest for a turn."""
        while self._waiting:
            key, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[key] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._value += 1
