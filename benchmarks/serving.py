"""What serving costs: the list, beside the least that uvicorn can do with the same bytes, and beside other mocks.

`python -m benchmarks.serving`, or `make bench`, prints a report in Markdown; `make bench-peers` installs the other
mocks before, and writes it to a file, with pictures. What is measured is not asserted anywhere: people read it.
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
from benchmarks.contenders import OURS, Contender, Unusable, ask, check, cores, floor, ours, started
from benchmarks.goals import Findings
from benchmarks.loads import Loads, run, times
from benchmarks.results import report

CONNECTIONS = (1, 16, 64)
PICTURES = ("throughput.svg", "growth.svg")


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        rounds: how often everything is measured.
        seconds: how long a run of load is.
        warming: how long a server is loaded before, in seconds; those that compile while they run take long.
        patience: how many runs may be repeated in all.
        tenants: how many of them ask in turn.
        rules: how many there are for others.
        journal: how many exchanges it keeps where it is filled.
        blocks: how often blocks of requests are measured.
        requests: how many there are before memory is measured, of `tokens` tokens.
        tokens: see there.
    """

    rounds: int
    seconds: int
    warming: int
    patience: int
    tenants: tuple[int, ...]
    rules: tuple[int, ...]
    journal: int
    blocks: int
    requests: int
    tokens: int


FULL = Plan(5, 3, 15, 20, (1, 10, 100, 1_000, 10_000), (0, 10, 100, 1_000), 10_000, 20, 100_000, 1_000)
QUICK = Plan(1, 1, 1, 0, (1, 10), (0, 10), 100, 1, 100, 10)


def progress(what: str) -> None:
    """Tell whoever waits what is measured now."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def lists(contenders: list[Contender], plan: Plan, loads: Loads, found: Findings) -> None:
    """Measure the list, with more and more connections."""
    with contextlib.ExitStack() as stack:
        servers = {contender.name: stack.enter_context(started(contender)) for contender in contenders}
        for name, server in servers.items():
            progress(f"warming {name}")
            run(server, max(CONNECTIONS), plan.warming)
        for connections in CONNECTIONS:
            progress(f"the list, connections: {connections}")
            found.lists[connections] = loads.in_turn(servers, connections, plan.rounds)


def present(contenders: list[Contender], content: bytes, found: Findings) -> list[Contender]:
    """Return the contenders that answer the list; of the others, tell why they do not."""
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
    """Measure all; return what was found, and how long the list is."""
    found, mock = Findings(journal_size=plan.journal), ours()
    loads, short = Loads(plan.seconds, plan.patience), Loads(max(1, plan.seconds - 1), plan.patience)
    with tempfile.TemporaryDirectory() as name, started(mock) as server:
        folder = Path(name)
        content = ask(server.port)
        (folder / "list").write_bytes(content)
        others: list[Contender] = []
        if with_peers:
            others, found.absent = peers.find(folder, content)
            others = present(others, content, found)
        else:
            found.absent = {peer.name: "peers were not asked for" for peer in peers.PEERS}
        server.hold()
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
    """Measure, and print or write what was found."""
    parser = argparse.ArgumentParser(description="Measure what serving costs.")
    parser.add_argument("--quick", action="store_true", help="only see that it runs, without peers")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="write RESULTS.md and pictures there")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.exit(2, "wrk is not installed: apt-get install wrk\n")
    if given.output and importlib.util.find_spec("matplotlib") is None:
        parser.exit(2, "matplotlib is not installed: pip install '.[bench]'\n")
    os.sched_setaffinity(0, {cores()[1]})
    begin, before = time.monotonic(), times()
    found, length = measure(QUICK if given.quick else FULL, with_peers=not given.quick)
    after, minutes = times(), (time.monotonic() - begin) / 60
    steal = (after.stolen - before.stolen) / (after.whole - before.whole)
    facts = {**machine.facts(), "took": f"{minutes:.1f} minutes, {steal:.1%} of which the host took for others"}
    print(report(found, length, facts))
    if given.output:
        from benchmarks import plots  # noqa: PLC0415 - only pictures need what draws them

        plots.throughput(found.lists, given.output / PICTURES[0])
        plots.growth(found, given.output / PICTURES[1])
        (given.output / "RESULTS.md").write_text(report(found, length, facts, PICTURES), encoding="utf-8")


if __name__ == "__main__":
    main()
