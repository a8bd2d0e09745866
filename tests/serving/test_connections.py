"""How long connections stay open, and what ends them, as bytes on a socket."""

import asyncio
import json
import logging
import re
import socket
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.server import ServerState

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.core.http_text import MAX_REQUEST_HEAD_BYTES
from mock_atoms.core.slices import WORK_SLOT, Slices, WorkSlot
from mock_atoms.faults.rules import parse_rule
from mock_atoms.journal.access_log import EventLine, JsonFormatter
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.fast_path import fast_path_of
from mock_atoms.serving.protocol import PARSED_PIECE_BYTES, HttpProtocol
from mock_atoms.serving.server import build_server
from tests.helpers.sockets import LIST_PATH, connect, exchange, raw_request, read_responses, read_to_end, send_in_turn

CACHE = pytest.mark.parametrize("options", [{}, {"response_cache": False}], ids=["cache", "no cache"])
POST = b"POST /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_acme\r\n"


@pytest.fixture(scope="module")
def impatient() -> Iterator[MockServer]:
    with MockServer(keep_alive=1, request_timeout=1) as server:
        yield server


class FakeTransport(asyncio.Transport):
    """A transport without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.is_closed = False
        self.is_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def connected(
    app: ASGIApp,
    state: ServerState,
    mock: MockAtoms | None = None,
    **options: Any,  # noqa: ANN401 - any setting
) -> tuple[HttpProtocol, FakeTransport]:
    """Return the protocol of a new connection to `app`, and its transport."""
    mock = mock or MockAtoms(Settings(**options), log=lambda _exchange, _attempt: None)
    config = build_server(mock, app, lambda: None).config
    fast_path = fast_path_of(mock)
    protocol = HttpProtocol(config, state, {}, fast_path=fast_path, request_timeout=mock.settings.request_timeout)
    transport = FakeTransport()
    protocol.connection_made(transport)
    return protocol, transport


def statuses(data: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


@CACHE
def test_every_response_announces_how_long_the_connection_is_kept(options: dict[str, Any]) -> None:
    with MockServer(**options, keep_alive=7) as mock:
        for head, _ in send_in_turn(mock.port, *[raw_request()] * 4, raw_request("sk_mock_500")):
            assert b"\r\nconnection: keep-alive\r\nkeep-alive: timeout=7\r\n" in head
        assert b"keep-alive" not in exchange(mock.port, raw_request(header_lines="Connection: close\r\n"))
        recorded = httpx.get(f"{mock.root_url}/__admin/requests").json()["requests"]
        assert "keep-alive" not in json.dumps([event["response"] for event in recorded])


def test_an_idle_connection_stays_open_longer_than_announced(impatient: MockServer) -> None:
    with connect(impatient.port) as connection:
        for _ in range(4):  # by the application and on the fast path
            connection.sendall(raw_request())
            read_responses(connection, 1)
            connection.settimeout(1.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.settimeout(20)
        assert connection.recv(1) == b""


def test_keep_alive_0_closes_after_each_response() -> None:
    with MockServer(keep_alive=0) as mock:
        for _ in range(3):
            response = exchange(mock.port, raw_request())
            assert statuses(response) == [200]
            assert b"\r\nconnection: close\r\n" in response


def test_http_1_0_keeps_the_connection_on_request(impatient: MockServer) -> None:
    request = raw_request().replace(b"HTTP/1.1", b"HTTP/1.0")
    assert b"\r\nconnection: close\r\n" in exchange(impatient.port, request)
    keeping = request.replace(b"Host", b"Connection: keep-alive\r\nHost")
    for head, _ in send_in_turn(impatient.port, *[keeping] * 3):
        assert b"\r\nconnection: keep-alive\r\nkeep-alive: timeout=1\r\n" in head


def test_a_body_without_a_length_ends_a_connection_of_http_1_0() -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})

    async def respond() -> bytes:
        protocol, transport = connected(app, ServerState())
        protocol.data_received(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        await asyncio.gather(*protocol.tasks)
        protocol.connection_lost(None)
        return bytes(transport.sent)

    assert b"\r\nconnection: close\r\n" in asyncio.run(respond())


def test_a_silent_connection_is_closed_without_a_response(impatient: MockServer) -> None:
    with connect(impatient.port) as connection:
        assert read_to_end(connection) == b""
    assert exchange(impatient.port, b"\r\n") == b""


@pytest.mark.parametrize("before", [b"", raw_request(), raw_request() * 3], ids=["first", "second", "fourth"])
@pytest.mark.parametrize(
    ("sent", "part"),
    [
        (b"GET / HT", "request line and headers"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA", "request line and headers"),
    ],
)
def test_half_a_head_gets_a_408(
    impatient: MockServer, before: bytes, sent: bytes, part: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = exchange(impatient.port, before + sent)
    assert statuses(response) == [200] * before.count(b"GET") + [408]
    assert response.endswith(f"\r\nconnection: close\r\n\r\n{part} incomplete after 1 s\n".encode())
    assert re.search(rf'peer=127\.0\.0\.1:\d+ status=408 cause="{part} incomplete after 1 s"', caplog.text)


def test_a_slow_head_is_cut_although_it_grows(impatient: MockServer) -> None:
    with connect(impatient.port) as connection:
        connection.settimeout(0.2)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(100):
            try:
                received = connection.recv(65_536)
                break
            except TimeoutError:
                connection.sendall(b"A: b\r\n")
    assert statuses(received) == [408]


def assert_recorded_as_sent(mock: MockServer, token: str, response: bytes) -> None:
    """Assert that the journal has the response as the only request of a token received it."""
    (event,) = mock.control.call("GET", "/requests", query={"token": token})["requests"]
    head, _, body = response.decode().partition("\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    del headers["date"]
    recorded = event["response"]
    assert (recorded["headers"], recorded["body"]) == (headers, body)
    assert event["request"]["mockAtoms"]["bytesSent"] == len(body)


@pytest.mark.parametrize("token", ["sk_half", "sk_mock_hang", "sk_mock_delay60000"])
def test_half_a_body_gets_a_408(impatient: MockServer, token: str) -> None:
    form = "Content-Type: multipart/form-data; boundary=x\r\n"  # its body is read before any response
    sent = raw_request(token, form, method="POST", body=b"x" * 100)
    response = exchange(impatient.port, sent[:-1])
    assert statuses(response) == [408]
    assert response.endswith(b"\r\n\r\nbody incomplete after 1 s\n")
    request = impatient.wait_for_requests(1, token=token)[0]
    assert (request.status, request.ended, request.reason) == (408, "responded", "request-timeout")
    assert_recorded_as_sent(impatient, token, response)


@CACHE
@pytest.mark.parametrize("target", ["http://[", "http://x:999999/", "/" + "a" * 66_000], ids=["host", "port", "long"])
@pytest.mark.parametrize("goods", [1, 2])
def test_a_refused_target_leaves_the_requests_before_it_alone(options: dict[str, Any], target: str, goods: int) -> None:
    with MockServer(**options) as mock:
        refused = [431 if len(target) > 65_536 else 400]
        pipelined = raw_request("sk_pipelined") * goods + raw_request(target=target)
        assert statuses(exchange(mock.port, pipelined)) == [200] * goods + refused
        with connect(mock.port) as connection:
            for _ in range(goods):
                connection.sendall(raw_request("sk_in_turn"))
                assert read_responses(connection, 1)[0][0].startswith(b"HTTP/1.1 200 ")
            connection.sendall(raw_request(target=target))
            assert statuses(read_to_end(connection)) == refused


@pytest.mark.parametrize("rest", [b"zz\r\n", b"1;" + b"x" * 70_000], ids=["chunk", "extension"])
def test_a_refused_body_gets_no_100_continue(
    impatient: MockServer, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = "Expect: 100-continue\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    response = exchange(
        impatient.port,
        raw_request("sk_expect", head, f"{LIST_PATH}/60d0fe4f5311236168a109ca/members", method="POST") + rest,
    )
    assert statuses(response)[-1] in (400, 431)
    assert b"100 Continue" not in response
    assert impatient.wait_for_requests(1, token="sk_expect")[0].reason == "malformed-request"
    assert "Traceback" not in caplog.text


def test_a_head_may_arrive_in_many_small_parts(impatient: MockServer) -> None:
    with connect(impatient.port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw_request(header_lines="Connection: close\r\n"):
            connection.sendall(bytes([byte]))
            time.sleep(0.001)
        assert statuses(read_to_end(connection)) == [200]


@pytest.mark.parametrize("size", [1, 30])
def test_a_stale_connection_drops_a_request_of_which_a_part_has_come(impatient: MockServer, size: int) -> None:
    following = raw_request()
    with connect(impatient.port) as connection:
        connection.sendall(raw_request("sk_mock_stale") + following[:size])
        time.sleep(0.05)
        with suppress(OSError):
            connection.sendall(following[size:])
        received = b""
        with suppress(ConnectionResetError):
            received = read_to_end(connection)
        assert statuses(received) == [200]


def test_a_malformed_chunk_is_recorded_as_refused(impatient: MockServer) -> None:
    request = raw_request("sk_chunk", "Transfer-Encoding: chunked\r\n", method="POST")
    response = exchange(impatient.port, request + b"ZZ\r\n")
    assert statuses(response) == [400]
    recorded = impatient.wait_for_requests(1, token="sk_chunk")[0]
    assert (recorded.status, recorded.ended, recorded.reason) == (400, "responded", "malformed-request")
    assert_recorded_as_sent(impatient, "sk_chunk", response)


def test_an_unread_body_does_not_keep_the_connection() -> None:
    with MockServer(request_timeout=2) as mock:
        response = exchange(mock.port, raw_request("sk_mock_500", method="POST", body=b"x" * 100)[:-1])
    assert statuses(response) == [500]


def test_a_slow_body_is_read_to_its_end(impatient: MockServer) -> None:
    with connect(impatient.port) as connection:
        connection.sendall(POST + b"Content-Length: 4\r\n\r\n")
        for _ in range(4):
            time.sleep(0.5)
            connection.sendall(b"x")
        (response,) = read_responses(connection, 1)
    assert statuses(response.head) == [400]


@pytest.mark.parametrize("token", ["sk_mock_hang1500", "sk_mock_delay1500", "sk_mock_drip1500"])
def test_no_timeout_cuts_an_injected_fault(impatient: MockServer, token: str) -> None:
    request = raw_request(token, "Connection: close\r\n", method="POST", body=b"x" * 100_000)
    started_at = time.monotonic()
    response = exchange(impatient.port, request)
    assert time.monotonic() - started_at > 1.4
    assert statuses(response) == ([] if "hang" in token else [400])


def head_of(size: int) -> bytes:
    """Return a request whose URL and headers have `size` bytes."""
    start = raw_request(header_lines="A: \r\n")
    padding = size + len("GET  HTTP/1.1\r\n") + len("\r\n") - len(start)
    return raw_request(header_lines=f"A: {'a' * padding}\r\n")


@CACHE
def test_a_head_has_a_size_limit(options: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with MockServer(**options) as mock:
        send_in_turn(mock.port, *[head_of(MAX_REQUEST_HEAD_BYTES)] * 3)
        response = exchange(mock.port, head_of(MAX_REQUEST_HEAD_BYTES + 1))
        assert statuses(response) == [431]
        assert response.endswith(b"\r\n\r\nthe request line and headers have more than 65536 bytes\n")
        assert len(mock.requests(token="sk_acme")) == 3
    assert 'status=431 cause="the request line and headers have more than 65536 bytes"' in caplog.text


ENDLESS = {
    "URL": [b"GET /", b"a"],
    "header": [b"GET / HTTP/1.1\r\nA: ", b"a"],
    "headers": [b"GET / HTTP/1.1\r\n", b"a:\r\n"],
    "spaces": [b"GET / HTTP/1.1\r\nA:", b" "],
    "trailer": [POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: ", b"a"],
    "trailers": [POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"a: b\r\n"],
    "chunk extension": [POST + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"],
}


@pytest.mark.parametrize(("start", "more"), ENDLESS.values(), ids=ENDLESS)
def test_what_is_no_body_is_not_read_without_end(impatient: MockServer, start: bytes, more: bytes) -> None:
    response = exchange(impatient.port, start + more * (10 * MAX_REQUEST_HEAD_BYTES // len(more)))
    assert statuses(response) == [431]


def test_a_large_body_in_small_chunks_is_no_large_head(impatient: MockServer) -> None:
    body = b"1\r\nx\r\n" * MAX_REQUEST_HEAD_BYTES + b"0\r\n\r\n"
    request = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    assert statuses(exchange(impatient.port, request)) == [400]


def test_trailers_are_no_headers() -> None:
    with MockServer() as mock:
        request = (
            POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nPrefer: a\r\nB: c\r\n\r\n"
        )
        exchange(mock.port, request)
        assert "prefer" not in {name.lower() for name in mock.requests()[0].headers}


@CACHE
@pytest.mark.parametrize("count", [1, 3, 200])
def test_garbage_after_requests_gets_a_400_after_their_responses(options: dict[str, Any], count: int) -> None:
    with MockServer(**options) as mock:
        for _ in range(3):
            response = exchange(mock.port, raw_request() * count + b"\0garbage\r\n\r\n")
            assert statuses(response) == [200] * count + [400]
        assert len(mock.requests()) == 3 * count


def test_a_broken_body_after_a_request_gets_a_400_after_its_response(impatient: MockServer) -> None:
    broken = POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"
    assert statuses(exchange(impatient.port, broken)) == [400]
    slow = raw_request("sk_acme", "Prefer: delay=100\r\n")
    response = exchange(impatient.port, slow + broken + raw_request())
    assert statuses(response) == [200, 400]
    assert response.endswith(b"not an HTTP/1.1 request: Invalid character in chunk size\n")


def test_a_refusal_waits_for_a_client_that_sends() -> None:
    with MockServer(keep_alive=1, request_timeout=1) as mock, connect(mock.port) as connection:
        connection.sendall(b"GET /" + b"a" * 2 * MAX_REQUEST_HEAD_BYTES)
        for _ in range(20):
            connection.sendall(b"a" * MAX_REQUEST_HEAD_BYTES)
        assert statuses(read_to_end(connection)) == [431]
        with suppress(OSError):
            for _ in range(200):
                connection.sendall(b"a")
                time.sleep(0.1)
            pytest.fail("the server still reads")


UNPARSABLE = {
    "a raw byte": (b"GET /atoms/v1/audience?q=Jos\xc3\xa9 HTTP/1.1\r\n\r\n", "the request target is invalid: send "),
    "a raw byte of a path": (b"GET /\xff HTTP/1.1\r\n\r\n", "the request target is invalid: send a path such as "),
    "a request to a proxy": (b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "CONNECT: this server is no proxy"),
    "no target": (b"GET audience HTTP/1.1\r\n\r\n", "the request target is invalid: "),
    "half an address": (b"GET http://[::1 HTTP/1.1\r\n\r\n", "the request target is invalid: "),
    "TLS": (b"\x16\x03\x01\0\xc8\1\0\0\xc4\3\3" + bytes(80), "a TLS handshake: this port speaks plain HTTP, so use "),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2: this server speaks HTTP/1.1"),
    "text": (b"hello\r\n\r\n", "not an HTTP/1.1 request: Invalid method encountered"),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "not an HTTP/1.1 request: "),
}


@pytest.mark.parametrize(("sent", "cause"), UNPARSABLE.values(), ids=UNPARSABLE)
def test_what_is_no_request_gets_a_400_and_a_log_line(
    impatient: MockServer, sent: bytes, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = exchange(impatient.port, sent)
    assert statuses(response) == [400]
    assert response.partition(b"\r\n\r\n")[2].startswith(cause.encode())
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.match(rf'peer=127\.0\.0\.1:\d+ status=400 cause="{re.escape(cause)}', line)


@pytest.mark.parametrize("query", [b"", b"?page=1"])
def test_an_absolute_url_needs_no_path(impatient: MockServer, query: bytes) -> None:
    response = exchange(impatient.port, b"GET http://evil.test" + query + b" HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert statuses(response) == [404]
    assert b"Cannot GET /" in response
    absolute = raw_request(header_lines="Connection: close\r\n", target=f"http://evil.test{LIST_PATH}")
    assert statuses(exchange(impatient.port, absolute)) == [200]


def test_event_lines_are_json_in_the_json_log() -> None:
    message = EventLine({"peer": "127.0.0.1:1", "status": 400, "cause": "a TLS handshake"})
    record = logging.LogRecord("mock_atoms", logging.WARNING, "", 0, message, (), None)
    line = json.loads(JsonFormatter().format(record))
    assert {
        "level": "warning",
        "peer": "127.0.0.1:1",
        "status": 400,
        "cause": "a TLS handshake",
    }.items() <= line.items()
    assert str(EventLine({"peer": None, "cause": "x"})) == "cause=x"


@CACHE
@pytest.mark.parametrize("target", ["/nope", LIST_PATH])
@pytest.mark.parametrize(
    ("token", "framing", "body"),
    [
        ("content-length", "Content-Length: 5", b"hello"),
        ("length", "Content-Length: 5", b"hello"),
        ("transfer-encoding", "Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
        ("content-encoding", "Content-Encoding: deflate\r\nContent-Length: 13", zlib.compress(b"hello")),
        ("deflate", "Content-Encoding: deflate\r\nContent-Length: 13", zlib.compress(b"hello")),
    ],
)
def test_a_token_that_looks_like_a_header_changes_nothing(
    options: dict[str, Any], token: str, framing: str, body: bytes, target: str
) -> None:
    """The journal masks the token in the header, but the request has its body."""
    request = raw_request(token, f"{framing}\r\n", target, method="POST") + body
    with MockServer(**options) as mock:
        assert len(send_in_turn(mock.port, request, request)) == 2
        events = httpx.get(f"{mock.root_url}/__admin/requests").json()["requests"]
    assert [event["request"]["body"] for event in events] == ["hello", "hello"]
    assert token not in json.dumps([event["request"]["headers"] for event in events])


async def turns_of(app: ASGIApp, request: bytes, count: int, mock: MockAtoms | None = None) -> list[int]:
    """Return the number of requests that end in each turn of the event loop."""
    state = ServerState()
    protocol, transport = connected(app, state, mock)
    protocol.data_received(request * count)
    in_turns = [state.total_requests]
    while sum(in_turns) < count:
        await asyncio.sleep(0)
        in_turns.append(state.total_requests - sum(in_turns))
    protocol.connection_lost(None)
    assert len(statuses(bytes(transport.sent))) == count
    return in_turns


def test_a_pipelined_request_begins_without_the_slot_of_the_one_before_it() -> None:
    begun_with: list[WorkSlot | None] = []
    have_begun = asyncio.Event()

    async def respond(_scope: Scope, _receive: Receive, send: Send) -> None:
        begun_with.append(WORK_SLOT.get())
        with Slices(lambda: 0.0).work_slot("sk_acme").in_use():
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
        if len(begun_with) == 3:
            have_begun.set()

    async def run() -> None:
        protocol, _ = connected(respond, ServerState(), response_cache=False)
        protocol.data_received(raw_request() * 3)
        await asyncio.wait_for(have_begun.wait(), 10)
        protocol.connection_lost(None)

    asyncio.run(run())
    assert begun_with == [None, None, None]


@CACHE
def test_pipelined_requests_leave_turns_to_other_tasks(options: dict[str, Any]) -> None:
    """Counts the requests parsed in one turn of the event loop: their number has a limit."""
    mock = MockAtoms(Settings(**options), log=lambda _exchange, _attempt: None)
    in_turns = asyncio.run(turns_of(create_app(mock=mock), raw_request(), 2000, mock))
    assert max(in_turns) <= 2 * PARSED_PIECE_BYTES // len(raw_request())


@pytest.mark.parametrize(
    "target", ["/nope?" + "%61" * 1300, "/atoms/v1/audience?" + "sk_A1;" * 650, "/nope?" + "%61" * 600]
)
def test_pipelined_long_heads_leave_turns_to_other_tasks(target: str) -> None:
    """Each response is immediate. A turn has as many of them as fit into two pieces."""
    request = raw_request("", target=target)
    mock = MockAtoms(Settings(), log=lambda _exchange, _attempt: None)
    in_turns = asyncio.run(turns_of(create_app(mock=mock), request, 40, mock))
    assert max(in_turns) <= 2 * PARSED_PIECE_BYTES // len(request) + 1


def test_what_is_received_behind_a_request_waits_for_its_response() -> None:
    """The first request fills a piece, so that the second one has not been parsed when the response becomes due."""

    async def run() -> list[int]:
        protocol, transport = connected(create_app(mock=mock), ServerState(), mock)
        protocol.data_received(delayed + raw_request("", target="/nope"))
        for _ in range(2000):
            if len(statuses(bytes(transport.sent))) == 2:
                break
            await asyncio.sleep(0.005)
        protocol.connection_lost(None)
        return statuses(bytes(transport.sent))

    mock = MockAtoms(Settings(), log=lambda _exchange, _attempt: None)
    head = raw_request(header_lines="Prefer: delay=1\r\nX: \r\n")
    delayed = head.replace(b"X: ", b"X: " + b"x" * (PARSED_PIECE_BYTES - len(head)))
    assert asyncio.run(run()) == [200, 404]


@pytest.mark.parametrize("size", [10, 20_000])
def test_a_long_head_leaves_turns_to_other_tasks(size: int) -> None:
    """The application responds to it, and masks it in slices."""

    async def turns_until_response(request: bytes) -> int:
        protocol, transport = connected(create_app(mock=mock), ServerState(), mock)
        protocol.data_received(request)
        turns = 0
        while not transport.sent:
            turns += 1
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        assert statuses(bytes(transport.sent)) == [404]
        return turns

    mock = MockAtoms(Settings(), log=lambda _exchange, _attempt: None)
    turns = asyncio.run(turns_until_response(raw_request("", "%61: %61\r\n" * (size // 10), "/nope")))
    assert (turns > 0) is (size > PARSED_PIECE_BYTES)


def test_pipelined_long_responses_leave_turns_to_other_tasks() -> None:
    """A turn ends as soon as its responses have 64 KiB, even between two requests of one piece."""
    mock = MockAtoms(Settings(), log=lambda _exchange, _attempt: None)
    asyncio.run(mock.store.add_rule(parse_rule({"respond": {"status": 500, "text": "x" * 20_000}})))
    in_turns = asyncio.run(turns_of(create_app(mock=mock), raw_request(), 60, mock))
    assert max(in_turns) == 4


def test_bytes_behind_a_request_are_bounded() -> None:
    async def wait(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def hold() -> list[bool]:
        protocol, transport = connected(wait, ServerState(), response_cache=False)
        protocol.data_received(raw_request())
        await asyncio.sleep(0)
        is_paused = []
        for _ in range(2):
            protocol.data_received(b"x" * (HIGH_WATER_LIMIT // 2 + 1))
            is_paused.append(transport.is_paused)
        protocol.connection_lost(None)
        await asyncio.sleep(0)
        return is_paused

    assert asyncio.run(hold()) == [False, True]


def test_held_bytes_are_parsed_after_the_response_unless_the_connection_is_closed() -> None:
    async def respond(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def hold(*, is_closed: bool) -> int:
        protocol, transport = connected(respond, ServerState(), response_cache=False)
        protocol.data_received(raw_request())
        protocol.data_received(raw_request())
        await asyncio.sleep(0)
        if is_closed:
            transport.close()
        for _ in range(5):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return len(statuses(bytes(transport.sent)))

    assert asyncio.run(hold(is_closed=False)) == 2
    assert asyncio.run(hold(is_closed=True)) == 1


def test_no_timeout_cuts_a_body_that_the_application_does_not_read() -> None:
    async def wait(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Future()

    async def send_body() -> tuple[bool, bytes]:
        protocol, transport = connected(wait, ServerState(), request_timeout=1)
        protocol.data_received(raw_request(method="POST", body=b"x" * (HIGH_WATER_LIMIT * 2))[:-1])
        await asyncio.sleep(1.2)
        try:
            return transport.is_closed, bytes(transport.sent)
        finally:
            protocol.connection_lost(None)
            for task in protocol.tasks:
                task.cancel()

    assert asyncio.run(send_body()) == (False, b"")


def test_a_refusal_is_not_sent_to_a_client_that_has_gone() -> None:
    async def wait(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()

    async def refuse() -> bytes:
        protocol, transport = connected(wait, ServerState())
        transport.close()
        protocol.data_received(b"no HTTP\r\n\r\n")
        protocol.connection_lost(None)
        return bytes(transport.sent)

    assert asyncio.run(refuse()) == b""


def test_an_abandoned_connection_leaves_no_request_behind() -> None:
    with MockServer() as mock:
        with socket.create_connection(("127.0.0.1", mock.port)) as connection:
            connection.sendall(raw_request("sk_mock_hang") * 3)
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        assert [request.ended for request in mock.wait_for_requests(1, token="sk_mock_hang")] == ["aborted"]


EXPECTING = "Expect: 100-continue\r\nContent-Type: application/json\r\n"
MEMBERS_PATH = f"{LIST_PATH}/60d0fe4f5311236168a109ca/members"


@pytest.mark.parametrize(
    ("target", "size", "status"),
    [
        (MEMBERS_PATH, 10**7, 400),
        (LIST_PATH, 10**7, 400),
        ("/__admin/faults", 10**8, 413),
        ("/__admin/reset", 10**8, 413),
    ],
)
def test_a_refused_content_length_gets_no_100_continue(
    impatient: MockServer, target: str, size: int, status: int
) -> None:
    content_type = "Content-Type: multipart/form-data; boundary=x\r\n" if target == LIST_PATH else ""
    lines = EXPECTING if not content_type else content_type + "Expect: 100-continue\r\n"
    request = raw_request(header_lines=f"{lines}Content-Length: {size}\r\n", target=target, method="POST")
    response = exchange(impatient.port, request)
    assert statuses(response) == [status]
    assert b"\r\nconnection: close\r\n" in response


@pytest.mark.parametrize("token", ["sk_acme", "sk_mock_500"])
def test_a_body_that_is_read_gets_100_continue(impatient: MockServer, token: str) -> None:
    request = raw_request(token, f"{EXPECTING}Content-Length: 2\r\n", MEMBERS_PATH, method="POST")
    with connect(impatient.port) as connection:
        connection.sendall(request)
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        (response,) = read_responses(connection, 1)
    assert b"\r\nconnection: keep-alive\r\n" in response.head
