"""Starts the servers to measure on their core, and reads their CPU time and memory."""

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
ROOT = Path(__file__).parents[1]
READY_SECONDS = 60.0
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Unusable(Exception):  # noqa: N818 - no error of ours: a server is missing, or cannot run here
    """The reason why a server cannot be measured."""


class ServerSpec(NamedTuple):
    """A server that can be started.

    Attributes:
        name: name in the tables.
        command: returns the command that starts it on a port.
        environment: environment variables that it needs.
        log: file for its output; `None` for a temporary file.
        journal_path: path whose DELETE empties the journal.
        is_bounded: whether the server bounds its journal, so that it is not emptied between runs of load.
    """

    name: str
    command: Callable[[int], list[str]]
    environment: Mapping[str, str] = _NOTHING
    log: Path | None = None
    journal_path: str = ""
    is_bounded: bool = False


class Server(NamedTuple):
    """A running server: how it was started, the id of its process and its port."""

    spec: ServerSpec
    process_id: int
    port: int

    def cpu_seconds(self) -> float:
        """Return the user and system time of all threads of its processes."""
        # The clock of clock_getcpuclockid(3) is finer than the ticks of /proc/PID/stat.
        return sum(time.clock_gettime(~process_id << 3 | 2) for process_id in family(self.process_id))

    def resident_bytes(self) -> int:
        """Return the sum of the resident memory of its processes. Shared pages count for each process."""
        return sum(_resident_bytes(process_id) for process_id in family(self.process_id))

    def empty_journal(self) -> None:
        """Empty the journal."""
        if self.spec.journal_path:
            url = f"http://{HOST}:{self.port}{self.spec.journal_path}"
            with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=READY_SECONDS):
                pass

    def pause(self) -> None:
        """Stop its processes, so that work such as compiling does not disturb the measurement of another."""
        os.killpg(self.process_id, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue its processes."""
        os.killpg(self.process_id, signal.SIGCONT)


def progress(what: str) -> None:
    """Print the current measurement to stderr."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def family(process_id: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield process_id
    for children in Path(f"/proc/{process_id}/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            yield from family(int(child))


def _resident_bytes(process_id: int) -> int:
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@cache
def cores() -> tuple[int, int]:
    """Return the core of the servers and that of the load generator, as of the first call."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def become_load_generator() -> None:
    """Keep this process on the core of the load generator, and let SIGTERM stop the servers too."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    os.sched_setaffinity(0, {cores()[1]})


def on_core(core: int, *command: str) -> list[str]:
    """Return the command that keeps another one, with its threads and processes, on one core."""
    return ["taskset", "--cpu-list", str(core), *command]


def environment(checkout: Path = ROOT) -> dict[str, str]:
    """Return the environment of measured processes: with this package of `checkout`, and with bytecode.

    An installed package has its bytecode, so starts are measured with it. The first start writes it.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return inherited | {"PYTHONPATH": str(checkout)}


def ours(*flags: str, name: str = OURS, log: Path | None = None, checkout: Path = ROOT) -> ServerSpec:
    """Return the mock with its defaults; its access log is off unless `flags` turn it on."""
    # Without -P, Python would prefer the package in the current folder.
    command = (sys.executable, "-P", "-m", "mock_atoms", "serve", "--log-level", "warning")
    return ServerSpec(
        name,
        lambda port: [*command, "--port", str(port), *flags],
        environment(checkout),
        log=log,
        journal_path="/__admin/requests",
        is_bounded=True,
    )


def ours_of(checkout: Path) -> ServerSpec:
    """Return the mock of another checkout, to compare with."""
    return ours(name=f"{OURS} of {checkout}", checkout=checkout)


def floor(body: Path, app: str = "floor:app", name: str = FLOOR) -> ServerSpec:
    """Return the lower bound, a raw ASGI application, or another one of this folder. It sends `body`."""
    flags = ("--no-access-log", "--no-server-header", "--no-proxy-headers", "--lifespan", "off", "--log-level", "error")
    here = str(Path(__file__).parent)
    return ServerSpec(
        name,
        lambda port: [sys.executable, "-m", "uvicorn", app, "--app-dir", here, "--port", str(port), *flags],
        {"FLOOR_BODY": str(body)},
        journal_path="" if name == FLOOR else "/__admin/requests",
    )


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def fetch_list(port: int, key: str | None = KEY) -> bytes:
    """Return the list that a server sends for a key.

    Raises:
        OSError: there is no server, or the response is an error.
    """
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"http://{HOST}:{port}{LIST}", headers=headers)
    with urllib.request.urlopen(request, timeout=READY_SECONDS) as response:
        content: bytes = response.read()
        return content


def check(server: Server, content: bytes) -> None:
    """Check that a server sends the list to a bearer token only.

    Raises:
        Unusable: the response is another, or needs no bearer token.
    """
    if json.loads(fetch_list(server.port)) != json.loads(content):
        raise Unusable("the response is not the list")
    with contextlib.suppress(OSError):
        fetch_list(server.port, None)
        raise Unusable("it responds without a bearer token")


@contextlib.contextmanager
def started(spec: ServerSpec) -> Iterator[Server]:
    """Start a server on its core, yield it as soon as it sends the list, and stop it.

    Raises:
        Unusable: the server did not start.
    """
    port = free_port()
    with contextlib.ExitStack() as stack:
        file = spec.log.open("w+b") if spec.log else tempfile.TemporaryFile()  # noqa: SIM115 - the next line
        output = stack.enter_context(file)
        process = subprocess.Popen(
            on_core(cores()[0], *spec.command(port)),
            env={**environment(), **spec.environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            wait_until_ready(process, port, output)
            yield Server(spec, process.pid, port)
        finally:
            for number in (signal.SIGTERM, signal.SIGCONT):  # a paused process receives the first after the second
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
            process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
    """Wait for the first response.

    Raises:
        Unusable: no response in time; the message has the last line of the output.
    """
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            fetch_list(port)
        except OSError as error:
            ended = process.poll()
            if ended is None and time.monotonic() < deadline:
                time.sleep(0.002)
                continue
            output.seek(0)
            *_, last = ["nothing", *filter(None, output.read().decode(errors="replace").splitlines())]
            reason = f"no list within {READY_SECONDS:g} s ({error})" if ended is None else f"ended with code {ended}"
            raise Unusable(f"{reason}; its last output: {last.strip()}") from None
        else:
            return
