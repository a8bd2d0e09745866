"""Measures the cost of serving the list, compared with a raw ASGI application and with other mocks.

`python -m benchmarks.serving`, or `make bench`, prints a report in Markdown. `make bench-peers` installs the other
mocks first, and writes the report to a file, with pictures. No test asserts the figures.
"""

import argparse
import contextlib
import importlib.util
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import calls, growth, machine, other_servers, paths, pytest_sessions, starts, suite_runs
from benchmarks.audiences import Cost
from benchmarks.findings import Findings
from benchmarks.loads import Loads, run, times
from benchmarks.results import report, scale_section, with_short_table
from benchmarks.servers import (
    OURS,
    ROOT,
    ServerSpec,
    Unusable,
    become_load_generator,
    check,
    fetch_list,
    floor,
    ours,
    ours_of,
    progress,
    started,
)

CONNECTIONS = (1, 16, 64)
PICTURES = ("throughput.svg", "growth.svg")
SPEED = ROOT / "docs" / "speed.md"


class Plan(NamedTuple):
    """The extent of the measurement.

    Attributes:
        rounds: number of rounds.
        seconds: duration of a run of load.
        warming: seconds of load before the measurement; a server that compiles at run time needs many.
        max_repeats: number of runs that may be repeated.
        tenants: numbers of tenants that send requests in turn.
        rules: numbers of rules for other tenants.
        stubs: numbers of stubs, from 0 to many.
        journal: size of the journal that is filled.
        blocks: number of measured blocks of requests.
        requests: number of requests before memory is measured.
        tokens: number of tokens of these requests.
        others: numbers of requests of other tests in the journal.
        tests: number of tests of a long pytest session.
        suite: the extent of the suite.
    """

    rounds: int
    seconds: int
    warming: int
    max_repeats: int
    tenants: tuple[int, ...]
    rules: tuple[int, ...]
    stubs: tuple[int, ...]
    journal: int
    blocks: int
    requests: int
    tokens: int
    others: tuple[int, ...]
    tests: int
    suite: suite_runs.SuitePlan


FULL = Plan(
    rounds=5,
    seconds=3,
    warming=15,
    max_repeats=20,
    tenants=(1, 10, 100, 1_000, 10_000),
    rules=(0, 10, 100, 1_000),
    stubs=(0, 1, 1_000),
    journal=10_000,
    blocks=20,
    requests=100_000,
    tokens=1_000,
    others=(0, 9_000),
    tests=201,
    suite=suite_runs.FULL,
)
QUICK = Plan(
    rounds=1,
    seconds=1,
    warming=1,
    max_repeats=0,
    tenants=(1, 10),
    rules=(0, 10),
    stubs=(0, 1, 10),
    journal=100,
    blocks=1,
    requests=100,
    tokens=10,
    others=(0, 20),
    tests=3,
    suite=suite_runs.QUICK,
)


def lists(specs: list[ServerSpec], plan: Plan, loads: Loads, found: Findings) -> None:
    """Measure the list with more and more connections."""
    with contextlib.ExitStack() as stack:
        servers = {spec.name: stack.enter_context(started(spec)) for spec in specs}
        for name, server in servers.items():
            progress(f"warming {name}")
            run(server, max(CONNECTIONS), plan.warming)
        for connections in CONNECTIONS:
            progress(f"the list, connections: {connections}")
            found.lists[connections] = loads.in_turn(servers, connections, plan.rounds)


def present(specs: list[ServerSpec], content: bytes, found: Findings) -> list[ServerSpec]:
    """Return the servers that send the list; note the reasons of the others in `found.skipped`."""
    usable = []
    for spec in specs:
        try:
            with started(spec) as server:
                check(server, content)
        except Unusable as reason:
            found.skipped[spec.name] = str(reason)
        else:
            usable.append(spec)
    for name, why in found.skipped.items():
        progress(f"{name} is not measured: {why}")
    return usable


def of(checkout: Path, costs: Mapping[str, list[Cost]]) -> dict[str, list[Cost]]:
    """Return the costs of another checkout under names that say so."""
    return {f"{name}, {OURS} of {checkout}": each for name, each in costs.items()}


