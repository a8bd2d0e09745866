"""Connection faults on real sockets, on both event loops, from each source of faults."""

import asyncio
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import httpx
import pytest
import requests
from starlette.types import Message, Receive, Scope, Send

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.core.delays import CancellableWaiter, ShutdownSignal
from mock_atoms.faults.effects import ConnectionFault
from mock_atoms.middleware.connection_faults import BROKEN, TRANSPORT, ConnectionFaultRunner, NoConnectionError
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.server import Server
from tests.helpers.audiences import bearer
from tests.helpers.servers import running
from tests.helpers.snippets import ROOT
from tests.helpers.sockets import connect, exchange, raw_request, read_responses, read_to_end

Loop = Literal["asyncio", "uvloop"]
LOOPS: list[asyncio.AbstractEventLoop] = []
"""The event loops of the servers of this module."""
SOURCES: dict[str, Callable[[str], tuple[list[str], str, str]]] = {
    "prefer": lambda fault: ([], "sk_acme", f"Prefer: fault={fault}\r\n"),
    "key": lambda fault: ([], f"sk_mock_{fault}.mine", ""),
    "command line": lambda fault: ([f"GET /audience {fault}"], "sk_acme", ""),
    "rule": lambda fault: ([f'{{"connection": "{fault}"}}'], "sk_acme", ""),
}

RAISED: list[tuple[str, type[Exception], type[Exception]]] = [
    ("reset", httpx.ReadError, requests.ConnectionError),
    ("close", httpx.RemoteProtocolError, requests.ConnectionError),
    ("hang", httpx.ReadTimeout, requests.ReadTimeout),
    ("truncate", httpx.RemoteProtocolError, requests.exceptions.ChunkedEncodingError),
    ("garbage", httpx.RemoteProtocolError, requests.ConnectionError),
]


@contextmanager
def served(faults: list[str], loop: Loop = "uvloop") -> Iterator[int]:
    """Serve on a free port and yield it."""
    mock = MockAtoms(Settings(fault=tuple(faults)))
    ready = threading.Event()

    def on_ready() -> None:
        LOOPS.append(asyncio.get_running_loop())
        ready.set()

    server = Server(create_app(mock=mock), mock.shutdown_signal, on_ready, loop)
    with running(server, ready) as port:
        yield port


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_each_fault_acts_on_the_socket(loop: Loop, source: str) -> None:
    def received(fault: str) -> bytes:
        faults, token, extra = SOURCES[source](fault)
        with served(faults, loop) as port:
            return exchange(port, raw_request(token, f"{extra}Connection: close\r\n"))

    with pytest.raises(ConnectionResetError):
        received("reset")
    assert received("close") == b""
    assert received("hang50") == b""
    garbage = received("garbage")
    assert garbage
    assert not garbage.startswith(b"HTTP/")
    for fault, is_complete in (("truncate", False), ("drip100", True)):
        head, _, body = received(fault).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert f"x-mock-atoms-reason: connection-{fault.rstrip('0123456789')}".encode() in head.lower()
        assert b"x-mock-atoms-fault: " in head.lower()
        content_length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        assert 0 < len(body) <= content_length
        assert (len(body) == content_length) is is_complete


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_stale_responds_and_closes_the_kept_connection_without_notice(loop: Loop, source: str) -> None:
    faults, token, extra = SOURCES[source]("stale")
    request = raw_request(token, extra)
    with served(faults, loop) as port:
        for later in (b"", request):  # after a second, and at the next request
            with connect(port) as client:
                client.sendall(request)
                ((head, _),) = read_responses(client, 1)
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                assert b"\r\nkeep-alive: timeout=75\r\n" in head
                assert b"\r\nx-mock-atoms-reason: connection-stale" in head
                assert b"\r\nx-mock-atoms-fault: " in head
                client.sendall(later)
                assert read_to_end(client) == b""
        pipelined = exchange(port, request * 3)
    assert pipelined.count(b"HTTP/1.1 ") == 1


