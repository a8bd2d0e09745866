"""A Redis or Valkey server for tests, and a proxy that loses its replies."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Literal, Self

import pytest
import redis

Loss = Literal["close", "swallow"]


def find_program() -> str:
    """Return the path of a server. A missing one skips the test, and fails it in CI."""
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    if path is None:
        message = "neither redis-server nor valkey-server is installed"
        if os.environ.get("CI"):
            pytest.fail(f"{message}, and CI skips nothing")
        pytest.skip(message)
    return path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class RedisServer:
    """A server that keeps an append-only file in `folder`. `options` are lines of its configuration file."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._program = find_program()
        self._folder = folder
        self._options = options
        self.start()

    def start(self) -> None:
        lines = (f"port {self.port}", "bind 127.0.0.1", f"dir {self._folder}", 'save ""', "appendonly yes")
        self._process = subprocess.Popen(
            [self._program, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdin
        with self._process.stdin as configuration:
            configuration.write("\n".join((*lines, *self._options)))
        end = monotonic() + 20
        while not self._is_ready():
            assert monotonic() < end, "the server did not start"
            sleep(0.02)

    def _is_ready(self) -> bool:
        with suppress(redis.ConnectionError), self.client() as client:
            client.ping()
            return True
        return False

    def client(self, **options: Any) -> redis.Redis:  # noqa: ANN401 - as redis-py takes them
        return redis.Redis.from_url(self.url, **options)

    def pause(self) -> None:
        """Stop executing, but keep sockets open."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def running(folder: Path, *options: str) -> Iterator[RedisServer]:
    server = RedisServer(folder, *options)
    try:
        yield server
    finally:
        server.kill()


class LossyProxy:
    """A TCP proxy in front of a server that loses or delays chosen messages.

    Attributes:
        loss: how to lose the next reply: close the connection, or swallow it. `None` forwards it.
        has_lost: set when it loses a reply.
        replacement: a reply to send in place of the next one.
        is_open: requests wait while it is cleared.
        before_connecting: called before each connection to the server.
        requests: number of requests, each of which is assumed to arrive in one piece.
        url: URL of the proxy.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server_port = server.port
        self._tasks: set[asyncio.Task[None]] = set()
        self.loss: Loss | None = None
        self.has_lost = asyncio.Event()
        self.replacement = b""
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.before_connecting: Callable[[], Awaitable[object]] | None = None
        self.requests = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        await self.finish()

    async def finish(self) -> None:
        """Wait until the server has read everything from connections that their clients have closed."""
        await asyncio.gather(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._forward(reader, writer))
        self._tasks.add(task)
        await task
        self._tasks.remove(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.before_connecting:
            await self.before_connecting()
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            self._forward_requests(reader, server_writer), self._forward_replies(server_reader, writer)
        )
        server_writer.transport.abort()  # a server that has stopped would not read the rest

    async def _forward_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 20):
                self.requests += 1
                await self.is_open.wait()
                writer.write(data)
        with suppress(OSError):
            writer.write_eof()

    async def _forward_replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 20):
                loss, self.loss = self.loss, None
                if loss:
                    self.has_lost.set()
                else:
                    writer.write(self.replacement or data)
                    self.replacement = b""
                if loss == "close":
                    break
        writer.close()
