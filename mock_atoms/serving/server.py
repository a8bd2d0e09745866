"""The server: uvicorn around the application."""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from itertools import count
from operator import methodcaller
from types import FrameType
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from mock_atoms.app import create_app
from mock_atoms.core.delays import ShutdownSignal
from mock_atoms.core.settings import DEFAULT_KEEP_ALIVE, DEFAULT_REQUEST_TIMEOUT
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.connection_limits import ConnectionLimits, max_connections
from mock_atoms.serving.fast_path import FastPath, fast_path_of
from mock_atoms.serving.file_reloader import FileReloader
from mock_atoms.serving.protocol import HttpProtocol
from mock_atoms.serving.tls import Certificate
from mock_atoms.serving.tls_connection import TlsConnection

STOP_SECONDS = 5
"""Time from a signal to the end of the process, regardless of what it does."""
GRACE_SECONDS = 4
"""Time for requests in flight to finish after a signal to stop."""
KEEP_ALIVE_MARGIN = 1
"""Seconds that an idle connection stays open longer than announced: a client that honours it is never cut."""
_TICK_SECONDS = 0.1
_LOG_SECONDS = 0.2
_TURNS_TO_CLOSE = 3
"""Turns of the event loop after which a closed idle connection is gone."""


async def _do_nothing() -> None:
    """Do nothing."""


def _worth_logging(record: logging.LogRecord) -> bool:
    """Return whether a line of uvicorn is news: not requests cancelled by a stop, nor missing WebSocket support."""
    cancelled = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cancelled and not record.getMessage().startswith(("Unsupported upgrade", "No supported WebSocket"))


def _log_end_of_reloading(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        cause = "the watch for changes of files has failed: restart the server to reload files"
        LOGGER.error(EventLine({"cause": cause}), exc_info=task.exception())


def _exit_now() -> None:  # pragma: no cover - ends the process before it can report its coverage
    """End the process although its event loop is busy."""
    cause = f"the server was still busy {STOP_SECONDS:g} s after the signal to stop"
    log = threading.Thread(target=LOGGER.error, args=(EventLine({"cause": cause}),), daemon=True)
    log.start()
    log.join(_LOG_SECONDS)  # the busy thread may hold the lock of the log
    os._exit(1)


class Server(uvicorn.Server):
    """uvicorn's server, with a callback when it accepts connections and an end of delays when it stops.

    Args:
        app: the application.
        shutdown_signal: notified shortly before the grace period is over.
        on_ready: called once, in the thread of the server.
        loop: uvicorn's name of an event loop; `auto` is uvloop if it is installed.
        on_stop: called when the server no longer accepts connections.
        on_shutdown: called when no request is in flight any more.
        certificate: the certificate for HTTPS; plain HTTP by default.
        fast_path: the fast path of the application; unused by default.
        keep_alive: seconds that an idle connection is kept; 0 closes it after each response.
        request_timeout: seconds for a complete head, for the next part of a body, and to read more of a response.

    Attributes:
        reload_files: reloads files until the server stops; `None` without files.
    """

    def __init__(  # noqa: PLR0913 - the parts of a server
        self,
        app: ASGIApp,
        shutdown_signal: ShutdownSignal,
        on_ready: Callable[[], None],
        loop: Literal["auto", "asyncio", "uvloop"] = "auto",
        *,
        on_stop: Callable[[], None] = lambda: None,
        on_shutdown: Callable[[], Awaitable[None]] = _do_nothing,
        certificate: Certificate | None = None,
        fast_path: FastPath | None = None,
        keep_alive: int = DEFAULT_KEEP_ALIVE,
        request_timeout: int = DEFAULT_REQUEST_TIMEOUT,
    ) -> None:
        limits = ConnectionLimits(max_connections())
        create_http = partial(
            HttpProtocol, fast_path=fast_path, keep_alive=keep_alive, request_timeout=request_timeout, limits=limits
        )
        context = None if certificate is None else certificate.context()

        def create_protocol(server_state: ServerState, **options: Any) -> asyncio.Protocol:  # noqa: ANN401 - uvicorn's
            create = partial(create_http, server_state=server_state, **options)
            if context is None:
                return create()
            return TlsConnection(create, context, request_timeout, server_state, limits)

        config = uvicorn.Config(
            app,
            http=create_protocol,  # type: ignore[arg-type] # uvicorn only calls it
            loop=loop,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=keep_alive + KEEP_ALIVE_MARGIN,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._shutdown_signal = shutdown_signal
        self._on_ready = on_ready
        self._on_stop = on_stop
        self._on_shutdown = on_shutdown
        self.reload_files: Callable[[], Coroutine[None, None, None]] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_requested = asyncio.Event()
        logging.getLogger("uvicorn.error").addFilter(_worth_logging)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, unless `stop` came first: older releases of uvicorn ignore that."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.should_exit:
            await self.shutdown(sockets)

    def stop(self) -> None:
        """Request a stop, from any thread and at any time."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed already
                self._loop.call_soon_threadsafe(self._stop_requested.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop because of a signal, at the latest after `STOP_SECONDS`."""
        super().handle_exit(sig, frame)
        watchdog = threading.Timer(STOP_SECONDS, _exit_now)
        watchdog.daemon = True
        watchdog.start()

    async def main_loop(self) -> None:
        """Call `on_ready`, then tick ten times a second until a stop is requested.

        The main loop of uvicorn would sleep until the next tick before it stops.
        """
        reloading = None
        if self.reload_files is not None:
            reloading = asyncio.create_task(self.reload_files())
            reloading.add_done_callback(_log_end_of_reloading)
        await asyncio.sleep(0)  # it begins before the server is ready
        self._on_ready()
        ticks = count()
        while not await self.on_tick(next(ticks)):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), _TICK_SECONDS)
        if reloading is not None:
            reloading.cancel()
            await asyncio.wait({reloading})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for requests in flight. Requests that are still delayed near the end of the grace period get a 503."""
        try:
            await self._end_requests(sockets)
        finally:
            await self._on_shutdown()

    async def _end_requests(self, sockets: list[socket.socket] | None) -> None:
        for listener in self.servers:
            listener.close()
        for listening in sockets or ():
            listening.close()
        self._on_stop()
        for close in (methodcaller("shutdown"), methodcaller("abort_if_idle")):
            for connection in list(self.server_state.connections):
                close(connection)
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
    """Return the server of `mock`, whose application is `app`.

    Raises:
        ConfigError: `--reload` needs a package that is not installed.
    """
    settings = mock.settings
    server = Server(
        app,
        mock.shutdown_signal,
        on_ready,
        on_stop=mock.end_of_streams.notify,
        on_shutdown=mock.store.close,
        certificate=certificate,
        fast_path=fast_path_of(mock),
        keep_alive=settings.keep_alive,
        request_timeout=settings.request_timeout,
    )
    has_files = (settings.fixtures is not None or settings.stubs is not None) and settings.state is None
    if has_files and not mock.is_shared:
        server.reload_files = FileReloader(mock, lambda: server.handle_exit(signal.SIGHUP, None)).run
    return server


def serve(
    mock: MockAtoms,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
    certificate: Certificate | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then wait at most `GRACE_SECONDS` for requests in flight."""
    build_server(mock, create_app(mock=mock), on_ready, certificate).run(sockets)
