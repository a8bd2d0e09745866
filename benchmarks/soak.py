"""Checks that no client can stall, crash, grow or mislead the server: `python -m benchmarks.soak --requests 1000000`.

It starts a server in a separate process and loads it with good, faulty, malformed, aborted and hostile clients. A
bystander in a third process sends a request every few milliseconds. Exit code 1 means that a check failed:

- tasks, file descriptors and threads are the same before and after,
- resident memory stays within `MAX_MEMORY` of the server's documented limits,
- the log has no traceback, and no response says `bug-in-mock`,
- the event loop held its clients for at most `MAX_STALL_MS` of processor time,
- no request of the bystander took longer than `MAX_STALL_MS`, apart from what the machine itself adds.
"""

import argparse
import asyncio
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from benchmarks.hostile_clients import Client

MAX_STALL_MS = 50.0
HEARTBEAT_SECONDS = 0.001
PAUSE_SECONDS = 0.005
"""Pause of the bystander between two requests."""
ROUNDS = 4
KINDS: dict[str, tuple[int, float]] = {
    "good": (6, 0),
    "varied": (2, 0),
    "faulty": (6, 0),
    "write": (2, 0),
    "malformed": (3, 0),
    "aborted": (3, 0.01),
    "hostile": (2, 0.2),
}
"""Clients of each kind, and the pause after each of their acts in seconds."""


def serve(log_file: str) -> None:
    """Serve on a free port; print the port, and the resources of the process after each line of input."""
    from mock_atoms import Settings, create_app  # noqa: PLC0415 - the clients do without
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - the same
    from mock_atoms.serving.listening import listen_on_all  # noqa: PLC0415 - the same
    from mock_atoms.serving.process_memory import (  # noqa: PLC0415 - the same
        make_full_collections_rare,
        return_free_memory,
    )
    from mock_atoms.serving.server import build_server  # noqa: PLC0415 - the same

    logging.basicConfig(filename=log_file, level=logging.INFO)
    mock = MockAtoms(Settings(fault=("GET /audience/{id} 500p5",)))
    sockets = listen_on_all(["127.0.0.1"], 0)
    loops: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()
    heartbeat = Heartbeat()

    mock.after_reset = return_free_memory

    def on_ready() -> None:
        make_full_collections_rare()
        loops.append(asyncio.get_running_loop())
        tasks.append(loops[0].create_task(heartbeat.run()))
        ready.set()

    tasks: list[asyncio.Task[None]] = []

    server = build_server(mock, create_app(mock=mock), on_ready)
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    ready.wait()
    print(sockets[0].getsockname()[1], flush=True)
    for _ in sys.stdin:
        amounts = resources(loops[0], len(mock.journal))
        print(json.dumps({**amounts, "hold": round(heartbeat.longest_ms)}), flush=True)
        heartbeat.longest_ms = 0.0
    loops[0].call_soon_threadsafe(tasks[0].cancel)
    server.stop()
    thread.join()


class Heartbeat:
    """Measures how long the event loop held its clients.

    Attributes:
        longest_ms: longest processor time of the loop's thread between two heartbeats, in milliseconds.
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        began = time.thread_time()
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            ended = time.thread_time()
            self.longest_ms = max(self.longest_ms, (ended - began) * 1000)
            began = ended


def resources(loop: asyncio.AbstractEventLoop, entries: int) -> dict[str, int]:
    """Return the amounts of what this process can leak; memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "tasks": len(asyncio.all_tasks(loop)),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": threading.active_count(),
        "memory": pages * os.sysconf("SC_PAGE_SIZE") >> 20,
        "entries": entries,
    }


