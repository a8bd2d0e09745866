"""The server: uvicorn around the application, in the foreground or in a thread of a test."""

import asyncio
import errno
import logging
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import uvicorn
from starlette.types import ASGIApp

from mock_atoms.app import create_app
from mock_atoms.client import MockClient
from mock_atoms.holding import Closing
from mock_atoms.mock import MockAtoms
from mock_atoms.protocols import H11, HttpTools
from mock_atoms.settings import Settings, is_loopback, reachable_host, settings_of
from mock_atoms.shortcuts import Shortcuts
from mock_atoms.tls import Certificate, certificate_of

GRACE_SECONDS = 5
"""How long requests in flight may take to finish once the server is told to stop."""
_BACKLOG = 2048


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


def reachable_url(host: str, port: int, scheme: Literal["http", "https"] = "http") -> str:
    """Return the URL, without a path, under which this machine reaches what listens on `host`."""
    name = reachable_host(host)
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"


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
        protocol: how HTTP is spoken.
        loop: uvicorn's name of an event loop: `auto` is uvloop where there is one.
        certificate: what to serve HTTPS with, if it is to.
        shortcuts: the application's, for a protocol that takes them.
    """

    def __init__(  # noqa: PLR0913 - all that a server is made of
        self,
        app: ASGIApp,
        closing: Closing,
        on_ready: Callable[[], None],
        protocol: type[HttpTools | H11] = HttpTools,
        loop: Literal["auto", "asyncio", "uvloop"] = "auto",
        *,
        certificate: Certificate | None = None,
        shortcuts: Shortcuts | None = None,
    ) -> None:
        http: Any = partial(HttpTools, shortcuts=shortcuts) if protocol is HttpTools else protocol
        config = uvicorn.Config(
            app,
            http=http,
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
        self._closing = closing
        self._on_ready = on_ready
        logging.getLogger("uvicorn.error").addFilter(_worth_logging)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections, then say so."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let requests in flight finish; those still held back near the end of the grace period are answered 503."""
        timer = asyncio.get_running_loop().call_later(GRACE_SECONDS - 1, self._closing.announce)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()


def server_of(
    mock: MockAtoms, app: ASGIApp, on_ready: Callable[[], None], certificate: Certificate | None = None
) -> Server:
    """Return the server of `mock`, whose application is `app`."""
    shortcuts = mock.shortcuts if mock.settings.replay else None
    return Server(app, mock.closing, on_ready, certificate=certificate, shortcuts=shortcuts)


class MockServer(MockClient):
    """A mock server in a thread of this process, for tests, and what drives it.

    Use it as a context manager:

        with MockServer(seed="x") as mock:
            mock.fail("500x2")
            client = MyClient(base_url=mock.url)

    Several run in one process without knowing of each other. Where other machines reach it and no `admin_token` is
    given, its control API has a token that nobody else knows.

    Args:
        settings: all settings at once; a port other than 0 is taken as it is.
        options: or fields of `Settings` by name. The port is a free one unless given.

    Attributes:
        settings: its settings.
        port: the port that it listens on, once it is started.

    Raises:
        ConfigError: a setting, a fault or a fixture file cannot be used.
        ListenError: the port is taken.
        TypeError: both settings and options were given.
    """

    def __init__(self, settings: Settings | None = None, **options: object) -> None:
        if settings is not None and options:
            raise TypeError(f"give settings or {', '.join(options)}, not both: one would be lost")
        settings = settings or settings_of({"port": 0, **options})
        if settings.admin is None and settings.admin_token is None and not is_loopback(settings.host):
            settings = settings.model_copy(update={"admin_token": secrets.token_urlsafe()})
        self.settings = settings
        self.port = settings.port
        super().__init__(f"{self._own_root_url()}{settings.base_path}/", admin_token=settings.admin_token)
        self._mock = MockAtoms(settings)
        self._app = create_app(mock=self._mock)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._kept = ExitStack()

    def _own_root_url(self) -> str:
        return reachable_url(self.settings.host, self.port, self.settings.scheme)

    @property
    def ca_file(self) -> Path | None:
        """File of the certificate to trust, where it speaks TLS; one that was made goes when the server stops."""
        return None if self._ca_file is None else Path(self._ca_file)

    def start(self) -> Self:
        """Start the server, and return once it accepts connections.

        A server that was stopped before goes on with what it had, on another port unless one was given.

        Raises:
            RuntimeError: it runs already.
        """
        if self._server is not None:
            raise RuntimeError(
                f"the server runs already, at {self.url}: start it once, or use it in one with statement"
            )
        with ExitStack() as stack:
            certificate = stack.enter_context(certificate_of(self.settings))
            sockets = listen(self.settings.host, self.settings.port)
            self._kept = stack.pop_all()
        self._ca_file = None if certificate is None else certificate.ca_file or certificate.file
        self.port = sockets[0].getsockname()[1]
        self._root_url = self._own_root_url()
        ready = threading.Event()
        self._server = server_of(self._mock, self._app, ready.set, certificate)
        self._thread = threading.Thread(
            target=self._server.run, args=(sockets,), name=f"mock-atoms:{self.port}", daemon=True
        )
        self._thread.start()
        while not ready.wait(0.05):
            if not self._thread.is_alive():  # pragma: no cover - uvicorn has no reason to stop before it is ready
                raise RuntimeError("the server stopped before it was ready")
        return self

    def stop(self) -> None:
        """Stop the server; requests in flight may finish. Does nothing when it is not running."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None
        self._kept.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    mock: MockAtoms,
    sockets: list[socket.socket],
    on_ready: Callable[[], None],
    certificate: Certificate | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then let requests in flight finish for `GRACE_SECONDS` at most."""
    server_of(mock, create_app(mock=mock), on_ready, certificate).run(sockets)
