"""`MockClient` and `MockServer` against running servers."""

import http.server
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from json import dumps, loads
from typing import Any

import httpx
import pytest

import mock_atoms
from mock_atoms import ControlError, MockClient, MockServer, RecordedRequest, Settings
from mock_atoms.core.masking import mask_token
from mock_atoms.journal.credentials import CREDENTIAL_HEADERS
from mock_atoms.testing import client
from mock_atoms.testing.control_api import ControlApi
from mock_atoms.testing.pytest_plugin import request_report
from mock_atoms.testing.recorded_request import MAX_ERROR_CHARACTERS
from tests.helpers.audiences import bearer, send
from tests.helpers.cli import run_command

A, B = "sk_mock_test.client-a", "sk_mock_test.client-b"
UNKNOWN_AUDIENCE = "/audience/60d0fe4f5311236168a109ca"


@pytest.fixture
def mock(server: MockServer) -> MockServer:
    return server


def test_a_fault_matches_its_token_path_or_test(mock: MockServer) -> None:
    rule = mock.fail("503x1", token=A)
    assert rule.startswith("rule-")
    assert [send(mock.url, B), send(mock.url, A), send(mock.url, A)] == [200, 503, 200]
    assert mock.requests(status=503)[0].faults == (rule,)
    assert [request.faults for request in mock.requests(failed=True)] == [(rule,)]
    mock.fail("404x1", method="GET", path="/audience/{id}")
    assert [send(mock.url, A), send(mock.url, A, UNKNOWN_AUDIENCE)] == [200, 404]
    mock.clear_faults()
    mock.fail("409x1", test_id="t1")
    assert [send(mock.url, A), send(mock.url, A, headers={"X-Test-Id": "t1"})] == [200, 409]


def test_a_fault_may_be_a_rule_whose_own_match_wins(mock: MockServer) -> None:
    mock.fail({"respond": {"status": 418}, "match": {"method": "DELETE"}}, method="GET", token=A)
    assert send(mock.url, A) == 200
    assert send(mock.url, A, method="DELETE") == 418
    assert send(mock.url, B, method="DELETE") == 404


def test_a_fault_may_follow_method_and_path(mock: MockServer) -> None:
    mock.fail(" GET /audience/{id} 503x1 ")
    assert [send(mock.url, A), send(mock.url, A, UNKNOWN_AUDIENCE)] == [200, 503]
    with pytest.raises(ControlError, match="GET /audience 500"):
        mock.fail("GET /audience 500", method="GET")


