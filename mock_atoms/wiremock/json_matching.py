"""Comparing JSON, and looking into it."""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from mock_atoms.core.parsing import ConfigError

_DEEPEST = 40


def readable(texts: Iterable[str]) -> Iterator[Any]:
    """Yield what those of `texts` say that are JSON: a mask in the place of a number makes it none."""
    for text in texts:
        with suppress(ValueError):
            yield json.loads(text)


def is_nested_too_deeply(content: object) -> bool:
    """Tell whether JSON is nested more deeply than patterns may be."""
    level = [content]
    for _ in range(_DEEPEST):
        level = [item for part in level for item in _inside(part)]
    return bool(level)


def _inside(part: object) -> list[Any]:
    if isinstance(part, dict):
        return list(part.values())
    return part if isinstance(part, list) else []


class JsonEquality(NamedTuple):
    """Tells whether two JSON values are the same.

    Attributes:
        ignore_array_order: whether the order of a list's items does not matter.
        ignore_extra_elements: whether the second value may have keys and items besides those of the first.
    """

    ignore_array_order: bool = False
    ignore_extra_elements: bool = False

    def __call__(self, wanted: object, given: object) -> bool:
        """Compare. 1 and 1.0 are the same, 1 and true are not."""
        if isinstance(wanted, dict) and isinstance(given, dict):
            extra = given.keys() - wanted.keys()
            return (
                wanted.keys() <= given.keys()
                and (not extra or self.ignore_extra_elements)
                and all(self(value, given[key]) for key, value in wanted.items())
            )
        if isinstance(wanted, list) and isinstance(given, list):
            if len(wanted) > len(given) or (len(wanted) < len(given) and not self.ignore_extra_elements):
                return False
            if self.ignore_array_order:
                return self._each_finds_its_own(wanted, given)
            return all(self(want, item) for want, item in zip(wanted, given, strict=False))
        return isinstance(wanted, bool) is isinstance(given, bool) and wanted == given

    def _each_finds_its_own(self, wanted: list[object], given: list[object]) -> bool:
        """Tell whether each wanted item has one of the given for itself."""
        left: dict[str, list[object]] = {}
        for item in given:
            left.setdefault(self._canonical(item), []).append(item)
        # Who has its very like takes it: whatever else could be there for another, which fits that one too.
        others = []
        for want in wanted:
            alike = left.get(self._canonical(want))
            if alike:
                alike.pop()
            else:
                others.append(want)
        rest = [item for items in left.values() for item in items]
        return not others or (self.ignore_extra_elements and self._can_be_paired(others, rest))

    def _canonical(self, value: object) -> str:
        """Return text that is the same for values that are the same in all."""
        if isinstance(value, dict):
            return "{" + ",".join(f"{json.dumps(key)}:{self._canonical(value[key])}" for key in sorted(value)) + "}"
        if isinstance(value, list):
            return "[" + ",".join(sorted(map(self._canonical, value))) + "]"
        return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)

    def _can_be_paired(self, wanted: list[object], given: list[object]) -> bool:
        """Tell whether all wanted items can have one given item each: by augmenting paths through a bipartite graph."""
        fits = [[n for n, item in enumerate(given) if self(want, item)] for want in wanted]
        owner: dict[int, int] = {}
        for start in range(len(wanted)):
            asked_by: dict[int, int] = {}
            asking = deque([start])
            free = None
            while asking and free is None:
                want = asking.popleft()
                for item in fits[want]:
                    if item not in asked_by:
                        asked_by[item] = want
                        if item not in owner:
                            free = item
                            break
                        asking.append(owner[item])
            if free is None:
                return False
            held = {want: item for item, want in owner.items()}
            while free is not None:
                want = asked_by[free]
                owner[free] = want
                free = held.get(want)
        return True


class JsonPath:
    """A JSONPath.

    Raises:
        ConfigError: it is none.
    """

    def __init__(self, text: str, pointer: str) -> None:
        import jsonpath  # noqa: PLC0415 - takes a while, and few patterns need it

        try:
            self._path = jsonpath.compile(text)
        except Exception as error:  # noqa: BLE001 - it raises whatever is wrong with what stands in a filter
            raise ConfigError(f"not a JSONPath: {error}", pointer) from None
        self.is_single = isinstance(self._path, jsonpath.JSONPath) and self._path.singular_query()
        """Whether it can find one value only."""
        self._filters_root = re.match(r"\$\s*\[\s*\?", text) is not None

    def find(self, text: str | None) -> list[Any]:
        """Return what it finds in `text`, nothing where that is no JSON, or a filter cannot be applied to it."""
        try:
            content = json.loads(text or "")
            if self._filters_root and isinstance(content, dict):
                content = [content]  # in WireMock a filter looks at an object, in RFC 9535 at its members
            # A string would be taken for JSON to parse.
            return self._path.findall(json.dumps(content) if isinstance(content, str) else content)
        except Exception:  # noqa: BLE001 - as in WireMock, what a filter cannot compare does not match
            return []