def stand_by(port: int) -> None:
    """Send a request every few milliseconds until the input ends. Print the longest times in milliseconds as JSON.

    `pauses` is how much longer than asked the longest pauses took: what the machine itself adds, without any server.
    """
    stop = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": "Bearer sk_bystander"}
    times: list[float] = []
    pauses: list[float] = []
    while not stop.is_set():
        began = time.perf_counter()
        time.sleep(PAUSE_SECONDS)
        sent = time.perf_counter()
        connection.request("GET", "/atoms/v1/audience", headers=headers)
        connection.getresponse().read()
        times.append((time.perf_counter() - sent) * 1000)
        pauses.append((sent - began - PAUSE_SECONDS) * 1000)
    times.sort()
    print(
        json.dumps(
            {
                "requests": len(times),
                "median": times[len(times) // 2],
                "p99.9": times[int(len(times) * 0.999)],
                "longest": times[-5:],
                "pauses": sorted(pauses)[-5:],
            }
        )
    )


async def load(port: int, number: int, kinds: dict[str, tuple[int, float]], requests: int) -> Counter[str]:
    """Run clients of each kind until they have sent `requests` requests, and return how often each outcome occurred."""
    clients = {kind: Client(port, number * 100 + index) for index, kind in enumerate(kinds)}

    def is_over() -> bool:
        return sum(client.outcomes.total() for client in clients.values()) >= requests

    await asyncio.gather(
        *(
            client.run(getattr(Client, kind), pause, is_over)
            for kind, client in clients.items()
            for count, pause in [kinds[kind]]
            for _ in range(count)
        )
    )
    outcomes: Counter[str] = Counter()
    for kind, client in clients.items():
        print(f"{kind:>10}: {client.outcomes.total():,} requests: {dict(client.outcomes.most_common())}", flush=True)
        outcomes += client.outcomes
        outcomes["bug-in-mock"] += len(client.bugs)
        for request in client.bugs[:3]:
            print(f"bug-in-mock: {request!r}", flush=True)
    return outcomes


def main() -> int:
    """Run the soak, print what it measured, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--max-memory", type=int, default=1500, help="largest resident memory, in MiB")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS], help="kinds of clients to run")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--stand-by", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve(arguments.serve)
        return 0
    if arguments.stand_by:
        stand_by(arguments.stand_by)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return soak(
            arguments.requests, arguments.max_memory, {kind: KINDS[kind] for kind in arguments.kinds}, Path(folder)
        )


def soak(requests: int, max_memory: int, kinds: dict[str, tuple[int, float]], folder: Path) -> int:
    """Run the soak with a server whose log is in `folder`."""
    command = [sys.executable, "-m", "benchmarks.soak"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    log = folder / "log"
    started = time.perf_counter()
    with subprocess.Popen([*command, "--serve", str(log)], **pipes) as server:
        port = int(server.stdout.readline())  # type: ignore[union-attr] # it is a pipe
        asyncio.run(load(port, 0, kinds, 2000))  # lazy initialization is done
        reset(port)
        amounts = {"before": read_resources(server)}
        outcomes: Counter[str] = Counter()
        with subprocess.Popen([*command, "--stand-by", str(port)], **pipes) as bystander:
            for number in range(1, ROUNDS + 1):
                outcomes += asyncio.run(load(port, number, kinds, requests // ROUNDS))
                amounts[f"{number}/{ROUNDS}"] = read_resources(server)
            times = json.loads(bystander.communicate()[0])
        reset(port)
        amounts["after"] = read_resources(server)
        server.stdin.close()  # type: ignore[union-attr] # it is a pipe
    print(f"{outcomes.total():,} requests in {time.perf_counter() - started:.0f} s")
    for name, amount in amounts.items():
        print(f"{name:>7}: {amount}")
    print(f"bystander: {times}")
    errors = re.findall(r"^Traceback.*?^\w.*?$", log.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for error, number in Counter(errors).most_common(3):
        print(f"{number} tracebacks such as:\n{error[-2000:]}")
    tracebacks = len(errors)
    hold = max(amount["hold"] for name, amount in amounts.items() if name != "before")
    stall = times["longest"][-1] - times["pauses"][-1]
    checks = {
        **{name: amounts["after"][name] <= amounts["before"][name] for name in ("tasks", "descriptors", "threads")},
        f"memory at most {max_memory} MiB": max(amount["memory"] for amount in amounts.values()) <= max_memory,
        f"{tracebacks} tracebacks": not tracebacks,
        f"{outcomes['bug-in-mock']} bugs": not outcomes["bug-in-mock"],
        f"longest hold {hold} ms of processor time": hold <= MAX_STALL_MS,
        f"longest stall {stall:.0f} ms beyond the machine's own": stall <= MAX_STALL_MS,
    }
    for name, is_met in checks.items():
        print(f"{'ok' if is_met else 'FAILED':>7}: {name}")
    return 0 if all(checks.values()) else 1


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
