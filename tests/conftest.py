"""Fixtures that tests of several packages share."""

import gc
import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import hypothesis
import pytest

from mock_atoms import MockServer
from tests.helpers import redis
from tests.helpers.replicas import replace_servers

hypothesis.settings.register_profile("without deadline", deadline=None)  # tests assert no durations
hypothesis.settings.load_profile("without deadline")

_REPLICAS = "--replicas"
_SERVERS = {"MockServer", "MockAtoms", "MockDriver", "create_app", "server", "running", "mock_atoms_server"}
"""Names of a server in a module, and of fixtures that have one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(_REPLICAS, action="store_true", help="use two replicas, asked in turn, in place of each server")


def pytest_configure(config: pytest.Config) -> None:
    """Replace the servers before test modules import them."""
    if not config.getoption(_REPLICAS):
        return
    resources = ExitStack()
    config.add_cleanup(resources.close)

    @cache
    def redis_url() -> str:
        folder = Path(resources.enter_context(TemporaryDirectory()))
        return resources.enter_context(redis.running(folder)).url

    replace_servers(resources.enter_context(pytest.MonkeyPatch.context()), redis_url)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests without a server, and those that are marked."""
    if config.getoption(_REPLICAS):
        left_out = [item for item in items if item.get_closest_marker("alone") or not _has_server(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of later garbage collections, which many tests make."""
    gc.collect()
    gc.freeze()


def _has_server(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    return not (_SERVERS.isdisjoint(vars(item.module)) and _SERVERS.isdisjoint(item.fixturenames))


@pytest.fixture(scope="session", autouse=True)
def _shared_tls_context() -> Iterator[None]:
    """Let httpx load the CA certificates once: it takes 20 ms, and most tests create clients for plain HTTP."""
    create = httpx.create_ssl_context
    contexts: dict[tuple[object, ...], ssl.SSLContext] = {}

    def create_once(verify: ssl.SSLContext | str | bool = True, **options: Any) -> ssl.SSLContext:  # noqa: ANN401, FBT001, FBT002 - as in httpx
        if verify is not True:
            return create(verify=verify, **options)
        key = (*options.items(), os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
        if key not in contexts:
            contexts[key] = create(**options)
        return contexts[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("httpx._transports.default.create_ssl_context", create_once)
        yield


@pytest.fixture(scope="session")
def session_server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture
def server(session_server: MockServer) -> MockServer:
    """Return the server of the session, without what other tests left: rules, data, counters and requests."""
    session_server.reset()
    return session_server


@pytest.fixture
def client(server: MockServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url) as http:
        yield http


@pytest.fixture
def tool() -> Callable[[str], str]:
    """Return a function from a program's name to its path. A missing program skips the test, and fails it in CI."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            if os.environ.get("CI"):
                pytest.fail(f"{name} is not installed, and CI skips nothing")
            pytest.skip(f"{name} is not installed")
        return path

    return find
