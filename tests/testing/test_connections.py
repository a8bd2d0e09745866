"""Connections that a client keeps between its calls."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest

from mock_atoms import ControlError, MockClient, MockServer
from mock_atoms.testing.connections import KeptConnections


@pytest.fixture
def connect(server: MockServer) -> Callable[[], HTTPConnection]:
    return lambda: HTTPConnection("127.0.0.1", server.port)


def client_port(connection: HTTPConnection) -> int:
    """Send a request, and return the port of the connection."""
    connection.request("GET", "/__admin/health")
    connection.getresponse().read()
    port: int = connection.sock.getsockname()[1]
    return port


def test_a_thread_keeps_its_connection(connect: Callable[[], HTTPConnection]) -> None:
    connections = KeptConnections()
    first = connections.use(connect, 20, client_port)
    assert connections.use(connect, 20, client_port) == first
    with ThreadPoolExecutor(1) as other_thread:
        assert other_thread.submit(connections.use, connect, 20, client_port).result() != first


def test_a_forked_process_opens_its_own_connection(
    connect: Callable[[], HTTPConnection], monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = KeptConnections()
    first = connections.use(connect, 20, client_port)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert connections.use(connect, 20, client_port) != first


def test_a_connection_that_the_server_closed_is_replaced(connect: Callable[[], HTTPConnection]) -> None:
    connections = KeptConnections()
    used = [connections.use(connect, 20, client_port)]

    def fail_once(connection: HTTPConnection) -> int:
        used.append(client_port(connection))
        if len(used) == 2:
            raise ConnectionResetError
        return used[-1]

    assert connections.use(connect, 20, fail_once) == used[2]
    assert used[0] == used[1] != used[2]
    assert connections.use(connect, 20, client_port) == used[2]


def test_a_connection_is_dropped_after_a_timeout(connect: Callable[[], HTTPConnection]) -> None:
    def time_out(connection: HTTPConnection) -> int:
        connection.request("GET", "/__admin/health")
        raise TimeoutError

    connections = KeptConnections()
    first = connections.use(connect, 20, client_port)
    with pytest.raises(TimeoutError):
        connections.use(connect, 20, time_out)
    assert connections.use(connect, 20, client_port) != first


def test_a_client_reaches_a_server_that_was_restarted_on_its_port() -> None:
    with MockServer() as first:
        port = first.port
        client = MockClient(first.url)
        assert client.requests() == []
    with pytest.raises(ControlError, match="no mock server responds"):
        client.requests()
    with MockServer(port=port):
        assert client.for_tenant("sk_acme").requests() == []
        assert client.requests() == []
