"""The fast path on real sockets: which requests take it, and that it changes no response and no exchange."""

import asyncio
import gc
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import FunctionType, ModuleType
from typing import Any
from weakref import ref

import httpx
import pytest
from hypothesis import given, settings
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import Settings, create_app
from mock_atoms import mock as mock_module
from mock_atoms.caching.response_cache import MAX_HEAD_BYTES, content_key
from mock_atoms.journal.access_log import AccessLogLine
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.recorded_body import MAX_SHARED_BODY_BYTES
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.server import build_server
from mock_atoms.state.memory_store import MemoryStore
from tests.caching.test_response_cache import Step, steps
from tests.helpers.audiences import ACME, bearer
from tests.helpers.servers import running
from tests.helpers.shared_log import MemoryLog
from tests.helpers.sockets import RawResponse, connect, exchange, raw_request, read_responses, send_in_turn

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LIST = "/atoms/v1/audience"
CLOSED = pytest.mark.parametrize(
    ("keep_alive", "header_lines"), [(3600, "Connection: close\r\n"), (0, "")], ids=["by the client", "by the server"]
)
"""Ways to close a connection after its response."""


@dataclass
class Served:
    """A server that lists the requests to its application.

    Attributes:
        port: where it listens.
        mock: its state.
        app_requests: method and path of each request that reached the application.
        keep_alive: sets the keep-alive timeout in seconds.
        log: the lines of the access log, without durations.
    """

    port: int
    mock: MockAtoms
    app_requests: list[str] = field(default_factory=list)
    keep_alive: Callable[[float], None] = lambda _seconds: None
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{LIST}"


@contextmanager
def served(shared_log: MemoryLog | None = None, **options: Any) -> Iterator[Served]:  # noqa: ANN401 - any setting
    log: list[str] = []

    def collect(exchange: Exchange, attempt: int) -> None:
        log.append(re.sub(r" ms=\S+", "", str(AccessLogLine(exchange, attempt))))

    mock = MockAtoms(Settings(**options), now=lambda: NOON, log=collect, shared_log=shared_log)
    app: ASGIApp = create_app(mock=mock)
    serving = Served(0, mock, log=log)

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        serving.app_requests.append(f"{scope['method']} {scope['path']}")
        await app(scope, receive, send)

    ready = threading.Event()
    server = build_server(mock, counted, ready.set)

    def keep_alive(seconds: float) -> None:
        server.config.timeout_keep_alive = seconds  # type: ignore[assignment] # a float works too

    serving.keep_alive = keep_alive
    with running(server, ready) as port:
        serving.port = port
        yield serving


def without_date(head: bytes) -> bytes:
    return re.sub(rb"(?i)date: [^\r]+\r\n", b"", head)


def request_ids(responses: list[RawResponse]) -> list[bytes]:
    return [re.findall(rb"x-request-id: (\S+)", head)[0] for head, _ in responses]


def exchanges(serving: Served) -> list[dict[str, Any]]:
    """Return the recorded requests without their random fields."""
    found = httpx.post(f"http://127.0.0.1:{serving.port}/__admin/requests/find", json={}).json()["requests"]
    for request in found:
        for name in ("absoluteUrl", "port"):
            del request[name]
        del request["mockAtoms"]["durationMs"]
        request["headers"]["host"] = request["host"] = "x"
    return list(found)


def test_the_second_equal_request_takes_the_fast_path() -> None:
    with served() as fast, served(response_cache=False) as normal:
        fast_responses, normal_responses = (
            send_in_turn(serving.port, *[raw_request()] * 5) for serving in (fast, normal)
        )
        assert (len(fast.app_requests), len(normal.app_requests)) == (1, 5)
        assert exchanges(fast) == exchanges(normal)
        assert len(set(request_ids(fast_responses))) == 5
        assert [(without_date(head), body) for head, body in fast_responses] == [
            (without_date(head), body) for head, body in normal_responses
        ]


