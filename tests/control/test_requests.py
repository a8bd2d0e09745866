"""The request journal, near misses and the retry report over HTTP."""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from mock_atoms import MockServer, Settings
from mock_atoms.control.app import control_app
from mock_atoms.control.journal_waiter import MAX_WAIT_MS
from mock_atoms.journal.exchange import Exchange
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.patterns import RequestPattern
from tests.helpers.asgi import call
from tests.helpers.audiences import ACME, bearer
from tests.helpers.control import listed_requests, problem
from tests.helpers.exchanges import exchange
from tests.helpers.sockets import connect

PATH = "/atoms/v1/audience"
UNKNOWN = "12345678-1234-4234-8234-123456789012"


@pytest.fixture
def admin(server: MockServer) -> Iterator[httpx.Client]:
    """Return a client of the control API. The server has received three requests."""
    with httpx.Client(base_url=f"{server.root_url}/__admin") as http:
        http.post("/reset")
        httpx.get(f"{server.url}/audience?a=1&a=2", headers=[*ACME.items(), ("X-Multi", "1"), ("x-multi", "2")])
        httpx.patch(
            f"{server.url}/audience", headers=ACME | {"X-Test-Id": "t1", "Cookie": "a=1; a=2; b=3"}, content="x"
        )
        httpx.get(f"{server.url}/audience")
        yield http


def urls(response: httpx.Response) -> list[str]:
    requests = [event.get("request", event) for event in listed_requests(response)]
    return [f"{request['method']} {request['url']}" for request in requests]


def test_a_request_has_wiremocks_shape(server: MockServer, admin: httpx.Client) -> None:
    newest, middle, oldest = listed_requests(admin.get("/requests"))
    request = oldest["request"]
    del request["mockAtoms"], request["loggedDate"], request["loggedDateString"]
    assert request.pop("headers")["x-multi"] == ["1", "2"]
    assert request == {
        "url": f"{PATH}?a=1&a=2",
        "absoluteUrl": f"{server.root_url}{PATH}?a=1&a=2",
        "method": "GET",
        "scheme": "http",
        "host": "127.0.0.1",
        "port": server.port,
        "clientIp": "127.0.0.1",
        "cookies": {},
        "browserProxyRequest": False,
        "protocol": "HTTP/1.1",
        "body": "",
        "bodyAsBase64": "",
        "queryParams": {"a": {"key": "a", "values": ["1", "2"]}},
        "formParams": {},
    }
    assert (oldest["response"]["status"], oldest["wasMatched"], oldest["subEvents"]) == (200, True, [])
    assert oldest["response"]["headers"]["content-type"] == "application/json; charset=utf-8"
    assert middle["request"]["cookies"] == {"a": ["1", "2"], "b": "3"}
    assert (middle["request"]["body"], middle["request"]["bodyAsBase64"]) == ("x", "eA==")
    assert middle["wasMatched"] is False
    assert middle["responseDefinition"] == {"status": 404, "fromConfiguredStub": False}
    assert newest["response"]["body"] == '{"status":false,"errors":["Unauthorized: User not found"]}'
    assert b64decode(newest["response"]["bodyAsBase64"]).decode() == newest["response"]["body"]
    assert newest["response"]["status"] == 401
    assert set(oldest["timing"]) == {"addedDelay", "processTime", "responseSendTime", "serveTime", "totalTime"}


def test_a_connection_fault_has_wiremocks_name(server: MockServer, admin: httpx.Client) -> None:
    with pytest.raises(httpx.ReadError):
        httpx.get(f"{server.url}/audience", headers=ACME | {"Prefer": "fault=reset"})
    response = listed_requests(admin.get("/requests"))[0]["response"]
    assert response == {"fault": "CONNECTION_RESET_BY_PEER", "headers": {}, "body": "", "bodyAsBase64": ""}


