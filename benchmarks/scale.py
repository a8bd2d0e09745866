"""Measures servers that share their state: `python -m benchmarks.scale` needs wrk and a Redis or Valkey server.

All figures are CPU time of a request, user and system, of the servers and of the store. Each comparison alternates
between its sides, so that other programs disturb both equally. The requests are lists that differ in a header, so that
no server sends a response without building it.
"""

import argparse
import contextlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import redis

import mock_atoms
from benchmarks.loads import Script, parse_run
from benchmarks.paths import BEARER, SCRIPT
from benchmarks.results import SCALE_HEADING, scale_section, spread, table
from benchmarks.servers import (
    HOST,
    LIST,
    Server,
    become_load_generator,
    cores,
    free_port,
    on_core,
    ours,
    progress,
    started,
)

CONNECTIONS = 16
"""Connections a worker: the load grows with the workers."""
WORKERS = (1, 2, 4)
TENANTS = 10_000
JOURNAL = 10_000
MEMORY, SHARED = "memory", "Redis"
STATE = Path(mock_atoms.__file__).parent / "state"
LINES_BEFORE = 1_656
SHARED_MODULES = (
    "log_contents.py",
    "redis_errors.py",
    "redis_log.py",
    "redis_scripts.py",
    "replica.py",
    "replicated_journal.py",
    "replicated_store.py",
    "shared_log.py",
    "shared_store.py",
)
NEW_TOKEN = "Authorization: Bearer sk_new_{number}"
VARYING = "traceparent: 00-{number}-00f067aa0ba902b7-01"


class Cost(NamedTuple):
    """Microseconds of CPU time of a request: of all servers, and of the store."""

    servers: float
    store: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.servers + self.store


class Store:
    """A running store.

    Attributes:
        url: its URL.
    """

    def __init__(self, process_id: int, url: str) -> None:
        self._clock = ~process_id << 3 | 2  # see `Server.cpu_seconds`
        self.url = url
        self._client = redis.Redis.from_url(url)

    def cpu_seconds(self) -> float:
        """Return its CPU time."""
        return time.clock_gettime(self._clock)

    def megabytes(self) -> float:
        """Return the memory that its data needs."""
        return float(self._client.info("memory")["used_memory"]) / 2**20


class Side(NamedTuple):
    """A server to measure, and its load.

    Attributes:
        server: the server.
        script: the requests.
        connections: number of connections.
        store: its store; `None` for the memory.
    """

    server: Server
    script: Script
    connections: int
    store: Store | None


