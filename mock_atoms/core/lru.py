"""What is kept until it has not been used for long, where to use it costs next to nothing."""

from collections import deque
from collections.abc import Iterator
from itertools import count
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

next_use = count(1.0).__next__
"""Returns a number greater than all before: `value.used = next_use()` where something is used.

Each is an object in memory, which goes with the last that has it: so what is used together shares one, and they are
floats, which Python lets go of without a look at what lies beside them.
"""


class CacheItem(Protocol):
    """What can be kept.

    Attributes:
        used: when it was used last, see `next_use`.
        is_live: whether it is kept still.
    """

    used: float
    is_live: bool


K = TypeVar("K")
V = TypeVar("V", bound=CacheItem)


class LruCache(Generic[K, V]):
    """Values by key, of which the least recently used goes first.

    Where a value is used, nothing but that is written: no order is kept that others would have to be moved in. Values
    are put in order when one has to go, many at a time.
    """

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._keys_in_order: deque[tuple[float, K]] = deque()

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[V]:
        """Yield the values, the least recently used first."""
        return iter(sorted(self._values.values(), key=attrgetter("used")))

    def get(self, key: K) -> V | None:
        """Return the value of `key`, if there is one. It is not used by that alone."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep `value`, which is used now, in the place of what was there."""
        self.remove(key)
        self._values[key] = value
        value.is_live = True
        value.used = next_use()

    def remove(self, key: K) -> V | None:
        """Let go of the value of `key`, if there is one, and return it."""
        value = self._values.pop(key, None)
        if value is not None:
            value.is_live = False
        return value

    def evict(self) -> V:
        """Let go of the least recently used value, and return it. There has to be one."""
        while True:
            if not self._keys_in_order:
                order = sorted(self._values, key=lambda key: self._values[key].used)
                self._keys_in_order.extend((self._values[key].used, key) for key in order)
            used, key = self._keys_in_order.popleft()
            value = self._values.get(key)
            if value is not None and value.used == used:  # all that was used since comes behind those that were not
                self.remove(key)
                return value

    def clear(self) -> None:
        """Let go of all."""
        for value in self._values.values():
            value.is_live = False
        self._values.clear()
        self._keys_in_order.clear()