@pytest.mark.parametrize(
    ("header", "host", "port"),
    [
        ("api.smallest.ai", "api.smallest.ai", 80),
        ("api.smallest.ai:65535", "api.smallest.ai", 65535),
        ("x:" + "9" * 5_000, "x:" + "9" * 5_000, 80),
        (":80", ":80", 80),
    ],
    ids=["default port", "port", "endless port", "no host"],
)
def test_the_journal_lists_any_host(server: MockServer, admin: httpx.Client, header: str, host: str, port: int) -> None:
    httpx.get(f"{server.url}/audience", headers=ACME | {"Host": header})
    request = listed_requests(admin.get("/requests"))[0]["request"]
    assert (request["host"], request["port"]) == (host, port)


@pytest.mark.parametrize(
    ("query", "found", "total"),
    [
        ("", ["GET /", "PATCH /", "GET /?a"], 3),
        ("limit=2", ["GET /", "PATCH /"], 3),
        ("limit=0", [], 3),
        ("unmatched=true", ["PATCH /"], 1),
        ("unmatched=false", ["GET /", "PATCH /", "GET /?a"], 3),
        ("since=2020-01-01T00:00:00Z", ["GET /", "PATCH /", "GET /?a"], 3),
        ("since=2020-01-01T00:00:00", ["GET /", "PATCH /", "GET /?a"], 3),
        ("since=2999-01-01T00:00:00%2B02:00", [], 3),
        ("since=2999-01-01T00:00:00+02:00", [], 3),
        ("token=sk_acme", ["PATCH /", "GET /?a"], 2),
        ("testId=t1", ["PATCH /"], 1),
        ("token=sk_other&testId=t1", [], 0),
        ("method=patch", ["PATCH /"], 1),
        ("path=/audience", ["GET /", "PATCH /", "GET /?a"], 3),
        ("path=/atoms/v1/audience/", ["GET /", "PATCH /", "GET /?a"], 3),
        ("path=/{resource}&status=401", ["GET /"], 1),
        ("path=/audience/{id}", [], 0),
        ("status=200&limit=0", [], 1),
        ("status=4xx", ["GET /", "PATCH /"], 2),
        ("status=5XX", [], 0),
        ("failed=true", ["GET /", "PATCH /"], 2),
        ("failed=true&token=sk_other", [], 0),
        ("token=sk_acme&status=401", [], 0),
    ],
)
def test_requests_are_listed_the_newest_first(admin: httpx.Client, query: str, found: list[str], total: int) -> None:
    response = admin.get(f"/requests?{query}")
    assert urls(response) == [line.replace("/", PATH).replace("?a", "?a=1&a=2") for line in found]
    assert response.json()["meta"] == {"total": total}
    assert response.headers["x-mock-atoms-dropped"] == "0"
    assert response.json()["requestJournalDisabled"] is False


