"""What drives a running server from a test."""

import http.server
import inspect
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from json import dumps
from typing import Any

import httpx
import pytest

import mock_atoms
from mock_atoms import ControlError, MockClient, MockServer, RecordedRequest, Settings
from mock_atoms.core.masking import mask_token

A, B = "sk_mock_test.client-a", "sk_mock_test.client-b"


@pytest.fixture
def mock(server: MockServer) -> MockServer:
    server.reset()
    return server


def send(
    mock: MockClient,
    token: str = A,
    path: str = "/audience",
    method: str = "GET",
    *,
    headers: dict[str, str] | None = None,
    json: object = None,
) -> int:
    headers = {"Authorization": f"Bearer {token}", **(headers or {})}
    return httpx.request(method, mock.url + path, headers=headers, json=json).status_code


def test_a_fault_strikes_whom_it_is_for(mock: MockServer) -> None:
    rule = mock.fail("503x1", token=A)
    assert rule.startswith("rule-")
    assert [send(mock, B), send(mock), send(mock)] == [200, 503, 200]
    assert mock.requests(status=503)[0].faults == (rule,)
    mock.fail("404x1", method="GET", path="/audience/{id}")
    assert [send(mock), send(mock, path="/audience/60d0fe4f5311236168a109ca")] == [200, 404]
    mock.clear_faults()
    mock.fail("409x1", test_id="t1")
    assert [send(mock), send(mock, headers={"X-Test-Id": "t1"})] == [200, 409]


def test_a_fault_may_be_a_whole_rule(mock: MockServer) -> None:
    mock.fail({"respond": {"status": 418}, "match": {"method": "DELETE"}}, method="GET", token=A)
    assert send(mock) == 200
    assert send(mock, method="DELETE") == 418
    assert send(mock, B, method="DELETE") == 404


def test_a_fault_may_stand_behind_what_it_strikes(mock: MockServer) -> None:
    mock.fail(" GET /audience/{id} 503x1 ")
    assert [send(mock), send(mock, path="/audience/60d0fe4f5311236168a109ca")] == [200, 503]
    with pytest.raises(ControlError, match="is no fault"):
        mock.fail("GET /audience 500", method="GET")


