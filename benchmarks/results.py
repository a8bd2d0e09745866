"""The report, in Markdown: the goals, and the tables behind them."""

import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.audiences import Cost
from benchmarks.calls import OWN_REQUESTS
from benchmarks.findings import FLOOR_MICROSECONDS, Findings, Row, median
from benchmarks.goals import rows
from benchmarks.loads import TOO_MUCH, TRIES, Run
from benchmarks.paths import DIFFERING, NEW_TOKENS
from benchmarks.servers import FLOOR, OURS
from benchmarks.suite_runs import Suites

SHORT = 16
"""Number of connections of the short table."""
OUR_LISTS = {
    f"**{OURS}, a new token each time**: not cached, like the first list of a test": NEW_TOKENS,
    f"**{OURS}, different headers each time**: response cached, like further lists": DIFFERING,
}
REPEATED_LIST = f"{OURS}, identical requests, which the other mocks get too: all cached"
HOW = f"""\
All servers run on one core, and the load generator runs on another. While one server is measured, the others are
stopped. They are measured in turn, forward and then backward.

- **CPU time** is the user and system time of the server's processes per request. Other programs hardly change it.
  But the same machine can be 2.5 times slower on another day: compare figures of one run, or ratios.
- **Steal** is the share of the machine's time that the host took for its other guests.
- **Others** is the share that other programs took. A run is repeated up to {TRIES - 1} times if both together exceed
  {TOO_MUCH:.0%}, and the least disturbed one counts. *Steal* and *others*
  show the maximum of the runs that count.
- All other figures are medians (minimum to maximum).

All servers send the same list of {{length:,}} bytes if a request has a bearer token. None of them logs requests.

- **mock-atoms** runs with its journal and its faults on. All requests are identical, so responses and heads are
  cached, unless a row says otherwise. Pages, searches and added members are measured without the response cache.
- **A new token each time**: no list is cached, like the first list of a test.
- **Different headers each time**: the response is cached, but each head is read, as for further lists of a test. The
  requests differ in `traceparent`.
- **WireMock** has a stub that requires a bearer token. Its journal is on, and emptied before each run.
- **Prism** has the document of `mock-atoms openapi`, with the list as its example.
- **Mockoon** has a route with a rule that requires a bearer token.

Starts are measured with the bytecode that an installed package has: `PYTHONDONTWRITEBYTECODE` is unset, and a first
start, which does not count, writes it. The [suite](suite.py) controls the mock with `MockClient`. It controls the other
servers through a connection that stays open."""


SCALE_HEADING = "## Servers that share their state"
"""Heading of the last section of the report, which `benchmarks.scale` writes."""


def scale_section(page: str) -> str:
    """Return the section of a report about servers that share their state, or an empty text."""
    _, heading, section = page.partition(SCALE_HEADING)
    return heading + section