@pytest.mark.parametrize(
    ("call", "pointer", "detail"),
    [
        ("GET /requests?limit=-1", "limit", "`-1` is not a whole number from 0 to"),
        ("GET /requests?limit=1&limit=2", "limit", "the parameter is duplicated"),
        ("GET /requests?unmatched=maybe", "unmatched", "must be `false` or `true`"),
        ("GET /requests?since=yesterday", "since", "`yesterday` is not a timestamp such as"),
        (
            "GET /requests?matchingStub=1",
            "matchingStub",
            "there is no parameter `matchingStub`: the parameters are token, testId, method, path, status",
        ),
        (f"DELETE /requests?{'&' * 1_000}token=sk_acme", "", "more than 1,000 parameters"),
        ("GET /requests?token=two%20words", "token", "one word of visible ASCII, without commas, unlike `two…#1a6c7e`"),
        ("GET /requests?token=sk_+a", "token", "`; write + as %2B, because it means a space in a query"),
        (
            "GET /requests?token=sk_live_ab%E2%80%A6%231378d1",
            "token",
            "`sk_live_ab…#1378d1` is a masked token: use the",
        ),
        ("GET /requests?token=sk_live_abcd%E2%80%A6", "token", "` is a masked token: use the complete one"),
        ("GET /requests?token=", "token", "a token is one word of visible ASCII, without commas"),
        ("GET /requests?testId=%20", "testId", "an id must not be blank"),
        ("GET /requests?path=audience", "path", "`audience` does not start with a slash: use a path such as"),
        ("GET /requests?path=/a%3Fx=1", "path", "`/a?x=1` is more than a path: leave out the ? or # and what follows"),
        ("POST /requests/count?path=/a%23x", "path", "or match a query with queryParameters of a request pattern"),
        ("GET /requests?method=", "method", "must not be empty"),
        ("POST /requests/find?path=/{a}{b}", "path", "{a}{b} has no text between its parameters"),
        ("POST /requests/remove?status=ok", "status", "`ok` is not a status code such as 404 or a class such as 4xx"),
        ("GET /requests?status=4x", "status", "`4x` is not a status code"),
        ("GET /requests?status=404%0A", "status", "is not a status code"),
        ("GET /requests?status=%D9%A4", "status", "is not a status code"),
        ("POST /requests/count?timeoutMs=5", "timeoutMs", "timeoutMs needs atLeast: give both"),
        (f"POST /requests/count?atLeast=1&timeoutMs={MAX_WAIT_MS + 1}", "timeoutMs", "a whole number from 0 to"),
        ("POST /requests/find?nearMisses=101", "nearMisses", "a whole number from 0 to 100"),
        ("GET /retries?minBackoffMs=1000001", "minBackoffMs", "a whole number from 0 to 1000000"),
        ("POST /requests/find?nearMisses=many", "nearMisses", "a whole number from 0 to 100"),
        ("GET /retries?format=html", "format", "must be `json` or `text`"),
    ],
)
def test_an_invalid_query_parameter_is_an_error(admin: httpx.Client, call: str, pointer: str, detail: str) -> None:
    method, path = call.split()
    status, actual_pointer, problem_detail = problem(admin.request(method, path, json={} if method == "POST" else None))
    assert (status, actual_pointer) == (422, pointer)
    assert detail in problem_detail


@pytest.mark.parametrize("space", ["+", "%20"])
def test_a_token_with_its_scheme_is_an_error_with_the_fix(admin: httpx.Client, space: str) -> None:
    detail = "a token is one word of visible ASCII, without commas, unlike `Bearer…#bf1051`; leave out `Bearer`"
    assert problem(admin.get(f"/requests?token=Bearer{space}sk_acme")) == (422, "token", detail)


def test_a_request_is_read_and_removed_by_id(admin: httpx.Client) -> None:
    newest = listed_requests(admin.get("/requests"))[0]
    assert admin.get(f"/requests/{newest['id']}").json() == newest
    assert admin.get(f"/requests/{newest['id'].upper()}").json() == newest
    assert admin.delete(f"/requests/{newest['id']}").json() == {}
    assert admin.delete(f"/requests/{UNKNOWN}").json() == {}
    assert problem(admin.get(f"/requests/{newest['id']}"))[0] == 404
    response = admin.get("/requests/first")
    assert problem(response) == (400, "id", "`first` is not a UUID")
    assert response.json()["errors"][0]["code"] == 15
    assert len(listed_requests(admin.get("/requests"))) == 2


def test_matching_requests_are_found_counted_and_removed(admin: httpx.Client) -> None:
    pattern = {"headers": {"authorization": {"equalTo": "Bearer sk_acme"}}}
    found = admin.post("/requests/find", json=pattern)
    assert urls(found) == [f"GET {PATH}?a=1&a=2", f"PATCH {PATH}"]
    assert "nearMisses" not in found.json()
    assert admin.post("/requests/count", json=pattern).json() == {"count": 2, "requestJournalDisabled": False}
    removed = admin.post("/requests/remove", json=pattern).json()["serveEvents"]
    assert [event["response"]["status"] for event in removed] == [200, 404]
    assert urls(admin.get("/requests")) == [f"GET {PATH}"]
    assert admin.delete("/requests").json() == {}
    assert listed_requests(admin.get("/requests")) == []