@pytest.mark.parametrize("fault", [None, 500, ["500"]])
def test_what_can_be_no_fault_is_refused(mock: MockServer, fault: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(
        TypeError, match=r"is no fault: give an expression such as '500x2', or a rule as docs/faults\.md"
    ):
        mock.fail(fault)


def test_a_fault_ends_when_it_is_told_to(mock: MockServer) -> None:
    first, second, third = (mock.fail("500", token=token) for token in (A, B, "sk_c"))
    mock.clear_faults(first)
    assert [send(mock), send(mock, B)] == [200, 500]
    with pytest.raises(ControlError, match=rf"^DELETE /faults/{first}: 404: no such rule: there is no rule {first}"):
        mock.clear_faults(first)
    mock.clear_faults(third)
    mock.clear_faults()
    assert send(mock, B) == 200
    assert second != third


def test_recovery_of_all_does_not_pass_over_a_server_that_is_gone() -> None:
    with MockServer() as mock:
        mock.fail("500")
    with pytest.raises(ControlError, match="no mock server answers"):
        mock.clear_faults()


def test_requests_are_told_as_they_were_sent(mock: MockServer) -> None:
    before = datetime.now(UTC)
    mock.fail("500x1")
    send(mock, path="/audience/x/members?page=2&page=3&q=a%20b", method="POST", json={"members": []})
    (request,) = mock.requests()
    assert (request.method, request.path, request.status) == ("POST", "/atoms/v1/audience/x/members", 500)
    assert request.query == {"page": ["2", "3"], "q": ["a b"]}
    assert request.json() == {"members": []}
    assert (request.body, request.body_size) == (b'{"members":[]}', 14)
    assert request.headers["content-type"] == "application/json"
    assert (request.tenant, request.test_id, request.attempt) == (A, None, 1)
    send(mock, "sk_verysecret")
    (masked,) = mock.requests(token="sk_verysecret")
    assert masked.tenant == mask_token("sk_verysecret")
    assert "sk_verysecret" not in repr(masked)
    assert (request.ended, request.reason) == ("answered", None)
    assert request.duration_ms is not None
    assert (request.arrived - before).total_seconds() > -1
    assert str(request) == (
        f"{request.arrived:%H:%M:%S}.{request.arrived.microsecond // 1000:03} POST /atoms/v1/audience/x/members"
        f"?page=2&page=3&q=a+b → 500 in {request.duration_ms:.0f} ms fault={request.faults[0]} body=14 bytes"
    )


def test_requests_are_sifted(mock: MockServer) -> None:
    for path in ("/audience", "/audience/", "/audience/a", "/audience/a/members", "/nowhere"):
        send(mock, path=path)
    send(mock, B, method="DELETE", path="/audience/a", headers={"X-Test-Id": "t1"})

    def paths(**sieve: Any) -> list[str]:  # noqa: ANN401 - any argument of `requests`
        return [request.path.removeprefix("/atoms/v1") for request in mock.requests(**sieve)]

    assert len(paths()) == 6
    assert paths(path="/audience") == ["/audience", "/audience/"]
    assert paths(path="/atoms/v1/audience") == ["/audience", "/audience/"]
    assert paths(path="/audience/{id}", method="get") == ["/audience/a"]
    with pytest.raises(ValueError, match=r"^'audience' is no path: give one such as /audience/\{id\}$"):
        paths(path="audience")
    assert paths(path="/audience/{id}") == ["/audience/a"] * 2
    assert paths(path="/audience/{id}/members") == ["/audience/a/members"]
    assert paths(status=404, token=A) == ["/nowhere"]
    assert paths(token=B) == paths(test_id="t1") == ["/audience/a"]
    assert [request.reason for request in mock.requests(path="/nowhere")] == ["unmocked-route"]


def test_a_header_that_stands_twice_is_one_line(mock: MockServer) -> None:
    httpx.get(f"{mock.url}/audience", headers=[("X-A", "1"), ("X-A", "2")])
    assert mock.requests()[0].headers["x-a"] == "1, 2"


def test_a_request_in_flight_has_no_end(mock: MockServer) -> None:
    with ThreadPoolExecutor(1) as threads:
        mock.fail("hang500", token=A)
        hanging = threads.submit(send, mock)
        while not mock.requests():
            pass
        (request,) = mock.requests()
        assert (request.ended, request.status, request.duration_ms) == (None, None, None)
        assert str(request).endswith("GET /atoms/v1/audience → in flight")
        (ended,) = mock.wait_for_requests(1)
        assert ended.ended == "hang"
        assert " → hang in " in str(ended)
        with pytest.raises(httpx.RemoteProtocolError):
            hanging.result()


def test_waiting_ends_with_what_is_there(mock: MockServer) -> None:
    send(mock)
    assert len(mock.wait_for_requests(1, token=A, status=200, method="GET", path="/audience")) == 1
    with pytest.raises(TimeoutError, match=r"^1 of 2 requests after 0\.05 s\n.+ GET /atoms/v1/audience → 200 in"):
        mock.wait_for_requests(2, 0.05)


def test_retries_are_told(mock: MockServer) -> None:
    for _ in range(2):
        send(mock, "sk_mock_429x1.retries")
        send(mock, "sk_mock_429x1.others")
    report = mock.retries(token="sk_mock_429x1.retries")
    (call,) = report.calls
    assert (call["statuses"], call["outcome"], report.summary["calls"]) == ([429, 200], "recovered", 1)
    assert [finding["kind"] for finding in report.findings] == ["ignored-retry-after"]
    assert str(report).startswith("1 call, 2 attempts: 1 recovered; 1 finding\n")
    assert str(mock.retries()).startswith("2 calls, ")
    assert len(mock.retries(newCallAfterMs=0, token="sk_mock_500x2.none").calls) == 0


def test_a_client_of_one_tenant_means_it_alone(mock: MockServer) -> None:
    mine = mock.of(A)
    assert (mine.url, mine.token) == (mock.url, A)
    mine.fail("500x1")
    assert mine.set_audiences([{"name": "mine"}])[0]["name"] == "mine"
    assert [send(mock, B), send(mock)] == [200, 500]
    assert len(mine.requests()) == len(mine.retries().calls) == 1
    assert len(mine.requests(token=B)) == 1
    mock.fail("404x1", token=B)
    mine.reset()
    assert mine.requests() == []
    assert [send(mock), send(mock, B)] == [200, 404]
    in_test = mock.of(A, "t1")
    in_test.set_audiences([])
    assert (in_test.token, in_test.test_id) == (A, "t1")
    listed = httpx.get(f"{mock.url}/audience", headers={"Authorization": f"Bearer {A}", "X-Test-Id": "t1"})
    assert listed.json()["data"] == []


@pytest.mark.parametrize(
    ("url", "root", "base"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1", "/atoms/v1"),
        ("http://mock-atoms:28667/", "http://mock-atoms:28667", ""),
        ("https://[::1]:2/x/y/", "https://[::1]:2", "/x/y"),
    ],
)
def test_a_url_says_where_the_server_is(url: str, root: str, base: str) -> None:
    client = MockClient(url)
    assert (client.root_url, client.url) == (root, root + base)
    assert client.of(A).url == client.url


@pytest.mark.parametrize("url", ["127.0.0.1:28667", "ftp://a", "http://", "", "/atoms/v1"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"is no base URL: give one such as http://127\.0\.0\.1:28667/atoms/v1$"):
        MockClient(url)


def test_the_sdk_is_pointed_here(mock: MockServer) -> None:
    environment = mock.sdk_environment()
    assert vars(environment) == {
        "atoms": mock.url,
        "waves": mock.root_url,
        "waves_ws": mock.root_url.replace("http", "ws"),
        "payment": mock.root_url,
    }


def test_where_no_server_is_the_error_says_so() -> None:
    mock = MockServer()
    with pytest.raises(ControlError, match=r"^no mock server answers at http://127\.0\.0\.1:0: .+") as caught:
        mock.reset()
    assert caught.value.status is None
    with mock:
        mock.reset()
    with pytest.raises(ControlError, match="no mock server answers at http://127"):
        mock.wait_until_healthy(0.05)


def test_a_server_that_is_late_is_waited_for(mock: MockServer) -> None:
    with MockServer() as first:
        url, port = first.url, first.port
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(MockClient(url).wait_until_healthy)
        with MockServer(port=port):
            assert waiting.result().url == url
    assert mock.wait_until_healthy() is mock


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"admin": False}, r"^GET /requests: 404: there is no control API: the server was started with --no-admin$"),
        ({"journal_size": 0}, r"^the journal is off: start the server without --journal-size 0$"),
    ],
)
def test_a_server_that_does_not_tell_says_why(settings: dict[str, Any], problem: str) -> None:
    with MockServer(**settings) as mock, pytest.raises(ControlError, match=problem):
        mock.requests()


