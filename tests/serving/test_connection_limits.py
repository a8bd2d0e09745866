"""Limits that all connections share."""

import asyncio
import errno
import re
import socket
import sys
from contextlib import ExitStack

import pytest

from mock_atoms import MockServer
from mock_atoms.serving import connection_limits
from mock_atoms.serving.connection_limits import ConnectionLimits, WaitingBytes, max_connections
from mock_atoms.serving.listener import Listener
from tests.helpers.sockets import connect, exchange, raw_request, read_responses, read_to_end

ENDING = raw_request(header_lines="Connection: close\r\n")
ADVICE = b"more than 2 connections are open: close some, or use them for several requests\n"


def send_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(raw_request("sk_mock_many") * 100)


class FakeTransport(asyncio.Transport):
    """A transport whose client does not read."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 7)})
        self.unread = self.measured = 0
        self.is_aborted = False

    def get_write_buffer_size(self) -> int:
        self.measured += 1
        return self.unread

    def abort(self) -> None:
        self.is_aborted = True


def test_connections_beyond_the_limit_get_a_503(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection_limits, "MAX_CONNECTIONS", 2)
    with MockServer() as mock:
        with ExitStack() as stack:
            for _ in range(2):
                connection = stack.enter_context(connect(mock.port))
                connection.sendall(raw_request())
                read_responses(connection, 1)
            for _ in range(2):
                with connect(mock.port) as refused:
                    response = read_to_end(refused)
                assert response.startswith(b"HTTP/1.1 503 ")
                assert response.endswith(b"\r\n\r\n" + ADVICE)
        statuses = (exchange(mock.port, ENDING)[:13] for _ in range(1_000))  # until the server has seen both ends
        assert b"HTTP/1.1 200 " in statuses
    assert caplog.text.count("more than 2 connections are open: new ones are refused") == 1


def test_the_number_of_connections_fits_the_file_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource", reason="not on Windows")
    for limit, expected in ((64, 32), (8, 1), (10**6, 5_120), (resource.RLIM_INFINITY, 5_120)):
        monkeypatch.setattr(resource, "getrlimit", lambda _kind, limit=limit: (limit, limit))
        assert max_connections() == expected
    monkeypatch.setitem(sys.modules, "resource", None)
    assert max_connections() == 5_120


def test_a_client_that_reads_nothing_is_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    with MockServer(request_timeout=1) as mock:
        with connect(mock.port) as connection, pytest.raises(ConnectionError):
            send_for_ever(connection)
        assert exchange(mock.port, ENDING)
    assert re.search(r'peer=127\.0\.0\.1:\d+ cause="the client read nothing for 1 s"', caplog.text)


def test_a_client_that_reads_slowly_is_not_disconnected() -> None:
    async def read() -> list[bool]:
        transport = FakeTransport()
        waiting = WaitingBytes(ConnectionLimits(), 0.05, transport)
        transport.unread = 3
        waiting.start_reading()
        is_aborted = []
        for unread in (2, 1, 1):
            transport.unread = unread
            before = transport.measured
            for _ in range(500):
                if transport.measured == before:
                    await asyncio.sleep(0.01)
            is_aborted.append(transport.is_aborted)
        waiting.close()
        return is_aborted

    assert asyncio.run(read()) == [False, False, True]


def test_the_connection_that_waited_longest_is_aborted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection_limits, "MAX_WAITING_BYTES", 100)

    async def wait() -> list[bool]:
        limits = ConnectionLimits()
        transports = [FakeTransport() for _ in range(4)]
        first, second, third, fourth = (WaitingBytes(limits, 60, transport) for transport in transports)
        first.set_received(50)
        first.set_received(0)
        second.set_received(40)
        first.set_received(40)
        second.set_received(45)
        transports[2].unread = 20
        third.start_reading()
        third.end_reading()
        transports[3].unread = 101
        fourth.start_reading()
        for waiting in (first, second, third, fourth):
            waiting.close()
        return [transport.is_aborted for transport in transports]

    assert asyncio.run(wait()) == [True, True, False, False]
    assert (
        caplog.messages
        == ['peer=192.0.2.1:7 cause="more than 100 bytes wait in all connections, and this one waited longest"'] * 2
    )


def fail_to_accept(monkeypatch: pytest.MonkeyPatch, *errors: int) -> None:
    """Let the next calls of `socket.accept` fail with `errors`; 0 is a success."""
    remaining, accept_one = list(errors), socket.socket.accept

    def accept(listening: socket.socket) -> tuple[socket.socket, object]:
        if remaining and (error := remaining.pop(0)):
            raise OSError(error, "no descriptor")
        return accept_one(listening)

    monkeypatch.setattr(socket.socket, "accept", accept)


@pytest.mark.parametrize("errors", [[errno.EMFILE, 0], [errno.ENFILE, errno.ENFILE]])
def test_a_connection_without_a_file_descriptor_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, errors: list[int]
) -> None:
    with Listener(socket.AF_INET) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        with connect(port) as connection:
            fail_to_accept(monkeypatch, *errors, *errors, errno.EINVAL)
            with pytest.raises(BlockingIOError):
                listening.accept()
            if not errors[1]:
                assert connection.recv(1) == b""
            with connect(port), pytest.raises(BlockingIOError):
                listening.accept()
            with pytest.raises(OSError, match="no descriptor"):
                listening.accept()
        with connect(port):
            accepted, _ = listening.accept()
            accepted.close()
    assert caplog.text.count("no file descriptor is left: new connections are closed") == 1


def test_a_listener_needs_no_spare_file_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener(socket.AF_INET) as listening:

        def fail(*_args: object) -> int:
            raise OSError(errno.EMFILE, "no descriptor")

        fail_to_accept(monkeypatch, *[errno.EMFILE] * 4)
        monkeypatch.setattr("mock_atoms.serving.listener.os.open", fail)
        for _ in range(2):
            with pytest.raises(BlockingIOError):
                listening.accept()