@contextlib.contextmanager
def store_server() -> Iterator[Store]:
    """Start a store with an append-only file on the core of the servers, and stop it."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise SystemExit("neither redis-server nor valkey-server is installed")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ("--port", str(port), "--bind", HOST, "--dir", folder, "--appendonly", "yes", "--save", "")
        process = subprocess.Popen(on_core(cores()[0], program, *options), stdout=subprocess.DEVNULL)
        try:
            store = Store(process.pid, f"redis://{HOST}:{port}")
            yield store
        finally:
            process.kill()
            process.wait()


def run(side: Side, seconds: int) -> Cost:
    """Load a server once."""
    server, script, connections, store = side
    before, store_before = server.cpu_seconds(), store.cpu_seconds() if store else 0.0
    output = subprocess.run(
        [
            *on_core(cores()[1], "wrk", "--threads", "1", "--latency", "--timeout", "60s"),
            *("--connections", str(connections), "--duration", f"{seconds}s"),
            *(f"http://{HOST}:{server.port}{LIST}", *script.arguments),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    taken, store_taken = server.cpu_seconds() - before, store.cpu_seconds() - store_before if store else 0.0
    parsed = parse_run(output, taken, 0, 0)
    return Cost(1e6 * parsed.cpu, 1e6 * parsed.cpu * store_taken / taken)


class Comparison(NamedTuple):
    """Figures of sides that were measured in turn.

    Attributes:
        title: what was compared.
        goal: the maximum of the ratios to the first side, if there is one.
        head: the headings of the figures.
        lines: name and figures of each side.
        is_met: whether the goal is met.
    """

    title: str
    goal: float | None
    head: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    is_met: bool = True

    def markdown(self) -> Iterator[str]:
        """Yield the lines of a table, after a sentence about the goal."""
        first = self.title
        if self.goal is not None:
            yield f"{self.title}; goal ≤ {self.goal}, {'met' if self.is_met else '**not met**'}"
            yield ""
            first = "servers"
        yield from table((first, *self.head), self.lines)


class Measurement:
    """Measures sides in turn.

    Args:
        seconds: duration of a run.
        rounds: number of runs of each side.
        folder: keeps the files of scripts.
    """

    def __init__(self, seconds: int, rounds: int, folder: Path) -> None:
        self._seconds = seconds
        self._rounds = rounds
        self._folder = folder

    def script(self, *headers: str) -> Script:
        """Return the script that sends the list with these headers."""
        file = self._folder / str(abs(hash(headers)))
        file.write_text("\r\n".join((f"GET {LIST} HTTP/1.1", f"Host: {HOST}", *headers, "", "")), newline="")
        return Script(("--script", str(SCRIPT), "--", str(file)))

    def compare(self, title: str, goal: float, sides: Mapping[str, Side]) -> Comparison:
        """Measure sides in turn, and return their costs and their ratios to the first.

        The goal is about servers and store together, or about the servers alone if the first side has no store.
        """
        progress(title)
        costs: dict[str, list[Cost]] = {name: [] for name in sides}
        for side in sides.values():
            run(side, 1)  # lazy initialization is done
            side.server.pause()
        for number in range(self._rounds):
            for name in list(sides)[:: 1 if number % 2 else -1]:
                sides[name].server.resume()
                time.sleep(0.3)  # it may have to read the log
                costs[name].append(run(sides[name], self._seconds))
                sides[name].server.pause()
        for side in sides.values():
            side.server.resume()
        first, *_ = costs.values()
        is_met = True
        lines = []
        for name, measured in costs.items():
            has_store = first[0].store > 0
            ratios = [
                over.total / under.total if has_store else over.servers / under.servers
                for over, under in zip(measured, first, strict=True)
            ]
            medians = (f"{statistics.median(figures):,.0f}" for figures in zip(*measured, strict=True))
            lines.append((name, *medians, spread(ratios, digits=2)))
            is_met = is_met and statistics.median(ratios) <= goal
        head = ("CPU of the servers, µs a request", "of the store", "ratio to the first")
        return Comparison(title, goal, head, lines, is_met)


def shared(store: Store, prefix: str, *flags: str, workers: int = 1) -> contextlib.AbstractContextManager[Server]:
    """Start workers that share a store."""
    flags = ("--store", f"{store.url}/0", "--store-prefix", prefix, "--workers", str(workers), *flags)
    return started(ours(*flags, name=f"{prefix}, {workers} workers"))


def against_memory(measurement: Measurement, store: Store) -> Iterator[Comparison]:
    """Compare one server that shares its state with one that does not."""
    varying, new = measurement.script(BEARER, VARYING), measurement.script(NEW_TOKEN)
    for name, script in {"each list differs": varying, "each token is new": new}.items():
        for connections in (1, CONNECTIONS):
            with started(ours()) as alone, shared(store, f"{connections}-{name.split()[-1]}") as server:
                sides = {
                    MEMORY: Side(alone, script, connections, None),
                    SHARED: Side(server, script, connections, store),
                }
                title = f"memory and Redis, {name}, connections: {connections}"
                yield measurement.compare(title, 4.0, sides)


def workers(measurement: Measurement, store: Store) -> Iterator[Comparison]:
    """Compare numbers of workers."""
    script = measurement.script(BEARER, VARYING)
    with contextlib.ExitStack() as stack:
        sides = {
            f"workers: {number}": Side(
                stack.enter_context(shared(store, f"w{number}", workers=number)), script, CONNECTIONS * number, store
            )
            for number in WORKERS
        }
        yield measurement.compare(f"workers, {CONNECTIONS} connections each", 1.15, sides)


def tenants(measurement: Measurement, store: Store) -> Iterator[Comparison]:
    """Compare one tenant with many."""
    script = measurement.script(BEARER, VARYING)
    with shared(store, "t1") as few, shared(store, "tm") as many:
        send_lists(many.port, [f"sk_tenant_{number}" for number in range(TENANTS)])
        send_lists(few.port, ["sk_tenant"] * TENANTS)
        sides = {
            "1 tenant": Side(few, script, CONNECTIONS, store),
            f"{TENANTS:,} tenants": Side(many, script, CONNECTIONS, store),
        }
        yield measurement.compare("tenants", 1.15, sides)


def journals(measurement: Measurement, store: Store) -> Iterator[Comparison]:
    """Compare an empty journal with a full one."""
    script = measurement.script(BEARER, VARYING)
    with shared(store, "j0", "--journal-size", "1") as empty, shared(store, "j1") as full:
        send_lists(full.port, ["sk_tenant"] * JOURNAL)
        sides = {
            "nearly empty journal": Side(empty, script, CONNECTIONS, store),
            f"journal of {JOURNAL:,}": Side(full, script, CONNECTIONS, store),
        }
        yield measurement.compare("journal", 1.15, sides)


def memory(_measurement: Measurement, store: Store) -> Iterator[Comparison]:
    """Measure the memory of the store as requests arrive."""
    with shared(store, "memory") as server:
        sizes = {0: store.megabytes()}
        for step in range(1, 5):
            send_lists(server.port, [f"sk_tenant_{number % 100}" for number in range(JOURNAL)])
            sizes[step * JOURNAL] = store.megabytes()
    lines = [(f"{requests:,}", f"{size:.1f}") for requests, size in sizes.items()]
    yield Comparison("lists of 100 tenants", None, ("memory of the store, MiB",), lines)


def send_lists(port: int, tokens: Sequence[str]) -> None:
    """Request the list with each token."""
    connection = HTTPConnection(HOST, port, timeout=60)
    for token in tokens:
        connection.request("GET", LIST, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:  # noqa: PLR2004 - OK
            raise SystemExit(f"{response.status} {body[:200]!r}")
    connection.close()


def main() -> int:
    """Measure, print the tables, and return the exit code: 1 if a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=2, help="duration of a run of load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the tables into this report, such as RESULTS.md"
    )
    arguments = parser.parse_args()
    become_load_generator()
    comparisons: list[Comparison] = []
    with tempfile.TemporaryDirectory() as folder:
        measurement = Measurement(arguments.seconds, arguments.rounds, Path(folder))
        for name in arguments.only:
            with store_server() as store:
                comparisons += PARTS[name](measurement, store)
    section = "\n".join(report(comparisons))
    print(section)
    if arguments.output:
        page = arguments.output.read_text(encoding="utf-8")
        rest = page.removesuffix(scale_section(page)).rstrip("\n")
        arguments.output.write_text(f"{rest}\n\n{section}", encoding="utf-8")
    return 0 if all(comparison.is_met for comparison in comparisons) else 1


def report(comparisons: Iterable[Comparison]) -> Iterator[str]:
    """Yield the lines of the section about servers that share their state."""
    today = datetime.now(tz=UTC).date()
    yield from (SCALE_HEADING, "", f"Written by `python -m benchmarks.scale --output`, {today}.", "")
    for comparison in comparisons:
        yield from comparison.markdown()
    lines = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in STATE.glob("*.py")}
    shared_lines = sum(lines[name] for name in SHARED_MODULES)
    yield (
        f"`mock_atoms/state/` had {LINES_BEFORE:,} lines before its state could be shared. It has "
        f"{sum(lines.values()):,} today. {shared_lines:,} of them are about the shared store; the others came with "
        "campaigns, accounts and imports."
    )
    yield ""


PARTS: dict[str, Callable[[Measurement, Store], Iterator[Comparison]]] = {
    "redis": against_memory,
    "workers": workers,
    "tenants": tenants,
    "journal": journals,
    "memory": memory,
}


if __name__ == "__main__":
    sys.exit(main())