def spread(values: Sequence[float], scale: float = 1.0, digits: int = 1) -> str:
    """Return median, minimum and maximum."""
    median, minimum, maximum = (
        f"{value * scale:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median} ({minimum} to {maximum})"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for line in lines:
        yield f"| {' | '.join(line)} |"
    yield ""


def goal_line(row: Row) -> tuple[str, ...]:
    """Return a row of the table of goals. The figure that the goal is about is bold."""
    figures = ["" if value is None else f"{value:,.2f}{row.goal.unit}" for value in (row.cpu, row.other)]
    if row.figure is None:
        return (row.what, row.against, *figures, str(row.goal), "not measured")
    judged = 0 if row.by_cpu else 1
    figures[judged] = f"**{figures[judged]}**"
    return (row.what, row.against, *figures, str(row.goal), "yes" if row.goal.met_by(row.figure) else "**no**")


def goal_table(goals: Iterable[Row]) -> Iterator[str]:
    """Yield the table of goals."""
    return table(("what", "against", "CPU time", "time, rate or memory", "goal", "met"), map(goal_line, goals))


def suite_table(found: Suites) -> Iterator[str]:
    """Yield the figures of the suite."""
    head = (
        "server",
        "workers",
        "requests of other tests",
        "CPU a test, ms",
        "time a test, ms",
        "slowest other list, ms",
    )
    lines = []
    for setting, runs in sorted(found.items()):
        figures = (spread(values, 1e3, 2) for values in zip(*runs, strict=True))
        lines.append((setting.server, str(setting.workers), f"{setting.entries:,}", *figures))
    return table(head, lines)


def run_line(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the figures of runs of load."""
    cpu, rate, p50, p99, steal, others = zip(*runs, strict=True)
    maxima = (f"{100 * max(share):.1f}" for share in (steal, others))
    return (spread(cpu, 1e6), spread(rate, 1, 0), spread(p50, 1e3, 2), spread(p99, 1e3, 2), *maxima)


def run_table(first: str, lines: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    """Yield a table of runs of load."""
    head = (first, "CPU a request, µs", "requests a second", "p50, ms", "p99, ms", "steal, %", "others, %")
    return table(head, ((name, *run_line(runs)) for name, runs in lines.items()))


def cost_table(first: str, unit: str, scale: float, lines: Mapping[str, Sequence[Cost]]) -> Iterator[str]:
    """Yield a table of the costs of requests or starts."""
    return table(
        (first, f"CPU, {unit}", f"time, {unit}"),
        (
            (name, *(spread([getattr(cost, figure) for cost in costs], scale) for figure in ("cpu", "wall")))
            for name, costs in lines.items()
        ),
    )


def short(found: Findings) -> Iterator[str]:
    """Yield the short table that docs/speed.md shows: medians at `SHORT` connections.

    The mock has a row for each kind of list; those in bold are the ones that a suite sends.
    """
    head = (f"{SHORT} connections", "requests a second", "CPU a request, µs", "start to first list, ms")
    runs: dict[str, Sequence[Run]] = {}
    for name, each in found.lists.get(SHORT, {}).items():
        if name == OURS and found.paths:
            runs |= {label: found.paths[kind] for label, kind in OUR_LISTS.items()}
            runs[REPEATED_LIST] = each
        else:
            runs[name] = each
    lines = []
    for name, shown in runs.items():
        starts = found.starts.get(OURS if name in (REPEATED_LIST, *OUR_LISTS) else name)
        start = f"{median(starts, 'wall') * 1e3:,.0f}" if starts else ""
        lines.append((name, f"{median(shown, 'rate'):,.0f}", f"{median(shown, 'cpu') * 1e6:,.1f}", start))
    return table(head, lines)


def with_short_table(page: str, found: Findings) -> str:
    """Return a page in Markdown with its short table replaced.

    Raises:
        ValueError: the page has no such table.
    """
    table_of_page = rf"(?m)^\| {SHORT} connections .*\n(\|.*\n)+"
    replaced, count = re.subn(table_of_page, "\n".join(short(found)), page, count=1)
    if not count:
        raise ValueError(f"the page has no table of {SHORT} connections")
    return replaced


def details(found: Findings) -> Iterator[str]:
    """Yield the tables behind the goals."""
    yield from ("## The list", "")
    for connections, by_server in found.lists.items():
        yield from run_table(f"{connections} connections" if connections > 1 else "1 connection", by_server)
    yield from ("## Requests that differ, fail or come from a browser", "")
    yield from run_table("16 connections", found.paths)
    yield from ("## What a test calls", "")
    calls = {f"{name}, {entries:,} requests of other tests": costs for (name, entries), costs in found.calls.items()}
    yield from cost_table(f"a tenant with {OWN_REQUESTS} requests", "ms", 1e3, calls)
    yield from cost_table("with a full journal", "ms", 1e3, found.full)
    yield from cost_table("members", "ms", 1e3, found.members)
    yield from cost_table("session of pytest", "ms", 1e3, found.sessions)
    yield from ("## A suite", "")
    yield from suite_table(found.suites)
    yield from ("## Starts and first lists", "")
    yield from cost_table("start of the process to its first list", "ms", 1e3, found.starts)
    yield from cost_table("list", "µs", 1e6, found.first)
    yield from ("## Growth", "")
    yield from run_table("tenants, 16 connections", {f"{size:,}": runs for size, runs in found.tenants.items()})
    yield from run_table(
        "rules for other tenants, 16 connections", {f"{size:,}": runs for size, runs in found.rules.items()}
    )
    by_stubs = {
        f"{name}, {number:,} {'stub' if number == 1 else 'stubs'}": costs
        for (name, number), costs in found.stubs.items()
    }
    yield from cost_table("1 connection", "µs", 1e6, by_stubs)
    since = {f"{before:,}": costs for before, costs in found.journal.items()}
    yield from cost_table(f"requests since a journal of {found.journal_size:,} was empty", "µs", 1e6, since)
    yield from run_table("log, 1 connection", found.log)
    yield from cost_table("page of 10 members", "µs", 1e6, found.pages)
    memory = ((name, f"{size / 2**20:,.0f}") for name, size in found.resident.items())
    yield from table(("after the load of many tenants", "MiB resident, all processes added up"), memory)


def report(found: Findings, length: int, description: Mapping[str, str], pictures: Sequence[str] = ()) -> str:
    """Return the report. `description` is about the machine and the run; `length` is the size of the list in bytes."""
    lines = [
        "# Results of the benchmarks",
        "",
        "Written by `make bench-peers`. `make bench` measures without other servers and writes nothing.",
        "",
        *table(("", ""), description.items()),
        *(f"- **{name} was not measured**: {reason}" for name, reason in found.skipped.items()),
        *([""] if found.skipped else []),
        *short(found),
        "## Goals",
        "",
        "Each figure is the ratio of the first column to the second, unless it has a unit.",
        "The goal is about the figure in bold.",
        f"Goals against `a request to {FLOOR}` are multiples of its CPU time, so that they hold on any machine.",
        f"They were set on a machine where it takes {FLOOR_MICROSECONDS} µs.",
        "",
        *goal_table(rows(found)),
        *(f"![{name.removesuffix('.svg')}]({name})" for name in pictures),
        *([""] if pictures else []),
        HOW.format(length=length),
        "",
        *details(found),
    ]
    return "\n".join(lines)
