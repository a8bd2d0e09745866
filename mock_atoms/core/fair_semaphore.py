"""A semaphore that is fair to keys, not to waiters."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable


class FairSemaphore:
    """A semaphore whose waiters take turns by key: thousands of waiters with one key do not hold up another's.

    Args:
        value: maximum number of holders.
        value_per_key: maximum number of holders with the same key.
    """

    def __init__(self, value: int, value_per_key: int) -> None:
        self._value = value
        self._value_per_key = value_per_key
        self._held: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def acquire(self, key: Hashable) -> None:
        """Acquire the semaphore. Waiters with equal keys get it in the order of their calls."""
        if self._is_free(key):
            self._hold(key)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it got its turn before
                self.release(key)
            raise

    def release(self, key: Hashable) -> None:
        """Release what was acquired with `key`. The key that has waited longest for its turn gets it next."""
        self._value += 1
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]
        while (next_key := next(filter(self._is_free, self._waiting), None)) is not None:
            turns = self._waiting.pop(next_key)
            turn = turns.popleft()
            if turns:
                self._waiting[next_key] = turns
            if not turn.done():
                self._hold(next_key)
                turn.set_result(None)
                return

    def _is_free(self, key: Hashable) -> bool:
        return self._value > 0 and self._held[key] < self._value_per_key

    def _hold(self, key: Hashable) -> None:
        self._value -= 1
        self._held[key] += 1
