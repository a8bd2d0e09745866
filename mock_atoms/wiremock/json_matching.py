"""Comparison of JSON values, and JSONPath."""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from mock_atoms.core.parsing import ConfigError

MAX_DEPTH = 40
TOO_DEEP = f"nested too deeply: at most {MAX_DEPTH} levels"


def parse_valid_json(texts: Iterable[str]) -> Iterator[Any]:
    """Yield the value of each text that is JSON. A masked number makes a text invalid."""
    for text in texts:
        with suppress(ValueError):
            yield json.loads(text)


def is_nested_too_deeply(content: object) -> bool:
    """Return whether JSON has more than `MAX_DEPTH` levels."""
    level = [content]
    for _ in range(MAX_DEPTH):
        level = [item for value in level for item in _children(value)]
    return bool(level)


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


class JsonEquality(NamedTuple):
    """Compares two JSON values.

    Attributes:
        ignore_array_order: whether lists may have another order.
        ignore_extra_elements: whether the actual value may have extra keys and items.
    """

    ignore_array_order: bool = False
    ignore_extra_elements: bool = False

    def __call__(self, expected: object, actual: object) -> bool:
        """Return whether the values are equal. 1 equals 1.0, but not true."""
        if isinstance(expected, dict) and isinstance(actual, dict):
            extra = actual.keys() - expected.keys()
            return (
                expected.keys() <= actual.keys()
                and (not extra or self.ignore_extra_elements)
                and all(self(value, actual[key]) for key, value in expected.items())
            )
        if isinstance(expected, list) and isinstance(actual, list):
            if len(expected) > len(actual) or (len(expected) < len(actual) and not self.ignore_extra_elements):
                return False
            if self.ignore_array_order:
                return self._matches_in_any_order(expected, actual)
            return all(self(expected_item, item) for expected_item, item in zip(expected, actual, strict=False))
        return isinstance(expected, bool) is isinstance(actual, bool) and expected == actual

    def _matches_in_any_order(self, expected: list[object], actual: list[object]) -> bool:
        """Return whether each expected item can be paired with an equal actual item."""
        left: dict[str, list[object]] = {}
        for item in actual:
            left.setdefault(self._canonical(item), []).append(item)
        # Identical items are paired first: any other item that could take one also matches its partner.
        others = []
        for expected_item in expected:
            alike = left.get(self._canonical(expected_item))
            if alike:
                alike.pop()
            else:
                others.append(expected_item)
        rest = [item for items in left.values() for item in items]
        return not others or (self.ignore_extra_elements and self._can_be_paired(others, rest))

    def _canonical(self, value: object) -> str:
        """Return a text that is the same for values that differ in the order of lists alone."""
        if isinstance(value, dict):
            return "{" + ",".join(f"{json.dumps(key)}:{self._canonical(value[key])}" for key in sorted(value)) + "}"
        if isinstance(value, list):
            return "[" + ",".join(sorted(map(self._canonical, value))) + "]"
        return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)

    def _can_be_paired(self, expected: list[object], actual: list[object]) -> bool:
        """Return whether each expected item can be paired with a separate actual item (bipartite matching)."""
        matches = [[n for n, item in enumerate(actual) if self(expected_item, item)] for expected_item in expected]
        owner: dict[int, int] = {}
        for start in range(len(expected)):
            reached_from: dict[int, int] = {}
            queue = deque([start])
            free = None
            while queue and free is None:
                expected_item = queue.popleft()
                for item in matches[expected_item]:
                    if item not in reached_from:
                        reached_from[item] = expected_item
                        if item not in owner:
                            free = item
                            break
                        queue.append(owner[item])
            if free is None:
                return False
            partner = {expected_item: item for item, expected_item in owner.items()}
            while free is not None:
                expected_item = reached_from[free]
                owner[free] = expected_item
                free = partner.get(expected_item)
        return True


class JsonPath:
    """A JSONPath.

    Raises:
        ConfigError: the text is not a JSONPath.
    """

    def __init__(self, text: str, pointer: str) -> None:
        import jsonpath  # noqa: PLC0415 - slow to import, and few patterns need it

        try:
            self._path = jsonpath.compile(text)
        except Exception as error:  # noqa: BLE001 - it raises any exception for an invalid filter
            raise ConfigError(f"not a JSONPath: {error}", pointer) from None
        self.is_single = isinstance(self._path, jsonpath.JSONPath) and self._path.singular_query()
        """Whether it finds at most one value."""
        self._filters_root = re.match(r"\$\s*\[\s*\?", text) is not None

    def find(self, text: str | None) -> list[Any]:
        """Return the values found in `text`; none if it is not JSON, or if a filter cannot be applied."""
        try:
            content = json.loads(text or "")
            if self._filters_root and isinstance(content, dict):
                content = [content]  # WireMock filters the object itself, RFC 9535 its members
            # The library would parse a string as JSON.
            return self._path.findall(json.dumps(content) if isinstance(content, str) else content)
        except Exception:  # noqa: BLE001 - as in WireMock, values that a filter cannot compare do not match
            return []
