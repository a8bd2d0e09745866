"""What a server gives back: closed connections immediately, and free memory after a reset."""

import asyncio
import ctypes
import gc
import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from threading import Event
from typing import Any
from weakref import ref

import httpx
import pytest

from mock_atoms import MockServer, Settings
from mock_atoms.journal.exchange import share_response_head
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.process_memory import COLLECTION_SECONDS, MAX_VISITED_BLOCKS, MIN_COLLECTIONS, ProcessMemory
from mock_atoms.serving.protocol import HttpProtocol
from mock_atoms.serving.response_cycle import ResponseCycle
from tests.helpers.audiences import bearer
from tests.helpers.sockets import connect, raw_request, read_to_end


def count_connections() -> int:
    return sum(isinstance(item, HttpProtocol) for item in gc.get_objects())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_closed_connection_leaves_no_garbage(method: str) -> None:
    with MockServer() as mock:
        before = count_connections()
        gc.disable()
        try:
            connection = http.client.HTTPConnection(mock.root_url.removeprefix("http://"))
            for path in ("/atoms/v1/audience", "/atoms/v1/nowhere", "/__admin/health"):
                connection.request(method, path, "{}" if method == "POST" else None, bearer("sk_a"))
                connection.getresponse().read()
            assert count_connections() == before + 1
            connection.close()
            deadline = time.monotonic() + 5
            while count_connections() > before and time.monotonic() < deadline:
                time.sleep(0.01)
            assert count_connections() == before
        finally:
            gc.enable()


def count_requests(port: int) -> int:
    """Return the number of requests to a port that are in memory."""
    cycles = [item for item in gc.get_objects() if isinstance(item, ResponseCycle)]
    return sum(cycle.scope["server"] == ("127.0.0.1", port) for cycle in cycles)


LIST = "/atoms/v1/audience"
STUB = {"request": {"urlPath": "/atoms/v1/stubbed", "bodyPatterns": [{"contains": "{"}]}}
REQUESTS = {
    "list": f"GET {LIST}",
    "query": f"GET {LIST}?x=1",
    "fault": f"GET {LIST}\nPrefer: fault=500",
    "delay": f"GET {LIST}\nPrefer: fault=delay0.01",
    "unauthorized": f"GET {LIST}\nAuthorization: none",
    "unknown": "GET /atoms/v1/nowhere",
    "agent": 'POST /atoms/v1/agent\nContent-Type: application/json\n\n{"name": "A"}',
    "not JSON": "POST /atoms/v1/agent\nContent-Type: application/json\n\n{",
    "no upload": f"POST {LIST}\nContent-Type: multipart/form-data; boundary=b\n\n--b",
    "no gzip": "POST /atoms/v1/agent\nContent-Encoding: gzip\n\n{",
    "members": f'POST {LIST}/0/members\nContent-Type: application/json\n\n{{"members": []}}',
    "stub": "POST /atoms/v1/stubbed\n\n{}",
    "failing body": 'POST /atoms/v1/agent\nPrefer: fault=500\n\n{"name": "A"}',
    "control": "GET /__admin/requests",
    "control with a body": "POST /__admin/requests/count\nContent-Type: application/json\n\n{}",
    "import": "POST /__admin/mappings/import\nContent-Type: application/json\n\n" + json.dumps({"mappings": [STUB]}),
}


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_leaves_no_garbage(kind: str, is_cut: bool) -> None:  # noqa: FBT001 - parametrized
    """Only new objects are visited, so that garbage of a request that took a while would stay."""
    head, _, body = REQUESTS[kind].partition("\n\n")
    first, *headers = head.split("\n")
    lines = [f"{first} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body) + is_cut}", *headers]
    if "Authorization" not in head:
        lines.append("Authorization: Bearer sk_acme")
    request = "\r\n".join([*lines, "", body]).encode()

    def send() -> None:
        with connect(mock.port) as connection:
            connection.sendall(request)
            if not is_cut:
                connection.recv(65_536)

    with MockServer() as mock:
        httpx.post(f"{mock.root_url}/__admin/mappings", json=STUB).raise_for_status()
        send()  # loads what is loaded lazily
        gc.disable()
        try:
            deadline = time.monotonic() + 10
            while count_requests(mock.port):
                gc.collect()
                assert time.monotonic() < deadline
            send()
            while (left := count_requests(mock.port)) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert left == 0
        finally:
            gc.enable()