@pytest.mark.parametrize("fault", [None, 500, ["500"]])
def test_a_fault_of_another_type_is_a_type_error(mock: MockServer, fault: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(TypeError) as caught:
        mock.fail(fault)
    quoted = f"`{fault!r}`"
    assert str(caught.value) == f'a fault must be text such as "500", or a rule (docs/faults.md), not {quoted}'


def test_faults_are_cleared_one_by_one_or_together(mock: MockServer) -> None:
    first, second, third = (mock.fail("500", token=token) for token in (A, B, "sk_c"))
    mock.clear_faults(first)
    assert [send(mock.url, A), send(mock.url, B)] == [200, 500]
    with pytest.raises(ControlError, match=rf"^DELETE /faults/{first}: 404: .*{first}") as caught:
        mock.clear_faults(first)
    assert caught.value.status == 404
    mock.clear_faults(third)
    mock.clear_faults()
    assert send(mock.url, B) == 200
    assert second != third


def test_clearing_faults_of_a_stopped_server_is_an_error() -> None:
    with MockServer() as mock:
        mock.fail("500")
    with pytest.raises(ControlError, match="no mock server responds"):
        mock.clear_faults()


def test_a_recorded_request_has_all_fields(mock: MockServer) -> None:
    before = datetime.now(UTC)
    mock.fail("500x1")
    send(mock.url, A, "/audience/x/members?page=2&page=3&q=a%20b", "POST", json={"members": []})
    (request,) = mock.requests()
    assert (request.method, request.path, request.status) == ("POST", "/atoms/v1/audience/x/members", 500)
    assert request.query == {"page": ["2", "3"], "q": ["a b"]}
    assert request.json() == {"members": []}
    assert (request.body, request.body_size) == (b'{"members":[]}', 14)
    assert request.headers["content-type"] == "application/json"
    assert (request.tenant, request.test_id, request.attempt) == (A, None, 1)
    assert (request.ended, request.reason) == ("responded", None)
    assert request.duration_ms is not None
    assert (request.arrived - before).total_seconds() > -1
    assert str(request) == (
        f"{request.arrived:%H:%M:%S}.{request.arrived.microsecond // 1000:03} POST /atoms/v1/audience/x/members"
        f"?page=2&page=3&q=a+b → 500 in {request.duration_ms:.0f} ms fault={request.faults[0]} body=14 bytes"
    )


def test_a_recorded_request_has_the_response(mock: MockServer) -> None:
    send(mock.url, A, "/audience/60d0fe4f5311236168a109ca")
    (request,) = mock.requests()
    assert request.response_headers["content-type"] == "application/json; charset=utf-8"
    assert loads(request.response_body) == {"status": False, "errors": ["Audience not found"]}
    assert request.errors == ["Audience not found"]
    assert str(request).endswith(" ms error: Audience not found")


def test_a_recorded_request_shows_the_start_of_long_errors(mock: MockServer) -> None:
    mock.stub("GET", "/long", status=400, json={"errors": ["x" * (MAX_ERROR_CHARACTERS + 1)]})
    send(mock.url, A, "/long")
    (request,) = mock.requests()
    assert str(request).endswith(f" error: {'x' * MAX_ERROR_CHARACTERS}…")


@pytest.mark.parametrize(
    ("status", "body"),
    [*((400, body) for body in ("", "{", "[]", '{"errors": "a"}', "[" * 100_000)), (200, '{"errors": ["a"]}')],
)
def test_a_response_without_errors_has_none(mock: MockServer, status: int, body: str) -> None:
    mock.stub("GET", "/other", status=status, body=body)
    send(mock.url, A, "/other")
    (request,) = mock.requests()
    assert request.errors == []
    assert str(request).endswith(" ms reason=stub")


def test_the_message_of_a_rate_limit_is_an_error(mock: MockServer) -> None:
    send(mock.url, "sk_mock_429")
    assert mock.requests()[0].errors == [
        httpx.get(f"{mock.url}/audience", headers=bearer("sk_mock_429")).json()["error"]
    ]


def test_credentials_in_the_headers_of_a_response_are_masked(mock: MockServer) -> None:
    secret = "abcdef-secret-1"
    mock.stub("GET", "/login", headers={"Set-Cookie": ["a=b; Path=/", f"session={secret}; Path=/"]})
    for name in CREDENTIAL_HEADERS:
        mock.stub("GET", f"/{name}", headers={name: secret})
        send(mock.url, A, f"/{name}")
        assert secret not in mock.requests()[-1].response_headers[name]
    send(mock.url, A, "/login")
    request = mock.requests()[-1]
    assert request.response_headers["set-cookie"] == f"a=b; Path=/, session={mask_token(secret)}; Path=/"


def test_a_recorded_request_hides_an_ordinary_token(mock: MockServer) -> None:
    send(mock.url, "sk_live_verysecret")
    (request,) = mock.requests()
    assert request.tenant == mask_token("sk_live_verysecret")
    assert "verysecret" not in repr(request) + str(request)


def test_requests_are_filtered(mock: MockServer) -> None:
    for path in ("/audience", "/audience/", "/audience/a", "/audience/a/members", "/nowhere"):
        send(mock.url, A, path)
    send(mock.url, B, "/audience/a", "DELETE", headers={"X-Test-Id": "t1"})

    def paths(**filters: Any) -> list[str]:  # noqa: ANN401 - any argument of `requests`
        return [request.path.removeprefix("/atoms/v1") for request in mock.requests(**filters)]

    assert len(paths()) == 6
    assert paths(path="/audience") == ["/audience", "/audience/"]
    assert paths(path="/atoms/v1/audience") == ["/audience", "/audience/"]
    assert paths(path="/audience/{id}", method="get") == ["/audience/a"]
    with pytest.raises(ValueError, match=r"^`audience` does not start with a slash: use a path such as /audience/\{id"):
        paths(path="audience")
    with pytest.raises(ValueError, match=r"^`/audience\?page=2` is more than a path: leave out"):
        paths(path="/audience?page=2")
    assert paths(path="/audience/{id}") == ["/audience/a"] * 2
    assert paths(path="/audience/{id}/members") == ["/audience/a/members"]
    assert paths(status=404, token=A) == ["/nowhere"]
    assert paths(token=B) == paths(test_id="t1") == ["/audience/a"]
    assert [request.reason for request in mock.requests(path="/nowhere")] == ["unmocked-route"]


def test_values_of_a_repeated_header_are_joined(mock: MockServer) -> None:
    httpx.get(f"{mock.url}/audience", headers=[("X-A", "1"), ("X-A", "2")])
    assert mock.requests()[0].headers["x-a"] == "1, 2"


def test_a_request_in_flight_has_no_outcome_until_it_ends(mock: MockServer) -> None:
    with ThreadPoolExecutor(1) as threads:
        mock.fail("hang500", token=A)
        hanging = threads.submit(send, mock.url, A)
        while not mock.requests():
            pass
        (request,) = mock.requests()
        assert (request.ended, request.status, request.duration_ms) == (None, None, None)
        assert " GET /atoms/v1/audience → in flight" in str(request)
        (ended,) = mock.wait_for_requests(1)
        assert ended.ended == "hang"
        assert " → hang in " in str(ended)
        with pytest.raises(httpx.RemoteProtocolError):
            hanging.result()


def test_waiting_returns_as_soon_as_the_requests_have_completed(mock: MockServer) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(mock.wait_for_requests, 2, 60, path="/audience/{id}/x/{id}", status=404, token=A)
        for path in ("/audience", "/audience/a/x/b", "/audience/a/x/b"):
            send(mock.url, B, path)
            send(mock.url, A, path)
        assert [request.path for request in waiting.result()] == ["/atoms/v1/audience/a/x/b"] * 2


def test_waiting_returns_requests_that_arrived_earlier(mock: MockServer) -> None:
    send(mock.url, A)
    assert len(mock.wait_for_requests(1, token=A, status=200, method="get", path="/audience")) == 1
    assert mock.wait_for_requests(0, method="DELETE") == []


@pytest.mark.parametrize("status", ["200", 200, "2xx"])
def test_waiting_selects_a_status_as_the_list_does(mock: MockServer, status: int | str) -> None:
    send(mock.url, A)
    send(mock.url, A, "/nowhere")
    assert mock.wait_for_requests(1, 5, status=status) == mock.requests(status=status)


@pytest.mark.parametrize("status", [1000, "ok"])
def test_waiting_for_an_invalid_status_is_an_error(mock: MockServer, status: Any) -> None:  # noqa: ANN401 - a wrong type
    with pytest.raises(
        ControlError, match=rf"status: `{status}` is not a status code such as 404 or a class such as 4xx$"
    ):
        mock.wait_for_requests(1, 60, status=status)


def test_waiting_selects_requests_without_a_response(mock: MockServer) -> None:
    mock.fail("close", token=A)
    with pytest.raises(httpx.RemoteProtocolError):
        send(mock.url, A)
    assert [request.ended for request in mock.wait_for_requests(1, 5, status=0)] == ["close"]


def test_a_timeout_names_the_filters_and_lists_other_statuses(mock: MockServer) -> None:
    token = "sk_live_verysecret"
    send(mock.url, token)
    with pytest.raises(TimeoutError) as caught:
        mock.wait_for_requests(1, 0, path="/audience", status=404, token=token, test_id=None)
    first, *lines = str(caught.value).split("\n")
    assert first == (
        f"0 of 1 requests with path=/atoms/v1/audience status=404 token={mask_token(token)} completed within 0 s"
    )
    assert [line.partition(" → ")[2][:3] for line in lines] == ["200"]


def test_a_timeout_lists_the_latest_requests(mock: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_LISTED_REQUESTS", 2)
    for number in range(3):
        send(mock.url, A, f"/{number}")
    with pytest.raises(TimeoutError) as caught:
        mock.wait_for_requests(4, 0)
    first, *lines = str(caught.value).split("\n")
    assert (first, lines[0]) == ("3 of 4 requests completed within 0 s", "earlier requests: 1")
    assert [line.split()[2] for line in lines[1:]] == ["/atoms/v1/1", "/atoms/v1/2"]


def test_waiting_without_enough_requests_is_a_timeout(mock: MockServer) -> None:
    send(mock.url, A)
    with pytest.raises(
        TimeoutError, match=r"^1 of 2 requests completed within 0\.05 s\n.+ GET /atoms/v1/audience → 200 in"
    ):
        mock.wait_for_requests(2, 0.05)


def test_waiting_does_not_poll_the_journal(mock: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    call = ControlApi.call

    def recorded(control: ControlApi, method: str, path: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as `call`
        calls.append(f"{method} {path}")
        return call(control, method, path, *args, **options)

    monkeypatch.setattr(ControlApi, "call", recorded)
    with pytest.raises(TimeoutError):
        mock.wait_for_requests(1, 0.3)
    assert calls[:3] == ["GET /requests", "POST /requests/count", "GET /requests"]
    assert len(calls) <= 6  # again if the server's clock is early
    calls.clear()
    assert mock.wait_for_requests(0) == []
    assert calls == ["GET /requests"]


def test_a_full_journal_does_not_keep_a_wait_from_its_end() -> None:
    with MockServer(journal_size=2) as mock, ThreadPoolExecutor(1) as threads:
        for _ in range(2):
            send(mock.url, A)
        waiting = threads.submit(mock.wait_for_requests, 1, 60, status=404)
        send(mock.url, A, "/nowhere")
        assert [request.status for request in waiting.result()] == [404]


def test_a_timeout_and_a_report_without_requests_say_that_the_journal_dropped_some() -> None:
    with MockServer(journal_size=1) as mock:
        send(mock.url, A)
        send(mock.url, B)
        with pytest.raises(TimeoutError) as caught:
            mock.wait_for_requests(1, 0, token=A)
        dropped = "the journal has dropped 1 exchange: requests may be missing, see `--journal-size`"
        assert str(caught.value) == f"0 of 1 requests with token={A} completed within 0 s\n{dropped}"
        client = mock.for_tenant(A)
        assert request_report(client, mock, {}).splitlines()[2:] == [dropped]
        send(mock.url, A)
        assert "dropped" not in request_report(client, mock, {})


def test_the_retry_report_has_calls_findings_and_text(mock: MockServer) -> None:
    for _ in range(2):
        send(mock.url, "sk_mock_429x1.retries")
        send(mock.url, "sk_mock_429x1.others")
    report = mock.retries(token="sk_mock_429x1.retries")
    (call,) = report.calls
    assert (call["statuses"], call["outcome"], report.summary["calls"]) == ([429, 200], "recovered", 1)
    assert [finding["kind"] for finding in report.findings] == ["ignored-retry-after"]
    assert str(report).startswith("1 call, 2 attempts: 1 recovered; 1 finding\n")
    query = {"token": "sk_mock_429x1.retries", "format": "text"}
    assert str(report) == httpx.get(f"{mock.root_url}/__admin/retries", params=query).text
    assert str(mock.retries()).startswith("2 calls, ")
    assert len(mock.retries(newCallAfterMs=0, token="sk_mock_500x2.none").calls) == 0


def test_a_client_of_one_tenant_leaves_other_tenants_unchanged(mock: MockServer) -> None:
    mine = mock.for_tenant(A)
    assert (mine.url, mine.token) == (mock.url, A)
    mine.fail("500x1")
    assert mine.set_audiences([{"name": "mine"}])[0]["name"] == "mine"
    assert [send(mock.url, B), send(mock.url, A)] == [200, 500]
    assert len(mine.requests()) == len(mine.retries().calls) == 1
    assert len(mine.requests(token=B)) == 1
    mock.fail("404x1", token=B)
    mine.reset()
    assert mine.requests() == []
    assert [send(mock.url, A), send(mock.url, B)] == [200, 404]


def test_a_client_of_one_tenant_follows_a_server_that_starts_again() -> None:
    server = MockServer(tls="self-signed")
    mine, campaigns = server.for_tenant(A), server.campaigns(A)
    for _ in range(2):  # each time with another certificate
        with server:
            assert mine.url == server.url
            assert mine.requests() == []
            assert campaigns.list() == server.campaigns(A).list()


def test_a_client_of_one_test_changes_that_test_alone(mock: MockServer) -> None:
    in_test = mock.for_tenant(A, "t1")
    in_test.set_audiences([])
    assert (in_test.token, in_test.test_id) == (A, "t1")
    assert httpx.get(f"{mock.url}/audience", headers=bearer(A, "t1")).json()["data"] == []
    assert httpx.get(f"{mock.url}/audience", headers=bearer(A)).json()["data"] != []


@pytest.mark.parametrize(
    ("url", "root_url", "base_path"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1", "/atoms/v1"),
        ("http://mock-atoms:28667/", "http://mock-atoms:28667", ""),
        ("https://[::1]:2/x/y/", "https://[::1]:2", "/x/y"),
        ("http://127.0.0.1:1/__admin", "http://127.0.0.1:1", "/atoms/v1"),
        ("http://127.0.0.1:1/__admin/requests?x=1", "http://127.0.0.1:1", "/atoms/v1"),
        ("http://127.0.0.1:1/__administration", "http://127.0.0.1:1", "/__administration"),
    ],
)
def test_a_url_has_a_root_and_a_base_path(url: str, root_url: str, base_path: str) -> None:
    client = MockClient(url)
    assert (client.root_url, client.url) == (root_url, root_url + base_path)
    assert client.for_tenant(A).url == client.url


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:28667",
        "ftp://a",
        "http://",
        "",
        "/atoms/v1",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://é..x:1",
        f"http://{'a' * 64}:1",
        "http://\udcff:1",
    ],
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not a base URL: use one such as http://127\.0\.0\.1:28667/atoms/v1$"):
        MockClient(url)


def test_the_sdk_environment_has_only_urls_of_the_mock(mock: MockServer) -> None:
    environment = mock.sdk_environment()
    assert vars(environment) == {
        "atoms": mock.url,
        "waves": mock.root_url,
        "waves_ws": mock.root_url.replace("http", "ws"),
        "payment": mock.root_url,
    }


def test_a_server_that_is_not_running_is_an_error() -> None:
    mock = MockServer()
    fix = "start it, for example with `mock-atoms serve`, or check the address"
    with pytest.raises(ControlError, match=rf"^no mock server responds at http://127\.0\.0\.1:0: .+: {fix}$") as caught:
        mock.reset()
    assert caught.value.status is None
    assert caught.value.detail == str(caught.value)
    with mock:
        mock.reset()
    with pytest.raises(ControlError, match="no mock server responds at http://127"):
        mock.wait_until_healthy(0.05)


def test_https_to_a_server_that_speaks_http_is_an_error_with_the_right_url(mock: MockServer) -> None:
    url = mock.root_url.replace("http:", "https:")
    with pytest.raises(ControlError) as caught:
        MockClient(url).reset()
    assert str(caught.value) == f"the server at {url} speaks HTTP, not HTTPS: use {mock.root_url}"


def test_a_certificate_that_is_not_trusted_is_an_error() -> None:
    fix = "trust its certificate, for example with SSL_CERT_FILE"
    with (
        MockServer(tls="self-signed") as mock,
        pytest.raises(ControlError, match=f"CERTIFICATE_VERIFY_FAILED.*: {fix}$"),
    ):
        MockClient(mock.root_url).reset()


@pytest.mark.parametrize(
    "url",
    [
        "http://me:verysecret@127.0.0.1:1",
        "http://verysecret@127.0.0.1:1/atoms/v1",
        "http://me:very/secret@127.0.0.1:1",
        "http://me:verysecret@127.0.0.1:99999",
        "me:verysecret@127.0.0.1:1",
        "http://@127.0.0.1:1",
    ],
)
def test_a_url_with_a_password_is_refused_and_not_shown(url: str) -> None:
    message = "the base URL is invalid, or has a user name or a password before `@`: use one such as http://127.0.0.1:28667/atoms/v1"
    with pytest.raises(ValueError, match=f"^{message}$"):
        MockClient(url)


def test_a_path_may_have_an_at_sign() -> None:
    assert MockClient("http://127.0.0.1:1/x@y").url == "http://127.0.0.1:1/x@y"


def test_a_client_waits_for_a_server_that_starts_later(mock: MockServer) -> None:
    with MockServer() as first:
        url, port = first.url, first.port
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(MockClient(url).wait_until_healthy)
        with MockServer(port=port):
            assert waiting.result().url == url
    assert mock.wait_until_healthy() is mock


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"admin": False}, r"^GET /requests: 404: .*--no-admin"),
        ({"journal_size": 0}, r"^the journal is off: start the server without --journal-size 0$"),
    ],
)
def test_a_server_without_control_api_or_journal_is_an_error(settings: dict[str, Any], message: str) -> None:
    with MockServer(**settings) as mock, pytest.raises(ControlError, match=message):
        mock.requests()


