"""The server: uvicorn around the application."""

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from mock_atoms.app import create_app
from mock_atoms.caching.fast_path import FastPath
from mock_atoms.core.delays import ShutdownSignal
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.protocol import HttpProtocol
from mock_atoms.serving.tls import Certificate

GRACE_SECONDS = 5
"""How long requests in flight may take to finish once the server is told to stop."""
_BACKLOG = 2048
_SECONDS_OF_TICK = 0.1
_TURNS_TO_CLOSE = 3
"""After so many turns of an event loop a connection is gone that was idle and is closed."""


class ListenError(OSError):
    """The address cannot be listened on. Its text is one line that names the address and the fix."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind every address that `host` stands for, all on one port; `0` picks a free one.

    Raises:
        ListenError: the port is taken, or the address is not this machine's.
    """
    sockets: list[socket.socket] = []
    failure: OSError | UnicodeError | None = None
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        addresses, failure = [], error
    for family, kind, proto, _, address in addresses:
        listener = socket.socket(family, kind, proto)
        try:
            if sys.platform != "win32":  # pragma: no branch - there the option means something else
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port, *address[2:]))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            failure = error
            if error.errno == errno.EADDRNOTAVAIL:
                continue  # a name may stand for an address that this machine does not have
            break
        sockets.append(listener)
        port = listener.getsockname()[1]
    if failure is None or (sockets and isinstance(failure, OSError) and failure.errno == errno.EADDRNOTAVAIL):
        return sockets
    for listener in sockets:
        listener.close()
    reason = (getattr(failure, "strerror", None) or str(failure)).lower()
    raise ListenError(
        f"cannot listen on {host}:{port}: {reason}; choose with --host and --port, where 0 picks a free port"
    )


def _worth_logging(record: logging.LogRecord) -> bool:
    """Tell whether a line of uvicorn's is news: not that a stop ended requests, nor that it knows no WebSockets."""
    cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cancelled and not record.getMessage().startswith(("Unsupported upgrade", "No supported WebSocket"))


class Server(uvicorn.Server):
    """uvicorn that says when it really accepts connections, and ends what is held back when it is told to stop.

    Args:
        app: the application.
        closing: told shortly before the grace period is over.
        on_ready: called once, in the server's own thread.
        loop: uvicorn's name of an event loop: `auto` is uvloop where there is one.
        certificate: what to serve HTTPS with, if it is to.
        shortcuts: the application's, where they may be taken.
    """

    def __init__(  # noqa: PLR0913 - all that a server is made of
        self,
        app: ASGIApp,
        shutdown_signal: ShutdownSignal,
        on_ready: Callable[[], None],
        loop: Literal["auto", "asyncio", "uvloop"] = "auto",
        *,
        certificate: Certificate | None = None,
        fast_path: FastPath | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            http=partial(HttpProtocol, fast_path=fast_path),  # type: ignore[arg-type] # it is called, and no more
            loop=loop,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=None if certificate is None else certificate.file,
            ssl_keyfile=None if certificate is None else certificate.key,
        )
        super().__init__(config)
        self._shutdown_signal = shutdown_signal
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        logging.getLogger("uvicorn.error").addFilter(_worth_logging)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections. Who is told to stop until then stops: older releases of uvicorn just return."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.should_exit:
            await self.shutdown(sockets)

    def stop(self) -> None:
        """Stop soon. Call it from any thread, at any time."""
        self.should_exit = True
        if self._loop is not None:
            # The loop may have come to its end by itself.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Say that it is ready; then do what there is to do ten times a second, until the server is to stop.

        uvicorn would sleep through that.
        """
        self._on_ready()
        ticks = count()
        while not await self.on_tick(next(ticks)):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _SECONDS_OF_TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests in flight finish; those still held back near the end of the grace period are answered 503.

        Where nothing is in flight there is nothing to wait for.
        """
        for listener in self.servers:
            listener.close()
        for listening in sockets or ():
            listening.close()
        for leave in (HttpProtocol.shutdown, HttpProtocol.abort_if_idle):
            for connection in list(self.server_state.connections):
                leave(connection)  # type: ignore[arg-type] # all are of the protocol that is given above
            for _ in range(_TURNS_TO_CLOSE):
                await asyncio.sleep(0)
        if not self.server_state.connections and not self.server_state.tasks:
            return
        timer = asyncio.get_running_loop().call_later(GRACE_SECONDS - 1, self._shutdown_signal.notify)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()


def build_server(
    mock: MockAtoms, app: ASGIApp, on_ready: Callable[[], None], certificate: Certificate | None = None
) -> Server:
    """Return the server of `mock`, whose application is `app`."""
    fast_path = mock.fast_path if mock.settings.response_cache else None
    return Server(app, mock.shutdown_signal, on_ready, certificate=certificate, fast_path=fast_path)


def serve(
    mock: MockAtoms,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
    certificate: Certificate | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let requests in flight finish for `GRACE_SECONDS` at most."""
    build_server(mock, create_app(mock=mock), on_ready, certificate).run(sockets)
