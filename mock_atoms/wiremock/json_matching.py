"""Comparison of JSON values."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence, Sized
from typing import NamedTuple

from mock_atoms.core.sizes import json_problem
from mock_atoms.wiremock.steps import StepCounter

MAX_PATTERN_DEPTH = 40
MAX_PATTERN_CHARACTERS = 100_000
MAX_PATTERN_VALUES = 5_000
"""Maximum number of values in a pattern, and in a JSON body that is compared."""
_CHARACTERS_PER_STEP = 200  # to digest a text
_PAIRING_STEPS = 20
_MEMBERS_PER_STEP = 20  # to look at the members of an object, or at possible partners


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
        return _Comparison(self, steps).is_equal(expected, actual)


class _Comparison:
    """A comparison of two JSON values.

    Args:
        options: what is ignored.
        steps: counts the work.
    """

    def __init__(self, options: JsonEquality, steps: StepCounter) -> None:
        self._options = options
        self._steps = steps
        self._numbers: dict[object, int] = {}
        self._container_numbers: dict[int, int] = {}

    def is_equal(self, expected: object, actual: object) -> bool:
        """Return whether two parts of the values are equal."""
        self._steps.count_steps()
        if isinstance(expected, dict) and isinstance(actual, dict):
            return self._may_have_equal_parts(expected, actual) and all(
                key in actual and self.is_equal(value, actual[key]) for key, value in expected.items()
            )
        if isinstance(expected, list) and isinstance(actual, list):
            if not self._may_have_equal_parts(expected, actual):
                return False
            if self._options.ignore_array_order:
                return self._matches_in_any_order(expected, actual)
            return all(
                self.is_equal(expected_item, item) for expected_item, item in zip(expected, actual, strict=False)
            )
        return isinstance(expected, bool) is isinstance(actual, bool) and expected == actual

    def _may_have_equal_parts(self, expected: Sized, actual: Sized) -> bool:
        return len(expected) == len(actual) or (self._options.ignore_extra_elements and len(expected) < len(actual))

    def _matches_in_any_order(self, expected: list[object], actual: list[object]) -> bool:
        """Return whether each expected item can be paired with an equal actual item."""
        left: dict[int, list[object]] = {}
        for item in actual:
            left.setdefault(self.number(item), []).append(item)
        # Identical items are paired first: any other item that could take one also matches its partner.
        others = []
        for expected_item in expected:
            alike = left.get(self.number(expected_item))
            if alike:
                alike.pop()
            else:
                others.append(expected_item)
        if not self._options.ignore_extra_elements or not all(isinstance(item, dict | list) for item in others):
            return not others
        rest = [item for items in left.values() for item in items]
        return _Pairing(self, others, rest, self._steps).is_complete()

    def number(self, value: object) -> int:
        """Return a number that is the same for values that differ in the order of lists alone."""
        self._steps.count_steps(2)
        if not isinstance(value, dict | list):
            if isinstance(value, str):
                self._steps.count_steps(len(value) // _CHARACTERS_PER_STEP)
            return self._number_of((isinstance(value, bool), value))
        number = self._container_numbers.get(id(value))
        if number is None:
            if isinstance(value, dict):
                number = self._number_of(frozenset((key, self.number(item)) for key, item in value.items()))
            else:
                number = self._number_of((list, *sorted(map(self.number, value))))
            self._container_numbers[id(value)] = number
        return number

    def _number_of(self, key: object) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


class _Pairing:
    """Pairs each expected item, a list or an object, with a separate actual item (bipartite matching).

    Args:
        comparison: compares two items.
        expected: the expected items.
        actual: the actual items.
        steps: counts the comparisons.
    """

    def __init__(
        self, comparison: _Comparison, expected: list[object], actual: list[object], steps: StepCounter
    ) -> None:
        steps.count_steps(_PAIRING_STEPS)
        self._comparison = comparison
        self._expected = expected
        self._actual = actual
        self._steps = steps
        self._positions: dict[tuple[str, int], list[int]] = {}
        for position, item in enumerate(actual):
            for member in self._plain_members(item):
                self._positions.setdefault(member, []).append(position)
        self._results: dict[tuple[int, int], bool] = {}
        self._first_free = 0
        self._partners: dict[int, int] = {}
        self._numbers: dict[int, int] = {}

    def is_complete(self) -> bool:
        """Return whether each expected item has a partner."""
        numbers = range(len(self._expected))
        return all(self._pair_with_free_item(number) or self._exchange_partners(number) for number in numbers)

    def _plain_members(self, item: object) -> list[tuple[str, int]]:
        """Return the name and the number of each member of an object that is neither list nor object."""
        members = item.items() if isinstance(item, dict) else ()
        self._steps.count_steps(len(members) // _MEMBERS_PER_STEP)
        number = self._comparison.number
        return [(name, number(value)) for name, value in members if not isinstance(value, dict | list)]

    def _possible_partners(self, number: int) -> Sequence[int]:
        """Return the positions of the actual items that can equal an expected item: they have its rarest member."""
        positions = [self._positions.get(member, ()) for member in self._plain_members(self._expected[number])]
        return min(positions, key=len) if positions else range(len(self._actual))

    def _is_equal(self, number: int, position: int) -> bool:
        pair = number, position
        if pair not in self._results:
            self._results[pair] = self._comparison.is_equal(self._expected[number], self._actual[position])
        return self._results[pair]

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
            positions = self._possible_partners(number)
            self._steps.count_steps(len(positions) // _MEMBERS_PER_STEP)
            for position in positions:
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
