"""Connections that a client keeps between its calls, one for each thread."""

import os
import selectors
import threading
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import ClassVar, NamedTuple
from weakref import ref

MAX_IDLE_CONNECTIONS = 32
"""Number of connections that all clients of a process keep between their calls."""
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
        owner_id: identifies the `KeptConnections` that it belongs to.
        process_id: the process that opened it. A forked process has a copy that it must not use.
    """

    _idle: ClassVar[dict[int, ref["_ThreadConnection"]]] = {}
    """The idle connections of the process by their `id`, the least recently used first.

    A thread that removes one may use or close it, and no other thread does. Each operation on it is atomic.
    """

    def __init__(self, connection: HTTPConnection, owner_id: int) -> None:
        self.connection = connection
        self.owner_id = owner_id
        self.process_id = os.getpid()

    def __del__(self) -> None:
        self._idle.pop(id(self), None)
        self.connection.close()

    def keep(self) -> None:
        """Keep the connection while it is idle. Beyond the limit, the least recently used ones are closed."""
        self._idle[id(self)] = ref(self)
        for key in list(self._idle.copy())[:-MAX_IDLE_CONNECTIONS]:
            self._close_idle(key)

    def take(self) -> bool:
        """Return whether this process can send a request on the connection: an idle one that is readable was closed."""
        if self._idle.pop(id(self), None) is None:
            return False  # it was closed
        socket = self.connection.sock
        if self.process_id != os.getpid() or socket is None:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(socket, selectors.EVENT_READ)
            return not selector.select(0)

    @classmethod
    def close_all(cls, owner_id: int) -> None:
        """Close the idle connections of one owner."""
        for key, reference in cls._idle.copy().items():
            idle = reference()
            if idle is not None and idle.owner_id == owner_id:
                cls._close_idle(key)

    @classmethod
    def _close_idle(cls, key: int) -> None:
        reference = cls._idle.pop(key, None)
        idle = None if reference is None else reference()
        if idle is not None:
            idle.connection.close()


class KeptConnections(threading.local):
    """Connections to one server. Each thread of each process has its own, and so has each copy of this object."""

    _kept: _ThreadConnection | None = None

    def __reduce__(self) -> tuple[type["KeptConnections"], tuple[()]]:
        return KeptConnections, ()

    def close(self) -> None:
        """Close the idle connections of all threads."""
        _ThreadConnection.close_all(id(self))

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
        if kept is not None and kept.take():
            kept.connection.sock.settimeout(seconds)
            response = _send_on_kept(kept.connection, call)
            if response is not None:
                return self._read(response, kept)
            kept.connection.close()
        kept = _ThreadConnection(connect(), id(self))
        kept.connection.timeout = seconds
        kept.connection.request(*call)
        return self._read(kept.connection.getresponse(), kept)

    def _read(self, response: HTTPResponse, connection: _ThreadConnection) -> tuple[HTTPResponse, bytes]:
        body = response.read()
        self._kept = connection
        connection.keep()
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
