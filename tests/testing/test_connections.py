"""Connections that a client keeps between its calls."""

import copy
import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected, parse_headers
from weakref import ref

import pytest

from mock_atoms import ControlError, MockClient, MockServer
from mock_atoms.testing import connections
from mock_atoms.testing.connections import Call, KeptConnections

HEALTH = Call("GET", "/__admin/health", None, {})
COMPLETE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
TRUNCATED = COMPLETE[:-1]
NO_BYTES = b""
LAST = COMPLETE.replace(b"{}", b"[]")
"""A complete response. The server closes the connection after it."""
ADD_RULE = Call("POST", "/__admin/faults", b"{}", {})


class Client:
    """A client that keeps its connections.

    Attributes:
        opened: number of connections that it opened.
    """

    def __init__(self, port: int) -> None:
        self.opened = 0
        self._port = port
        self._connections = KeptConnections()

    def send(self, call: Call = HEALTH, seconds: float = 20) -> int:
        """Send a request, and return the status code."""
        response, _ = self._connections.send(call, self._connect, seconds)
        return response.status

    def _connect(self) -> HTTPConnection:
        self.opened += 1
        return HTTPConnection("127.0.0.1", self._port)


class ScriptedServer:
    """A server that responds to its requests with `responses`, and keeps a connection only after `COMPLETE`.

    Attributes:
        port: its port.
        methods: the methods of the received requests.
        has_closed: set when it has closed a connection.
    """

    def __init__(self, responses: list[bytes]) -> None:
        self.methods: list[str] = []
        self.has_closed = threading.Event()
        self._responses = responses
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve until all responses are sent."""
        with self._listener:
            while self._responses:
                connection, _ = self._listener.accept()
                connection.settimeout(20)
                with connection:
                    self._serve(connection)
                self.has_closed.set()

    def _serve(self, connection: socket.socket) -> None:
        while self._responses:
            self.methods.append(receive_request(connection))
            response = self._responses.pop(0)
            connection.sendall(response)
            if response != COMPLETE:
                break


def receive_request(connection: socket.socket) -> str:
    """Receive a request to its end and return its method.

    A connection that is closed with unread bytes is reset, and the client gets another error.
    """
    with connection.makefile("rb") as lines:
        method = lines.readline().split()[0].decode()
        lines.read(int(parse_headers(lines).get("Content-Length", 0)))
    return method


@contextmanager
def scripted(*responses: bytes) -> Iterator[tuple[ScriptedServer, Client]]:
    """Run a server that sends `responses`, and return it with a client."""
    server = ScriptedServer([*responses])
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server, Client(server.port)
    thread.join(20)


@pytest.fixture
def client(server: MockServer) -> Client:
    return Client(server.port)


def test_a_thread_keeps_its_connection(client: Client) -> None:
    assert [client.send(), client.send(), client.opened] == [200, 200, 1]
    with ThreadPoolExecutor(1) as other_thread:
        other_thread.submit(client.send).result()
    assert client.opened == 2


def test_a_forked_process_opens_its_own_connection(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.send()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    client.send()
    assert client.opened == 2


def test_a_connection_is_dropped_after_a_timeout(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(_: HTTPConnection) -> None:
        raise TimeoutError

    client.send()
    with monkeypatch.context() as patch:
        patch.setattr(HTTPConnection, "getresponse", time_out)
        with pytest.raises(TimeoutError):
            client.send()
    client.send()
    assert client.opened == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_an_idempotent_call_without_a_response_is_sent_again(method: str) -> None:
    with scripted(COMPLETE, NO_BYTES, COMPLETE) as (server, client):
        client.send()
        assert client.send(HEALTH._replace(method=method)) == 200
    assert server.methods == ["GET", method, method]


def test_a_call_that_could_have_an_effect_twice_is_sent_once() -> None:
    with scripted(COMPLETE, NO_BYTES) as (server, client):
        client.send()
        with pytest.raises(RemoteDisconnected):
            client.send(ADD_RULE)
    assert server.methods == ["GET", "POST"]


def test_a_call_on_a_new_connection_is_sent_once() -> None:
    with scripted(NO_BYTES) as (server, client), pytest.raises(RemoteDisconnected):
        client.send()
    assert server.methods == ["GET"]


def test_a_call_with_a_truncated_response_is_sent_once() -> None:
    with scripted(COMPLETE, TRUNCATED) as (server, client):
        client.send()
        with pytest.raises(IncompleteRead):
            client.send()
    assert server.methods == ["GET", "GET"]


def test_a_connection_that_the_server_closed_is_replaced_before_a_call() -> None:
    with scripted(LAST, COMPLETE) as (server, client):
        client.send()
        assert server.has_closed.wait(20)
        assert client.send(ADD_RULE) == 200
    assert server.methods == ["GET", "POST"]
    assert client.opened == 2


def test_a_call_that_was_not_sent_completely_is_sent_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    send: Callable[..., None] = HTTPConnection.request
    errors = [BrokenPipeError()]

    def fail_once(connection: HTTPConnection, *arguments: object) -> None:
        if errors:
            raise errors.pop()
        send(connection, *arguments)

    client.send()
    monkeypatch.setattr(HTTPConnection, "request", fail_once)
    assert client.send(Call("POST", "/__admin/reset", None, {})) == 200
    assert client.opened == 2


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


def idle_connections(client: MockClient) -> list[connections._ThreadConnection]:
    """Return the idle connections of a client."""
    owner_id = id(client._control._connections)  # noqa: SLF001 - no public way shows them
    idle = [reference() for reference in connections._ThreadConnection._idle.values()]  # noqa: SLF001 - the same
    return [each for each in idle if each is not None and each.owner_id == owner_id]


def test_the_idle_connections_of_a_process_are_limited(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_IDLE_CONNECTIONS", 2)
    clients = [Client(server.port) for _ in range(4)]
    for client in (*clients, *clients[2:], *clients[:1]):
        client.send()
    assert [client.opened for client in clients] == [2, 1, 1, 1]


def test_a_connection_that_ends_during_a_search_for_idle_ones_is_ignored(client: Client) -> None:
    client.send()
    idle = connections._ThreadConnection._idle  # noqa: SLF001 - as another thread leaves it
    idle[0] = ref(dropped := connections._ThreadConnection(HTTPConnection("127.0.0.1"), 0))  # noqa: SLF001 - no public name reaches it
    del dropped
    KeptConnections().close()
    connections._ThreadConnection._close_idle(0)  # noqa: SLF001 - no public name reaches it
    connections._ThreadConnection._close_idle(0)  # noqa: SLF001 - no public name reaches it
    assert 0 not in idle
    assert [client.send(), client.opened] == [200, 1]


def test_a_stopped_server_closes_the_connections_of_its_client() -> None:
    with MockServer() as server, ThreadPoolExecutor(1) as other_thread:
        for call in (server.requests, other_thread.submit(server.requests).result):
            assert call() == []
        sockets = [idle.connection.sock for idle in idle_connections(server)]
        assert len(sockets) == 2
        server.stop()
        assert [socket.fileno() for socket in sockets] == [-1, -1]
        server.start()
        assert server.requests() == []


@pytest.mark.parametrize("copied", [lambda client: pickle.loads(pickle.dumps(client)), copy.deepcopy])
def test_a_copied_client_opens_its_own_connections(
    server: MockServer, copied: Callable[[MockClient], MockClient]
) -> None:
    client = MockClient(server.url, token="sk_copied")
    client.requests()
    other = copied(client)
    assert (other.url, other.token, other.requests()) == (client.url, "sk_copied", [])
    assert other._control._connections is not client._control._connections  # noqa: SLF001 - no public name reaches it
