"""The server: uvicorn around the application, in the foreground or in a thread of a test."""

import socket
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from mock_atoms.app import create_app
from mock_atoms.settings import Settings, reachable_host

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
    try:
        for family, kind, proto, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listener = socket.socket(family, kind, proto)
            sockets.append(listener)
            if sys.platform != "win32":  # pragma: no branch - there the option means something else
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port, *address[2:]))
            port = listener.getsockname()[1]
    except OSError as error:
        for listener in sockets:
            listener.close()
        reason = (error.strerror or str(error)).lower()
        raise ListenError(
            f"cannot listen on {host}:{port}: {reason}; choose with --host and --port, where 0 picks a free port"
        ) from None
    return sockets


def reachable_url(host: str, port: int) -> str:
    """Return the URL, without a path, under which this machine reaches what listens on `host`."""
    name = reachable_host(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class Server(uvicorn.Server):
    """uvicorn that says when it really accepts connections.

    Args:
        app: the application.
        on_ready: called once, in the server's own thread.
    """

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections, then say so."""
        await super().startup(sockets)
        self._on_ready()


class MockServer:
    """A mock server in a thread of this process, for tests.

    Use it as a context manager:

        with MockServer(seed="x") as mock:
            client = MyClient(base_url=mock.url)

    Args:
        settings: all settings at once; a port other than 0 is taken as it is.
        options: or fields of `Settings` by name. The port is a free one unless given.

    Raises:
        ConfigError: a fault or a fixture file cannot be used.
        ListenError: the port is taken.
    """

    def __init__(self, settings: Settings | None = None, **options: object) -> None:
        self.settings = settings or Settings.model_validate({"port": 0, **options})
        self._app = create_app(self.settings)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def root_url(self) -> str:
        """URL of the server, without a path."""
        return reachable_url(self.settings.host, self.port)

    @property
    def url(self) -> str:
        """Base URL of the API, to give to a client."""
        return self.root_url + self.settings.base_path

    def start(self) -> Self:
        """Start the server, and return once it accepts connections."""
        sockets = listen(self.settings.host, self.settings.port)
        self.port = sockets[0].getsockname()[1]
        ready = threading.Event()
        self._server = Server(self._app, ready.set)
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

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def serve(app: ASGIApp, sockets: list[socket.socket], on_ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then let requests in flight finish for `GRACE_SECONDS` at most."""
    Server(app, on_ready).run(sockets)