@pytest.mark.parametrize("query", [MockClient.retries, lambda mock: mock.wait_for_requests(1)])
def test_queries_without_a_journal_are_an_error(query: Any) -> None:  # noqa: ANN401 - any function of a client
    with MockServer(journal_size=0) as mock, pytest.raises(ControlError, match=r"^the journal is off: "):
        query(mock)


def test_an_invalid_field_is_named(mock: MockServer) -> None:
    with pytest.raises(ControlError, match=r"^POST /faults: 422: .*: /fault: `5oo` ") as caught:
        mock.fail("5oo")
    assert caught.value.status == 422
    assert caught.value.detail.startswith("/fault: `5oo` ")
    with pytest.raises(ControlError, match=r"^PUT /tenants: 422: .*: /token: "):
        mock.set_audiences([])


class OtherServer(http.server.BaseHTTPRequestHandler):
    """A server that is not a mock-atoms.

    Attributes:
        status: status code of its responses to `GET`.
        content_type: their content type.
        body: their body.
    """

    status = 200
    content_type = "application/json"
    body = b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.content_type)
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        self.send_response(501)
        self.end_headers()
        self.wfile.write(dumps({"errors": ["no"]}).encode())

    def log_message(self, *_args: object) -> None: ...


@pytest.fixture
def other_url() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), OtherServer) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "application/json", b"{}"),
        (200, "application/json", b"null"),
        (200, "application/json", b"{"),
        (200, "application/json", b'{"requests": "\xe9"}'),
        (200, "application/json", b"[]"),
        (200, "application/json", b"[" * 100_000),
        (500, "application/json", b'{"errors":' * 100_000),
        (200, "text/html", b"caf\xe9"),
        (404, "text/html", b"caf\xe9"),
    ],
)
def test_another_server_is_recognized(
    monkeypatch: pytest.MonkeyPatch, other_url: str, status: int, content_type: str, body: bytes
) -> None:
    for name, value in {"status": status, "content_type": content_type, "body": body}.items():
        monkeypatch.setattr(OtherServer, name, value)
    message = rf"^GET /requests: {status}: the response is not from a mock-atoms control API$"
    with pytest.raises(ControlError, match=message):
        MockClient(other_url).requests()


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/retries", MockClient.retries),
        ("/violations", MockClient.violations),
        ("/health", lambda mock: mock.wait_until_healthy(0)),
        ("/tenants", lambda mock: mock.control.call("GET", "/tenants")["tenants"]),
    ],
)
def test_a_response_without_its_keys_is_from_another_server(
    other_url: str, path: str, query: Callable[[MockClient], object]
) -> None:
    with pytest.raises(ControlError, match=rf"^GET {path}: 200: the response is not from a mock-atoms control API$"):
        query(MockClient(other_url))


