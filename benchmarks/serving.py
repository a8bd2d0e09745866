"""Measures the cost of serving the list, compared with a raw ASGI application and with other mocks.

`python -m benchmarks.serving`, or `make bench`, prints a report in Markdown. `make bench-peers` installs the other
mocks first, and writes the report to a file, with pictures. No test asserts the figures.
"""

import argparse
import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import growth, machine, peers, starts
from benchmarks.contenders import OURS, Contender, Unusable, check, cores, fetch_list, floor, ours, started
from benchmarks.goals import Findings
from benchmarks.loads import Loads, run, times
from benchmarks.results import report

CONNECTIONS = (1, 16, 64)
PICTURES = ("throughput.svg", "growth.svg")


class Plan(NamedTuple):
    """The extent of the measurement.

    Attributes:
        rounds: number of rounds.
        seconds: duration of a run of load.
        warming: seconds of load before the measurement; a server that compiles at run time needs many.
        max_repeats: number of runs that may be repeated.
        tenants: numbers of tenants that send requests in turn.
        rules: numbers of rules for other tenants.
        journal: size of the journal that is filled.
        blocks: number of measured blocks of requests.
        requests: number of requests before memory is measured.
        tokens: number of tokens of these requests.
    """

    rounds: int
    seconds: int
    warming: int
    max_repeats: int
    tenants: tuple[int, ...]
    rules: tuple[int, ...]
    journal: int
    blocks: int
    requests: int
    tokens: int


FULL = Plan(5, 3, 15, 20, (1, 10, 100, 1_000, 10_000), (0, 10, 100, 1_000), 10_000, 20, 100_000, 1_000)
QUICK = Plan(1, 1, 1, 0, (1, 10), (0, 10), 100, 1, 100, 10)


def progress(what: str) -> None:
    """Print the current measurement to stderr."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def lists(contenders: list[Contender], plan: Plan, loads: Loads, found: Findings) -> None:
    """Measure the list with more and more connections."""
    with contextlib.ExitStack() as stack:
        servers = {contender.name: stack.enter_context(started(contender)) for contender in contenders}
        for name, server in servers.items():
            progress(f"warming {name}")
            run(server, max(CONNECTIONS), plan.warming)
        for connections in CONNECTIONS:
            progress(f"the list, connections: {connections}")
            found.lists[connections] = loads.in_turn(servers, connections, plan.rounds)


def present(contenders: list[Contender], content: bytes, found: Findings) -> list[Contender]:
    """Return the contenders that send the list; note the reasons of the others in `found.absent`."""
    usable = []
    for contender in contenders:
        try:
            with started(contender) as server:
                check(server, content)
        except Unusable as reason:
            found.absent[contender.name] = str(reason)
        else:
            usable.append(contender)
    for name, why in found.absent.items():
        progress(f"{name} is not measured: {why}")
    return usable


def measure(plan: Plan, *, with_peers: bool) -> tuple[Findings, int]:
    """Measure everything; return the findings and the size of the list in bytes."""
    found, mock = Findings(journal_size=plan.journal), ours()
    loads, short = Loads(plan.seconds, plan.max_repeats), Loads(max(1, plan.seconds - 1), plan.max_repeats)
    with tempfile.TemporaryDirectory() as name, started(mock) as server:
        folder = Path(name)
        content = fetch_list(server.port)
        (folder / "list").write_bytes(content)
        others: list[Contender] = []
        if with_peers:
            others, found.absent = peers.find(folder, content)
            others = present(others, content, found)
        else:
            found.absent = {peer.name: "peers were not requested" for peer in peers.PEERS}
        server.pause()
        lists([floor(folder / "list"), mock, *others], plan, loads, found)
        progress("starts")
        found.starts = starts.in_turn([mock, *others], plan.rounds)
        progress("first lists, pages")
        found.first, found.pages = growth.first_lists(plan.blocks), growth.pages(plan.blocks)
        progress("the journal, the log")
        found.journal = growth.journal(plan.journal, plan.rounds)
        found.log = growth.access_log(short, plan.rounds)
        progress("rules, tenants")
        found.rules = growth.rules(short, plan.rules, plan.rounds)
        found.tenants = growth.tenants(short, plan.tenants, plan.rounds)
        progress("memory")
        for contender in (mock, *others):
            if contender.name in {OURS, "Prism"}:
                found.resident[contender.name] = growth.resident(contender, plan.requests, plan.tokens)
    return found, len(content)


def main() -> None:
    """Measure, and print or write the report."""
    parser = argparse.ArgumentParser(description="Measure what serving costs.")
    parser.add_argument("--quick", action="store_true", help="only check that it runs, without peers")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write RESULTS.md and pictures there")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.exit(2, "wrk is not installed: apt-get install wrk\n")
    if arguments.output and importlib.util.find_spec("matplotlib") is None:
        parser.exit(2, "matplotlib is not installed: pip install '.[bench]'\n")
    os.sched_setaffinity(0, {cores()[1]})
    begin, before = time.monotonic(), times()
    found, length = measure(QUICK if arguments.quick else FULL, with_peers=not arguments.quick)
    after, minutes = times(), (time.monotonic() - begin) / 60
    steal = (after.stolen - before.stolen) / (after.total - before.total)
    description = {
        **machine.description(),
        "took": f"{minutes:.1f} minutes, of which the host took {steal:.1%} for other guests",
    }
    print(report(found, length, description))
    if arguments.output:
        from benchmarks import plots  # noqa: PLC0415 - only pictures need matplotlib

        plots.throughput(found.lists, arguments.output / PICTURES[0])
        plots.growth(found, arguments.output / PICTURES[1])
        (arguments.output / "RESULTS.md").write_text(report(found, length, description, PICTURES), encoding="utf-8")


if __name__ == "__main__":
    main()
