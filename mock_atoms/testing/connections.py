"""Connections that a client keeps between its calls, one for each thread."""

import os
import selectors
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import NamedTuple

_IDEMPOTENT_METHODS = {"GET", "PUT", "DELETE"}


class Call(NamedTuple):
    """A request to send.

    Attributes:
        method: HTTP method.
        target: path and query.
        body: body, or `None` without one.
        headers: headers.
    """

    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]


class _ThreadConnection:
    """The connection of one thread. It is closed when the thread ends.

    Attributes:
        connection: the connection.
        process_id: the process that opened it. A forked process has a copy that it must not use.
    """

    def __init__(self, connection: HTTPConnection) -> None:
        self.connection = connection
        self.process_id = os.getpid()

    def __del__(self) -> None:
        self.connection.close()

    def is_open(self) -> bool:
        """Return whether this process can send a request on the connection: an idle one that is readable was closed."""
        socket = self.connection.sock
        if self.process_id != os.getpid() or socket is None:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(socket, selectors.EVENT_READ)
            return not selector.select(0)


class KeptConnections(threading.local):
    """Connections to one server. Each thread of each process has its own."""

    _kept: _ThreadConnection | None = None

    def send(self, call: Call, connect: Callable[[], HTTPConnection], seconds: float) -> tuple[HTTPResponse, bytes]:
        """Send a request on the connection of this thread, and return the response and its body.

        A connection that the server has closed while it was idle is replaced before the request is sent.

        A kept connection may also break before a response starts. The request is then sent again on a new connection
        if its method is idempotent, or if it was not sent completely.

        Args:
            call: the request.
            connect: returns a new connection.
            seconds: timeout for each part of the response.
        """
        kept, self._kept = self._kept, None  # an exception drops the connection: a response may be under way
        if kept is not None and kept.is_open():
            kept.connection.sock.settimeout(seconds)
            response = _send_on_kept(kept.connection, call)
            if response is not None:
                return self._read(response, kept)
            kept.connection.close()
        kept = _ThreadConnection(connect())
        kept.connection.timeout = seconds
        kept.connection.request(*call)
        return self._read(kept.connection.getresponse(), kept)

    def _read(self, response: HTTPResponse, connection: _ThreadConnection) -> tuple[HTTPResponse, bytes]:
        body = response.read()
        self._kept = connection
        return response, body


def _send_on_kept(connection: HTTPConnection, call: Call) -> HTTPResponse | None:
    """Return the response to a request, or `None` if the connection broke and the request may be repeated."""
    try:
        connection.request(*call)
    except ConnectionError:
        return None
    try:
        return connection.getresponse()
    except ConnectionError:
        if call.method in _IDEMPOTENT_METHODS:
            return None
        raise
