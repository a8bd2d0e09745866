"""Comparison of JSON values."""

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from mock_atoms.core.sizes import json_problem
from mock_atoms.wiremock.steps import StepCounter

MAX_PATTERN_DEPTH = 40
MAX_PATTERN_CHARACTERS = 100_000
MAX_PATTERN_VALUES = 5_000
"""Maximum number of values in a pattern, and in a JSON body that is compared."""


def size_problem(value: object, max_depth: int) -> str | None:
    """Return what is too large about a pattern, or about JSON that is compared with one, or `None`."""
    return json_problem(value, max_depth, MAX_PATTERN_VALUES, MAX_PATTERN_CHARACTERS)


class JsonEquality(NamedTuple):
    """Compares two JSON values.

    Attributes:
        ignore_array_order: whether lists may have another order.
        ignore_extra_elements: whether the actual value may have extra keys and items.
    """

    ignore_array_order: bool = False
    ignore_extra_elements: bool = False

    def __call__(self, expected: object, actual: object, steps: StepCounter) -> bool:
        """Return whether the values are equal. 1 equals 1.0, but not true."""
        steps.count_steps()
        if isinstance(expected, dict) and isinstance(actual, dict):
            extra = actual.keys() - expected.keys()
            return (
                expected.keys() <= actual.keys()
                and (not extra or self.ignore_extra_elements)
                and all(self(value, actual[key], steps) for key, value in expected.items())
            )
        if isinstance(expected, list) and isinstance(actual, list):
            if len(expected) > len(actual) or (len(expected) < len(actual) and not self.ignore_extra_elements):
                return False
            if self.ignore_array_order:
                return self._matches_in_any_order(expected, actual, steps)
            return all(self(expected_item, item, steps) for expected_item, item in zip(expected, actual, strict=False))
        return isinstance(expected, bool) is isinstance(actual, bool) and expected == actual

    def _matches_in_any_order(self, expected: list[object], actual: list[object], steps: StepCounter) -> bool:
        """Return whether each expected item can be paired with an equal actual item."""
        left: dict[str, list[object]] = {}
        for item in actual:
            left.setdefault(_canonical(item, steps), []).append(item)
        # Identical items are paired first: any other item that could take one also matches its partner.
        others = []
        for expected_item in expected:
            alike = left.get(_canonical(expected_item, steps))
            if alike:
                alike.pop()
            else:
                others.append(expected_item)
        if not self.ignore_extra_elements or not all(isinstance(item, dict | list) for item in others):
            return not others
        rest = [item for items in left.values() for item in items]
        return _Pairing(self, others, rest, steps).is_complete()


def _canonical(value: object, steps: StepCounter) -> str:
    """Return a text that is the same for values that differ in the order of lists alone."""
    steps.count_steps(2)
    if isinstance(value, dict):
        members = (f"{json.dumps(key)}:{_canonical(value[key], steps)}" for key in sorted(value))
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted(_canonical(item, steps) for item in value)) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    return repr(int(value) if isinstance(value, float) and value.is_integer() else value)


class _Pairing:
    """Pairs each expected item, a list or an object, with a separate actual item (bipartite matching).

    Args:
        equal: compares two items.
        expected: the expected items.
        actual: the actual items.
        steps: counts the comparisons.
    """

    def __init__(self, equal: JsonEquality, expected: list[object], actual: list[object], steps: StepCounter) -> None:
        self._equal = equal
        self._expected = expected
        self._actual = actual
        self._steps = steps
        self._positions: dict[tuple[str, str], list[int]] = {}
        for position, item in enumerate(actual):
            for member in self._plain_members(item):
                self._positions.setdefault(member, []).append(position)
        self._first_free = 0
        self._partners: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def is_complete(self) -> bool:
        """Return whether each expected item has a partner."""
        numbers = range(len(self._expected))
        return all(self._pair_with_free_item(number) or self._exchange_partners(number) for number in numbers)

    def _plain_members(self, item: object) -> list[tuple[str, str]]:
        """Return the name and the value of each member of an object that is neither list nor object."""
        members = item.items() if isinstance(item, dict) else ()
        return [(name, _canonical(value, self._steps)) for name, value in members if not isinstance(value, dict | list)]

    def _possible_partners(self, number: int) -> Sequence[int]:
        """Return the positions of the actual items that can equal an expected item: they have its rarest member."""
        positions = [self._positions.get(member, ()) for member in self._plain_members(self._expected[number])]
        return min(positions, key=len) if positions else range(len(self._actual))

    def _is_equal(self, number: int, position: int) -> bool:
        return self._equal(self._expected[number], self._actual[position], self._steps)

    def _pair_with_free_item(self, number: int) -> bool:
        while self._first_free in self._numbers:
            self._first_free += 1
        positions = self._possible_partners(number)
        for index in range(bisect_left(positions, self._first_free), len(positions)):
            self._steps.count_steps()
            if positions[index] not in self._numbers and self._is_equal(number, positions[index]):
                self._pair(number, positions[index])
                return True
        return False

    def _pair(self, number: int, position: int) -> None:
        self._numbers[position], self._partners[number] = number, position

    def _exchange_partners(self, start: int) -> bool:
        """Pair an item with one that another item gives up for a different one, over any number of items."""
        reached_from: dict[int, int] = {}
        queue = deque([start])
        while queue:
            number = queue.popleft()
            for position in self._possible_partners(number):
                if position in reached_from or not self._is_equal(number, position):
                    continue
                reached_from[position] = number
                if position in self._numbers:
                    queue.append(self._numbers[position])
                    continue
                free: int | None = position
                while free is not None:
                    number, taken = reached_from[free], free
                    free = self._partners.get(number)
                    self._pair(number, taken)
                return True
        return False
