"""Fixtures that tests of several packages share."""

import os
import shutil
from collections.abc import Callable, Iterator

import httpx
import pytest

from mock_atoms import MockServer


@pytest.fixture(scope="session")
def server() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


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
