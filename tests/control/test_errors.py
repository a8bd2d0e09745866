"""Errors of the control API."""

import gzip
import json
from collections.abc import Iterator
from functools import partial

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.control import parsing
from mock_atoms.control.app import control_app
from mock_atoms.core import json_parsing
from mock_atoms.core.json_parsing import MAX_JSON_PIECE_BYTES
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import AsgiResponse, call
from tests.helpers.control import problem
from tests.helpers.sockets import connect

gzipped = partial(gzip.compress, mtime=0)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "detail"),
    [
        (b"{", "application/json", 422, "not JSON: "),
        (b'"\\ud800"', "application/json; charset=utf-8", 422, "half of a surrogate pair"),
        (b"[" * 100_000, "application/json", 422, "not JSON: "),
        (b'"500"', "application/x-www-form-urlencoded", 415, "send the header Content-Type: application/json"),
        (b'"500"', "", 415, "send the header Content-Type: application/json"),
        (b"", "application/json", 422, "not JSON: "),
    ],
)
def test_a_body_that_is_not_json_is_an_error(
    admin: httpx.Client, body: bytes, content_type: str, status: int, detail: str
) -> None:
    response = admin.post("/faults", content=body, headers={"Content-Type": content_type} if content_type else {})
    assert problem(response)[0] == status
    assert detail in problem(response)[2]


def test_an_error_shows_invisible_characters_of_the_pointer_and_cuts_it(admin: httpx.Client) -> None:
    invisible = {"fault": "500", "\u202ax": 1}
    assert problem(admin.post("/faults", json=invisible))[1] == "/U+202Ax"
    _, pointer, detail = problem(admin.post("/faults", json={"alter": {"values": {"é" * 90_000: 1}}}))
    assert detail.startswith(f"`{'é' * 500}…` is not a JSON pointer")
    assert len(pointer) < 520


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("[" * 101 + "]" * 101, "not JSON: nested too deep: at most 100 levels"),
        (f'"{"x" * 2 * MAX_JSON_PIECE_BYTES}"', f"not JSON: more than {MAX_JSON_PIECE_BYTES} bytes without a comma"),
        (f"[{'0, ' * 100_000}0]", "not JSON: too many values, which need more than 100000 bytes of memory"),
    ],
    ids=["levels", "no comma", "values"],
)
def test_json_beyond_a_limit_is_an_error(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch, body: str, detail: str
) -> None:
    monkeypatch.setattr(json_parsing, "MAX_VALUES_BYTES", 100_000)
    response = admin.post("/faults", content=body, headers={"Content-Type": "application/json"})
    assert problem(response)[0] == 422
    assert detail in problem(response)[2]


def test_an_object_has_at_most_1000_keys(admin: httpx.Client) -> None:
    details = [
        problem(admin.post("/mappings/import", json={f"{key}": 0 for key in range(number)}))[2]
        for number in (1_000, 1_001)
    ]
    assert "has 1001 keys: at most 1000" not in details[0]
    assert "has 1001 keys: at most 1000" in details[1]


def test_a_body_that_is_too_long_is_an_error(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_CONTROL_BODY_BYTES", 100)
    longest = '"' + "x" * 98 + '"'
    headers = {"Content-Type": "application/json"}
    assert problem(admin.post("/faults", content=longest, headers=headers))[0] == 422
    assert problem(admin.post("/faults", content=f"{longest} ", headers=headers))[0] == 413


def test_a_body_may_have_64_mib() -> None:
    response = call(create_app(), "/__admin/faults", method="POST", body=bytes(64 * 1024 * 1024 + 1))
    assert (response.status, b"the body has more than 67108864 bytes" in response.body) == (413, True)
    response = call(create_app(), "/__admin/faults", method="POST", body=bytes(64 * 1024 * 1024))
    assert response.status == 415  # without Content-Type, it is not parsed


@pytest.mark.parametrize(
    ("encoding", "content", "status", "detail"),
    [
        ("gzip", b"{}", 400, "the body is not in the format gzip: incorrect header check"),
        ("br", b"{}", 415, "Content-Encoding is `br`: use gzip or deflate, or send the body uncompressed"),
        ("gzip", gzipped(b" " * 200), 413, "the body has more than 100 bytes"),
    ],
)
def test_a_body_in_another_encoding_is_an_error(  # noqa: PLR0917 - a table
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch, encoding: str, content: bytes, status: int, detail: str
) -> None:
    monkeypatch.setattr(parsing, "MAX_CONTROL_BODY_BYTES", 100)
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    response = admin.post("/faults", content=content, headers=headers)
    assert (problem(response)[0], problem(response)[2]) == (status, detail)


def test_a_compressed_body_is_inflated(admin: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = admin.post("/faults", content=gzipped(b'"500"'), headers=headers)
    assert response.json()["respond"] == {"status": 500}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/faults"),
        ("POST", "/faults"),
        ("DELETE", "/faults"),
        ("GET", "/faults/fault-1"),
        ("DELETE", "/faults/fault-1"),
        ("GET", "/tenants"),
        ("PUT", "/tenants"),
        ("GET", "/state"),
        ("PUT", "/state"),
        ("POST", "/reset"),
        ("DELETE", "/requests"),
        ("POST", "/near-misses/request-pattern"),
    ],
)
def test_an_unknown_query_parameter_is_an_error(admin: httpx.Client, method: str, path: str) -> None:
    status, actual_pointer, detail = problem(admin.request(method, path, params={"force": "1"}))
    assert (status, actual_pointer, detail) == (
        422,
        "force",
        "there is no parameter `force`: this endpoint has no parameters",
    )


