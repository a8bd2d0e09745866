"""Counts the functions that code calls, as a measure of its work that does not depend on the machine."""

import sys
from collections.abc import Callable
from types import FrameType

from mock_atoms.core.slices import Steps


def count_calls(run: Callable[[], object]) -> int:
    """Return the number of functions that `run` calls, built-in ones included."""
    count = 0

    def count_call(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(count_call)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def calls_by_step(steps: Steps[object]) -> list[int]:
    """Return the number of functions that each step calls."""
    counts: list[int] = []
    end, results = object(), list[object]()
    while end not in results:
        counts.append(count_calls(lambda: results.append(next(steps, end))))
    return counts
