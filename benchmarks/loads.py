"""Load by wrk, and what it costs a server: CPU time first, for whatever else runs hardly moves that."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.contenders import HOST, KEY, LIST, Server, cores, on_core

TOO_MUCH = 0.05
"""Share of the time that others may take in a run that counts."""
TRIES = 4
ROTATING = Path(__file__).with_name("rotating.lua")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
K = TypeVar("K")


class Run(NamedTuple):
    """What one run of load measured.

    Attributes:
        cpu: seconds of CPU time of the server per request, user and system.
        rate: requests a second.
        p50: seconds within which half of the requests were answered.
        p99: seconds within which 99 of 100 were.
        steal: share of the machine's time that the host took for others.
        others: share of it that programs took which are no part of the measurement.
    """

    cpu: float
    rate: float
    p50: float
    p99: float
    steal: float
    others: float

    @property
    def disturbed(self) -> float:
        """Share of the time in which neither the server nor the load could run."""
        return self.steal + self.others


class Times(NamedTuple):
    """Seconds of all cores: those that the host took for others, those that programs took, and all.

    Interrupts are counted for no program, where the system counts them at all.
    """

    stolen: float
    programs: float
    whole: float


def rotating(tokens: Path) -> tuple[str, ...]:
    """Return what makes wrk take the tokens of a file in turn."""
    return ("--script", str(ROTATING), "--", str(tokens))


def times() -> Times:
    """Return what the machine's time has gone to."""
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, *others, steal = [int(field) / os.sysconf("SC_CLK_TCK") for field in line.split()[1:9]]
    return Times(steal, user + nice + system, sum((user, nice, system, *others, steal)))


def run_of(told: str, cpu_seconds: float, steal: float, others: float) -> Run:
    """Return what wrk told, with what the system did.

    Raises:
        RuntimeError: an answer was not the list, or there was none.
    """
    if "Non-2xx" in told or "Socket errors" in told:
        raise RuntimeError(f"not every answer was the list:\n{told}")
    return Run(
        cpu=cpu_seconds / int(_found(r"(\d+) requests in", told)),
        rate=float(_found(r"Requests/sec: +([\d.]+)", told)),
        p50=_seconds(_found(r" 50% +(\S+)", told)),
        p99=_seconds(_found(r" 99% +(\S+)", told)),
        steal=steal,
        others=others,
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk did not tell {pattern!r}:\n{text}")
    return match[1]


def _seconds(text: str) -> float:
    number, unit = float(_found(r"([\d.]+)", text)), _found(r"([a-z]+)", text)
    return number * _UNITS[unit]


def run(server: Server, connections: int, seconds: int, script: Sequence[str] = ()) -> Run:
    """Load a server once; `script` are wrk's options and arguments behind the address."""
    server.empty_journal()
    before, own, server_before = times(), os.times(), server.cpu_seconds()
    told = subprocess.run(
        [
            *on_core(cores()[1], "wrk", "--threads", "1", "--latency", "--timeout", "60s"),
            *("--connections", str(connections), "--duration", f"{seconds}s"),
            *("--header", f"Authorization: Bearer {KEY}", f"http://{HOST}:{server.port}{LIST}", *script),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    taken = server.cpu_seconds() - server_before
    stolen, programs, whole = (since - until for since, until in zip(times(), before, strict=True))
    measuring = sum(os.times()[:4]) - sum(own[:4])  # wrk's, for most of it
    return run_of(told, taken, stolen / whole, max(0.0, programs - taken - measuring) / whole)


class Loads:
    """Runs of the same length, each once more where too much else was going on; the quietest of them counts.

    Attributes:
        seconds: how long a run is.
        patience: how many runs may still be repeated: a machine that is never quiet must not make it endless.
    """

    def __init__(self, seconds: int, patience: int) -> None:
        self.seconds = seconds
        self.patience = patience

    def quiet(self, server: Server, connections: int, script: Sequence[str] = ()) -> Run:
        """Load a server until the machine was quiet."""
        runs = [run(server, connections, self.seconds, script)]
        while runs[-1].disturbed > TOO_MUCH and len(runs) < TRIES and self.patience > 0:
            self.patience -= 1
            runs.append(run(server, connections, self.seconds, script))
        return min(runs, key=lambda each: each.disturbed)

    def in_turn(
        self,
        servers: Mapping[K, Server],
        connections: int,
        rounds: int,
        scripts: Mapping[K, Sequence[str]] | None = None,
    ) -> dict[K, list[Run]]:
        """Load all servers in turn, there and back, each in every round; who is not loaded is held."""
        runs: dict[K, list[Run]] = {name: [] for name in servers}
        for server in servers.values():
            server.hold()
        for number in range(rounds):
            for name in list(servers)[:: 1 if number % 2 else -1]:
                servers[name].go_on()
                runs[name].append(self.quiet(servers[name], connections, (scripts or {}).get(name, ())))
                servers[name].hold()
        for server in servers.values():
            server.go_on()
        return runs