def test_unmatched_requests_have_the_nearest_operation(admin: httpx.Client) -> None:
    assert urls(admin.get("/requests/unmatched")) == [f"PATCH {PATH}"]
    (miss,) = admin.get("/requests/unmatched/near-misses").json()["nearMisses"]
    assert miss["requestPattern"] == {"method": "POST", "urlPathTemplate": PATH}
    assert miss["request"]["mockAtoms"]["differences"] == [{"field": "method", "expected": "POST", "actual": "PATCH"}]


def test_near_misses_show_the_differences(admin: httpx.Client) -> None:
    pattern = {"method": "GET", "headers": {"Authorization": {"equalTo": "Bearer sk_wrong_one"}}}
    response = admin.post("/requests/find?nearMisses=2", json=pattern)
    first, second = response.json()["nearMisses"]
    assert first["request"]["url"] == f"{PATH}?a=1&a=2"
    assert 0 < first["matchResult"]["distance"] <= second["matchResult"]["distance"] < 1
    (difference,) = first["request"]["mockAtoms"]["differences"]
    assert (difference["field"], difference["actual"]) == ("headers.Authorization", "Bearer sk_…#665b48")
    assert "sk_wrong_one" not in response.text
    assert admin.post("/requests/find?nearMisses=2", json={}).json()["nearMisses"] == []
    assert len(admin.post("/near-misses/request-pattern", json=pattern).json()["nearMisses"]) == 3


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, [f"GET {PATH}?a=1&a=2", f"GET {PATH}", f"PATCH {PATH}"]),
        ({"token": "sk_acme"}, [f"GET {PATH}?a=1&a=2", f"PATCH {PATH}"]),
        ({"testId": "t1"}, [f"PATCH {PATH}"]),
        ({"token": "sk_other"}, []),
        ({"method": "get"}, [f"GET {PATH}?a=1&a=2", f"GET {PATH}"]),
        ({"path": "/audience/{id}"}, []),
        ({"status": 404}, [f"PATCH {PATH}"]),
    ],
)
def test_near_misses_are_among_the_selected_requests(
    admin: httpx.Client, selection: dict[str, str], expected: list[str]
) -> None:
    found = admin.post("/requests/find", params=selection | {"nearMisses": "9"}, json={"urlPath": "/nowhere"}).json()
    misses = [miss["request"] for miss in found["nearMisses"]]
    assert sorted(f"{miss['method']} {miss['url']}" for miss in misses) == sorted(expected)


@pytest.mark.parametrize(
    ("pattern", "pointer"),
    [
        ({"bodyPatterns": [{"matchesXPath": "/a"}]}, "/bodyPatterns/0/matchesXPath"),
        ({"headers": {"a/b": {"before": "now"}}}, "/headers/a~1b/before"),
        ({"clientIp": {"equalTo": "127.0.0.1"}}, "/clientIp"),
        ([], ""),
    ],
)
@pytest.mark.parametrize("path", ["find", "count", "remove"])
def test_an_unsupported_pattern_is_an_error(admin: httpx.Client, path: str, pattern: object, pointer: str) -> None:
    response = admin.post(f"/requests/{path}", json=pattern)
    assert problem(response)[:2] == (422, pointer)
    assert response.json()["errors"][0]["code"] == 10
    assert len(listed_requests(admin.get("/requests"))) == 3


def test_a_count_waits_for_enough_requests(server: MockServer, admin: httpx.Client) -> None:
    def send() -> None:
        for token in ("sk_later", "sk_else", "sk_later", "sk_later"):
            httpx.get(f"{server.url}/audience", headers=bearer(token))

    pattern = {"headers": {"Authorization": {"contains": "sk_later"}}}
    sender = threading.Timer(0.1, send)
    sender.start()
    counted = admin.post("/requests/count?atLeast=3&timeoutMs=60000", json=pattern, timeout=60)
    sender.join()
    assert counted.json()["count"] == 3
    # It responds immediately if enough requests match, and otherwise when the time is over.
    assert admin.post("/requests/count?atLeast=3&timeoutMs=600000", json=pattern).json()["count"] == 3
    assert admin.post("/requests/count?atLeast=4&timeoutMs=30", json=pattern).json()["count"] == 3
    assert admin.post("/requests/count?atLeast=4", json=pattern).json()["count"] == 3


