"""The contract violations that requests record, and the 400 of `--strict`."""

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from tests.helpers.audiences import bearer

KINDS = list[tuple[str, str]]
CSV = {"file": ("a.csv", "phone\n+14155550188")}
UNKNOWN_ID = "0" * 24


@pytest.fixture(scope="module")
def strict_server() -> Iterator[MockServer]:
    with MockServer(strict=True) as server:
        yield server


@pytest.fixture
def strict(strict_server: MockServer) -> MockServer:
    strict_server.reset()
    return strict_server


def send(server: MockServer, method: str, path: str, token: str = "sk_acme", **options: Any) -> httpx.Response:  # noqa: ANN401 - of httpx
    """Send a request with a token."""
    headers = bearer(token) | options.pop("headers", {})
    return httpx.request(method, server.url + path, headers=headers, **options)


def recorded(server: MockServer) -> KINDS:
    """Return kind and place of each violation of the last request."""
    return [(each["kind"], each["place"]) for each in server.requests()[-1].violations]


def first_audience(server: MockServer) -> str:
    path: str = "/audience/" + send(server, "GET", "/audience").json()["data"][0]["_id"]
    return path


REQUESTS: list[tuple[str, str, dict[str, Any], KINDS]] = [
    ("GET", "/audience", {}, []),
    ("GET", "/audience", {"json": {}}, []),
    ("GET", "/audience", {"content": [b"{", b"}"]}, []),
    ("GET", "/audience/", {"json": {"a": 1}}, [("unexpected-body", "")]),
    ("GET", "/audience", {"content": b"x" * 100_000}, [("unexpected-body", "")]),
    ("HEAD", "/audience", {"params": {"limit": 1}}, [("unknown-parameter", "limit")]),
    ("DELETE", f"/audience/{UNKNOWN_ID}", {"json": [1]}, [("unexpected-body", "")]),
    ("POST", "/audience", {"data": {"name": "a", "owner": "b"}, "files": CSV}, [
        ("missing-field", "/phoneNumberColumnName"),
        ("unknown-field", "/owner"),
    ]),
    ("POST", "/audience", {"json": {"name": "a"}}, [("wrong-content-type", "Content-Type")]),
    ("POST", "/audience", {}, [
        ("missing-field", "/name"),
        ("missing-field", "/phoneNumberColumnName"),
        ("missing-field", "/file"),
    ]),
    ("POST", "/audience", {"data": {"name": "a"}, "files": {"phoneNumberColumnName": ("a.csv", "p")}}, [
        ("missing-field", "/file"),
        ("invalid-field", "/phoneNumberColumnName"),
    ]),
    ("POST", f"/audience/{UNKNOWN_ID}/members", {"json": {"members": [{}, 1], "a": 1}}, [
        ("invalid-field", "/members/1"),
        ("unknown-field", "/a"),
    ]),
    ("POST", f"/audience/{UNKNOWN_ID}/members", {"json": [{}]}, [("invalid-field", "")]),
    ("DELETE", f"/audience/{UNKNOWN_ID}/members", {}, [("missing-field", "/memberIds")]),
    ("POST", "/agent", {"json": {"name": "a", "language": {"default": 1}}}, [("invalid-field", "/language/default")]),
    ("GET", "/user", {"params": {"verbose": "1"}}, [("unknown-parameter", "verbose")]),
    ("POST", "/campaign/c1/stop", {"json": {}}, [("undocumented-operation", "POST /campaign/{id}/stop")]),
    ("DELETE", "/agent/a1", {}, [("undocumented-operation", "DELETE /agent/{id}")]),
    ("GET", "/nowhere", {"params": {"limit": 1}}, []),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "options", "expected"), REQUESTS)
def test_a_request_records_its_violations(
    server: MockServer, method: str, path: str, options: dict[str, Any], expected: KINDS
) -> None:
    send(server, method, path, **options)
    assert recorded(server) == expected


@pytest.mark.parametrize(("method", "path", "options", "expected"), REQUESTS)
def test_a_strict_server_refuses_violations(
    strict: MockServer, method: str, path: str, options: dict[str, Any], expected: KINDS
) -> None:
    response = send(strict, method, path, **options)
    assert (response.headers.get("x-mock-atoms-reason") == "contract-violation") == bool(expected)
    if expected:
        assert response.status_code == 400
        if method != "HEAD":
            messages = response.json()["errors"]
            assert [message.partition(":")[0] for message in messages] == [kind for kind, _ in expected]
        assert strict.requests()[-1].reason == "contract-violation"
    assert recorded(strict) == expected


