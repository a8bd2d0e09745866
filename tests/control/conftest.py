"""A server with its control API."""

from collections.abc import Iterator

import httpx
import pytest

from mock_atoms import MockServer
from tests.helpers.snippets import ROOT


@pytest.fixture(scope="module")
def running() -> Iterator[MockServer]:
    with MockServer(fault=["POST /audience 503"], fixtures=ROOT / "fixtures") as mock:
        yield mock


@pytest.fixture
def admin(running: MockServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{running.root_url}/__admin") as http:
        assert http.post("/reset").json() == {}
        yield http
