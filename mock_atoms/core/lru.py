"""An LRU cache whose items cost next to nothing to use."""

from collections import deque
from collections.abc import Iterator
from itertools import count
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

next_use = count(1.0).__next__
"""Return a number greater than all before: `item.used = next_use()` marks an item as used.

Items used together share one number, which saves memory. Floats are not tracked by the garbage collector.
"""


class CacheItem(Protocol):
    """An item of a cache.

    Attributes:
        used: number of its last use, see `next_use`.
        is_live: whether the cache still holds it.
    """

    used: float
    is_live: bool


K = TypeVar("K")
V = TypeVar("V", bound=CacheItem)


class LruCache(Generic[K, V]):
    """Values by key; the least recently used one is evicted first.

    Using a value writes one number instead of moving the value in a linked order. Eviction sorts the values, and
    reuses the order for later evictions.
    """

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._keys_in_order: deque[tuple[float, K]] = deque()

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[V]:
        """Yield the values, least recently used first."""
        return iter(sorted(self._values.values(), key=attrgetter("used")))

    def get(self, key: K) -> V | None:
        """Return the value of `key`, or `None`. This does not count as a use."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Store `value` as used now, and replace the previous value of `key`."""
        self.remove(key)
        self._values[key] = value
        value.is_live = True
        value.used = next_use()

    def remove(self, key: K) -> V | None:
        """Remove and return the value of `key`, or `None`."""
        value = self._values.pop(key, None)
        if value is not None:
            value.is_live = False
        return value

    def evict(self) -> V:
        """Remove and return the least recently used value of a cache that is not empty."""
        while True:
            if not self._keys_in_order:
                order = sorted(self._values, key=lambda key: self._values[key].used)
                self._keys_in_order.extend((self._values[key].used, key) for key in order)
            used, key = self._keys_in_order.popleft()
            value = self._values.get(key)
            if value is not None and value.used == used:  # otherwise it was used after the sort
                self.remove(key)
                return value

    def clear(self) -> list[V]:
        """Remove and return all values."""
        removed = list(self._values.values())
        for value in removed:
            value.is_live = False
        self._values.clear()
        self._keys_in_order.clear()
        return removed