def test_stale_may_be_limited_to_some_requests(server: MockServer) -> None:
    token = "sk_mock_stalex1.twice"
    headers = bearer(token)
    with httpx.Client() as client:
        assert client.get(f"{server.url}/audience", headers=headers).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{server.url}/audience", headers=headers)
        assert client.get(f"{server.url}/audience", headers=headers).status_code == 200
    with requests.Session() as session:
        session.headers.update(bearer("sk_mock_stalex1.requests"))
        assert session.get(f"{server.url}/audience").status_code == 200
        with pytest.raises(requests.ConnectionError):
            session.get(f"{server.url}/audience")
    recorded = server.requests(token=token)
    assert [(request.status, request.ended, request.reason) for request in recorded] == [
        (200, "responded", "connection-stale"),
        (200, "responded", None),
    ]


def test_close_with_a_large_unread_body_is_no_reset() -> None:
    with served([]) as port:
        assert exchange(port, raw_request("sk_mock_close", body=b"x" * 1_000_000)) == b""


@pytest.mark.alone("each replica has a task that follows the log")
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("fault", ["close", "reset", "hang"])
def test_a_request_after_a_broken_one_leaves_no_task(loop: Loop, fault: str) -> None:
    head = "GET /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_mock_"
    with served([], loop=loop) as port:
        for _ in range(3):
            with connect(port) as client:
                client.sendall(f"{head}{fault}\r\n\r\n{head}one\r\n\r\n".encode())
                if fault != "hang":
                    with suppress(ConnectionResetError):
                        assert client.recv(65536) == b""
        while len(asyncio.all_tasks(LOOPS[-1])) > 1:
            pass


def test_a_connection_fault_may_be_limited_to_some_requests() -> None:
    with served([]) as port:
        key = "sk_mock_closex2.mine"
        responses = [exchange(port, raw_request(key, "Connection: close\r\n")) for _ in range(3)]
    assert [response[:15] for response in responses] == [b"", b"", b"HTTP/1.1 200 OK"]


def test_a_delay_precedes_the_connection_fault() -> None:
    with served([]) as port:
        assert exchange(port, raw_request("sk_mock_delay20+close")) == b""


@pytest.mark.parametrize(("fault", "by_httpx", "by_requests"), RAISED)
def test_clients_raise_the_documented_exceptions(
    server: MockServer, fault: str, by_httpx: type[Exception], by_requests: type[Exception]
) -> None:
    headers = bearer(f"sk_mock_{fault}.clients")
    read_timeout = 0.3 if fault == "hang" else 20
    with pytest.raises(httpx.HTTPError) as caught:
        httpx.get(f"{server.url}/audience", headers=headers, timeout=httpx.Timeout(20, read=read_timeout))
    assert type(caught.value) is by_httpx
    with pytest.raises(requests.RequestException) as raised:
        requests.get(f"{server.url}/audience", headers=headers, timeout=(20, read_timeout))
    assert type(raised.value) is by_requests


def test_the_docs_list_each_exception() -> None:
    table = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    for fault, by_httpx, by_requests in RAISED:
        (row,) = re.findall(rf"^\| `{fault}`(?:, `\w+`)? \|.*$", table, re.MULTILINE)
        assert f"`{by_httpx.__name__}` | `{by_requests.__name__}` |" in row


def test_a_dripping_response_is_complete(server: MockServer) -> None:
    for token in ("sk_mock_drip60.clients", "sk_mock_drip0.clients"):
        response = httpx.get(f"{server.url}/audience", headers=bearer(token))
        assert response.json()["status"] is True


@pytest.mark.parametrize("fault", ["stale", "drip0"])
def test_the_fault_is_the_reason_on_an_unknown_route_too(fault: str) -> None:
    with MockServer() as mock:
        response = httpx.get(f"{mock.url}/nope", headers=bearer(f"sk_mock_{fault}.mine"))
        (event,) = httpx.get(f"{mock.root_url}/__admin/requests").json()["requests"]
    reason = f"connection-{fault.removesuffix('0')}"
    assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (404, reason)
    assert (event["request"]["mockAtoms"]["reason"], event["wasMatched"]) == (reason, True)


