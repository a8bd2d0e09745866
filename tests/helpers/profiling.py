"""Counts the functions that code calls, as a measure of its work that does not depend on the machine."""

import gc
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from mock_atoms.core.slices import Steps


class CallCounter:
    """A context that counts the functions that are called in it, built-in ones included.

    No garbage is collected in it: that of other tests would add calls.

    Attributes:
        count: number of calls in the last context.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = sys.getprofile()
        gc.disable()
        self.count = -2  # `__exit__` and `setprofile`, which end the context
        sys.setprofile(self._count_call)

    def __exit__(self, *_exception: object) -> None:
        sys.setprofile(self._before)
        gc.enable()

    def _count_call(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.count += event in ("call", "c_call")


def count_calls(run: Callable[[], object]) -> int:
    """Return the number of functions that `run` calls, itself included."""
    counter = CallCounter()
    with counter:
        run()
    return counter.count


def calls_by_step(steps: Steps[object]) -> list[int]:
    """Return the number of functions that each step calls."""
    counts: list[int] = []
    end, results = object(), list[object]()
    while end not in results:
        counts.append(count_calls(lambda: results.append(next(steps, end))))
    return counts
