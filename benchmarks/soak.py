"""Checks that the server leaks no tasks, descriptors, threads or memory while clients trigger every fault.

`python benchmarks/soak.py --seconds 60` starts a server in a separate process and loads it with clients. It compares
tasks, file descriptors, threads and resident memory before, during and after the load. Exit code 1 means a leak.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

FAULTS = [
    *("500", "429", "503p50", "500x2", "limit10", "delay20", "html", "badjson", "blank", "retyped", "extra"),
    *("reset", "close", "hang", "hang50", "truncate", "garbage", "drip100", "delay5+reset"),
]
TIMEOUT_SECONDS = 0.3
MAX_GROWTH = 1.10
"""Factor by which memory may grow from the first half of the run to its end."""


def serve() -> None:
    """Serve on a free port; print the port, and the resources of the process after each line of input."""
    from mock_atoms import Settings, create_app  # noqa: PLC0415 - the client half does without
    from mock_atoms.mock import MockAtoms  # noqa: PLC0415 - the same
    from mock_atoms.serving.server import Server, listen  # noqa: PLC0415 - the same

    logging.disable(logging.CRITICAL)
    mock = MockAtoms(Settings(fault=("500p5",)))
    sockets = listen("127.0.0.1", 0)
    loops: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    def on_ready() -> None:
        loops.append(asyncio.get_running_loop())
        ready.set()

    server = Server(create_app(mock=mock), mock.shutdown_signal, on_ready)
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    ready.wait()
    print(sockets[0].getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(json.dumps(resources(loops[0], len(mock.journal))), flush=True)
    server.should_exit = True
    thread.join()


def resources(loop: asyncio.AbstractEventLoop, entries: int) -> dict[str, int]:
    """Return the amounts of what this process can leak."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {
        "tasks": len(asyncio.all_tasks(loop)),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": threading.active_count(),
        "megabytes": pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000,
        "entries": entries,
    }


async def client(port: int, number: int, seconds: float, outcomes: Counter[str]) -> None:
    """Send requests one after another, each with a random fault, some with a body."""
    chance = random.Random(number)
    deadline = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < deadline:
        fault = chance.choice(FAULTS)
        token = f"sk_mock_{fault}.{chance.randrange(50)}"
        body = b"x" * chance.choice([0, 0, 10, 100_000])
        method = "POST" if body else "GET"
        head = f"{method} /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        request = f"{head}X-Test-Id: {chance.randrange(20)}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        outcomes[await exchange(port, request.encode() + body)] += 1


async def exchange(port: int, request: bytes) -> str:
    """Return the outcome of a request: a status code or one word."""
    writer = None
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            response = await reader.read(-1)
            if response.startswith(b"HTTP/"):
                return response[9:12].decode("latin-1")
            return "garbage" if response else "closed"
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return type(error).__name__
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def control(port: int, seconds: float) -> None:
    """Create rules, read the journal and reset tests meanwhile, as test suites do."""
    deadline = asyncio.get_running_loop().time() + seconds
    number = 0
    while asyncio.get_running_loop().time() < deadline:
        number += 1
        rule = json.dumps({"fault": "500x1", "match": {"testId": str(number % 20)}}).encode()
        for method, path, body in (
            ("POST", "/faults", rule),
            ("GET", "/requests?limit=5", b""),
            ("POST", "/reset", json.dumps({"testId": str(number % 20)}).encode()),
        ):
            head = f"{method} /__admin{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            await exchange(port, (head + headers).encode() + body)
        await asyncio.sleep(0.2)


async def load(port: int, clients: int, seconds: float) -> Counter[str]:
    """Run `clients` clients for `seconds`, and return how often each outcome occurred."""
    outcomes: Counter[str] = Counter()
    await asyncio.gather(
        control(port, seconds), *(client(port, number, seconds, outcomes) for number in range(clients))
    )
    return outcomes


def main() -> int:
    """Run the soak and print the resources."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        serve()
        return 0
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())

        def read_resources() -> dict[str, Any]:
            print(file=server.stdin, flush=True)
            amounts: dict[str, Any] = json.loads(server.stdout.readline())  # type: ignore[union-attr] # checked above
            return amounts

        asyncio.run(load(port, 4, 2))  # lazy initialization is done
        asyncio.run(asyncio.sleep(1))
        before = read_resources()
        halves = []
        outcomes: Counter[str] = Counter()
        for _ in range(4):
            outcomes += asyncio.run(load(port, arguments.clients, arguments.seconds / 4))
            halves.append(read_resources())
        asyncio.run(asyncio.sleep(2))
        after = read_resources()
        server.stdin.close()
    total = f"{sum(outcomes.values())} requests by {arguments.clients} clients in {arguments.seconds:g} s"
    print(f"{total}: {dict(outcomes.most_common())}")
    for name, amounts in (
        ("before", before),
        *zip(("1/4", "2/4", "3/4", "4/4"), halves, strict=True),
        ("after", after),
    ):
        print(f"{name:>7}: {amounts}")
    leaks = [name for name in ("tasks", "descriptors", "threads") if after[name] > before[name]]
    if after["megabytes"] > halves[1]["megabytes"] * MAX_GROWTH:
        leaks.append("megabytes")
    print(f"leaks: {', '.join(leaks) or 'none'}")
    return 1 if leaks else 0


if __name__ == "__main__":
    sys.exit(main())