def test_requests_with_one_content_share_a_response_although_their_heads_differ() -> None:
    different = [
        raw_request(),
        raw_request(header_lines="Traceparent: 00-1-2-01\r\n"),
        raw_request(header_lines="X-Test-Id: t\r\n"),
        raw_request(header_lines="Origin: http://localhost:3000\r\n"),
        raw_request(header_lines="Prefer: code=200\r\n"),
        raw_request(header_lines="Content-Length: 0\r\n"),
        raw_request(header_lines=f"A: {'a' * MAX_HEAD_BYTES}\r\n"),
    ]
    with served() as serving:
        bodies = {body for _ in range(3) for _, body in send_in_turn(serving.port, *different)}
        assert len(bodies) == len(serving.app_requests) == 1
        for other in (raw_request("sk_globex"), raw_request(target=f"{LIST}?x=1")):
            send_in_turn(serving.port, other)
        assert len(serving.app_requests) == 3


WITHOUT_A_ROUTE = {
    "no token": raw_request().replace(b"Authorization", b"X-Other"),
    "an invalid token": raw_request("sk_mock_revoked"),
    "an unknown route": raw_request(target="/atoms/v1/nowhere"),
    "a method without a route": raw_request(method="PATCH"),
    "a path outside the base path": raw_request(target="/favicon.ico"),
    "a magic key": raw_request("sk_mock_500.mine"),
    "a preference": raw_request(header_lines="Prefer: code=429\r\n"),
    "an invalid preference": raw_request(header_lines="Prefer: code=x\r\n"),
    "a DELETE with a fault": raw_request(method="DELETE", header_lines="Prefer: code=503\r\n", target=f"{LIST}/a"),
}


@pytest.mark.parametrize("request_", WITHOUT_A_ROUTE.values(), ids=WITHOUT_A_ROUTE)
def test_a_request_that_needs_no_route_takes_the_fast_path(request_: bytes) -> None:
    with served() as serving:
        send_in_turn(serving.port, *[request_] * 3)
        assert serving.app_requests == []


@pytest.mark.parametrize("request_", WITHOUT_A_ROUTE.values(), ids=WITHOUT_A_ROUTE)
def test_a_repeated_error_is_recorded_as_without_the_fast_path(request_: bytes) -> None:
    with served() as fast, served(response_cache=False) as normal:
        of_fast, of_normal = (
            [(without_date(head), body) for head, body in send_in_turn(serving.port, *[request_] * 4)]
            for serving in (fast, normal)
        )
        assert of_fast == of_normal
        assert exchanges(fast) == exchanges(normal)
        assert len(fast.mock.response_cache.requests) == 1


DIFFERING_HEADERS = [
    "Traceparent: 1\r\n",
    "Traceparent: 2\r\nAccept: */*\r\n",
    "Accept: */*\r\ntraceparent:  2 \r\n",
    "",
    "Traceparent: 3\r\nX-Test-Id: other\r\n",
    "Traceparent: 4\r\nX-Key: sk_live_secret_123\r\n",
    "Traceparent: 5\r\nX-Token: sk_acme\r\n",
    "Traceparent: 6\r\nX-Name: Zo\u00eb\r\n",
    "Traceparent: 7\r\nCookie: session=sk_other_secret\r\n",
    "Traceparent: 8\r\nOrigin: http://localhost:3000\r\n",
    "Traceparent: 9\r\nPrefer: code=503\r\n",
    "Traceparent: 10\r\n",
    "Traceparent: 10\r\n",
    "Traceparent: 10\r\n",
]


