"""Worker processes that serve the same sockets, and the process that supervises them.

uvicorn's supervisor cannot run a server of our own in all releases that we support.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, cast

from mock_atoms.core.settings import Settings
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.serving.listener import Listener

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess
    from multiprocessing.process import BaseProcess

RunWorker = Callable[[Settings, int, list[socket.socket], Callable[[], None]], None]
"""Serves as the worker with this number, on these sockets, and calls a function when it is ready.

It must be importable by name.
"""
STOP_SECONDS = 6.0
"""Time from a signal until a worker that has not ended is killed. It ends itself before that."""
_POLL_SECONDS = 0.2
EXIT_FAILED = 1


class Supervisor:
    """Starts worker processes, replaces those that end, and stops all of them on SIGINT or SIGTERM.

    Args:
        settings: the settings of each worker.
        run_worker: serves.
        sockets: the sockets on which all workers accept connections.
        on_ready: called when all workers are ready for the first time.
    """

    def __init__(
        self, settings: Settings, run_worker: RunWorker, sockets: Sequence[socket.socket], on_ready: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._run_worker = run_worker
        self._sockets = sockets
        self._on_ready = on_ready
        self._context = multiprocessing.get_context("spawn")
        self._workers: dict[int, tuple[SpawnProcess, Connection]] = {}
        self._ready: set[int] = set()
        self._has_started = self._is_stopped = False

    def run(self) -> int:
        """Run until a signal stops it, and return the exit code: 0, or 1 if the first workers could not start."""
        previous = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number in range(1, self._settings.workers + 1):
                self._start(number)
            while not self._is_stopped:
                wait([*self._sentinels(), *self._pending_pipes()], _POLL_SECONDS)
                if not self._look_after_all():
                    return EXIT_FAILED
            return 0
        finally:
            self._stop_all()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_stopped = True

    def _sentinels(self) -> list[int]:
        return [process.sentinel for process, _ in self._workers.values()]

    def _pending_pipes(self) -> list[Connection]:
        return [pipe for number, (_, pipe) in self._workers.items() if number not in self._ready]

    def _start(self, number: int) -> None:
        pipe, worker_pipe = self._context.Pipe(duplex=False)
        # A subclass of `socket.socket` cannot be sent to another process.
        sockets = [socket.socket(fileno=os.dup(listener.fileno())) for listener in self._sockets]
        process = self._context.Process(
            target=_work, args=(self._run_worker, self._settings, number, sockets, worker_pipe), name=f"worker {number}"
        )
        process.start()
        worker_pipe.close()
        for copied in sockets:
            copied.close()
        self._ready.discard(number)
        self._workers[number] = process, pipe

    def _look_after_all(self) -> bool:
        """Note who is ready, and replace who has ended. Return whether the first workers could start."""
        for number, (process, pipe) in list(self._workers.items()):
            if number not in self._ready and pipe.poll():
                with suppress(EOFError):  # it has ended
                    pipe.recv()
                    self._ready.add(number)
                if len(self._ready) == len(self._workers) and not self._has_started:
                    self._has_started = True
                    self._on_ready()
            if process.is_alive() or self._is_stopped:
                continue
            process.join()
            pipe.close()
            if number not in self._ready and not self._has_started:
                return False  # later, the store may be unavailable for a while
            cause = f"worker {number} has ended with exit code {process.exitcode}: it is replaced"
            LOGGER.warning(EventLine({"cause": cause}))
            self._start(number)
        return True

    def _stop_all(self) -> None:
        for process, _ in self._workers.values():
            process.terminate()
        timer = threading.Timer(STOP_SECONDS, self._kill_all)
        timer.daemon = True
        timer.start()
        for process, pipe in self._workers.values():
            process.join()
            pipe.close()
        timer.cancel()

    def _kill_all(self) -> None:
        for process, _ in self._workers.values():
            process.kill()


def _work(
    run_worker: RunWorker, settings: Settings, number: int, sockets: list[socket.socket], pipe: Connection
) -> None:
    """Serve in a worker process, and end with the supervisor, however that ends."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, _exit)  # uvicorn handles them while it serves, and raises them again afterwards
    parent = cast("BaseProcess", multiprocessing.parent_process())
    threading.Thread(target=_end_with_parent, args=(parent.sentinel,), daemon=True).start()
    listeners: list[socket.socket] = [Listener(each.family, each.detach()) for each in sockets]

    def announce() -> None:
        pipe.send("ready")
        pipe.close()

    run_worker(settings, number, listeners, announce)


def _exit(_number: int, _frame: object) -> None:
    sys.exit(0)


def _end_with_parent(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