def test_a_count_is_taken_when_the_wait_ends(server: MockServer, admin: httpx.Client) -> None:
    pattern = {"bodyPatterns": [{"doesNotContain": "x"}], "method": "PUT"}
    with ThreadPoolExecutor() as threads:
        patient = httpx.Client(base_url=admin.base_url, timeout=60)
        counted = threads.submit(patient.post, "/requests/count?atLeast=2&timeoutMs=1500", json=pattern)
        for body in ("a", "x"):
            httpx.put(f"{server.url}/audience", headers={"Prefer": "delay=30", **ACME}, content=body)
        admin.delete("/requests")
        httpx.put(f"{server.url}/audience", headers=ACME, content="b")
        assert counted.result().json()["count"] == 1
        patient.close()


def test_retries_of_a_long_upload_are_one_call(server: MockServer, admin: httpx.Client) -> None:
    with requests.Session() as session:
        retries = Retry(3, backoff_factor=0.1, status_forcelist=[500], allowed_methods=None, raise_on_status=False)
        session.mount("http://", HTTPAdapter(max_retries=retries))
        headers = bearer("sk_mock_500x2.upload")
        session.post(f"{server.url}/audience", headers=headers, data=b"x" * 1_000_000, timeout=60)
    (call,) = admin.get("/retries?token=sk_mock_500x2.upload").json()["calls"]
    assert (call["statuses"], call["outcome"]) == ([500, 500, 400], "refused")
    assert {finding["kind"] for finding in call["findings"]} >= {"retried-unsafe-request"}
    (event, *_) = listed_requests(admin.get("/requests"))
    assert event["request"]["mockAtoms"]["bodySize"] == 1_000_000


def test_a_masked_number_in_a_json_body_does_not_match(server: MockServer, admin: httpx.Client) -> None:
    httpx.post(f"{server.url}/audience", headers={"Authorization": "Bearer 123456"}, json={"n": 1})
    for operator in ({"equalToJson": {"n": 123456}}, {"matchesJsonPath": "$[?@.n == 123456]"}):
        assert admin.post("/requests/count", json={"bodyPatterns": [operator]}).json()["count"] == 0
    assert admin.post("/requests/count", json={"bodyPatterns": [{"equalToJson": {"n": 1}}]}).json()["count"] == 1


@pytest.mark.slow
def test_stopping_the_server_ends_a_wait() -> None:
    mock = MockServer().start()
    head = "POST /__admin/requests/count?atLeast=1&timeoutMs=600000 HTTP/1.1\r\nHost: x\r\n"
    with connect(mock.port, 60) as waiting:
        waiting.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        httpx.get(f"{mock.root_url}/__admin/health")  # responds after the count has started to wait
        mock.stop()
        assert waiting.recv(65536).endswith(b'{"count":0,"requestJournalDisabled":false}')


