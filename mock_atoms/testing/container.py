"""The image in a container, through testcontainers. It needs the extra `testcontainers` (docs/python.md#install)."""

from contextlib import ExitStack
from typing import Any, Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HealthcheckWaitStrategy

from mock_atoms.core.settings import Settings, variable_name
from mock_atoms.testing.client import MockClient
from mock_atoms.testing.proxies import without_proxy

PORT = Settings.model_fields["port"].default
"""The port inside the container."""
_ADDRESS_SETTINGS = {"host", "port"}
_TLS_SETTINGS = {"tls", "tls_cert", "tls_key"}


class MockAtomsContainer(DockerContainer):
    """A mock server in a container that is healthy when entered and removed when left.

    Use it as a context manager:

        with MockAtomsContainer(seed="x") as container:
            container.mock.fail("500x2")
            client = MyClient(base_url=container.url)

    Args:
        image: name of the image, as in `docker build --tag`.
        settings: fields of `Settings` by name, which become environment variables. `host`, `port` and the
            TLS settings are not supported.

    Raises:
        TypeError: a setting is unknown or not supported.
    """

    def __init__(self, image: str = "mock-atoms", **settings: str | float | bool) -> None:
        for name in sorted(settings):
            if name in _ADDRESS_SETTINGS:
                raise TypeError(f"the setting {name} is not supported: the container chooses its address, see `url`")
            if name in _TLS_SETTINGS:
                raise TypeError(f"the setting {name} is not supported: use MockServer for HTTPS")
            if name not in Settings.model_fields:
                raise TypeError(f"unknown setting: {name}")
        super().__init__(image)
        self._base_path = str(settings.get("base_path", Settings.model_fields["base_path"].default))
        token = settings.get("admin_token")
        self._admin_token = None if token is None else str(token)
        self.with_exposed_ports(PORT)
        for name, value in settings.items():
            self.with_env(variable_name(name), str(value))
        self.waiting_for(HealthcheckWaitStrategy())
        self._resources = ExitStack()

    def start(self) -> Self:
        """Start the container, and keep requests to it away from the proxies of the environment."""
        super().start()
        self._resources.enter_context(without_proxy(self.get_container_host_ip()))
        return self

    def stop(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - those of testcontainers
        """Stop and remove the container."""
        self._resources.close()
        super().stop(*args, **kwargs)

    @property
    def mock(self) -> MockClient:
        """Client of the server. The published port changes with each start."""
        address = f"{self.get_container_host_ip()}:{self.get_exposed_port(PORT)}"
        return MockClient(f"http://{address}{self._base_path.rstrip('/')}/", admin_token=self._admin_token)

    @property
    def url(self) -> str:
        """Base URL of the API, to configure a client with."""
        return self.mock.url
