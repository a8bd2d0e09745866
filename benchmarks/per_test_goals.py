"""The goals of what a test costs: requests that differ, calls of the control API, the pytest plugin, and a suite."""

from collections.abc import Iterator, Sequence

from benchmarks import audiences, calls, paths, pytest_sessions
from benchmarks.audiences import Cost
from benchmarks.findings import Findings, Goal, Pair, Row, figures, median, ratios, work_row
from benchmarks.servers import FLOOR, OURS
from benchmarks.suite_runs import Setting, Suites

MILLI = 1e3


def per_test_rows(found: Findings) -> Iterator[Row]:
    """Yield every goal of what a test costs."""
    yield from _paths(found)
    yield from _calls(found)
    yield from _full(found)
    yield from _members(found)
    yield from _sessions(found)
    yield from suite_rows(found.suites)


def _paths(found: Findings) -> Iterator[Row]:
    floor = found.paths.get(FLOOR)
    special = {paths.DIFFERING: Goal(2.5, aim=2.0), paths.REPEATED: Goal(1.6, aim=1.25)}
    for name in paths.KINDS:
        if name == paths.NEW_TOKENS:  # the goal of the first list of a new token is about its extra time
            continue
        goal = special.get(name, Goal(3))
        compared = ratios(found.paths.get(name), floor, "rate")
        yield Row(f"{name}: CPU time per request", FLOOR, goal, *compared, by_cpu=True)


def _calls(found: Findings) -> Iterator[Row]:
    most = max((entries for _, entries in found.calls), default=0)
    others = f"{most:,} requests of other tests"
    for name, limit in (
        *(("mock.requests", 1.5), ("mock.wait_for_requests", 1.5), (calls.FIND, 1.0)),
        *(("mock.retries", None), ("mock.reset", None)),
    ):
        full, empty = found.calls.get((name, most)), found.calls.get((name, 0))
        yield Row(f"{name}: {others}", "none", Goal(1.2), *ratios(full, empty, "wall"), by_cpu=True)
        if limit:
            yield Row(f"{name}, {others}", "", Goal(limit, unit=" ms"), *figures(full, MILLI))
    wiremock = found.calls.get((f"{calls.FIND}, WireMock", most))
    yield Row(
        f"{calls.FIND}, {others}", "WireMock", Goal(1), *ratios(found.calls.get((calls.FIND, most)), wiremock, "wall")
    )


def _full(found: Findings) -> Iterator[Row]:
    floor = found.paths.get(FLOOR)
    for name, microseconds in ((calls.NAMED, 2_000), (calls.UNNAMED, 12_000), (calls.RULE, 250)):
        yield work_row(name, microseconds, _cpu(found.full.get(name)), floor)
    for name in (calls.SLOWEST_FIND, calls.SLOWEST_COUNT):
        yield Row(name, "", Goal(50, unit=" ms"), *figures(found.full.get(name), MILLI))


def _members(found: Findings) -> Iterator[Row]:
    smallest, largest = audiences.SMALLEST, audiences.LARGEST

    floor = found.paths.get(FLOOR)

    def row(name: str, microseconds: float, costs: Sequence[Cost] | None, divisor: int = 1) -> Row:
        return work_row(name, microseconds, _cpu(costs, divisor), floor)

    for kind in audiences.KINDS:
        page = found.pages.get(f"{kind}, {smallest}, index 0")
        yield row(f"page of 10 members, uncached, {kind}", 220, page)
        added = found.members.get(f"one member added, {kind}, {smallest}")
        yield row(f"one member added, {kind}", 220, added)
    upload = found.members.get(f"upload, {largest:,}")
    yield row(f"upload of {largest:,} rows: each row", 6, upload, largest)
    for kind in audiences.KINDS:
        search = found.members.get(f"search, {kind}, {largest:,}")
        yield row(f"search over {largest:,} members, {kind}: each member", 5, search, largest)


def _cpu(costs: Sequence[Cost] | None, divisor: int = 1) -> float | None:
    """Return the median CPU time in seconds; `None` if not measured."""
    return median(costs, "cpu") / divisor if costs else None


def _sessions(found: Findings) -> Iterator[Row]:
    def more(name: str, than: str) -> Pair:
        costs, least = found.sessions.get(name), found.sessions.get(than)
        if not costs or not least:
            return None, None
        cpu, wall = (MILLI * (median(costs, figure) - median(least, figure)) for figure in ("cpu", "wall"))
        return cpu, wall

    session = pytest_sessions
    first = more(session.FIRST, session.UNUSED)
    yield Row("pytest: first fixture `mock_atoms`", "no fixture", Goal(450, unit=" ms"), *first)
    unused = more(session.UNUSED, session.WITHOUT)
    yield Row("pytest: plugin unused", "no plugin", Goal(10, unit=" ms"), *unused, by_cpu=True)
    cpu, wall = (
        None if many is None or one is None else (many - one) / (found.session_tests - 1)
        for many, one in zip(more(session.MANY, session.MANY_UNUSED), first, strict=True)
    )
    yield Row("pytest: fixtures of each further test", "no fixture", Goal(1, unit=" ms"), cpu, wall)


def suite_rows(found: Suites) -> Iterator[Row]:
    """Yield the goals of the suite."""
    settings = sorted({(setting.workers, setting.entries) for setting in found})
    most = max((entries for _, entries in settings), default=0)
    for workers in sorted({workers for workers, _ in settings}) or [1]:
        suite = f"a test of the suite, {workers} {'worker' if workers == 1 else 'workers'}"
        full, empty = (found.get(Setting(OURS, workers, entries)) for entries in (most, 0))
        for entries, runs in ((most, full), (0, empty)):
            wiremock = found.get(Setting("WireMock", workers, entries))
            what = f"{suite}, {entries:,} requests of other tests"
            yield Row(what, "WireMock", Goal(0.33), *ratios(runs, wiremock, "wall"), by_cpu=True)
        yield Row(
            f"{suite}: {most:,} requests of other tests", "none", Goal(1.1), *ratios(full, empty, "wall"), by_cpu=True
        )
        slowest = 1e3 * median(full, "slowest") if full else None
        yield Row(f"{suite}: slowest list of another client", "", Goal(50, unit=" ms"), None, slowest)