def test_the_retry_report_is_filtered_by_tenant(server: MockServer, admin: httpx.Client) -> None:
    for _ in range(3):
        httpx.get(f"{server.url}/audience", headers=bearer("sk_mock_500x2.report"))
    # Even on a slow machine, no retry takes a minute.
    strict: dict[str, str | int] = {"token": "sk_mock_500x2.report", "minBackoffMs": 60_000}
    report = admin.get("/retries", params=strict).json()
    (call,) = report["calls"]
    assert (call["statuses"], call["outcome"]) == ([500, 500, 200], "recovered")
    assert [finding["kind"] for finding in call["findings"]] == ["no-backoff"] * 2
    assert report["summary"]["attempts"] == 3
    lenient = admin.get("/retries?minBackoffMs=0&token=" + quote("sk_mock_500x2.report")).json()
    assert lenient["summary"]["findings"] == 0
    apart = admin.get("/retries?newCallAfterMs=0&token=sk_mock_500x2.report").json()
    assert apart["summary"]["calls"] == 3
    every = admin.get("/retries").json()
    assert (len(every["calls"]), every["unattributed"]) == (2, 2)
    other = admin.get("/retries?testId=t1").json()
    assert (other["calls"], other["unattributed"]) == ([], 1)  # an unknown route
    httpx.get(f"{server.url}/audience", headers=bearer("sk_mock_500.report"))
    (patient,) = admin.get("/retries?token=sk_mock_500.report&patienceMs=600000").json()["calls"]
    assert patient["outcome"] == "still failing"
    text = admin.get("/retries", params={"format": "text", **strict})
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.text.startswith("1 call, 3 attempts: 1 recovered; 2 findings")


def test_the_journal_has_the_attempt_numbers_of_the_report(server: MockServer, admin: httpx.Client) -> None:
    for _ in range(3):
        httpx.get(f"{server.url}/audience", headers=bearer("sk_mock_500x2.numbers"))
    pattern = {"headers": {"Authorization": {"contains": "sk_mock_500x2.numbers"}}}
    found = listed_requests(admin.post("/requests/find", json=pattern))
    assert [request["mockAtoms"]["attempt"] for request in found] == [1, 2, 3]


def test_the_report_waits_for_requests_that_were_just_aborted(server: MockServer, admin: httpx.Client) -> None:
    headers = bearer("sk_mock_hangx1.settling")
    for _ in range(3):
        admin.post("/reset")
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{server.url}/audience", headers=headers, timeout=httpx.Timeout(20, read=0.05))
        (call,) = admin.get("/retries?timeoutMs=20000").json()["calls"]
        assert (call["outcome"], call["attempts"][0]["ended"]) == ("gave up", "aborted")


def test_the_report_does_not_wait_for_hanging_requests(server: MockServer, admin: httpx.Client) -> None:
    with connect(server.port) as waiting:
        waiting.sendall(
            b"GET /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_mock_hang.still\r\n\r\n"
        )
        admin.post("/requests/count?atLeast=4&timeoutMs=20000", json={})
        for timeout in (0, 20):
            (call,) = admin.get(f"/retries?token=sk_mock_hang.still&timeoutMs={timeout}").json()["calls"]
            assert call["outcome"] == "still failing"


def test_unauthenticated_requests_are_found_by_token(server: MockServer, admin: httpx.Client) -> None:
    for number in (1, 2):
        httpx.get(f"{server.url}/audience", headers=bearer(f"sk_mock_revoked.{number}"))
    (call,) = admin.get("/retries?token=sk_mock_revoked.1").json()["calls"]
    assert (call["statuses"], call["tenant"], call["findings"]) == ([401], "sk_mock_revoked.1", [])
    assert admin.get("/requests?token=sk_mock_revoked.1").json()["meta"]["total"] == 1
    admin.post("/reset", json={"token": "sk_mock_revoked.1"})
    assert admin.get("/requests?token=sk_mock_revoked.1").json()["meta"]["total"] == 0
    assert admin.get("/requests?token=sk_mock_revoked.2").json()["meta"]["total"] == 1


def test_the_text_report_says_that_the_journal_is_off() -> None:
    with MockServer(journal_size=0) as off:
        response = httpx.get(f"{off.root_url}/__admin/retries?format=text")
        assert response.text == "the journal is off: start the server without --journal-size 0\n"
        assert httpx.get(f"{off.root_url}/__admin/retries").json()["requestJournalDisabled"] is True


