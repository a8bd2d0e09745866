"""Servers to measure: how each is started on its core, and what the system knows of it while it runs."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple

HOST = "127.0.0.1"
LIST = "/atoms/v1/audience"
KEY = "sk_bench"
OURS, FLOOR = "mock-atoms", "raw ASGI"
READY_SECONDS = 60.0
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Unusable(Exception):  # noqa: N818 - no error of ours: a server is not there, or cannot run here
    """Why a server cannot be measured."""


class Contender(NamedTuple):
    """A server that can be started.

    Attributes:
        name: what it is called in the tables.
        command: what starts it on a port.
        environment: what it needs there.
        log: the file that gets what it says; none keeps that until it has started.
        emptied: path that empties its journal with DELETE, where that grows without end.
    """

    name: str
    command: Callable[[int], list[str]]
    environment: Mapping[str, str] = _NOTHING
    log: Path | None = None
    emptied: str = ""


class Server(NamedTuple):
    """A server that runs: the contender, the id of its process and its port."""

    contender: Contender
    process_id: int
    port: int

    def cpu_seconds(self) -> float:
        """Return the CPU time that its processes have taken, user and system, of all threads that there were."""
        # The clock is as clock_getcpuclockid(3) makes it: finer than the ticks of /proc/PID/stat.
        return sum(time.clock_gettime(~process_id << 3 | 2) for process_id in family(self.process_id))

    def resident_bytes(self) -> int:
        """Return the resident memory of its processes, added up: pages that they share count for each."""
        return sum(_resident_bytes(process_id) for process_id in family(self.process_id))

    def empty_journal(self) -> None:
        """Empty the journal of a server that would keep all for ever."""
        if self.contender.emptied:
            url = f"http://{HOST}:{self.port}{self.contender.emptied}"
            with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=READY_SECONDS):
                pass

    def hold(self) -> None:
        """Stop it where it is: what it still has to do, such as to compile, is not done while another is measured."""
        os.killpg(self.process_id, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        os.killpg(self.process_id, signal.SIGCONT)


def family(process_id: int) -> Iterator[int]:
    """Return a process and all that it has started."""
    yield process_id
    for children in Path(f"/proc/{process_id}/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            yield from family(int(child))


def _resident_bytes(process_id: int) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@cache
def cores() -> tuple[int, int]:
    """Return the core of the servers, and the one of what measures them, as they were when first asked for."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def on_core(core: int, *command: str) -> list[str]:
    """Return the command that keeps another one, all its threads and processes, on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


def ours(*flags: str, name: str = OURS, log: Path | None = None) -> Contender:
    """Return the mock with everything on; its log of single exchanges is off, unless `flags` want it."""
    quiet = ("--log-level", "warning")
    return Contender(
        name,
        lambda port: [sys.executable, "-m", "mock_atoms", "serve", "--port", str(port), *quiet, *flags],
        log=log,
    )


def floor(body: Path) -> Contender:
    """Return the least that there can be, which answers `body`."""
    flags = ("--no-access-log", "--no-server-header", "--no-proxy-headers", "--lifespan", "off", "--log-level", "error")
    here = str(Path(__file__).parent)
    return Contender(
        FLOOR,
        lambda port: [sys.executable, "-m", "uvicorn", "floor:app", "--app-dir", here, "--port", str(port), *flags],
        {"FLOOR_BODY": str(body)},
    )


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ask(port: int, key: str | None = KEY) -> bytes:
    """Return the list that a server answers to a key.

    Raises:
        OSError: there is no server, or it answers no list.
    """
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"http://{HOST}:{port}{LIST}", headers=headers)
    with urllib.request.urlopen(request, timeout=READY_SECONDS) as answer:
        content: bytes = answer.read()
        return content


def check(server: Server, content: bytes) -> None:
    """See that a server answers the list to a bearer token, and nobody else.

    Raises:
        Unusable: it does not.
    """
    if json.loads(ask(server.port)) != json.loads(content):
        raise Unusable("it answers, but not the list")
    with contextlib.suppress(OSError):
        ask(server.port, None)
        raise Unusable("it answers without a bearer token")


@contextlib.contextmanager
def started(contender: Contender) -> Iterator[Server]:
    """Start a server on its core, yield it once it answers the list, and stop it.

    Raises:
        Unusable: it did not start.
    """
    port = free_port()
    with contextlib.ExitStack() as stack:
        keeps = contender.log.open("w+b") if contender.log else tempfile.TemporaryFile()  # noqa: SIM115 - the next line
        says = stack.enter_context(keeps)
        process = subprocess.Popen(
            on_core(cores()[0], *contender.command(port)),
            env={**os.environ, **contender.environment},
            stdout=says,
            stderr=says,
            start_new_session=True,
        )
        try:
            until_ready(process, port, says)
            yield Server(contender, process.pid, port)
        finally:
            for number in (signal.SIGTERM, signal.SIGCONT):  # one that is held gets the first with the second
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            process.wait()


def until_ready(process: subprocess.Popen[bytes], port: int, says: IO[bytes]) -> None:
    """Wait for the first answer.

    Raises:
        Unusable: there is none; with the last words of the process.
    """
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            ask(port)
        except OSError as error:
            ended = process.poll()
            if ended is None and time.monotonic() < deadline:
                time.sleep(0.002)
                continue
            says.seek(0)
            *_, last = ["nothing", *filter(None, says.read().decode(errors="replace").splitlines())]
            how = f"no list within {READY_SECONDS:g} s ({error})" if ended is None else f"ended with code {ended}"
            raise Unusable(f"{how}; it said last: {last.strip()}") from None
        else:
            return
