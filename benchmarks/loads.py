"""Runs load with wrk and measures its cost, CPU time first, since other programs hardly change that."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.servers import HOST, KEY, LIST, Server, cores, on_core

TOO_MUCH = 0.05
"""Share of the time that others may take before a run is repeated."""
TRIES = 4
"""Maximum number of runs, of which the least disturbed one counts."""
ROTATING = Path(__file__).with_name("rotating.lua")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
K = TypeVar("K")


class Run(NamedTuple):
    """The figures of one run of load.

    Attributes:
        cpu: seconds of CPU time of the server per request, user and system.
        rate: requests a second.
        p50: seconds within which half of the responses arrived.
        p99: seconds within which 99 % of the responses arrived.
        steal: share of the machine's time that the host took for other guests.
        others: share of the machine's time that unrelated programs took.
    """

    cpu: float
    rate: float
    p50: float
    p99: float
    steal: float
    others: float

    @property
    def disturbed(self) -> float:
        """Share of the time in which neither the server nor the load generator could run."""
        return self.steal + self.others


class Times(NamedTuple):
    """Seconds of all cores: stolen by the host, used by programs, and in total.

    Interrupts count for no program.
    """

    stolen: float
    programs: float
    total: float


class Script(NamedTuple):
    """Requests other than the list.

    Attributes:
        arguments: wrk's options, and the arguments after the address.
        fails: whether each response is an error.
    """

    arguments: tuple[str, ...] = ()
    fails: bool = False


THE_LIST = Script()


def rotating(tokens: Path) -> Script:
    """Return the script that makes wrk use the tokens of a file in turn."""
    return Script(("--script", str(ROTATING), "--", str(tokens)))


def times() -> Times:
    """Return how the machine's time was used since its start."""
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, *others, steal = [int(field) / os.sysconf("SC_CLK_TCK") for field in line.split()[1:9]]
    return Times(steal, user + nice + system, sum((user, nice, system, *others, steal)))


def parse_run(output: str, cpu_seconds: float, steal: float, others: float, *, fails: bool = False) -> Run:
    """Parse the output of wrk, and add the figures of the system.

    Raises:
        RuntimeError: a response was not as expected, or a figure is missing from the output.
    """
    requests = int(_found(r"(\d+) requests in", output))
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if "Socket errors" in output or int(failed[1] if failed else 0) != (requests if fails else 0):
        raise RuntimeError(f"not every response was {'an error' if fails else 'the list'}:\n{output}")
    return Run(
        cpu=cpu_seconds / requests,
        rate=float(_found(r"Requests/sec: +([\d.]+)", output)),
        p50=_seconds(_found(r" 50% +(\S+)", output)),
        p99=_seconds(_found(r" 99% +(\S+)", output)),
        steal=steal,
        others=others,
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"the output of wrk lacks {pattern!r}:\n{text}")
    return match[1]


def _seconds(text: str) -> float:
    number, unit = float(_found(r"([\d.]+)", text)), _found(r"([a-z]+)", text)
    return number * _UNITS[unit]


def run(server: Server, connections: int, seconds: int, script: Script = THE_LIST) -> Run:
    """Load a server once."""
    if not server.spec.is_bounded:
        server.empty_journal()
    before, own, server_before = times(), os.times(), server.cpu_seconds()
    output = subprocess.run(
        [
            *on_core(cores()[1], "wrk", "--threads", "1", "--latency", "--timeout", "60s"),
            *("--connections", str(connections), "--duration", f"{seconds}s"),
            *("--header", f"Authorization: Bearer {KEY}", f"http://{HOST}:{server.port}{LIST}", *script.arguments),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    taken = server.cpu_seconds() - server_before
    stolen, programs, total = (after - start for after, start in zip(times(), before, strict=True))
    measuring = sum(os.times()[:4]) - sum(own[:4])  # mostly of wrk
    return parse_run(output, taken, stolen / total, max(0.0, programs - taken - measuring) / total, fails=script.fails)


class Loads:
    """Runs of the same length. A run that others disturbed is repeated; the least disturbed one counts.

    Attributes:
        seconds: duration of a run.
        max_repeats: number of runs that may still be repeated, so that a busy machine ends too.
    """

    def __init__(self, seconds: int, max_repeats: int) -> None:
        self.seconds = seconds
        self.max_repeats = max_repeats

    def quiet(self, server: Server, connections: int, script: Script = THE_LIST) -> Run:
        """Load a server, and repeat that while others disturb it."""
        runs = [run(server, connections, self.seconds, script)]
        while runs[-1].disturbed > TOO_MUCH and len(runs) < TRIES and self.max_repeats > 0:
            self.max_repeats -= 1
            runs.append(run(server, connections, self.seconds, script))
        return min(runs, key=lambda each: each.disturbed)

    def in_turn(
        self,
        servers: Mapping[K, Server],
        connections: int,
        rounds: int,
        scripts: Mapping[K, Script] | None = None,
    ) -> dict[K, list[Run]]:
        """Load all servers in turn, forward and then backward; those that are not loaded are paused."""
        runs: dict[K, list[Run]] = {name: [] for name in servers}
        for server in servers.values():
            server.pause()
        for number in range(rounds):
            for name in list(servers)[:: 1 if number % 2 else -1]:
                servers[name].resume()
                runs[name].append(self.quiet(servers[name], connections, (scripts or {}).get(name, THE_LIST)))
                servers[name].pause()
        for server in servers.values():
            server.resume()
        return runs