def test_forms_and_requests_without_host_have_wiremocks_shape(server: MockServer, admin: httpx.Client) -> None:
    httpx.post(f"{server.url}/audience", data={"a": ["1", "2"], "b": ""})
    assert listed_requests(admin.get("/requests"))[0]["request"]["formParams"] == {
        "a": {"key": "a", "values": ["1", "2"]},
        "b": {"key": "b", "values": [""]},
    }
    with connect(server.port) as old:
        old.sendall(b"GET /atoms/v1/audience HTTP/1.0\r\n\r\n")
        while old.recv(65536):
            pass
    request = listed_requests(admin.get("/requests"))[0]["request"]
    assert (request["host"], request["port"], request["protocol"]) == ("127.0.0.1", server.port, "HTTP/1.0")
    assert request["absoluteUrl"] == f"{server.root_url}{PATH}"


def test_wiremock_suites_reset_stubs_and_the_journal(admin: httpx.Client) -> None:
    assert admin.get("/mappings").json() == {"mappings": [], "meta": {"total": 0}}
    assert admin.get("/scenarios").json() == {"scenarios": []}
    assert admin.delete("/mappings").json() == {}
    assert admin.post("/scenarios/reset").json() == {}
    assert len(listed_requests(admin.get("/requests"))) == 3
    assert admin.post("/mappings/reset").json() == {}
    assert listed_requests(admin.get("/requests")) == []


HOSTILE_PATTERNS = [
    ({"bodyPatterns": [{"matches": "(a|a){26}b.*"}]}, 200, ""),
    ({"bodyPatterns": [{"matchesJsonPath": "$[?match(@.a, '(a+)+b')]"}]}, 200, ""),
    ({"bodyPatterns": [{"matches": "(?=a)a*"}]}, 422, "lookahead `(?=` is not supported"),
    ({"urlPathTemplate": "/{a}{b}!"}, 422, "{a}{b} has no text between its parameters"),
    ({"bodyPatterns": [{"matchesJsonPath": "$" + "..*" * 12}]}, 422, "the pattern takes more than 25,000 steps"),
]


@pytest.mark.parametrize(("pattern", "status", "detail"), HOSTILE_PATTERNS)
def test_a_hostile_pattern_is_bounded(
    server: MockServer, admin: httpx.Client, pattern: object, status: int, detail: str
) -> None:
    httpx.post(f"{server.url}/audience/1/members", headers=ACME, content="[" * 40 + '"' + "a" * 40 + '"' + "]" * 40)
    for path in ("/requests/find", "/requests/count?atLeast=1&timeoutMs=1000", "/near-misses/request-pattern"):
        response = admin.post(path, json=pattern)
        assert response.status_code == status
        assert status == 200 or problem(response)[2].startswith(detail)


@pytest.mark.parametrize(
    ("query", "pattern", "count"),
    [
        ("token=sk_acme", {}, 2),
        ("token=sk_other", {}, 0),
        ("testId=t1", {}, 1),
        ("token=sk_acme&testId=t1&method=patch&path=/audience&status=404", {}, 1),
        ("token=sk_acme", {"method": "GET"}, 1),
        ("", {"headers": {"Authorization": {"equalTo": "Bearer sk_acme"}}}, 2),
        ("", {"headers": {"X-Test-Id": {"equalTo": "t1"}}}, 1),
        ("token=sk_other", {"headers": {"X-Test-Id": {"equalTo": "t1"}}}, 0),
        ("token=sk_acme", {"headers": {"X-Test-Id": {"equalTo": "t2"}}}, 0),
    ],
)
def test_parameters_and_pattern_select_requests_together(
    admin: httpx.Client, query: str, pattern: dict[str, object], count: int
) -> None:
    assert admin.post(f"/requests/count?{query}", json=pattern).json()["count"] == count
    assert len(admin.post(f"/requests/find?{query}", json=pattern).json()["requests"]) == count
    assert len(admin.post(f"/requests/remove?{query}", json=pattern).json()["serveEvents"]) == count
    assert admin.get("/requests").json()["meta"]["total"] == 3 - count