MALFORMED = {
    "method": b"GE T / HTTP/1.1\r\n\r\n",
    "target": b"GET /\xff HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "long head": b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 100_000),
    "garbage behind a request": raw_request() + b"\x00",
    "chunk": raw_request(header_lines="Transfer-Encoding: chunked\r\n", method="POST") + b"x\r\n",
    "header": raw_request(header_lines="A B: c\r\n"),
    "content length": raw_request(header_lines="Content-Length: x\r\n", method="POST"),
    "upgrade": raw_request(header_lines="Connection: Upgrade\r\nUpgrade: h2c\r\n") + b"\x00",
    "half a body": raw_request(header_lines="Content-Length: 5\r\n", method="POST") + b"x",
    "half a head": b"GET / HT",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_refused_connection_leaves_no_garbage(data: bytes) -> None:
    with MockServer() as mock:
        gc.collect()
        others = count_connections()
        gc.disable()
        try:
            with connect(mock.port) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                read_to_end(connection)
            deadline = time.monotonic() + 20
            while count_connections() > others and time.monotonic() < deadline:
                time.sleep(0.01)
            assert count_connections() <= others
        finally:
            gc.enable()


class Cycle:
    """An object that only a collection of garbage can free."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short collections, which end with the test."""
    monkeypatch.setattr(gc, "freeze", lambda: None)  # it would keep the garbage of all tests
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("collector")
def test_new_garbage_is_collected_although_the_process_does_not_grow() -> None:
    async def run() -> tuple[object, object]:
        old = Cycle()
        gc.collect()
        ProcessMemory().keep_collections_short()
        assert gc.isenabled()
        new = ref(Cycle())
        kept = ref(old)
        del old
        for _ in range(200):
            if new() is None:
                break
            await asyncio.sleep(COLLECTION_SECONDS)
        return new(), kept()

    new, kept = asyncio.run(run())
    assert new is None
    assert isinstance(kept, Cycle)  # not visited


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize(
    ("collections", "new_blocks", "is_freed"),
    [(MIN_COLLECTIONS - 1, 0, False), (MIN_COLLECTIONS, 0, True), (MIN_COLLECTIONS, MAX_VISITED_BLOCKS + 1, False)],
)
def test_a_reset_collects_all_garbage_if_that_is_due_and_short(
    collections: int,
    new_blocks: int,
    is_freed: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = iter([1_000, 1_000 + new_blocks])
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: next(blocks))

    async def run() -> bool:
        memory = ProcessMemory()
        memory.keep_collections_short()
        old = Cycle()
        gc.collect()
        gc.set_threshold(100_000, 100_000, 100_000)
        for _ in range(collections):
            gc.collect(0)
        kept = ref(old)
        del old
        await memory.return_free_memory()
        return kept() is None

    assert asyncio.run(run()) is is_freed


class FakeLibrary:
    """A C library that records calls."""

    def __init__(self, _name: None) -> None:
        pass

    def malloc_trim(self, kept: int) -> None:
        assert kept == 0
        CALLED.set()


CALLED = Event()


def test_process_memory_is_returned_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", FakeLibrary)
    asyncio.run(ProcessMemory().return_free_memory())
    assert CALLED.is_set()


@pytest.mark.parametrize("error", [AttributeError, OSError, TypeError])
def test_other_systems_keep_free_memory(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def load(_name: None) -> Any:  # noqa: ANN401 - never returns
        raise error

    monkeypatch.setattr(ctypes, "CDLL", load)
    asyncio.run(ProcessMemory().return_free_memory())


def test_a_complete_reset_is_announced() -> None:
    resets: list[str] = []
    mock = MockAtoms(Settings())

    async def count() -> None:
        resets.append("all")

    mock.after_reset = count
    asyncio.run(mock.reset("sk_a"))
    assert resets == []
    asyncio.run(mock.reset())
    assert resets == ["all"]


def test_a_complete_reset_forgets_shared_response_heads() -> None:
    mock = MockAtoms(Settings())
    share_response_head(((b"content-length", b"1"),))
    asyncio.run(mock.reset("sk_a"))
    assert share_response_head.cache_info().currsize
    asyncio.run(mock.reset())
    assert not share_response_head.cache_info().currsize
