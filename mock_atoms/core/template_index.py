"""An index of path templates: finds those that may match a path without a look at the others."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from mock_atoms.core.http_text import PATH_PARAMETER

T = TypeVar("T")
INDEXED_SEGMENTS = 8
"""Number of first segments that are indexed. A search tries each set of them that has parameters: at most 256."""
TemplateKey = tuple[int, tuple[int, ...], tuple[str, ...]]
"""Number of segments; positions of indexed ones with a parameter; indexed ones, empty in place of a parameter."""


def template_key(template: str) -> TemplateKey:
    """Return where an index keeps what belongs to a path template."""
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
