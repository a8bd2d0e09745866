"""What the page of an unknown route and the log say about it."""

import logging
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.wiremock import stub_book
from tests.helpers.asgi import bearer_pairs
from tests.middleware.test_stubs import ask, make_mock, stub

NO_ROUTE = "mock-atoms does not mock this route. "
DIFFERS = (
    "a stub for this method and path, but the request does not meet its other conditions, such as the token or the "
    "state of a scenario: `mock-atoms requests --details` shows what differs, and GET /__admin/scenarios the states "
    "(docs/stubs.md)"
)
DIFFERS_IN_LOG = (
    "a stub has this method and path, but the request does not meet its other conditions, such as the token or the "
    "state of a scenario: `mock-atoms requests --details` shows what differs, and GET /__admin/scenarios the states"
)
WITH_TOKEN = {"headers": {"Authorization": {"equalTo": "Bearer sk_live_verysecret"}}}


def comment_of(page: str) -> str:
    return page.partition("</html>\n<!-- ")[2].removesuffix(" -->\n")


@pytest.mark.parametrize(
    ("request_pattern", "path"),
    [
        ({"method": "GET", "urlPath": "/atoms/v1/agent/7"}, "/atoms/v1/agent/7"),
        ({"method": "GET", "urlPathTemplate": "/atoms/v1/agent/{id}.json"}, "/atoms/v1/agent/7.json"),
        ({"url": "/webhook?page=2"}, "/webhook"),
        ({"method": "GET", "urlPath": "/atoms/v1/audiences"}, "/atoms/v1/audiences"),
    ],
)
@pytest.mark.parametrize("token", [None, "sk_other"])
def test_a_stub_that_does_not_match_is_named(
    caplog: pytest.LogCaptureFixture, request_pattern: dict[str, Any], path: str, token: str | None
) -> None:
    mock = make_mock(stub(request_pattern | WITH_TOKEN))
    with caplog.at_level(logging.INFO, "mock_atoms"):
        response = ask(mock, path, headers=bearer_pairs(token) if token else ())
    assert response.status == 404
    reason = "unmocked-route" if path.startswith("/atoms/v1/") else "outside-base-path"
    assert response.headers["x-mock-atoms-reason"] == reason
    page = response.body.decode()
    assert f"<pre>Cannot GET {path}</pre>" in page
    assert comment_of(page) == f"mock-atoms has {DIFFERS}"
    assert caplog.messages[-1].endswith(f' reason={reason} hint="{DIFFERS_IN_LOG}"')
    assert "sk_live" not in page + caplog.text


@pytest.mark.parametrize(
    "request_pattern",
    [
        {"method": "POST", "urlPath": "/atoms/v1/agent/7.json"},
        {"method": {"oneOf": ["PUT", "POST"]}, "urlPath": "/atoms/v1/agent/7.json"},
        {"method": "GET", "urlPathTemplate": "/atoms/v1/agent/{id}.txt"},
        {"method": "GET", "urlPathPattern": "/atoms/v1/.*"},
        {"method": "GET"},
    ],
)
def test_a_stub_for_another_route_is_not_named(request_pattern: dict[str, Any]) -> None:
    mock = make_mock(stub(request_pattern | WITH_TOKEN))
    page = ask(mock, "/atoms/v1/agent/7.json").body.decode()
    assert comment_of(page).startswith(f"{NO_ROUTE}To stub it, run `mock-atoms stubs add GET /agent/7.json`")


def test_a_limited_number_of_stubs_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_COMPARED_ROUTES", 2)
    other = stub({"method": {"oneOf": ["PUT"]}, "urlPath": "/x"})
    same = stub({"method": "GET", "urlPath": "/x"} | WITH_TOKEN)
    assert DIFFERS in ask(make_mock(other, same), "/x").body.decode()
    others = [other | {"priority": number} for number in (1, 2)]
    assert NO_ROUTE in ask(make_mock(*others, same), "/x").body.decode()


def test_the_difference_is_where_the_page_says() -> None:
    with MockServer() as server:
        client = server.for_tenant("sk_mine")
        client.stub("GET", "/agent/7")
        assert DIFFERS in httpx.get(f"{server.url}/agent/7").text  # from the fast path
        (miss,) = server.control.call("GET", "/requests/unmatched/near-misses")["nearMisses"]
    assert miss["matchResult"]["distance"] < 0.1
    (difference,) = miss["request"]["mockAtoms"]["differences"]
    assert (difference["field"], difference["actual"]) == ("headers.Authorization", None)


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("/audience", "Did you mean GET /atoms/v1/audience? "),
        ("/v1/audience", "Did you mean GET /atoms/v1/audience? "),
        ("/atoms/v1/audiences", "Did you mean GET /atoms/v1/audience? "),
        ("/atoms/v1/audiences/sk_live_verysecret", "Did you mean GET /atoms/v1/audience/{id}? "),
        ("/atoms/v1/atoms/v1/user", "Did you mean GET /atoms/v1/user? "),
        ("/", "The dashboard is at /__admin/. "),
        ("/atoms/v1/", ""),
        ("/webhook", ""),
    ],
)
def test_a_similar_operation_is_suggested(caplog: pytest.LogCaptureFixture, path: str, suggestion: str) -> None:
    with caplog.at_level(logging.INFO, "mock_atoms"):
        page = ask(make_mock(), path).body.decode()
    assert comment_of(page).startswith(f"{NO_ROUTE}{suggestion}To stub it, ")
    command = "mock-atoms stubs add METHOD PATH, or " if path.startswith("/atoms/v1/") else ""
    assert caplog.messages[-1].endswith(
        f' hint="{suggestion}To stub this route: {command}POST /__admin/mappings (docs/stubs.md)"'
    )


def test_without_the_control_api_there_is_no_dashboard() -> None:
    page = ask(make_mock(admin=False), "/").body.decode()
    assert comment_of(page).startswith(f"{NO_ROUTE}To stub it, ")


def test_a_long_path_has_no_suggestion() -> None:
    with MockServer() as mock:
        pages = [httpx.get(f"{mock.url}/audiences{'/' * number}").text for number in (1, 300)]
    assert ["Did you mean" in page for page in pages] == [True, False]
