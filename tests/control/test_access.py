"""Who may call the control API."""

import json
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer, Settings
from mock_atoms.control.app import control_app
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import bearer_pairs, call
from tests.helpers.audiences import ACME


def test_an_admin_token_guards_all_but_health() -> None:
    app = control_app(MockAtoms(Settings(admin_token="secret-1", host=("0.0.0.0",))))
    for headers, title in (
        ([], "the admin token is missing"),
        ([(b"authorization", b"Basic secret-1")], "the admin token is missing"),
        ([(b"authorization", b"Bearer ")], "the admin token is missing"),
        (bearer_pairs("secret-2"), "the admin token is wrong"),
        (bearer_pairs("secret-12"), "the admin token is wrong"),
    ):
        response = call(app, "/__admin/faults", headers)
        assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
        assert json.loads(response.body)["errors"][0]["title"] == title
        assert b"secret" not in response.body
    assert call(app, "/__admin/faults", bearer_pairs("secret-1")).status == 200
    assert call(app, "/__admin/health").status == 200


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "::1"}, 200),
        ({"host": "127.0.0.2"}, 200),
        ({"host": "0.0.0.0"}, 403),
        ({"host": "::"}, 403),
        ({"host": "0.0.0.0", "admin": True}, 200),
        ({"admin": False}, 404),
        ({"admin": False, "admin_token": "secret-1"}, 404),
    ],
)
def test_the_control_api_is_closed_to_other_machines_by_default(settings: dict[str, Any], status: int) -> None:
    app = control_app(MockAtoms(Settings(**settings)))
    assert call(app, "/__admin/faults").status == status
    assert call(app, "/__admin/health").status == 200


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, "evil.test", 403),  # a public name can be made to resolve to this machine
        (None, "evil.test.", 403),
        (None, "named.test:28667", 200),
        (None, "mock-atoms:28667", 200),
        (None, "mock-atoms.tests.svc:28667", 200),
        (None, "", 200),
        ("http://127.0.0.1:28667", "127.0.0.1:28667", 200),
        ("http://localhost:28667", "localhost:28667", 200),
        ("http://[::1]:28667", "[::1]:28667", 200),
        ("https://named.test", "127.0.0.1:28667", 200),
        ("http://localhost:3000", "localhost:28667", 403),
        ("https://localhost:28667", "localhost:28667", 403),
        ("https://other.test", "127.0.0.1:28667", 403),
        ("http://mock-atoms:28667", "mock-atoms:28667", 403),
        ("null", "127.0.0.1:28667", 403),
        ("https://other.test", "[", 403),
        (None, "[", 200),
        ("http://[", "127.0.0.1:28667", 403),
    ],
)
def test_pages_of_other_origins_are_rejected(origin: str | None, host: str, status: int) -> None:
    app = control_app(MockAtoms(Settings(cors_origin=("*", "localhost", "https://named.test"))))
    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    assert call(app, "/__admin/reset", headers, "POST").status == status


def test_an_allowed_page_gets_cors_headers() -> None:
    app = control_app(MockAtoms(Settings(cors_origin=("https://named.test",), admin_token="secret-1")))
    origin = (b"origin", b"https://named.test")
    preflight = [
        origin,
        (b"access-control-request-method", b"PUT"),
        (b"access-control-request-headers", b"authorization"),
    ]
    assert call(app, "/__admin/state", preflight, "OPTIONS").status == 200
    response = call(app, "/__admin/state", [origin, *bearer_pairs("secret-1")])
    assert (response.status, response.headers["access-control-allow-origin"]) == (200, "https://named.test")


def test_a_rejected_preflight_has_the_shape_of_errors() -> None:
    app = control_app(MockAtoms(Settings()))
    preflight = [(b"origin", b"https://other.test"), (b"access-control-request-method", b"PUT")]
    response = call(app, "/__admin/state", preflight, "OPTIONS")
    assert response.status == 400
    (error,) = json.loads(response.body)["errors"]
    assert error["detail"] == (
        "https://other.test may not call the control API: allow it with --cors-origin https://other.test"
    )


@pytest.mark.parametrize("origin", ["null", "file://", "https://app.test/", "localhost", "*", ""])
def test_an_origin_that_the_setting_refuses_is_not_advised(origin: str) -> None:
    app = control_app(MockAtoms(Settings(cors_origin=("https://named.test",))))
    response = call(app, "/__admin/state", [(b"origin", origin.encode())])
    (error,) = json.loads(response.body)["errors"]
    page = origin or "an empty Origin"
    fix = "serve the page from an origin such as http://localhost:8000, and allow that with --cors-origin"
    assert (response.status, error["detail"]) == (403, f"{page} may not call the control API: {fix}")


def test_the_control_api_is_neither_faulted_nor_journaled() -> None:
    with MockServer(error_rate=1.0, fault=["500"]) as mock:
        response = httpx.get(f"{mock.root_url}/__admin/faults", headers={**ACME, "Prefer": "code=503"})
        assert response.status_code == 200
        assert httpx.get(f"{mock.root_url}/__admin/requests").json()["meta"]["total"] == 0
