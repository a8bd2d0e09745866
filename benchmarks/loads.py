"""Load by wrk, and what it costs a server: CPU time first, for the host's other guests hardly move that."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.contenders import HOST, KEY, LIST, Server, cores, on_core

TOO_MUCH_STEAL = 0.05
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
        steal: share of the time that the host took for others.
    """

    cpu: float
    rate: float
    p50: float
    p99: float
    steal: float


def rotating(tokens: Path) -> tuple[str, ...]:
    """Return what makes wrk take the tokens of a file in turn."""
    return ("--script", str(ROTATING), "--", str(tokens))


def host_times() -> tuple[int, int]:
    """Return what the host has taken for others, and all time, in ticks of all cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    return fields[7], sum(fields)


def run_of(told: str, cpu_seconds: float, steal: float) -> Run:
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
    stolen, whole = host_times()
    before = server.cpu_seconds()
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
    taken = server.cpu_seconds() - before
    stolen_since, whole_since = host_times()
    return run_of(told, taken, (stolen_since - stolen) / (whole_since - whole))


class Loads:
    """Runs of the same length, each once more where the host was busy with others; the quietest of them counts.

    Attributes:
        seconds: how long a run is.
        patience: how many runs may still be repeated: a host that is never quiet must not make it endless.
    """

    def __init__(self, seconds: int, patience: int) -> None:
        self.seconds = seconds
        self.patience = patience

    def quiet(self, server: Server, connections: int, script: Sequence[str] = ()) -> Run:
        """Load a server until the host was quiet."""
        runs = [run(server, connections, self.seconds, script)]
        while runs[-1].steal > TOO_MUCH_STEAL and len(runs) < TRIES and self.patience > 0:
            self.patience -= 1
            runs.append(run(server, connections, self.seconds, script))
        return min(runs, key=lambda each: each.steal)

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