def test_a_count_waits_for_requests_of_its_tenant(server: MockServer, admin: httpx.Client) -> None:
    with ThreadPoolExecutor() as threads:
        counted = threads.submit(
            admin.post, "/requests/count?token=sk_waits&atLeast=1&timeoutMs=60000", json={}, timeout=60
        )
        httpx.get(f"{server.url}/audience", headers=bearer("sk_other"))
        httpx.get(f"{server.url}/audience", headers=bearer("sk_waits"))
        assert counted.result().json()["count"] == 1


def test_a_count_of_a_status_waits_for_responses(server: MockServer, admin: httpx.Client) -> None:
    with ThreadPoolExecutor() as threads:
        counted = threads.submit(
            admin.post, "/requests/count?status=503&atLeast=1&timeoutMs=60000", json={}, timeout=60
        )
        httpx.get(f"{server.url}/audience", headers=ACME | {"Prefer": "code=503, delay=300"})
        assert counted.result().json()["count"] == 1


def test_a_list_since_a_listed_request_excludes_it(admin: httpx.Client) -> None:
    newest = listed_requests(admin.get("/requests"))[0]["request"]
    assert urls(admin.get("/requests", params={"since": newest["loggedDateString"]})) == []


@pytest.mark.parametrize(
    ("since", "is_excluded"), [("00.001Z", True), ("00.000Z", False), ("00.001200Z", False), ("00.001900Z", True)]
)
def test_since_is_compared_in_its_own_precision(since: str, *, is_excluded: bool) -> None:
    mock = MockAtoms(Settings())
    mock.journal.add(exchange(0, 200, arrived_at=datetime(2026, 1, 1, 0, 0, 0, 1900, tzinfo=UTC)))
    response = call(control_app(mock), "/__admin/requests", query=f"since=2026-01-01T00:00:{since}".encode())
    assert (json.loads(response.body)["requests"] == []) is is_excluded


@pytest.mark.alone("each replica compares a request once")
def test_waits_for_the_same_requests_compare_each_request_once(
    server: MockServer, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[Exchange] = []
    compare = RequestPattern.compare

    def count(pattern: RequestPattern, each: Exchange) -> tuple[bool, int]:
        compared.append(each)
        return compare(pattern, each)

    monkeypatch.setattr(RequestPattern, "compare", count)
    path = "/requests/count?method=GET&atLeast=3&timeoutMs=60000"
    with ThreadPoolExecutor() as threads:
        waits = [threads.submit(admin.post, path, json={"method": "GET"}, timeout=60) for _ in range(5)]
        while len(compared) < 2:
            time.sleep(0.01)
        assert not any(wait.done() for wait in waits)
        httpx.get(f"{server.url}/audience", headers=ACME)
        assert [wait.result().json()["count"] for wait in waits] == [3] * 5
    assert len(compared) == 3


def test_the_time_of_a_wait_includes_its_first_count() -> None:
    seconds = iter([0.0, 1_000.0])
    mock = MockAtoms(Settings())
    app = control_app(mock)
    mock.clock = lambda: next(seconds)
    headers = [(b"content-type", b"application/json")]
    query = b"atLeast=1&timeoutMs=600000"
    response = call(app, "/__admin/requests/count", headers, "POST", query=query, body=b"{}")
    assert json.loads(response.body)["count"] == 0


def test_the_list_leaves_out_bodies_on_request(server: MockServer, admin: httpx.Client) -> None:
    httpx.post(f"{server.url}/nowhere", content=b"sent", headers=ACME)
    complete = admin.get("/requests").json()["requests"][0]
    short = admin.get("/requests?bodies=false").json()["requests"][0]
    assert complete["request"]["body"] == "sent"
    assert complete["response"]["body"]
    for message in ("request", "response"):
        assert (short[message]["body"], short[message]["bodyAsBase64"]) == ("", "")
        assert short[message]["headers"] == complete[message]["headers"]


def test_a_request_in_flight_has_no_response_without_bodies_either() -> None:
    mock = MockAtoms(Settings())
    mock.journal.add(exchange(1, None))
    body = json.loads(call(control_app(mock), "/__admin/requests", query=b"bodies=false").body)
    assert "response" not in body["requests"][0]