@pytest.mark.parametrize("target", [LIST, "/atoms/v1/nowhere", f"{LIST}?page=x"])
def test_similar_requests_are_recorded_as_without_the_fast_path(target: str) -> None:
    requests = [
        raw_request(target=target, header_lines=lines).replace("\u00eb".encode(), b"\xeb")
        for lines in [*DIFFERING_HEADERS, *DIFFERING_HEADERS]
    ]
    requests += [request.replace(b"Host: ", b"Host: other.") for request in requests]
    with served() as fast, served(response_cache=False) as normal:
        of_fast, of_normal = (
            [(without_date(head), body) for head, body in send_in_turn(serving.port, *requests)]
            for serving in (fast, normal)
        )
        assert of_fast == of_normal
        for recorded, expected in zip(exchanges(fast), exchanges(normal), strict=True):
            assert [*recorded["headers"].items()] == [*expected["headers"].items()]
            assert recorded == expected


def test_a_similar_request_meets_a_stub_for_its_header() -> None:
    def request(number: int) -> bytes:
        return raw_request(header_lines=f"Traceparent: {number}\r\n")

    pattern = {"method": "GET", "urlPath": LIST, "headers": {"traceparent": {"equalTo": "7"}}}
    with served() as serving:
        send_in_turn(serving.port, *map(request, range(5)))
        stub = {"request": pattern, "response": {"status": 418}}
        httpx.post(f"http://127.0.0.1:{serving.port}/__admin/mappings", json=stub).raise_for_status()
        responses = send_in_turn(serving.port, *map(request, range(6, 9)))
        assert [head.split()[1] for head, _ in responses] == [b"200", b"418", b"200"]


def test_a_repeated_request_is_recorded_with_its_body_after_the_journal_was_cleared() -> None:
    with served() as serving:
        send_in_turn(serving.port, *[raw_request()] * 5)
        httpx.delete(f"http://127.0.0.1:{serving.port}/__admin/requests").raise_for_status()
        responses = send_in_turn(serving.port, *[raw_request()] * 2)
        recorded = asyncio.run(serving.mock.journal.candidates(()))
        bodies = [exchange.response_body.content for exchange in recorded]
        assert bodies == [body for _, body in responses]


@pytest.mark.parametrize(("options", "is_kept"), [({}, True), ({"journal_body": 100}, False)], ids=["all", "cut"])
def test_a_recorded_body_outlives_its_exchange_unless_it_is_cut(options: dict[str, Any], *, is_kept: bool) -> None:
    with served(journal_size=1, **options) as serving:
        for _ in range(5):
            ((_, body),) = send_in_turn(serving.port, raw_request())
            (exchange,) = asyncio.run(serving.mock.journal.candidates(()))
            recorded = ref(exchange.response_body)
            assert len(body) > MAX_SHARED_BODY_BYTES
            assert exchange.response_body.content == body[: serving.mock.max_recorded_body]
            del exchange
            send_in_turn(serving.port, raw_request("sk_other"))
        assert (recorded() is not None) == is_kept
        assert serving.app_requests == [f"GET {LIST}"] * 2


def test_a_repeated_error_ends_with_its_rule() -> None:
    with served() as serving, httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/__admin") as admin:
        statuses = []
        for expression in ("500", "delay1", "503"):
            rule = admin.post("/faults", json={"fault": expression}).json()
            responses = send_in_turn(serving.port, *[raw_request()] * 4)
            statuses.append({head.split()[1] for head, _ in responses})
            admin.delete(f"/faults/{rule['id']}")
        statuses.append({head.split()[1] for head, _ in send_in_turn(serving.port, raw_request())})
        assert statuses == [{b"500"}, {b"200"}, {b"503"}, {b"200"}]


