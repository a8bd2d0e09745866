"""Clients that end their requests with `shutdown(SHUT_WR)` and still read, as `nc -N` does."""

import asyncio
import socket
from typing import Any, NamedTuple

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.serving.half_closed import RESPONSE_SECONDS, RESPONSE_TURNS, close_half_closed
from tests.helpers.sockets import connect, raw_request, read_to_end


def send_and_end(port: int, request: bytes) -> bytes:
    """Send `request` and the end of all requests. Return what the server sends until it closes the connection."""
    with connect(port) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return read_to_end(client)


@pytest.mark.parametrize("count", [1, 2, 40])
@pytest.mark.parametrize("response_cache", [True, False])
def test_a_client_that_ended_its_requests_gets_the_responses(*, response_cache: bool, count: int) -> None:
    with MockServer(response_cache=response_cache) as server:
        httpx.get(server.url)  # the first request is slow
        for _ in range(5):
            data = send_and_end(server.port, raw_request() * count)
            assert data.count(b"HTTP/1.1 200 OK\r\n") == count
        assert {request.ended for request in server.requests(token="sk_acme")} == {"responded"}


def test_a_delayed_response_counts_the_client_as_disconnected() -> None:
    with MockServer() as server:
        assert send_and_end(server.port, raw_request("sk_mock_delay20000")) == b""
        assert [request.ended for request in server.wait_for_requests(1)] == ["aborted"]


def test_half_a_request_and_its_end_close_the_connection() -> None:
    with MockServer() as server:
        assert send_and_end(server.port, raw_request()[:-2]) == b""
        assert send_and_end(server.port, raw_request(method="POST", body=b"{}")[:-1]) == b""


class ClosedTransport(asyncio.Transport):
    """A transport that records when it is closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


def progress(request: str | None, waiting_bytes: int = 0, *, has_started: bool = False) -> Any:  # noqa: ANN401 - a substitute of a cycle
    """Return what a connection is doing, as `close_half_closed` asks for it."""
    return request and Cycle(request, has_started), waiting_bytes


class Cycle(NamedTuple):
    name: str
    response_started: bool


@pytest.mark.parametrize(
    "states",
    [
        [progress("a"), progress("a")],
        [progress("a"), progress(None)],
        [progress("a", 9), progress("a", 9, has_started=True), progress("a", 9, has_started=True), progress(None)],
        [progress("a", 9), progress("b", 5), progress(None, 2), progress("d"), progress("d")],
        [progress(None, 9), progress(None, 9)],
    ],
    ids=["no response", "ended", "started", "progress", "half a request"],
)
def test_a_connection_is_closed_behind_its_responses(
    monkeypatch: pytest.MonkeyPatch, states: list[tuple[Any, int]]
) -> None:
    waits: list[float] = []
    transport = ClosedTransport()
    checks = len(states) - 1

    async def sleep(seconds: float) -> None:
        assert not transport.is_closed
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(close_half_closed(transport, lambda: states.pop(0)))
    assert (transport.is_closed, states) == (True, [])
    assert [seconds for seconds in waits if seconds] == [RESPONSE_SECONDS] * checks
    assert waits.count(0) == RESPONSE_TURNS * checks
