"""Runs the suite against servers in turn, and measures the cost of a test and the latency of another client."""

import contextlib
import http.client
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import other_servers
from benchmarks.servers import (
    HOST,
    LIST,
    ROOT,
    Server,
    ServerSpec,
    Unusable,
    cores,
    environment,
    floor,
    on_core,
    ours,
    ours_of,
    progress,
    started,
)
from benchmarks.suite_tests import WireMock, WorkerArguments

HAND_WRITTEN = "hand-written stub"
FOLDER = Path(__file__).parent
OTHER_TOKENS = 100
"""Number of tokens that filled the journal."""
SEED = 15


class SuitePlan(NamedTuple):
    """The extent of the measurement: tests of a run, rounds, numbers of workers, and of requests of other tests."""

    tests: int
    rounds: int
    workers: tuple[int, ...]
    entries: tuple[int, ...]


FULL = SuitePlan(1_000, 2, (1, 8), (0, 10_000))
QUICK = SuitePlan(40, 1, (1, 2), (0, 20))


class Suite(NamedTuple):
    """The figures of one run of the suite, in seconds.

    Attributes:
        cpu: CPU time of the server per test, user and system.
        wall: duration of the run per test.
        slowest: the slowest list of a client that took no part.
    """

    cpu: float
    wall: float
    slowest: float


class SuiteServer(NamedTuple):
    """A server that the suite can test: how to start and control it, and the checkout whose client does."""

    spec: ServerSpec
    kind: str
    checkout: Path = ROOT


class Setting(NamedTuple):
    """The conditions of a run: the server, the number of workers and of requests of other tests."""

    server: str
    workers: int
    entries: int

    def __str__(self) -> str:
        return f"the suite, {self.server}, workers: {self.workers}, other requests: {self.entries:,}"


Suites = dict[Setting, list[Suite]]


def script(name: str, *arguments: str, checkout: Path = ROOT) -> subprocess.Popen[str]:
    """Start a script of this folder on the core of the load, and return it when it is ready.

    Raises:
        RuntimeError: it ended before.
    """
    process = subprocess.Popen(
        on_core(cores()[1], sys.executable, "-P", str(FOLDER / name), *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(checkout),
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        process.wait()
        raise RuntimeError(f"{name} {' '.join(arguments)} failed with code {process.returncode}")
    return process


def last_output(process: subprocess.Popen[str]) -> str:
    """Close the input of a script, and return its last output.

    Raises:
        RuntimeError: it failed.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} failed with code {process.returncode}")
    return output


def fill(server: Server, entries: int) -> None:
    """Empty the journal, then send lists with the tokens of other tests."""
    server.empty_journal()
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=60)) as connection:
        for number in range(entries):
            tenant = number % OTHER_TOKENS
            headers = {
                "Authorization": f"Bearer sk_other_{tenant}",
                "X-Test-Id": f"other-{tenant}",
                "traceparent": f"00-{number:032x}-{number + 1:016x}-01",
            }
            connection.request("GET", LIST, headers=headers)
            connection.getresponse().read()


def run(server: Server, tested_server: SuiteServer, plan: SuitePlan, workers: int, number: int) -> Suite:
    """Run the tests once; `number` makes their tokens new."""
    first = WorkerArguments(tested_server.kind, server.port, plan.tests, SEED, 0, workers, number)
    arguments = [first._replace(worker=worker) for worker in range(workers)]
    processes: list[subprocess.Popen[str]] = []
    try:
        # If one does not start, those before it are killed.
        processes.extend(
            script("suite_tests.py", *each.as_strings(), checkout=tested_server.checkout) for each in arguments
        )
        with bystander(server.port) as slowest:
            cpu, begin = server.cpu_seconds(), time.perf_counter()
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("\n")
                process.stdin.flush()
            outputs = [last_output(process) for process in processes]
            cpu, wall = server.cpu_seconds() - cpu, time.perf_counter() - begin
    finally:
        for process in processes:
            process.kill()
    assert outputs == ["done\n"] * workers
    return Suite(cpu / plan.tests, wall / plan.tests, *slowest)


@contextlib.contextmanager
def bystander(port: int) -> Iterator[list[float]]:
    """Send lists in another process meanwhile, and add the seconds of the slowest to the list."""
    slowest: list[float] = []
    process = script("bystander.py", str(port))
    try:
        yield slowest
    finally:
        slowest.append(float(last_output(process)))


def suite_servers(
    folder: Path, content: bytes, checkouts: Sequence[Path] = (), *, with_others: bool
) -> tuple[list[SuiteServer], dict[str, str]]:
    """Return the servers to test, and the reasons of those that cannot run."""
    (folder / "list").write_bytes(content)
    found = [SuiteServer(ours(), "ours")]
    found += [SuiteServer(ours_of(checkout), "ours", checkout) for checkout in checkouts]
    found.append(SuiteServer(floor(folder / "list", "hand_written:app", HAND_WRITTEN), "hand_written"))
    skipped: dict[str, str] = {}
    if not with_others:
        return found, skipped
    (folder / "wiremock").mkdir()
    try:
        found.append(SuiteServer(other_servers.wiremock(folder / "wiremock", content), "wiremock"))
    except Unusable as reason:
        skipped["WireMock"] = str(reason)
    return found, skipped


def add_stubs(server: Server, content: bytes) -> None:
    """Add the stubs that WireMock needs beside the list."""
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=60)) as connection:
        for stub in WireMock.stubs(json.loads(content)):
            connection.request("POST", "/__admin/mappings", json.dumps(stub).encode())
            assert connection.getresponse().read()


def measure(tested: Sequence[SuiteServer], content: bytes, plan: SuitePlan) -> Suites:
    """Run the suite against all servers in turn, forward and then backward; those at rest are paused.

    The first run of each does not count: it compiles, and lets the memory grow.
    """
    found: Suites = {}
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:
        servers = [(tested_server, stack.enter_context(started(tested_server.spec))) for tested_server in tested]
        for tested_server, server in servers:
            if tested_server.kind == "wiremock":
                add_stubs(server, content)
            run(server, tested_server, plan, max(plan.workers), next(numbers))
            server.pause()
        for number in range(plan.rounds):
            for workers, entries in itertools.product(plan.workers, plan.entries):
                for tested_server, server in servers[:: 1 if number % 2 else -1]:
                    server.resume()
                    fill(server, entries)
                    setting = Setting(tested_server.spec.name, workers, entries)
                    figures = run(server, tested_server, plan, workers, next(numbers))
                    shown = ", ".join(f"{name} {1e3 * figure:.2f} ms" for name, figure in figures._asdict().items())
                    progress(f"{setting}: {shown}")
                    found.setdefault(setting, []).append(figures)
                    server.pause()
        for _, server in servers:
            server.resume()
    return found
