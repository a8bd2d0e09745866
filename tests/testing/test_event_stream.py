"""The events of a running server, as `MockClient.events` returns them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mock_atoms import ControlError, MockClient, MockServer

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CONNECTED = b'id: 1\nevent: connected\ndata: {"id":"1"}\n\n'


@contextmanager
def responding(response: bytes) -> Iterator[MockClient]:
    """Run a server that sends the same bytes to its only client, and return a client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def respond() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(response)

        thread = threading.Thread(target=respond)
        thread.start()
        yield MockClient(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()


def test_events_have_names_data_and_ids() -> None:
    comment, event = b":\n\n", b'id: 2\nevent: reset\ndata: {"a": ": "}\n\n'
    with responding(HEAD + b"retry: 1000\n" + CONNECTED + comment + event) as mock, mock.events() as events:
        assert events.last_id == "1"
        (received,) = list(events)
    assert (received.name, received.data, received.id, events.last_id) == ("reset", {"a": ": "}, "2", "2")


def test_the_token_and_the_test_select_events() -> None:
    with MockServer(admin_token="secret-1") as mock:
        tenant = mock.for_tenant("sk_acme", "t")
        with tenant.events() as events:
            mock.fail("500", token="sk_other")
            mock.fail("503", token="sk_acme")
            assert next(events).data["respond"]["status"] == 503


@pytest.mark.parametrize("body", [b"", b"hello\n\n", b"id: 1\nevent: reset\ndata: {}\n\n"])
def test_other_servers_are_refused(body: bytes) -> None:
    with responding(HEAD + body) as mock, pytest.raises(ControlError, match="not from a mock-atoms control API"):
        mock.events()


@pytest.mark.parametrize("body", [b"event: reset\ndata: {}\n\n", b"id: 2\nevent: reset\ndata: {\n\n", b"\xff\n"])
def test_malformed_events_are_an_error(body: bytes) -> None:
    with responding(HEAD + CONNECTED + body) as mock:
        events = mock.events()
        with pytest.raises(ControlError, match="the server sends no more events: "):
            next(events)


def test_a_broken_connection_is_an_error() -> None:
    head = HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(CONNECTED))
    with responding(head + CONNECTED + b"\r\n10") as mock:
        events = mock.events()
        with pytest.raises(ControlError, match="the server sends no more events: "):
            next(events)


def test_a_server_that_does_not_respond_is_an_error() -> None:
    with responding(b"") as mock, pytest.raises(ControlError, match="no mock server responds at http://127"):
        mock.events()


def test_an_error_response_is_an_error() -> None:
    with MockServer(admin_token="secret-1") as mock:
        stranger = MockClient(mock.url, admin_token="secret-2")
        with pytest.raises(ControlError, match="GET /events: 401: the admin token is wrong: the token in") as error:
            stranger.events()
    assert error.value.status == 401
