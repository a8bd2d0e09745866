"""Fixtures that tests of several packages share."""

import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import hypothesis
import pytest

from mock_atoms import MockServer

hypothesis.settings.register_profile("without deadline", deadline=None)  # tests assert no durations
hypothesis.settings.load_profile("without deadline")


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