@pytest.mark.parametrize(
    "request_json", [{}, {"url": "/", "mockAtoms": {"id": "x"}, "method": "GET", "headers": []}, []]
)
def test_a_request_without_its_fields_is_from_another_server(
    monkeypatch: pytest.MonkeyPatch, other_url: str, request_json: object
) -> None:
    content = {"requests": [{"request": request_json}], "meta": {"total": 1}}
    monkeypatch.setattr(OtherServer, "body", dumps(content).encode())
    with pytest.raises(ControlError, match=r"^GET /requests: the response is not from a mock-atoms control API$"):
        MockClient(other_url).requests()
    result = run_command("requests", "--url", other_url)
    assert (result.code, result.out) == (1, "")
    assert "the response is not from a mock-atoms control API" in result.err


def test_one_audience_in_place_of_a_list_is_an_error(mock: MockServer) -> None:
    with pytest.raises(ControlError, match=r"/audiences: must be a list$"):
        mock.for_tenant(A).set_audiences({"name": "x"})  # type: ignore[arg-type] # the mistake under test


def test_another_server_has_no_dashboard(other_url: str) -> None:
    result = run_command("open", "--url", other_url)
    assert (result.code, result.out) == (1, "")
    assert "GET /health: 200: the response is not from a mock-atoms control API" in result.err


