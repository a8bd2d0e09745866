"""`MockServer` runs a mock server in a thread of the test process."""

import secrets
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from mock_atoms.app import create_app
from mock_atoms.core.addresses import reachable_host, reachable_url
from mock_atoms.core.control_access import control_access
from mock_atoms.core.settings import Settings, validate_settings
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.listening import listen_on_all
from mock_atoms.serving.server import Server, build_server
from mock_atoms.serving.tls import load_certificate
from mock_atoms.testing.client import MockClient
from mock_atoms.testing.proxies import without_proxy


class MockServer(MockClient):
    """A mock server in a thread of this process, with the methods of `MockClient`.

    Use it as a context manager:

        with MockServer(seed="x") as mock:
            mock.fail("500x2")
            client = MyClient(base_url=mock.url)

    Servers in one process are independent of each other. While a server runs, its host is an entry of `NO_PROXY` if
    the environment has a proxy. If other machines can reach the server and there is no
    `admin_token`, its control API gets a random token that only this object knows.

    Args:
        settings: all settings, including the port.
        options: fields of `Settings` by name. The default port is a free one.

    Attributes:
        settings: settings of the server.
        port: the port it listens on, once it is started.

    Raises:
        ConfigError: a setting, a fault or a fixture file is invalid.
        TypeError: both settings and options were passed.
    """

    def __init__(self, settings: Settings | None = None, **options: object) -> None:
        if settings is not None and options:
            raise TypeError(f"pass either settings or options, not both: {', '.join(options)}")
        settings = settings or validate_settings({"port": 0, **options})
        if control_access(settings).access == "closed":
            settings = settings.model_copy(update={"admin_token": secrets.token_urlsafe()})
        self.settings = settings
        self.port = settings.port
        super().__init__(f"{self._reachable_url()}{settings.base_path}/", admin_token=settings.admin_token)
        self._mock = MockAtoms(settings)
        self.settings = self._mock.settings
        self._app = create_app(mock=self._mock)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._resources = ExitStack()

    def _reachable_url(self) -> str:
        return reachable_url(self.settings.host[0], self.port, self.settings.scheme)

    @property
    def ca_file(self) -> Path | None:
        """File of the certificate to trust, or `None` without TLS. A generated one is deleted when the server stops."""
        return None if self._control.ca_file is None else Path(self._control.ca_file)

    def start(self) -> Self:
        """Start the server, and return as soon as it accepts connections.

        A stopped server starts again with its data, on another port unless the settings name one.

        Raises:
            ConfigError: the certificate is invalid.
            ListenError: the port is in use, or no address of the host belongs to this machine.
            RuntimeError: the server is running already.
        """
        if self._server is not None:
            raise RuntimeError(
                f"the server is already running at {self.url}: call start() once, or use one with statement"
            )
        with ExitStack() as stack:
            certificate = stack.enter_context(load_certificate(self.settings))
            stack.enter_context(without_proxy(reachable_host(self.settings.host[0])))
            sockets = listen_on_all(self.settings.host, self.settings.port)
            for listener in sockets:
                stack.callback(listener.close)
            ready = threading.Event()
            self._server = build_server(self._mock, self._app, ready.set, certificate)
            self._resources = stack.pop_all()
        ca_file = None if certificate is None else certificate.ca_file or certificate.file
        self.port = sockets[0].getsockname()[1]
        self._control.root_url, self._control.ca_file = self._reachable_url(), ca_file  # other clients share it
        self._thread = threading.Thread(
            target=self._server.run, args=(sockets,), name=f"mock-atoms:{self.port}", daemon=True
        )
        self._thread.start()
        while not ready.wait(0.05):
            if not self._thread.is_alive():  # pragma: no cover - uvicorn has no reason to stop before it is ready
                raise RuntimeError("the server stopped before it was ready")
        return self

    def stop(self) -> None:
        """Stop the server after the requests in flight. Do nothing if it is not running."""
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
            self._server = self._thread = None
        self._control.close()
        self._resources.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
