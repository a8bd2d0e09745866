"""An index of path templates: finds those that may match a path without testing the others."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from mock_atoms.core.http_text import PATH_PARAMETER

T = TypeVar("T")
INDEXED_SEGMENTS = 8
"""Only so many segments, the first ones, are indexed. A search does one lookup for each set of them that has the
parameters of a template: at most 256."""
TemplateKey = tuple[int, tuple[int, ...], tuple[str, ...]]
"""Number of segments; positions of the indexed segments that have a parameter; the indexed segments, empty at these."""


def template_key(template: str) -> TemplateKey:
    """Return the key of a path template in the index."""
    length, segments = _split(template)
    positions = tuple(number for number, segment in enumerate(segments) if PATH_PARAMETER.search(segment))
    return length, positions, _without(segments, positions)


class TemplateIndex(Generic[T]):
    """Items by the path template that each has. All items of a template have different ids."""

    def __init__(self) -> None:
        self._items: dict[TemplateKey, dict[str, T]] = {}
        self._counts: dict[int, dict[tuple[int, ...], int]] = {}  # number of keys by the first two parts of them

    def add(self, key: TemplateKey, item_id: str, item: T) -> None:
        """Add an item."""
        if key not in self._items:
            self._items[key] = {}
            counts = self._counts.setdefault(key[0], {})
            counts[key[1]] = counts.get(key[1], 0) + 1
        self._items[key][item_id] = item

    def remove(self, key: TemplateKey, item_id: str) -> None:
        """Remove an item, with the key and the id of `add`."""
        items = self._items[key]
        del items[item_id]
        if items:
            return
        del self._items[key]
        counts = self._counts[key[0]]
        counts[key[1]] -= 1
        if not counts[key[1]]:
            del counts[key[1]]
        if not counts:
            del self._counts[key[0]]

    def parts(self) -> list[dict[str, T]]:
        """Return the items of each key."""
        return list(self._items.values())

    def find(self, path: str) -> Iterator[T]:
        """Return the items whose template may match a path or a path template."""
        length, segments = _split(path)
        for positions in self._counts.get(length, ()):
            items = self._items.get((length, positions, _without(segments, positions)))
            if items is not None:
                yield from items.values()


def _split(path: str) -> tuple[int, list[str]]:
    """Return the number of segments, and those that are indexed."""
    return path.count("/") + 1, path.split("/", INDEXED_SEGMENTS)[:INDEXED_SEGMENTS]


def _without(segments: list[str], positions: tuple[int, ...]) -> tuple[str, ...]:
    literals = [*segments]
    for position in positions:
        literals[position] = ""
    return tuple(literals)