def test_a_disconnect_during_the_body_is_no_server_error(
    running: MockServer, admin: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(running.port) as client:
        client.sendall(b"PUT /__admin/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
    for _ in range(3):
        assert admin.get("/health").status_code == 200
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]


@pytest.mark.parametrize(
    ("method", "path", "alternative"),
    [
        ("PUT", "/mappings", "there is no such endpoint of stubs (docs/stubs.md)"),
        ("POST", "/mappings/unknown", "there is no such endpoint of stubs (docs/stubs.md)"),
        ("GET", "/files/body.json", "files of stubs come from __files/ of --stubs"),
        (
            "POST",
            "/settings",
            "global settings are not supported; create a rule with a delay with POST /__admin/faults",
        ),
        ("POST", "/recordings/start", "recording is not supported; write fixtures or stubs of recorded responses"),
        ("POST", "/shutdown", "the control API cannot stop the server; send SIGTERM"),
        (
            "POST",
            "/near-misses/other",
            "send POST /__admin/near-misses/request-pattern or /__admin/",
        ),
        ("GET", "/version", "send GET /__admin/health, whose response has the version of mock-atoms"),
        ("POST", "/requests/other", "the control API has no such endpoint"),
        ("POST", "/mappingsx", "the control API has no such endpoint; /__admin/openapi.json lists all endpoints"),
    ],
)
def test_missing_endpoints_of_wiremock_name_an_alternative(
    admin: httpx.Client, method: str, path: str, alternative: str
) -> None:
    response = admin.request(method, path, json={"request": {}, "response": {}})
    assert response.status_code in (404, 405)
    (error,) = response.json()["errors"]
    assert error["detail"].startswith(f"{method} /__admin{path}: {alternative}")


@pytest.mark.parametrize(
    ("path", "methods"), [("/tenants", {"GET", "HEAD", "PUT"}), ("/openapi.json", {"GET", "HEAD"})]
)
def test_a_405_lists_the_allowed_methods(admin: httpx.Client, path: str, methods: set[str]) -> None:
    response = admin.post(path)
    assert (response.status_code, set(response.headers["allow"].split(", "))) == (405, methods)


@pytest.mark.parametrize(
    ("path", "broken"),
    [
        ("/faults", "mock_atoms.state.memory_store.MemoryStore.rules"),
        ("/faults/rule-1", "mock_atoms.state.memory_store.MemoryStore.rule"),
        ("/requests", "mock_atoms.control.long_work.json_pieces"),
    ],
)
def test_a_bug_in_the_control_api_is_a_500_and_raised(path: str, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken, None)
    response, raised = call_with_bug(path)
    assert (response.status, json.loads(response.body)["errors"][0]["title"]) == (500, "bug in the mock")
    assert len(raised) == 1


def test_a_bug_after_the_start_of_a_response_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_late(_content: object) -> Iterator[str]:
        yield "x" * 1_000_000
        raise TypeError

    monkeypatch.setattr("mock_atoms.control.long_work.json_pieces", fail_late)
    response, raised = call_with_bug("/requests")
    assert (response.status, set(response.body), len(raised)) == (200, {ord("x")}, 1)


def call_with_bug(path: str) -> tuple[AsgiResponse, list[TypeError]]:
    """Return the response of an endpoint, and what it raised."""
    app = control_app(MockAtoms(Settings()))
    raised: list[TypeError] = []

    async def catch(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except TypeError as error:
            raised.append(error)

    return call(catch, f"/__admin{path}"), raised