def test_a_refused_request_changes_nothing(strict: MockServer) -> None:
    path = first_audience(strict)
    before = send(strict, "GET", "/audience").json()
    page = send(strict, "GET", f"{path}/members").json()["data"]
    ids = [member["_id"] for member in page["members"]]
    column = send(strict, "GET", path).json()["data"]["phoneNumberColumnName"]
    for method, target, options in (
        ("DELETE", path, {"json": {"force": True}}),
        ("DELETE", f"{path}/members", {"json": {"memberIds": ids, "dryRun": False}}),
        ("DELETE", f"{path}/members?force=1", {"json": {"memberIds": ids}}),
        ("POST", f"{path}/members", {"json": {"members": [{column: "+14155550188"}], "upsert": True}}),
        ("POST", "/audience", {"data": {"name": "a", "phoneNumberColumnName": "phone", "tag": "x"}, "files": CSV}),
    ):
        assert send(strict, method, target, **options).status_code == 400
    assert send(strict, "GET", "/audience").json() == before
    assert send(strict, "GET", f"{path}/members").json()["data"] == page


def test_a_page_beyond_the_end_is_recorded_each_time(server: MockServer) -> None:
    path = first_audience(server)
    for _ in range(3):
        assert send(server, "GET", f"{path}/members?page=9999").status_code == 200
        assert recorded(server) == [("page-beyond-end", "page")]
    send(server, "GET", f"{path}/members?page=1&offset=10")
    assert recorded(server) == []


def test_a_strict_server_refuses_a_page_beyond_the_end(strict: MockServer) -> None:
    response = send(strict, "GET", f"{first_audience(strict)}/members?page=9999")
    assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (400, "contract-violation")


def test_a_start_in_the_past_is_a_violation(server: MockServer, strict: MockServer) -> None:
    for mock, reason in ((server, None), (strict, "contract-violation")):
        audience_id = first_audience(mock).removeprefix("/audience/")
        campaign = {"name": "a", "audienceId": audience_id, "agentId": UNKNOWN_ID}
        past = send(mock, "POST", "/campaign", json=campaign | {"scheduledAt": "2020-01-01T00:00:00Z"})
        assert (past.status_code, past.headers.get("x-mock-atoms-reason")) == (400, reason)
        assert recorded(mock) == [("invalid-field", "/scheduledAt")]
        future = send(mock, "POST", "/campaign", json=campaign | {"scheduledAt": "2090-01-01T00:00:00Z"})
        assert future.status_code == 201
        assert recorded(mock) == []


def test_repeated_requests_record_their_violations_from_the_cache(server: MockServer) -> None:
    for _ in range(4):
        send(server, "GET", "/audience?limit=5")
    assert [len(request.violations) for request in server.requests()] == [1, 1, 1, 1]
    assert server.violations()[0].count == 4


def test_a_strict_server_refuses_what_the_cache_could_serve(strict: MockServer) -> None:
    for _ in range(3):
        assert send(strict, "GET", "/audience").status_code == 200
    assert send(strict, "GET", "/audience?limit=1").status_code == 400
    assert recorded(strict) == [("unknown-parameter", "limit")]


def test_a_strict_server_accepts_a_session_cookie(strict: MockServer) -> None:
    cookie = {"Cookie": "session=sk_acme"}
    assert httpx.get(f"{strict.url}/audience", headers=cookie).status_code == 200
    assert recorded(strict) == []


@pytest.mark.parametrize("headers", [{"Authorization": "sk_acme_a1b2"}, {"X-API-Key": "sk_acme_a1b2"}])
def test_an_unauthenticated_request_gets_the_401_and_records_violations_of_its_head(
    strict: MockServer, headers: dict[str, str]
) -> None:
    response = httpx.post(f"{strict.url}/agent?a=1", headers=headers, json={"b": 1})
    assert response.status_code == 401
    assert [kind for kind, _ in recorded(strict)] == ["undocumented-header", "unknown-parameter"]


def test_a_request_to_an_unknown_route_has_no_violations(server: MockServer) -> None:
    httpx.get(f"{server.url}/nowhere?a=1", headers={"X-API-Key": "sk_acme_a1b2"})
    assert recorded(server) == []


def test_a_faulted_request_records_violations_of_its_head(strict: MockServer) -> None:
    for path in ("/audience?limit=1", "/audience"):
        assert send(strict, "GET", path, "sk_mock_500.me", json={"a": 1}).status_code == 500
    assert [len(request.violations) for request in strict.requests()] == [1, 0]


def test_a_stubbed_request_has_no_violations(strict: MockServer) -> None:
    strict.stub("POST", "/campaign/c1/stop", json={"status": True})
    strict.stub("GET", "/audience", json={"status": True})
    for method, path in (("POST", "/campaign/c1/stop"), ("GET", "/audience?limit=1")):
        assert send(strict, method, path).json() == {"status": True}
        assert recorded(strict) == []
    assert strict.violations() == []


@pytest.mark.alone("each replica warns of a kind once")
def test_the_log_warns_of_a_violation_that_only_the_body_has(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "mock_atoms"), MockServer() as mock:
        for _ in range(2):
            send(mock, "POST", "/agent", json={"name": "a", "title": "b"})
    (line,) = caplog.messages
    assert line.startswith('violation=unknown-field operation="POST /agent" place=/title value=b ')


def test_violations_of_a_body_in_a_wrong_encoding_are_not_guessed(server: MockServer) -> None:
    assert send(server, "POST", "/agent", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert recorded(server) == []