def test_without_a_journal_there_is_no_report() -> None:
    with MockServer(journal_size=0) as mock, pytest.raises(ControlError, match=r"^the journal is off: "):
        mock.retries()


def test_a_field_that_cannot_be_used_is_named(mock: MockServer) -> None:
    with pytest.raises(
        ControlError, match=r"^POST /faults: 422: cannot be used: /fault: '5oo' is no fault: "
    ) as caught:
        mock.fail("5oo")
    assert caught.value.status == 422
    with pytest.raises(
        ControlError, match=r"^PUT /tenants: 422: cannot be used: /token: give the token of the tenant$"
    ):
        mock.set_audiences([])


class Other(http.server.BaseHTTPRequestHandler):
    """Some other server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.send_response(501)
        self.end_headers()
        self.wfile.write(dumps({"errors": ["no"]}).encode())

    def log_message(self, *_args: object) -> None: ...


@pytest.fixture
def other() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Other) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_another_server_is_told_from_ours(other: str) -> None:
    with pytest.raises(ControlError, match=r"^GET /requests: 200: this is no control API of a mock server$"):
        MockClient(other).requests()
    with pytest.raises(ControlError, match=r"^POST /reset: 501: this is no control API of a mock server$"):
        MockClient(other).reset()


def test_a_server_that_others_reach_has_a_token_of_its_own() -> None:
    with MockServer(host="0.0.0.0") as mock:
        assert mock.requests() == []
        assert httpx.get(f"{mock.root_url}/__admin/requests").status_code == 401
    with MockServer(host="0.0.0.0", admin=True) as open_to_all:
        assert httpx.get(f"{open_to_all.root_url}/__admin/requests").status_code == 200


def test_no_connection_is_left_open() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with MockServer() as mock:
            mock.fail("500x1")
            mock.reset()
            mock.requests()


def test_what_is_public_is_typed_and_documented() -> None:
    for name in mock_atoms.__all__:
        thing = getattr(mock_atoms, name)
        if inspect.isclass(thing) and thing is not Settings:
            assert thing.__doc__
            for method in vars(thing).values():
                if inspect.isfunction(method) and not method.__name__.startswith("_"):
                    assert method.__doc__, method
                    assert "return" in method.__annotations__, method


def test_a_request_is_a_value() -> None:
    assert RecordedRequest.__dataclass_params__.frozen  # type: ignore[attr-defined] # what dataclasses remember