NOT_ON_FAST_PATH = {
    "a delay": raw_request(header_lines="Prefer: delay=1\r\n"),
    "a delayed error": raw_request(header_lines="Prefer: delay=1, code=500\r\n"),
    "a changed body": raw_request(header_lines="Prefer: fault=extra\r\n"),
    "a body": raw_request(header_lines="Content-Length: 2\r\n") + b"{}",
    "an upgrade": raw_request(header_lines="Upgrade: h2c\r\nConnection: Upgrade\r\n"),
    "no such audience": raw_request(target="/atoms/v1/audience/60d0fe4f5311236168a109ca"),
    "a token in the URL": raw_request(target=f"{LIST}?key=sk_acme_secret"),
    "HTTP/1.0": raw_request().replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host", b"Connection: keep-alive\r\nHost"),
    "a preflight request": raw_request(method="OPTIONS", header_lines="Origin: http://localhost\r\n"),
    "the control API": raw_request(target="/__admin/health"),
    "the escaped control API": raw_request(target="/%5F_admin/health"),
    "the documentation": raw_request(target="/openapi.json"),
}


@pytest.mark.parametrize("request_", NOT_ON_FAST_PATH.values(), ids=NOT_ON_FAST_PATH)
def test_other_requests_reach_the_application(request_: bytes) -> None:
    with served() as serving:
        send_in_turn(serving.port, *[raw_request()] * 3)
        before = len(serving.app_requests)
        for _ in range(4):
            send_in_turn(serving.port, request_)
        assert len(serving.app_requests) - before == 4


def test_a_request_that_waits_for_a_continuation_reaches_the_application() -> None:
    with served() as serving:
        send_in_turn(serving.port, raw_request())
        for _ in range(3):
            send_in_turn(serving.port, raw_request(header_lines="Expect: 100-continue\r\n"))
        assert len(serving.app_requests) == 4


def test_a_head_request_reaches_the_application() -> None:
    with served() as serving, connect(serving.port) as connection:
        for _ in range(3):
            connection.sendall(raw_request(method="HEAD"))
            assert connection.recv(10_000).endswith(b"\r\n\r\n")
        assert len(serving.app_requests) == 3


def test_a_fault_is_decided_once() -> None:
    """The application alone can respond after the fault, so the fast path must not count it."""
    with served() as serving, httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/__admin") as admin:
        rule = admin.post("/faults", json={"when": {"times": 2}, "respond": {"status": 503}}).json()
        statuses = [head.split()[1] for head, _ in send_in_turn(serving.port, *[raw_request()] * 4)]
        assert statuses == [b"503", b"503", b"200", b"200"]
        assert admin.get(f"/faults/{rule['id']}").json()["evaluated"] == 4
        assert len(serving.app_requests) == 1 + 2  # the first 200 is rendered, two are calls of the control API


@CLOSED
def test_a_connection_that_closes_after_the_response_takes_the_fast_path(keep_alive: int, header_lines: str) -> None:
    paths = (LIST, LIST, LIST, LIST, "/atoms/v1/unknown", f"{LIST}?page=2")

    def result(token: str, *, has_cache: bool) -> tuple[list[bytes], list[dict[str, Any]]]:
        with served(keep_alive=keep_alive, response_cache=has_cache) as serving:
            sent = [raw_request(token, header_lines, target=path) for path in paths]
            received = [without_date(exchange(serving.port, request)) for request in sent]
            rendered = 2 if token == "sk_acme" else 0  # the first list of each query
            assert len(serving.app_requests) == (rendered if has_cache else len(paths))
            return received, exchanges(serving)

    for token in ("sk_acme", "sk_mock_500"):
        responses, recorded = result(token, has_cache=True)
        assert (responses, recorded) == result(token, has_cache=False)
        assert len(recorded) == len(paths)
        assert all(b"\r\nconnection: close\r\n" in response for response in responses)


@CLOSED
def test_a_request_after_the_last_one_of_a_connection_has_no_effect(keep_alive: int, header_lines: str) -> None:
    with served(keep_alive=keep_alive) as serving:
        _, audiences = send_in_turn(serving.port, raw_request())[0]
        deletion = raw_request(method="DELETE", target=f"{LIST}/{json.loads(audiences)['data'][0]['_id']}")
        for number in range(2, 6):
            received = exchange(serving.port, raw_request(header_lines=header_lines) + deletion)
            assert received.count(b"HTTP/1.1 ") == 1
            assert received.endswith(audiences)
            assert len(exchanges(serving)) == number


