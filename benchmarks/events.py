"""Measures many clients that watch a busy server: `python -m benchmarks.events`.

The clients watch `GET /__admin/events` while others send lists, and a bystander measures its slowest one. Some of them
read slowly. Each client has to receive every exchange, or its number in an event `missed`: then no event is lost
unreported.
"""

import argparse
import contextlib
import json
import re
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from benchmarks.servers import HOST, KEY, LIST, Server, become_load_generator, ours, progress, started

EVENT, CHANGE = b"\nevent: ", b"\nevent: exchange-"
MISSED = re.compile(rb'\nevent: missed\ndata: {"dropped":(\d+)}\n')
CURRENT_ID = re.compile(rb"id: \w+-(\d+)\.\d+\n")
TAIL_BYTES = 64
"""At least as long as the start of an event, up to its counts."""
BURST_SECONDS = 0.01
SLOW_READ_BYTES, SLOW_READ_SECONDS = 16 * 1024, 0.25
DRAIN_SECONDS = 120.0
REQUEST = f"GET {LIST} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
MIB = 2**20


class Watcher:
    """A client that watches, and counts what it receives.

    Args:
        port: port of the server.

    Attributes:
        socket: its connection.
        first: number of the last event before those that it receives.
        received: number of events that it has received.
        dropped: number of events that the server has reported as dropped.
        size: number of received bytes.
    """

    def __init__(self, port: int, *, is_slow: bool) -> None:
        self.is_slow = is_slow
        self.socket = socket.socket()
        if is_slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_READ_BYTES)
        self.socket.connect((HOST, port))
        self.socket.sendall(f"GET /__admin/events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        self.received = self.dropped = self.size = 0
        head = b""
        while not (found := CURRENT_ID.search(head)):
            head += self.socket.recv(4096)
        self.first = int(found[1])
        self._text = b""
        self.socket.setblocking(False)  # noqa: FBT003 - as socket has it

    def read(self, size: int) -> None:
        """Read and count what has arrived."""
        received = self.socket.recv(size)
        if not received:
            raise SystemExit("the server ended the events")
        self.size += len(received)
        text = self._text + received
        # What comes after the last start of an event may be incomplete. It is counted with what follows.
        last = text.rfind(EVENT)
        end = last if last >= 0 and len(text) - last < TAIL_BYTES else max(0, len(text) - len(EVENT))
        self.received += text.count(CHANGE, 0, end)
        position = text.find(b"\nevent: missed", 0, end)
        while position >= 0:
            found = MISSED.match(text, position)
            self.dropped += int(found[1]) if found else 0
            position = text.find(b"\nevent: missed", position + 1, end)
        self._text = text[end:]


class Readers(threading.Thread):
    """Reads all that watchers receive until `stop`."""

    def __init__(self, watchers: list[Watcher]) -> None:
        super().__init__(daemon=True)
        self._watchers = watchers
        self.is_stopping = False

    def run(self) -> None:
        """Read fast clients as data arrives, slow ones a little now and then."""
        slow = [watcher for watcher in self._watchers if watcher.is_slow]
        next_slow_read = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for watcher in self._watchers:
                if not watcher.is_slow:
                    selector.register(watcher.socket, selectors.EVENT_READ, watcher)
            while not self.is_stopping:
                for key, _ in selector.select(SLOW_READ_SECONDS):
                    key.data.read(MIB)
                if time.monotonic() >= next_slow_read:
                    next_slow_read = time.monotonic() + SLOW_READ_SECONDS
                    for watcher in slow:
                        with contextlib.suppress(BlockingIOError):
                            watcher.read(SLOW_READ_BYTES)

    def read_rest(self, total: int) -> None:
        """Stop the thread, and read until each client knows of all events up to `total`."""
        self.is_stopping = True
        self.join()
        deadline = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < deadline:
            behind = [
                watcher for watcher in self._watchers if watcher.received + watcher.dropped < total - watcher.first
            ]
            if not behind:
                return
            for watcher in behind:
                with contextlib.suppress(BlockingIOError):
                    watcher.read(MIB)
            time.sleep(BURST_SECONDS)


@contextlib.contextmanager
def sampled_memory(server: Server) -> Iterator[list[int]]:
    """Add the memory of a server to a list each second meanwhile."""
    samples: list[int] = []
    has_ended = threading.Event()

    def sample() -> None:
        while not has_ended.wait(1):
            samples.append(server.resident_bytes())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        has_ended.set()
        thread.join()


@contextlib.contextmanager
def stand_by(server: Server) -> Iterator[dict[str, Any]]:
    """Send lists in another process meanwhile, and add what `benchmarks.soak` measures of them."""
    command = [sys.executable, "-m", "benchmarks.soak", "--stand-by", str(server.port)]
    times: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield times
        finally:
            times |= json.loads(process.communicate()[0])


def send(port: int, rate: int, seconds: float) -> int:
    """Send `rate` lists a second on one connection, in bursts, and return their number."""
    sent, received = 0, 0
    begin = time.monotonic()
    with socket.create_connection((HOST, port)) as connection:
        while (elapsed := time.monotonic() - begin) < seconds:
            due = int(rate * elapsed) - sent
            connection.sendall(REQUEST * due)
            sent += due
            while received < sent:
                received += connection.recv(MIB).count(b"HTTP/1.1 200 OK")
            time.sleep(BURST_SECONDS)
    return sent


def measure(server: Server, watchers: int, slow: int, rate: int, seconds: float) -> bool:
    """Measure one server, print the figures, and return whether each client knows of all events."""
    clients = [Watcher(server.port, is_slow=number < slow) for number in range(watchers)]
    readers = Readers(clients)
    readers.start()
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(time.time).result()  # it has started
        cpu, start = server.cpu_seconds(), time.monotonic()
        with sampled_memory(server) as memory, stand_by(server) as times:
            sent = pool.submit(send, server.port, rate, seconds).result()
    cpu, wall = server.cpu_seconds() - cpu, time.monotonic() - start
    size = sum(each.size for each in clients)
    total = Watcher(server.port, is_slow=False).first
    readers.read_rest(total)
    wrong = sum(each.first + each.received + each.dropped != total for each in clients)
    received, dropped = sum(each.received for each in clients), sum(each.dropped for each in clients)
    settled = memory[min(5, len(memory) - 1) :] or [server.resident_bytes()]
    print(f"{watchers} clients watch, {slow} of them read slowly; {sent / seconds:,.0f} requests/s for {seconds:g} s")
    print(f"events: {received:,} received, {dropped:,} reported as dropped, of {total:,} for each client")
    print(f"clients with losses that were not reported: {wrong}")
    print(f"sent to clients: {size / wall / MIB:,.0f} MiB/s; CPU of the server: {cpu / wall:.0%}")
    print(f"memory: {settled[0] / MIB:.0f} MiB after 5 s, at most {max(settled) / MIB:.0f} MiB later")
    slowest = f"{times['longest']:.1f} ms, and 99.9 % took at most {times['p99.9']:.1f} ms"
    print(f"bystander's slowest of {times['requests']} lists: {slowest}", flush=True)
    return not wrong


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--slow", type=int, default=20, help="number of clients that read slowly")
    parser.add_argument("--rate", type=int, default=2_000, help="requests a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    become_load_generator()
    progress("events")
    with started(ours()) as server:
        is_complete = measure(server, options.watchers, options.slow, options.rate, options.seconds)
    sys.exit(not is_complete)


if __name__ == "__main__":
    main()
