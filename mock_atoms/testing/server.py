"""A mock server in a thread of a test, and what drives it."""

import secrets
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from mock_atoms.app import create_app
from mock_atoms.core.settings import Settings, is_loopback, validate_settings
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.server import Server, build_server, listen, reachable_url
from mock_atoms.serving.tls import load_certificate
from mock_atoms.testing.client import MockClient


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
        settings = settings or validate_settings({"port": 0, **options})
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
            certificate = stack.enter_context(load_certificate(self.settings))
            sockets = listen(self.settings.host, self.settings.port)
            self._kept = stack.pop_all()
        self._ca_file = None if certificate is None else certificate.ca_file or certificate.file
        self.port = sockets[0].getsockname()[1]
        self._root_url = self._own_root_url()
        ready = threading.Event()
        self._server = build_server(self._mock, self._app, ready.set, certificate)
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
            self._server.stop()
            self._thread.join()
            self._server = self._thread = None
        self._kept.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