Change = Callable[[httpx.Client], object]
MEMBERS = {"members": [{"phoneNumber": "+14155550100"}]}
CHANGES: dict[str, Change] = {
    "a rule": lambda http: http.post("/__admin/faults", json={"fault": "500"}),
    "a rule for the token": lambda http: http.post(
        "/__admin/faults", json={"fault": "500", "match": {"token": "sk_acme"}}
    ),
    "set audiences": lambda http: http.put("/__admin/tenants", json={"token": "sk_acme", "audiences": []}),
    "a new member": lambda http: http.post(f"{LIST}/{first(http)}/members", json=MEMBERS, headers=ACME),
    "campaigns": lambda http: http.put(
        f"/__admin/audiences/{first(http)}/campaigns", json={"token": "sk_acme", "campaigns": [{}]}
    ),
}


def first(http: httpx.Client) -> str:
    return str(http.get(LIST, headers=ACME).json()["data"][0]["_id"])


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_visible_immediately(change: Change) -> None:
    with served() as serving, httpx.Client(base_url=f"http://127.0.0.1:{serving.port}") as http:
        before = send_in_turn(serving.port, *[raw_request()] * 3)[2]
        assert isinstance(response := change(http), httpx.Response)
        assert response.is_success, response.text
        changed = send_in_turn(serving.port, *[raw_request()] * 4)
        assert len({body for _, body in changed}) == 1
        assert changed[0][1] != before[1]
        http.post("/__admin/reset", json={"token": "sk_acme"})
        http.post("/__admin/reset", json={})
        assert send_in_turn(serving.port, raw_request())[0][1] == before[1]


def test_only_a_matching_rule_blocks_the_fast_path() -> None:
    with served() as serving, httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/__admin") as admin:
        send_in_turn(serving.port, *[raw_request()] * 2)
        for match in ({"token": "sk_other"}, {"testId": "t"}, {"method": "POST", "path": "/audience"}):
            admin.post("/faults", json={"fault": "500", "match": match})
        asked = len(serving.app_requests)
        send_in_turn(serving.port, raw_request())
        assert len(serving.app_requests) == asked
        rule = admin.post("/faults", json={"fault": "500"}).json()
        assert b" 500 " in send_in_turn(serving.port, raw_request())[0][0].split(b"\r\n")[0]
        admin.delete(f"/faults/{rule['id']}")
        asked = len(serving.app_requests)
        send_in_turn(serving.port, raw_request())
        assert len(serving.app_requests) == asked


def test_pipelined_requests_get_responses_in_order() -> None:
    slow = raw_request("sk_globex", "Prefer: delay=300\r\n")
    with served() as serving:
        bodies = {
            token: send_in_turn(serving.port, *[raw_request(token)] * 2)[1][1]
            for token in ("sk_acme", "sk_globex", "sk_third")
        }
        serving.keep_alive(0.1)
        order = ["sk_acme", "sk_third", "sk_globex", "sk_third", "sk_acme"]
        sent = b"".join(slow if token == "sk_globex" else raw_request(token) for token in order)
        with connect(serving.port) as connection:
            connection.sendall(sent)
            responses = read_responses(connection, 5)
            assert [body for _, body in responses] == [bodies[token] for token in order]
            assert connection.recv(1) == b""  # the connection was idle


def test_an_idle_connection_is_closed() -> None:
    with served() as serving:
        send_in_turn(serving.port, *[raw_request()] * 2)
        serving.keep_alive(0.05)
        with connect(serving.port) as connection:
            connection.sendall(raw_request() * 2)
            read_responses(connection, 2)
            assert connection.recv(1) == b""
        assert len(serving.app_requests) == 1