@pytest.mark.parametrize("fault", ["hang", "drip600000"])
def test_a_disconnect_ends_the_fault(caplog: pytest.LogCaptureFixture, fault: str) -> None:
    with caplog.at_level(logging.INFO, "mock_atoms"), MockServer() as mock:
        with connect(mock.port) as client:
            client.sendall(raw_request(f"sk_mock_{fault}"))
            # A client that disconnects before the server has read its request causes no fault.
            while [request.faults for request in mock.requests()] != [("key",)]:
                pass
        while mock.requests()[0].ended is None:
            pass
    (line,) = [record.getMessage() for record in caplog.records if record.name == "mock_atoms"]
    assert line.endswith(f" fault=key reason=connection-{fault.rstrip('0123456789')}")
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]


@pytest.mark.parametrize("fault", ["reset", "close", "stale", "hang10", "truncate", "garbage", "drip100"])
def test_a_disconnect_within_the_body_is_no_error(caplog: pytest.LogCaptureFixture, fault: str) -> None:
    head = "POST /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
    with caplog.at_level(logging.INFO, "mock_atoms"), MockServer() as mock:
        with connect(mock.port) as client:
            client.sendall(f"{head}Authorization: Bearer sk_mock_{fault}\r\n\r\nhalf".encode())
            while [request.faults for request in mock.requests()] != [("key",)]:
                pass
        while mock.requests()[0].ended is None:
            pass
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]


@pytest.mark.parametrize("fault", ["reset", "close", "stale", "hang", "truncate", "garbage", "drip100"])
def test_a_connection_fault_in_process_is_an_error_with_advice(fault: str) -> None:
    async def request() -> None:
        transport = httpx.ASGITransport(create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://mock/atoms/v1") as http:
            await http.get("/audience", headers=bearer(f"sk_mock_{fault}"))

    with pytest.raises(NoConnectionError, match=r"needs a real connection.+use MockServer"):
        asyncio.run(request())


UPGRADES = {
    "h2c": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n",
    "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n",
}


@pytest.mark.parametrize("parts", [1, 2, 50])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("upgrade", UPGRADES)
def test_an_upgrade_request_continues_as_http_1_1(upgrade: str, framing: str, parts: int) -> None:
    body = '{"members":[{}]}'
    framed_body = {
        "length": f"Content-Length: {len(body)}\r\n\r\n{body}",
        "chunked": f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n",
    }[framing]
    head = "Host: x\r\nAuthorization: Bearer sk_mock_one\r\n"
    post = f"POST /atoms/v1/audience/60d0fe4f5311236168a109ca/members HTTP/1.1\r\n{head}"
    get = f"GET /atoms/v1/audience HTTP/1.1\r\n{head}"
    sent = f"{post}{UPGRADES[upgrade]}Content-Type: application/json\r\n{framed_body}{get}{UPGRADES[upgrade]}\r\n"
    sent += f"{get}Connection: close\r\n\r\n"
    with served([]) as port, connect(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        size = -(-len(sent) // parts)
        for start in range(0, len(sent), size):
            client.sendall(sent[start : start + size].encode())
            time.sleep(0.002 if parts > 1 else 0)
        received = read_to_end(client)
    # An unread body would cause a 400.
    assert re.findall(rb"HTTP/1\.1 (\d+)", received) == [b"404", b"200", b"200"]


@pytest.mark.parametrize(("target", "status"), [("x:1", 400), ("/atoms/v1/audience", 404)])
def test_connect_opens_no_tunnel(target: str, status: int) -> None:
    with served([]) as port, connect(port) as client:
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert client.recv(65536).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_reset_of_a_connection_that_the_client_has_closed_is_no_error() -> None:
    class ClosedTransport(asyncio.Transport):
        def get_extra_info(self, name: str, default: object = None) -> object:  # noqa: ARG002 - as in asyncio
            closed = socket.socket()
            closed.close()
            return closed

        def is_closing(self) -> bool:
            return True

        def abort(self) -> None:
            sent.append("aborted")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("it is not called")

    sent: list[str] = []
    runner = ConnectionFaultRunner(app, CancellableWaiter(ShutdownSignal()))
    scope = {"type": "http", "extensions": {TRANSPORT: ClosedTransport()}}
    asyncio.run(runner(ConnectionFault(kind="reset"), scope, receive, send))
    assert sent == [BROKEN, "aborted"]
