"""What serving costs: the list, beside the least that uvicorn can do with the same bytes.

`python benchmarks/serving.py`, or `make bench`, starts each server in a process of its own, all on one core, and has
wrk load them in turn from another one. The first figure is CPU time of the server per request, user and system: other
machines on the same host hardly move it. A run in which the host took more than 5 % of the time for others is
repeated. Each figure is a median (least to most).

What is measured is not asserted anywhere: people read it.
"""

import argparse
import contextlib
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
HOST = "127.0.0.1"
LIST = "/atoms/v1/audience"
KEY = "sk_bench"
SERVERS_CORE, LOADS_CORE = 0, 1
TOO_MUCH_STEAL = 0.05
TRIES = 4
READY_SECONDS = 60.0
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Plan(NamedTuple):
    """How many rounds there are, how many seconds each run takes, and how often a start is measured."""

    rounds: int
    seconds: int
    starts: int


class Contender(NamedTuple):
    """A server: its name, the command that starts it on a port, and what it needs in its environment."""

    name: str
    command: Callable[[int], list[str]]
    environment: dict[str, str]


class Run(NamedTuple):
    """What one run of load measured.

    Attributes:
        cpu: seconds of CPU time of the server per request, user and system.
        rate: requests a second.
        p50: seconds within which half of the requests were answered.
        p99: seconds within which 99 of 100 were.
        steal: share of the time that the host took for others.
    """

    cpu: float
    rate: float
    p50: float
    p99: float
    steal: float


def python(*arguments: str) -> list[str]:
    """Return a command of this interpreter's."""
    return [sys.executable, *arguments]


def ours(*flags: str) -> Callable[[int], list[str]]:
    """Return what starts the mock with everything on; its log of single exchanges is off."""
    return lambda port: python("-m", "mock_atoms", "serve", "--port", str(port), "--log-level", "warning", *flags)