@pytest.mark.slow
@pytest.mark.parametrize("response_cache", [True, False])
def test_a_connection_is_closed_only_after_the_keep_alive_timeout(*, response_cache: bool) -> None:
    with served(response_cache=response_cache) as serving:
        send_in_turn(serving.port, *[raw_request()] * 2)
        serving.keep_alive(1)
        with connect(serving.port) as connection:
            for _ in range(3):
                connection.sendall(raw_request())
                read_responses(connection, 1)
                time.sleep(0.6)
            connection.sendall(raw_request(header_lines="Prefer: delay=1500\r\n"))
            read_responses(connection, 1)
            connection.sendall(raw_request())
            read_responses(connection, 1)
            assert connection.recv(1) == b""


def test_the_server_waits_for_a_client_that_does_not_read() -> None:
    with served() as serving:
        ((_, body),) = send_in_turn(serving.port, *[raw_request()] * 2)[1:]
        many = 3_000  # more than the buffers on both sides hold
        with connect(serving.port) as connection:
            sender = threading.Thread(target=connection.sendall, args=(raw_request() * many,))
            sender.start()
            for _ in range(2_000):
                if len(serving.app_requests) > 1:
                    break
                time.sleep(0.01)
            assert {response for _, response in read_responses(connection, many)} == {body}
            sender.join(20)
        assert len(serving.app_requests) > 1


def test_a_request_in_pieces_takes_the_fast_path() -> None:
    with served() as serving:
        send_in_turn(serving.port, *[raw_request()] * 2)
        with connect(serving.port) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in raw_request():
                connection.sendall(bytes([byte]))
            read_responses(connection, 1)
        assert len(serving.app_requests) == 1


def test_a_bug_in_the_fast_path_is_logged_and_is_no_bad_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object) -> None:
        raise ZeroDivisionError

    with served() as serving:
        monkeypatch.setattr(serving.mock.request_reader, "read", broken)
        with connect(serving.port) as connection:
            connection.sendall(raw_request())
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""
    assert "ZeroDivisionError" in caplog.text


def test_a_slow_head_may_follow_a_response() -> None:
    with served() as serving:
        send_in_turn(serving.port, *[raw_request()] * 2)
        serving.keep_alive(1)
        with connect(serving.port) as connection:
            connection.sendall(raw_request())
            read_responses(connection, 1)
            connection.sendall(raw_request()[:20])
            time.sleep(1.5)  # longer than a connection stays open without a request
            connection.sendall(raw_request()[20:])
            read_responses(connection, 1)


def test_http_1_0_does_not_take_the_fast_path_of_http_1_1() -> None:
    newer = raw_request(header_lines="Connection: keep-alive\r\n")
    with served() as serving:
        send_in_turn(serving.port, *[newer] * 3)
        asked = len(serving.app_requests)
        with connect(serving.port) as connection:
            connection.sendall(newer.replace(b"HTTP/1.1", b"HTTP/1.0"))
            read_responses(connection, 1)
        assert len(serving.app_requests) == asked + 1


def test_the_fast_path_ignores_evicted_objects_that_are_still_referenced() -> None:
    with served() as serving:
        first, *_ = request_ids(send_in_turn(serving.port, *[raw_request()] * 3))
        tenants = asyncio.run(serving.mock.store.tenants())
        assert tenants
        httpx.post(f"http://127.0.0.1:{serving.port}/__admin/reset", json={"token": "sk_acme"})
        assert request_ids(send_in_turn(serving.port, *[raw_request()] * 3))[0] == first
        (state,) = asyncio.run(serving.mock.store.tenants())
        response = serving.mock.response_cache.get(content_key(state, "/audience", b""))
        assert response is not None
        serving.mock.response_cache.max_size = 0
        send_in_turn(serving.port, raw_request("another"))
        assert not response.is_live
        asked = len(serving.app_requests)
        send_in_turn(serving.port, raw_request())
        assert len(serving.app_requests) == asked + 1


