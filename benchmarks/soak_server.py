"""The server of the soak: it reports what it leaks, and how long one callback holds its clients."""

import asyncio
import contextlib
import gc
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from mock_atoms import Settings, create_app
from mock_atoms.mock import MockAtoms
from mock_atoms.serving import protocol
from mock_atoms.serving.listening import listen_on_all
from mock_atoms.serving.process_memory import ProcessMemory
from mock_atoms.serving.server import build_server

MAX_LISTED_CALLBACKS = 10
_MAX_NAMES = 4
Result = TypeVar("Result")


class CallbackTimer:
    """Measures the longest callback of the event loop in processor time. No other client is served meanwhile.

    A callback is what a task does between two waits, what the protocol does after an event of its connection, or a
    garbage collection.

    Attributes:
        longest_ms: the longest callback since the last report, in milliseconds.
        longest: the longest callbacks since the first report: milliseconds and what ran.
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self.longest: list[tuple[float, str]] = []
        self._collecting = contextlib.ExitStack()

    @contextmanager
    def measure(self, describe: Callable[[], str]) -> Generator[None, None, None]:
        """Measure the body of a `with` statement."""
        before = time.thread_time()
        try:
            yield
        finally:
            took = (time.thread_time() - before) * 1000
            self.longest_ms = max(self.longest_ms, took)
            if len(self.longest) < MAX_LISTED_CALLBACKS or took > self.longest[-1][0]:
                self.longest = sorted([*self.longest, (took, describe())], reverse=True)[:MAX_LISTED_CALLBACKS]

    def create_task(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Result],
        **options: Any,  # noqa: ANN401 - as in asyncio
    ) -> asyncio.Task[Result]:
        """Return a task whose callbacks are measured. It is a task factory."""
        return asyncio.Task(TimedCoroutine(work, self), loop=loop, **options)

    def timed(self, method: Callable[..., Result]) -> Callable[..., Result]:
        """Return `method`, measured."""

        @wraps(method)
        def call(*args: Any) -> Result:  # noqa: ANN401 - those of `method`
            with self.measure(lambda: method.__qualname__):
                return method(*args)

        return call

    def on_collection(self, phase: str, info: dict[str, int]) -> None:
        """Measure a garbage collection. It is a callback of `gc`."""
        if phase == "start":
            self._collecting.enter_context(self.measure(lambda: f"collection of generation {info['generation']}"))
        else:
            self._collecting.close()


class TimedCoroutine(Coroutine[Any, Any, Result]):
    """A coroutine whose callbacks are measured.

    Args:
        work: the coroutine.
        timer: measures it.
    """

    def __init__(self, work: Coroutine[Any, Any, Result], timer: CallbackTimer) -> None:
        self._work = work
        self._timer = timer
        self.__qualname__ = getattr(work, "__qualname__", type(work).__name__)

    def _measure(self) -> AbstractContextManager[None]:
        inner = getattr(self._work, "cr_await", None)
        names = [self.__qualname__]
        while inner is not None:  # where it waited
            names.append(getattr(inner, "__qualname__", type(inner).__name__))
            inner = getattr(inner, "cr_await", None)
        return self._timer.measure(lambda: " > ".join([*names[:1], *names[1:][-_MAX_NAMES:]]))

    def send(self, value: Any) -> Any:  # noqa: ANN401 - as in the base class
        """See `Coroutine`."""
        with self._measure():
            return self._work.send(value)

    def throw(self, *args: Any) -> Any:  # noqa: ANN401 - as in the base class
        """See `Coroutine`."""
        try:
            with self._measure():
                return self._work.throw(*args)
        finally:
            del args  # the traceback of the error has this frame

    def close(self) -> None:
        """See `Coroutine`."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Result]:
        return self._work.__await__()


def serve(log_file: str) -> None:
    """Serve on a free port. Print the port, then resources for each line of input, finally the longest callbacks."""
    logging.basicConfig(filename=log_file, level=logging.INFO)
    mock = MockAtoms(Settings(fault=("GET /audience/{id} 500p5",)))
    memory = ProcessMemory()
    mock.after_reset = memory.return_free_memory
    sockets = listen_on_all(["127.0.0.1"], 0)
    loops: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()
    timer = CallbackTimer()
    gc.callbacks.append(timer.on_collection)
    for name in ("data_received", "_parse_unparsed", "resume_writing", "_on_deadline", "connection_lost"):
        setattr(protocol.HttpProtocol, name, timer.timed(getattr(protocol.HttpProtocol, name)))

    def on_ready() -> None:
        memory.keep_collections_short()
        loops.append(asyncio.get_running_loop())
        loops[0].set_task_factory(timer.create_task)  # type: ignore[arg-type] # typeshed wants a generic protocol
        ready.set()

    server = build_server(mock, create_app(mock=mock), on_ready)
    thread = threading.Thread(target=server.run, args=(sockets,))
    thread.start()
    ready.wait()
    print(sockets[0].getsockname()[1], flush=True)
    for number, _ in enumerate(sys.stdin):
        amounts = resources(loops[0], asyncio.run(mock.journal.count()))
        print(json.dumps({**amounts, "callback_ms": round(timer.longest_ms)}), flush=True)
        timer.longest_ms = 0.0
        if number == 0:  # the first clients only warm up the server
            timer.longest.clear()
    server.stop()
    thread.join()
    print(json.dumps(timer.longest), flush=True)


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