def floor(body: Path) -> Contender:
    """Return the least that there can be."""
    flags = ("--no-access-log", "--no-server-header", "--no-proxy-headers", "--lifespan", "off", "--log-level", "error")
    return Contender(
        "raw ASGI",
        lambda port: python("-m", "uvicorn", "floor:app", "--app-dir", str(HERE), "--port", str(port), *flags),
        {"FLOOR_BODY": str(body)},
    )


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ask(port: int, key: str = KEY) -> bytes:
    """Return the list that a server answers."""
    request = urllib.request.Request(f"http://{HOST}:{port}{LIST}", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:
        content: bytes = answer.read()
        return content


def until_ready(port: int) -> None:
    """Wait for the first answer."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            ask(port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return


@contextlib.contextmanager
def started(contender: Contender) -> Iterator[tuple[int, int]]:
    """Start a server on its core; yield the ids of its process and its port once it answers."""
    port = free_port()
    process = subprocess.Popen(
        contender.command(port),
        env={**os.environ, **contender.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.sched_setaffinity(process.pid, {SERVERS_CORE})
    try:
        until_ready(port)
        yield process.pid, port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def cpu_seconds(process_id: int) -> float:
    """Return the CPU time that a process and those that it started have taken."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def host_times() -> tuple[int, int]:
    """Return what the host has taken for others, and all time, in ticks of all cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return fields[7], sum(fields)


def load(process_id: int, port: int, connections: int, seconds: int) -> Run:
    """Load a server once."""
    stolen, whole = host_times()
    before = cpu_seconds(process_id)
    told = subprocess.run(
        [
            *("taskset", "--cpu-list", str(LOADS_CORE), "wrk", "--threads", "1", "--latency", "--timeout", "60s"),
            *("--connections", str(connections), "--duration", f"{seconds}s"),
            *("--header", f"Authorization: Bearer {KEY}", f"http://{HOST}:{port}{LIST}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    taken = cpu_seconds(process_id) - before
    stolen_since, whole_since = host_times()
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(f"not every answer was the list:\n{told}")
    return Run(
        cpu=taken / int(_found(r"(\d+) requests in", told)),
        rate=float(_found(r"Requests/sec: +([\d.]+)", told)),
        p50=_seconds(_found(r" 50% +(\S+)", told)),
        p99=_seconds(_found(r" 99% +(\S+)", told)),
        steal=(stolen_since - stolen) / (whole_since - whole),
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk did not tell {pattern!r}:\n{text}")
    return match[1]


def _seconds(text: str) -> float:
    number, unit = float(_found(r"([\d.]+)", text)), _found(r"([a-z]+)", text)
    return number * _UNITS[unit]


def quiet_load(process_id: int, port: int, connections: int, seconds: int) -> Run:
    """Load a server, once more where the host was busy with others; the quietest run of some counts."""
    runs: list[Run] = []
    while not runs or (runs[-1].steal > TOO_MUCH_STEAL and len(runs) < TRIES):
        runs.append(load(process_id, port, connections, seconds))
    return min(runs, key=lambda run: run.steal)


def in_turn(contenders: Sequence[Contender], connections: int, plan: Plan) -> dict[str, list[Run]]:
    """Load all contenders in turn, each in every round."""
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    with contextlib.ExitStack() as stack:
        servers = [(contender.name, *stack.enter_context(started(contender))) for contender in contenders]
        for _, process_id, port in servers:
            load(process_id, port, connections, 1)  # to be warm
        for _ in range(plan.rounds):
            for name, process_id, port in servers:
                runs[name].append(quiet_load(process_id, port, connections, plan.seconds))
    return runs


def start_seconds(contender: Contender) -> float:
    """Return how long it takes from the start of a process to its first answer."""
    begin = time.perf_counter()
    with started(contender):
        return time.perf_counter() - begin


def import_seconds() -> float:
    """Return how long Python takes to import what serves."""
    begin = time.perf_counter()
    subprocess.run(python("-c", "import fastapi, uvicorn"), check=True)
    return time.perf_counter() - begin


def first_seconds(port: int, times: int) -> tuple[list[float], list[float]]:
    """Return how long lists take that are asked for by a token that was never seen, and by one that was."""
    first: list[float] = []
    again: list[float] = []
    for number in range(times):
        for durations, key in ((first, f"sk_new_{number}"), (again, KEY)):
            begin = time.perf_counter()
            ask(port, key)
            durations.append(time.perf_counter() - begin)
    return first, again


def shown(values: Sequence[float], scale: float, digits: int = 1) -> str:
    """Return a median, the least and the most."""
    median, least, most = (
        f"{value * scale:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return f"{median} ({least} to {most})"


def ratio(values: Sequence[float], others: Sequence[float]) -> str:
    """Return how two medians compare."""
    return f"{statistics.median(values) / statistics.median(others):.2f}"


def tables(plan: Plan) -> Iterator[str]:
    """Measure, and yield the lines of the tables in Markdown as they are known."""
    with started(Contender("ours", ours(), {})) as (_, port):
        content = ask(port)
        first, again = first_seconds(port, plan.starts * 10)
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        body.write_bytes(content)
        least, mock = floor(body), Contender("mock-atoms", ours(), {})
        yield f"The list is of {len(content):,} bytes; {_machine()}."
        yield ""
        yield "| connections | server | CPU a request, µs | requests a second | p50, ms | p99, ms |"
        yield "|---|---|---|---|---|---|"
        for connections in (1, 16, 64):
            runs = in_turn([least, mock], connections, plan)
            for name, measured in runs.items():
                cpu, rate, p50, p99, _ = zip(*measured, strict=True)
                figures = (shown(cpu, 1e6), shown(rate, 1, 0), shown(p50, 1e3, 2), shown(p99, 1e3, 2))
                yield f"| {connections} | {name} | {' | '.join(figures)} |"
            of_floor, of_mock = (
                zip(*(run[:-1] for run in runs[name]), strict=True) for name in (least.name, mock.name)
            )
            ratios = [ratio(ours, theirs) for theirs, ours in zip(of_floor, of_mock, strict=True)]
            yield f"| {connections} | **mock-atoms / raw ASGI** | {' | '.join(f'**{each}**' for each in ratios)} |"
    starts, imports = [], []
    for _ in range(plan.starts):
        starts.append(start_seconds(Contender("ours", ours(), {})))
        imports.append(import_seconds())
    yield ""
    yield "| | ms | ratio |"
    yield "|---|---|---|"
    yield f"| start of the process to its first answer | {shown(starts, 1e3)} | {ratio(starts, imports)} |"
    yield f"| `import fastapi, uvicorn` alone | {shown(imports, 1e3)} | 1 |"
    yield f"| list of a token never seen | {shown(first, 1e3, 2)} | {ratio(first, again)} |"
    yield f"| list once more | {shown(again, 1e3, 2)} | 1 |"


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "httptools", "fastapi"))
    return f"{os.cpu_count()} cores of {platform.machine()}, Python {platform.python_version()}, {packages}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what serving costs.")
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    if shutil.which("wrk") is None:
        parser.exit(2, "wrk is not installed: apt-get install wrk\n")
    plan = Plan(1, 1, 1) if parser.parse_args().quick else Plan(5, 4, 7)
    for line in tables(plan):
        print(line, flush=True)


if __name__ == "__main__":
    main()