def test_the_fast_path_counts_as_use_of_the_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock_module, "MemoryStore", partial(MemoryStore, max_tenants=2))
    with served() as serving:
        send_in_turn(serving.port, *[raw_request("a")] * 2, *[raw_request("b")] * 2, raw_request("a"), raw_request("c"))
        asked = len(serving.app_requests)
        send_in_turn(serving.port, raw_request("a"))
        assert len(serving.app_requests) == asked


def test_the_fast_path_counts_as_use_of_the_response() -> None:
    with served() as serving:
        response_cache = serving.mock.response_cache
        (_, body), *_ = send_in_turn(serving.port, *[raw_request("a")] * 2, *[raw_request("b")] * 2, raw_request("a"))
        response_cache.max_size = 2 * (len(body) + 10_000)
        for number in range(20):
            send_in_turn(serving.port, raw_request("a"), raw_request(str(number)))
        asked = len(serving.app_requests)
        send_in_turn(serving.port, raw_request("a"))
        assert len(serving.app_requests) == asked


def test_the_fast_path_evicts_the_least_recently_used_request() -> None:
    with served() as serving:
        response_cache = serving.mock.response_cache
        response_cache.max_requests = 2
        for token in ("sk_mock_one.a", "sk_mock_one.b", "sk_mock_one.a", "sk_mock_one.c"):
            send_in_turn(serving.port, *[raw_request(token)] * 3)
        kept = [request.head.tenant.label for request in response_cache.requests]
        assert kept == ["sk_mock_one.a", "sk_mock_one.c"]


def test_only_a_request_that_repeats_soon_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.caching.response_cache.MAX_SEEN_DIGESTS", 2)
    first, second = raw_request("sk_mock_one.a"), raw_request("sk_mock_one.b")
    with served() as serving:
        repeated = serving.mock.response_cache.requests
        send_in_turn(serving.port, *[first, second] * 3)
        assert len(repeated) == 0
        send_in_turn(serving.port, second)
        assert [request.head.tenant.label for request in repeated] == ["sk_mock_one.b"]


def test_the_fast_path_keeps_no_removed_object_alive() -> None:
    with served() as serving:
        send_in_turn(serving.port, *[raw_request()] * 3)
        assert len(serving.app_requests) == 1
        (state,) = asyncio.run(serving.mock.store.tenants())
        cached_response = serving.mock.response_cache.get(content_key(state, "/audience", b""))
        assert cached_response is not None
        removed = ref(state), ref(cached_response)
        del state, cached_response
        httpx.post(f"http://127.0.0.1:{serving.port}/__admin/reset", json={})
        gc.collect()
        assert [one() for one in removed] == [None, None]


def reachable(root: object) -> Iterator[str | bytes]:
    """Yield all text in the objects that `root` references."""
    seen, waiting = set(), [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (type, ModuleType, FunctionType)):
            continue
        seen.add(id(one))
        if isinstance(one, (str, bytes)):
            yield one
        waiting += gc.get_referents(one)


def test_no_token_is_kept() -> None:
    token = "sk_verysecret_" + "token"
    with served() as serving:
        send_in_turn(serving.port, *[raw_request(token)] * 3, raw_request(token, target=f"{LIST}?key={token}"))
        texts = [*reachable(serving.mock)]
        assert any("sk_verys" in text for text in texts if isinstance(text, str))
        assert not [text for text in texts if (token if isinstance(text, str) else token.encode()) in text]  # type: ignore[operator] # both have one type


RULES: list[Any] = [
    {"fault": "503x2"},
    {"respond": {"status": 418, "text": "x", "headers": {"X-Request-Id": "mine", "Vary": "accept"}}},
    {"fault": "delay1"},
    {"fault": "limit3"},
]


