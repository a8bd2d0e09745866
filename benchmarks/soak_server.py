"""The server of the soak: it reports what it leaks, and how long its event loop holds its clients."""

import asyncio
import contextlib
import json
import logging
import os
import sys
import threading
import time
import traceback
from pathlib import Path

from mock_atoms import Settings, create_app
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.listening import listen_on_all
from mock_atoms.serving.process_memory import keep_collections_short, return_free_memory
from mock_atoms.serving.server import build_server

HEARTBEAT_SECONDS = 0.001
WATCH_SECONDS = 0.005
MIN_HOLD_SECONDS = 0.025


class Heartbeat:
    """Measures how long the event loop held its clients.

    Attributes:
        longest_ms: longest processor time of the loop's thread between two heartbeats, in milliseconds.
        last: processor time of the loop's thread at the last heartbeat, in seconds.
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.last = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        began = time.thread_time()
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            ended = time.thread_time()
            self.longest_ms = max(self.longest_ms, (ended - began) * 1000)
            began = ended
            self.last = ended


class Watch:
    """Records where the event loop was during its longest holds.

    Args:
        heartbeat: its last beat is watched.
        thread: thread of the event loop.
    """

    def __init__(self, heartbeat: Heartbeat, thread: threading.Thread) -> None:
        self._heartbeat = heartbeat
        self._thread = thread
        self._stacks: dict[str, float] = {}
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        ident = self._thread.ident or 0
        clock = time.pthread_getcpuclockid(ident)
        while True:
            time.sleep(WATCH_SECONDS)
            age = time.clock_gettime(clock) - self._heartbeat.last
            if age > MIN_HOLD_SECONDS:
                stack = "".join(traceback.format_stack(sys._current_frames()[ident])[-8:])  # noqa: SLF001 - there is no public way
                self._stacks[stack] = max(age, self._stacks.get(stack, 0.0))

    def report(self) -> str:
        """Return the stacks that were seen latest after a heartbeat."""
        longest = sorted(self._stacks.items(), key=lambda item: -item[1])[:10]
        return "".join(f"{age * 1000:.0f} ms of processor time after a heartbeat:\n{stack}" for stack, age in longest)


def serve(log_file: str, *, is_watched: bool) -> None:
    """Serve on a free port. Print the port and the loop's thread, and the resources after each line of input."""
    logging.basicConfig(filename=log_file, level=logging.INFO)
    mock = MockAtoms(Settings(fault=("GET /audience/{id} 500p5",)))
    mock.after_reset = return_free_memory
    sockets = listen_on_all(["127.0.0.1"], 0)
    loops: list[asyncio.AbstractEventLoop] = []
    tasks: list[asyncio.Task[None]] = []
    ready = threading.Event()
    heartbeat = Heartbeat()

    def on_ready() -> None:
        keep_collections_short()
        loops.append(asyncio.get_running_loop())
        tasks.append(loops[0].create_task(heartbeat.run()))
        ready.set()

    server = build_server(mock, create_app(mock=mock), on_ready)
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    ready.wait()
    watch = Watch(heartbeat, thread) if is_watched else None
    print(json.dumps({"port": sockets[0].getsockname()[1], "thread": thread.native_id}), flush=True)
    for _ in sys.stdin:
        amounts = resources(loops[0], asyncio.run(mock.journal.count()))
        print(json.dumps({**amounts, "hold": round(heartbeat.longest_ms)}), flush=True)
        heartbeat.longest_ms = 0.0
        if watch:
            Path(f"{log_file}.holds").write_text(watch.report(), encoding="utf-8")
    loops[0].call_soon_threadsafe(tasks[0].cancel)
    server.stop()
    thread.join()


def resources(loop: asyncio.AbstractEventLoop, entries: int) -> dict[str, int]:
    """Return the amounts of what this process can leak; memory in MiB, the peak since the last call included."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") >> 20
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    with contextlib.suppress(OSError):  # then it is the peak since the start
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return {
        "tasks": len(asyncio.all_tasks(loop)),
        "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": threading.active_count(),
        "memory": memory,
        "peak": max(memory, int(status["VmHWM"].split()[0]) >> 10),
        "entries": entries,
    }
