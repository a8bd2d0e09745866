"""All that was measured, and what a goal is."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.audiences import Cost
from benchmarks.calls import Calls
from benchmarks.loads import Run
from benchmarks.pytest_sessions import Sessions
from benchmarks.servers import FLOOR
from benchmarks.suite_runs import Suite, Suites

Costs = Sequence[Run] | Sequence[Cost] | Sequence[Suite]


@dataclass
class Findings:
    """All that was measured.

    Attributes:
        lists: the list, by connections and server.
        starts: from the start of the process to the first list, by server.
        first: the first list of new tokens, and a repeated one.
        resident: resident bytes after many lists, by server.
        tenants: the list, by the number of tenants that request it in turn.
        rules: the list, by the number of rules for other tenants.
        stubs: the list and a stubbed route, by request and number of stubs.
        journal: the list, by the number of requests since the journal was empty.
        journal_size: the number of exchanges that the journal keeps.
        log: the list, with and without an access log.
        pages: pages of members, by audience and index.
        paths: requests of other kinds than the repeated list, by kind.
        calls: calls of the control API, by name and requests of other tests.
        full: calls that read a full journal, and the creation of a rule.
        members: one member added, searches and uploads of the largest audience.
        sessions: sessions of pytest.
        session_tests: the number of tests of a long session.
        suites: the suite, by server, workers and requests of other tests.
        skipped: the servers that were not measured, and why.
    """

    lists: dict[int, dict[str, list[Run]]] = field(default_factory=dict)
    starts: dict[str, list[Cost]] = field(default_factory=dict)
    first: dict[str, list[Cost]] = field(default_factory=dict)
    resident: dict[str, int] = field(default_factory=dict)
    tenants: dict[int, list[Run]] = field(default_factory=dict)
    rules: dict[int, list[Run]] = field(default_factory=dict)
    stubs: dict[tuple[str, int], list[Cost]] = field(default_factory=dict)
    journal: dict[int, list[Cost]] = field(default_factory=dict)
    journal_size: int = 0
    log: dict[str, list[Run]] = field(default_factory=dict)
    pages: dict[str, list[Cost]] = field(default_factory=dict)
    paths: dict[str, list[Run]] = field(default_factory=dict)
    calls: Calls = field(default_factory=dict)
    full: dict[str, list[Cost]] = field(default_factory=dict)
    members: dict[str, list[Cost]] = field(default_factory=dict)
    sessions: Sessions = field(default_factory=dict)
    session_tests: int = 2
    suites: Suites = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)


class Goal(NamedTuple):
    """The maximum or minimum of a figure, and a stricter aim."""

    limit: float
    at_least: bool = False
    aim: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        aim = f" (aim: {self.aim:g})" if self.aim is not None else ""
        return f"{'≥' if self.at_least else '≤'} {self.limit:.3g}{self.unit}{aim}"

    def met_by(self, figure: float) -> bool:
        """Return whether a figure is within the limit."""
        return figure >= self.limit if self.at_least else figure <= self.limit


class Row(NamedTuple):
    """One goal with its measured figures.

    Attributes:
        what: the subject of the measurement.
        against: the subject of the comparison.
        goal: the limit for the figure.
        cpu: ratio of CPU times; `None` if not measured.
        other: ratio of times, rates or memory.
        by_cpu: whether the goal is about CPU time.
    """

    what: str
    against: str
    goal: Goal
    cpu: float | None
    other: float | None
    by_cpu: bool = False

    @property
    def figure(self) -> float | None:
        """The figure that the goal is about."""
        return self.cpu if self.by_cpu else self.other


def median(runs: Costs, figure: str) -> float:
    """Return the median of one figure over the runs."""
    return statistics.median(float(getattr(run, figure)) for run in runs)


FLOOR_MICROSECONDS = 22
"""CPU time of a request to raw ASGI on the machine where the goals were set.

A goal in microseconds of CPU time is a multiple of this: another machine is faster or slower for both.
"""


def work_row(what: str, microseconds: float, cpu: float | None, floor: Sequence[Run] | None) -> Row:
    """Return the goal of some work, whose CPU time is compared with that of a request to raw ASGI in the same run.

    Args:
        what: the subject of the measurement.
        microseconds: the maximum CPU time on the machine where the goals were set.
        cpu: the measured CPU time in seconds; `None` if not measured.
        floor: the runs of raw ASGI.
    """
    ratio = cpu / median(floor, "cpu") if cpu is not None and floor else None
    goal = Goal(microseconds / FLOOR_MICROSECONDS)
    return Row(f"{what}: CPU time", f"a request to {FLOOR}", goal, ratio, None, by_cpu=True)


Pair = tuple[float | None, float | None]


def ratios(numerator: Costs | None, denominator: Costs | None, other: str) -> Pair:
    """Return the ratios of the median CPU times and of another figure; `None` if one was not measured."""
    if not numerator or not denominator:
        return None, None
    return median(numerator, "cpu") / median(denominator, "cpu"), median(numerator, other) / median(denominator, other)


def figures(costs: Sequence[Cost] | None, scale: float) -> Pair:
    """Return the median CPU and wall time in seconds, times `scale`; `None` if not measured."""
    return (scale * median(costs, "cpu"), scale * median(costs, "wall")) if costs else (None, None)