def test_the_fast_path_changes_no_byte() -> None:
    requests = [
        *(*WITHOUT_A_ROUTE.values(), *NOT_ON_FAST_PATH.values()),
        *(raw_request(header_lines=f"Origin: {origin}\r\n") for origin in ("http://localhost:1", "http://a.b")),
        raw_request(header_lines="Origin: http://localhost:1\r\nCookie: a=b\r\n"),
        raw_request("sk_mock_oops", "X-Test-Id: t\r\n"),
        raw_request("secret/token", "X: secret/token\r\nOrigin: http://secret/token\r\n"),
        raw_request(target=f"http://x{LIST}?page=1"),
        raw_request(target=f"{LIST}/%3Cb%3E/"),
    ]
    requests = [request for request in requests if not re.search(rb"admin|openapi", request)]
    with served() as fast, served(response_cache=False) as normal:
        for rule in (None, *RULES):
            seen = []
            for serving in (fast, normal):
                with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/__admin") as admin:
                    if rule is not None:
                        assert admin.post("/faults", json=rule).is_success
                    responses = [send_in_turn(serving.port, *requests) for _ in range(3)]
                    seen.append(
                        (
                            [[(without_date(head), body) for head, body in some] for some in responses],
                            exchanges(serving),
                            admin.get("/faults").json(),
                            admin.get("/tenants").json(),
                            serving.log,
                        )
                    )
                    assert admin.post("/reset", json={}).is_success
            assert seen[0] == seen[1]
        assert len(fast.app_requests) < len(normal.app_requests) * 0.6


@dataclass
class Results:
    """What a server has responded and recorded, without random fields."""

    responses: list[object]
    journal: list[Any]
    tenants: object
    faults: object
    counters: list[str]
    log: list[str]


@pytest.fixture(scope="module")
def pair() -> Iterator[list[Served]]:
    with ExitStack() as stack:
        yield [stack.enter_context(served(response_cache=response_cache)) for response_cache in (True, False)]


@pytest.mark.slow
@given(requests=steps())
@settings(max_examples=60, deadline=None)
def test_the_fast_path_changes_no_response_and_no_exchange(pair: list[Served], requests: list[Step]) -> None:
    cached, rendered = (results(serving, requests) for serving in pair)
    assert cached == rendered


def results(serving: Served, requests: list[Step]) -> Results:
    serving.log.clear()
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}", headers={"Host": "x"}) as http:
        assert http.post("/__admin/reset", json={}).is_success
        audience_ids = [audience["_id"] for audience in http.get(LIST, headers=bearer("sk_a")).json()["data"]]
        ids = {"0": audience_ids[0], "1": audience_ids[1], "other": "0" * 24}
        responses: list[object] = []
        for method, path, headers, body in requests * 3:
            for name, known in ids.items():
                path = path.replace(f"{{{name}}}", known)  # noqa: PLW2901 - the ids are known only now
            url = path if path.startswith("/__admin") else f"/atoms/v1{path}"
            if method == "SWAP":
                response = http.put(url, json=http.get(url).json())
            else:
                response = http.request(method, url, headers=headers, json=body)
            headers_received = [(name, value) for name, value in response.headers.multi_items() if name != "date"]
            responses.append((response.status_code, headers_received, response.content))
        journal = http.post("/__admin/requests/find", json={}).json()["requests"]
        for request in journal:
            del request["mockAtoms"]["durationMs"]
        metrics = http.get("/__admin/metrics").text.split("\n")
        return Results(
            responses,
            journal,
            http.get("/__admin/tenants").json(),
            http.get("/__admin/faults").json(),
            [line for line in metrics if line.startswith(("mock_atoms_requests", "mock_atoms_fault"))],
            [*serving.log],
        )


def test_servers_that_share_a_log_have_no_fast_path() -> None:
    with served(MemoryLog()) as serving:
        send_in_turn(serving.port, *[raw_request("a")] * 3)
        assert len(serving.app_requests) == 3
