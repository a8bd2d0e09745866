"""Checks that no client can stall, crash, grow or mislead the server: `python -m benchmarks.soak --requests 1000000`.

It starts a server in a separate process and loads it with good, faulty, malformed, aborted and hostile clients. Their
shares of the requests are in `KINDS`; the result has the number of requests of each kind by outcome. A bystander in a
third process sends a request every few milliseconds. Exit code 1 means that a check failed:

- tasks, file descriptors and threads are the same before and after,
- resident memory stays below 1.5 times the server's documented limits, also between two measurements,
- the last reset keeps at most half of the memory growth, or `MAX_GROWTH` if that is more,
- it keeps at most `MAX_GROWTH` more than the second reset,
- the server writes no traceback, no error and nothing to stderr, and no response reports a bug of the mock,
- every good request gets its response, and the server ends every request and closes every connection that is held,
- no callback of the event loop takes more than `MAX_STALL_MS` of processor time, in which no other client is served,
- 999 of 1,000 requests of the bystander take at most `MAX_STALL_MS`. One takes longer if dozens of clients have sent
  requests directly before it.
"""

import argparse
import asyncio
import functools
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.hostile_clients import PIPELINED, Client, Outcomes

MAX_STALL_MS = 50.0
MAX_MEMORY = 1_592 * 3 // 2
"""MiB: 1.5 times the sum in docs/limits.md."""
MAX_KEPT = 0.5
"""Maximum share of the memory growth that remains after the last reset.

Python returns memory to the system in pieces of 1 MiB, in which a single object may be left.
"""
MAX_GROWTH = 50
"""MiB that may always remain after the last reset, and by which it may exceed the second reset."""
PAUSE_SECONDS = 0.005
"""Pause of the bystander between two requests."""
ROUNDS = 4
KINDS: dict[str, tuple[float, int, int]] = {
    "good": (0.62, 6, PIPELINED),
    "varied": (0.18, 2, PIPELINED),
    "write": (0.04, 2, 1),
    "faulty": (0.05, 24, 1),
    "malformed": (0.05, 8, 1),
    "aborted": (0.05, 4, 1),
    "hostile": (0.01, 16, 1),
}
"""Share of the requests, number of clients, and requests on a connection. A hostile pipeline counts as one request."""
GOOD_OUTCOMES = {"200", "403"}
"""403: the audience belongs to another organisation."""
UNENDED_OUTCOMES = {"timeout", "held open"}


class Measured(NamedTuple):
    """What a soak measured.

    Attributes:
        amounts: resources of the server process by time of measurement.
        callbacks: the longest callbacks of its event loop: milliseconds of processor time and what ran.
        outcomes: requests by client, kind and outcome.
        bugs: responses that reported a bug of the mock.
        problems: tracebacks and errors in the log, and lines on stderr.
        bystander: the number of the bystander's requests, and their times in milliseconds.
    """

    amounts: dict[str, dict[str, int]]
    callbacks: list[tuple[float, str]]
    outcomes: dict[str, Outcomes]
    bugs: int
    problems: list[str]
    bystander: dict[str, float]


def checks(measured: Measured) -> dict[str, bool]:
    """Return whether each check is met, by description."""
    amounts = measured.amounts
    before, after = amounts["before"], amounts["after"]
    peak = max(amount["peak"] for name, amount in amounts.items() if name != "before")
    callback_ms = max(amount["callback_ms"] for name, amount in amounts.items() if name != "before")
    p999_ms = measured.bystander["p99.9"]
    kept = after["memory"] - before["memory"]
    grown = max(0, peak - before["memory"])
    allowed = max(MAX_KEPT * grown, MAX_GROWTH)
    growth = after["memory"] - amounts["reset 2"]["memory"]
    failed = sum(
        number
        for client in ("good", "varied", "write")
        for (_, outcome), number in measured.outcomes.get(client, {}).items()
        if outcome not in GOOD_OUTCOMES
    )
    unended = sum(
        number
        for client in ("malformed", "hostile")
        for (_, outcome), number in measured.outcomes.get(client, {}).items()
        if outcome in UNENDED_OUTCOMES
    )
    return {
        **{f"{name}: {before[name]}, {after[name]}": after[name] <= before[name] for name in FLAT},
        f"memory {peak} MiB, at most {MAX_MEMORY} MiB": peak <= MAX_MEMORY,
        f"a reset keeps {kept} of {grown} MiB, at most {allowed:.0f} MiB": kept <= allowed,
        f"it keeps {growth} MiB more than the second one, at most {MAX_GROWTH} MiB": growth <= MAX_GROWTH,
        f"{len(measured.problems)} tracebacks and errors": not measured.problems,
        f"{measured.bugs} responses with a bug": not measured.bugs,
        f"{failed} good requests without their response": not failed,
        f"{unended} malformed and hostile requests that the server did not end": not unended,
        f"longest callback {callback_ms} ms of processor time": callback_ms <= MAX_STALL_MS,
        f"99.9 % of the bystander's requests take at most {p999_ms:.1f} ms": p999_ms <= MAX_STALL_MS,
    }


FLAT = ("tasks", "descriptors", "threads")


def problems(log: Iterable[str], stderr: str) -> list[str]:
    """Return the tracebacks and errors of a log, and the lines of stderr."""
    found = []
    for line in log:
        if re.match(r"Traceback|ERROR|CRITICAL", line):
            found.append(line)
        elif found and found[-1].startswith("Traceback"):
            found[-1] += line
            if re.match(r"\w", line):
                found[-1] = "\n" + found[-1]  # complete
    return [*(text.strip() for text in found), *stderr.splitlines()]


