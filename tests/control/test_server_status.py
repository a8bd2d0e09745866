from datetime import UTC, datetime
from itertools import count

import httpx
import pytest

import mock_atoms
from mock_atoms import MockServer, Settings
from mock_atoms.control.app import control_app
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import call


@pytest.mark.alone("the clock counts its calls, and each replica calls it")
def test_health_shows_version_and_uptime() -> None:
    seconds = count(100, 42)
    mock = MockAtoms(Settings(), lambda: next(seconds), lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    app = control_app(mock)
    response = call(app, "/__admin/health")
    assert response.status == 200
    assert httpx.Response(200, content=response.body).json() == {
        "status": "healthy",
        "message": "mock-atoms is ready",
        "version": mock_atoms.__version__,
        "uptimeInSeconds": 42,
        "timestamp": "2026-01-02T03:04:05.000Z",
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/__admin/nothing", 404), ("GET", "/__admin/nothing/", 404), ("POST", "/__admin/health", 405)],
)
def test_an_unknown_endpoint_is_a_json_error(server: MockServer, method: str, path: str, status: int) -> None:
    response = httpx.request(method, server.root_url + path)
    assert response.status_code == status
    (error,) = response.json()["errors"]
    problem = "the control API has no such endpoint; /__admin/openapi.json lists all endpoints"
    assert error["detail"] == f"{method} {path}: {problem}"
    assert error.keys() == {"code", "title", "detail", "source"}
    assert "x-mock-atoms-reason" not in response.headers


@pytest.mark.parametrize("path", ["/__admin/health", "/docs", "/openapi.json"])
def test_head_responds_like_get(server: MockServer, path: str) -> None:
    response = httpx.head(server.root_url + path)
    assert (response.status_code, response.content) == (200, b"")


def test_a_longer_first_segment_is_the_vendors(server: MockServer) -> None:
    response = httpx.get(f"{server.root_url}/__administrator")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_a_malformed_host_is_no_server_error() -> None:
    app = control_app(MockAtoms(Settings()))
    statuses = [call(app, f"/__admin{path}", [(b"host", b"[")]).status for path in ("/health", "/faults", "/nothing")]
    assert statuses == [200, 200, 404]