def test_the_report_of_a_failed_test_names_another_server(other_url: str) -> None:
    mock = MockClient(other_url)
    assert request_report(mock, mock, {}) == "GET /requests: 200: the response is not from a mock-atoms control API"


def test_an_undecodable_error_in_place_of_events_is_from_another_server(
    monkeypatch: pytest.MonkeyPatch, other_url: str
) -> None:
    monkeypatch.setattr(OtherServer, "status", 404)
    monkeypatch.setattr(OtherServer, "body", b"caf\xe9")
    with pytest.raises(ControlError, match=r"^GET /events: 404: the response is not from a mock-atoms control API$"):
        MockClient(other_url).events()


def test_a_wiremock_is_not_healthy(monkeypatch: pytest.MonkeyPatch, other_url: str) -> None:
    health = {"status": "healthy", "message": "Wiremock is ok", "version": "3.13.1", "uptimeInSeconds": 1}
    monkeypatch.setattr(OtherServer, "body", dumps(health).encode())
    with pytest.raises(ControlError, match=r"^GET /health: 200: the response is not from a mock-atoms control API$"):
        MockClient(other_url).wait_until_healthy(0)


def test_an_error_of_another_server_is_recognized(other_url: str) -> None:
    with pytest.raises(ControlError, match=r"^POST /reset: 501: the response is not from a mock-atoms control API$"):
        MockClient(other_url).reset()


def test_a_server_that_other_machines_reach_has_a_random_admin_token() -> None:
    with MockServer(host="0.0.0.0") as mock:
        assert mock.requests() == []
        assert httpx.get(f"{mock.root_url}/__admin/requests").status_code == 401
    with MockServer(host="0.0.0.0", admin=True) as open_to_all:
        assert httpx.get(f"{open_to_all.root_url}/__admin/requests").status_code == 200


def test_connections_are_closed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with MockServer() as mock:
            mock.fail("500x1")
            mock.reset()
            mock.requests()


def test_public_classes_are_typed_and_documented() -> None:
    for name in [*mock_atoms.__all__, "MockAtomsContainer"]:
        public = getattr(mock_atoms, name)
        if inspect.isclass(public) and public is not Settings:
            assert public.__doc__
            for method in vars(public).values():
                if inspect.isfunction(method) and not method.__name__.startswith("_"):
                    assert method.__doc__, method
                    assert "return" in method.__annotations__, method


def test_a_recorded_request_is_immutable() -> None:
    assert RecordedRequest.__dataclass_params__.frozen  # type: ignore[attr-defined] # set by dataclasses