def stand_by(port: int) -> None:
    """Send a request every few milliseconds until the input ends. Print the times in milliseconds as JSON."""
    stop = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": "Bearer sk_bystander"}
    times: list[float] = []
    while not stop.is_set():
        time.sleep(PAUSE_SECONDS)
        sent = time.perf_counter()
        connection.request("GET", "/atoms/v1/audience", headers=headers)
        connection.getresponse().read()
        times.append((time.perf_counter() - sent) * 1000)
    times.sort()
    figures = {"median": times[len(times) // 2], "p99.9": times[int(len(times) * 0.999)], "longest": times[-1]}
    print(json.dumps({"requests": len(times), **{name: round(figure, 1) for name, figure in figures.items()}}))


async def load(port: int, number: int, kinds: dict[str, tuple[float, int, int]], requests: int) -> dict[str, Client]:
    """Run clients of each kind until they have sent `requests` requests, and return the clients."""
    clients = {kind: Client(port, number * 100 + index) for index, kind in enumerate(kinds)}
    shares = sum(share for share, _, _ in kinds.values())

    def sent(kind: str) -> int:
        return clients[kind].connections * kinds[kind][2]

    def is_due(kind: str) -> bool:
        return sent(kind) * shares <= kinds[kind][0] * sum(map(sent, kinds))

    def is_over() -> bool:
        return sum(map(sent, kinds)) >= requests

    await asyncio.gather(
        *(
            client.run(getattr(Client, kind), functools.partial(is_due, kind), is_over)
            for kind, client in clients.items()
            for _ in range(kinds[kind][1])
        )
    )
    return clients


def main() -> int:
    """Run the soak, print what it measured, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS], help="kinds of clients to run")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--stand-by", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        from benchmarks.soak_server import serve  # noqa: PLC0415 - the clients do without the mock

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve(arguments.serve)
        return 0
    if arguments.stand_by:
        stand_by(arguments.stand_by)
        return 0
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        kinds = {kind: KINDS[kind] for kind in arguments.kinds}
        measured = soak(arguments.requests, kinds, Path(folder))
    report(measured, time.perf_counter() - started)
    results = checks(measured)
    for name, is_met in results.items():
        print(f"{'ok' if is_met else 'FAILED':>7}: {name}")
    return 0 if all(results.values()) else 1


def soak(requests: int, kinds: dict[str, tuple[float, int, int]], folder: Path) -> Measured:
    """Run the soak with a server whose log is in `folder`."""
    command = [sys.executable, "-m", "benchmarks.soak"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    log, stderr = folder / "log", folder / "stderr"
    outcomes: dict[str, Outcomes] = {kind: Counter() for kind in kinds}
    bugs = 0
    with (
        stderr.open("w") as errors,
        subprocess.Popen([*command, "--serve", str(log)], stderr=errors, **pipes) as server,
    ):
        port = int(server.stdout.readline())  # type: ignore[union-attr] # it is a pipe
        asyncio.run(load(port, 0, kinds, 2000))  # lazy initialization is done
        reset(port)
        amounts = {"before": read_resources(server)}
        with subprocess.Popen([*command, "--stand-by", str(port)], **pipes) as bystander:
            for number in range(1, ROUNDS + 1):
                for kind, client in asyncio.run(load(port, number, kinds, requests // ROUNDS)).items():
                    outcomes[kind] += client.outcomes
                    bugs += len(client.bugs)
                    for request in client.bugs[:3]:
                        print(f"bug-in-mock: {request!r}", flush=True)
                amounts[f"{number}/{ROUNDS}"] = read_resources(server)
                print(f"{time.strftime('%H:%M:%S')} {number}/{ROUNDS}: {amounts[f'{number}/{ROUNDS}']}", flush=True)
                reset(port)
                amounts[f"reset {number}"] = read_resources(server)
            times = json.loads(bystander.communicate()[0])
        reset(port)
        amounts["after"] = read_resources(server)  # the bystander has closed its connection
        callbacks = json.loads(server.communicate()[0])
    with log.open(encoding="utf-8") as lines:
        found = problems(lines, stderr.read_text(encoding="utf-8"))
    return Measured(amounts, callbacks, outcomes, bugs, found, times)


def report(measured: Measured, seconds: float) -> None:
    """Print what the soak measured."""
    total = sum(outcomes.total() for outcomes in measured.outcomes.values())
    for client, outcomes in measured.outcomes.items():
        print(f"{client}: {outcomes.total():,} requests, {outcomes.total() / total:.1%}")
        kinds: dict[str, Counter[str]] = {}
        for (kind, outcome), number in outcomes.most_common():
            kinds.setdefault(kind, Counter())[outcome] = number
        for kind, ends in sorted(kinds.items()):
            print(f"  {kind}: {ends.total():,} {dict(ends)}")
    print(f"{total:,} requests in {seconds:.0f} s")
    for name, amount in measured.amounts.items():
        print(f"{name:>7}: {amount}")
    print("longest callbacks, in ms of processor time:")
    for took, what in measured.callbacks:
        print(f"{took:7.1f}: {what}")
    print(f"bystander: {measured.bystander}")
    for problem, number in Counter(measured.problems).most_common(5):
        print(f"{number} times:\n{problem[-2000:]}")


def read_resources(server: "subprocess.Popen[str]") -> dict[str, int]:
    """Return the resources of the server process."""
    assert server.stdin is not None
    assert server.stdout is not None
    print(file=server.stdin, flush=True)
    amounts: dict[str, int] = json.loads(server.stdout.readline())
    return amounts


def reset(port: int) -> None:
    """Reset the server, and give connections and delays the time to end."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/__admin/reset")
    connection.getresponse().read()
    connection.close()
    time.sleep(3)


if __name__ == "__main__":
    sys.exit(main())