def measure(plan: Plan, *, with_others: bool, checkouts: Sequence[Path] = ()) -> tuple[Findings, int]:
    """Measure everything; return the findings and the size of the list in bytes.

    Of other checkouts, the tables have what a test costs, lists, starts and first lists.
    """
    compared = [ours_of(checkout) for checkout in checkouts]
    found, mock = Findings(journal_size=plan.journal, session_tests=plan.tests), ours()
    loads, short = Loads(plan.seconds, plan.max_repeats), Loads(max(1, plan.seconds - 1), plan.max_repeats)
    with tempfile.TemporaryDirectory() as name, started(mock) as server:
        folder = Path(name)
        content = fetch_list(server.port)
        (folder / "list").write_bytes(content)
        others: list[ServerSpec] = []
        if with_others:
            others, found.skipped = other_servers.find(folder, content)
            others = present(others, content, found)
        else:
            found.skipped = {server.name: "other servers were not requested" for server in other_servers.OTHER_SERVERS}
        server.pause()
        lists([floor(folder / "list"), mock, *compared, *others], plan, loads, found)
        progress("requests that differ or fail")
        found.paths = paths.measure(floor(folder / "list"), short, plan.rounds, compared)
        progress("calls of the control API")
        finders = [spec for spec in others if spec.name == "WireMock"]
        found.calls = calls.by_entries([*compared, *finders], plan.others, plan.rounds)
        found.full = calls.full_journal(plan.journal, plan.rounds)
        progress("a suite")
        suite_folder = folder / "suite"
        suite_folder.mkdir()
        tested, _ = suite_runs.suite_servers(suite_folder, content, checkouts, with_others=with_others)
        found.suites = suite_runs.measure(tested, content, plan.suite)
        progress("sessions of pytest")
        found.sessions = pytest_sessions.in_turn(plan.tests, plan.rounds)
        progress("starts")
        found.starts = starts.in_turn([mock, *compared, *others], plan.rounds)
        progress("first lists, pages, members")
        found.first, found.pages = growth.first_lists(plan.blocks), growth.pages(plan.blocks)
        found.members = growth.members(plan.blocks)
        for checkout in checkouts:
            progress(f"the same of {checkout}")
            found.full |= of(checkout, calls.full_journal(plan.journal, plan.rounds, checkout))
            found.first |= of(checkout, growth.first_lists(plan.blocks, checkout))
            found.pages |= of(checkout, growth.pages(plan.blocks, checkout))
            found.members |= of(checkout, growth.members(plan.blocks, checkout))
        progress("the journal, the log")
        found.journal = growth.journal(plan.journal, plan.rounds)
        found.log = growth.access_log(short, plan.rounds)
        progress("stubs, rules, tenants")
        found.stubs = growth.stubs(plan.stubs, 4 * plan.rounds)
        found.rules = growth.rules(short, plan.rules, plan.rounds)
        found.tenants = growth.tenants(short, plan.tenants, plan.rounds)
        progress("memory")
        for spec in (mock, *others):
            if spec.name in {OURS, "Prism"}:
                found.resident[spec.name] = growth.resident(spec, plan.requests, plan.tokens)
    return found, len(content)


def main() -> None:
    """Measure, and print or write the report."""
    parser = argparse.ArgumentParser(description="Measure what serving costs.")
    parser.add_argument("--quick", action="store_true", help="only check that it runs, without other servers")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write RESULTS.md and pictures there, and the table of docs/speed.md",
    )
    parser.add_argument(
        "--against", type=Path, action="append", default=[], metavar="FOLDER", help="measure another checkout beside"
    )
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.exit(2, "wrk is not installed: apt-get install wrk\n")
    if arguments.output and importlib.util.find_spec("matplotlib") is None:
        parser.exit(2, "matplotlib is not installed: pip install '.[bench]'\n")
    become_load_generator()
    begin, before = time.monotonic(), times()
    checkouts = [checkout.resolve() for checkout in arguments.against]
    found, length = measure(QUICK if arguments.quick else FULL, with_others=not arguments.quick, checkouts=checkouts)
    after, minutes = times(), (time.monotonic() - begin) / 60
    steal = (after.stolen - before.stolen) / (after.total - before.total)
    description = {
        **machine.description(),
        "duration": f"{minutes:.1f} minutes, {steal:.1%} steal",
    }
    print(report(found, length, description))
    if arguments.output:
        from benchmarks import plots  # noqa: PLC0415 - only pictures need matplotlib

        plots.throughput(found.lists, arguments.output / PICTURES[0])
        plots.growth(found, arguments.output / PICTURES[1])
        results = arguments.output / "RESULTS.md"
        kept = scale_section(results.read_text(encoding="utf-8")) if results.exists() else ""
        parts = [report(found, length, description, PICTURES), *([kept] if kept else [])]
        results.write_text("\n".join(parts), encoding="utf-8")
        SPEED.write_text(with_short_table(SPEED.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
