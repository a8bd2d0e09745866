"""Connections that a client keeps between its calls, one for each thread."""

import os
import threading
from collections.abc import Callable
from http.client import HTTPConnection
from typing import TypeVar

Result = TypeVar("Result")


class _Kept:
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


class KeptConnections(threading.local):
    """Connections to one server. Each thread of each process has its own."""

    _kept: _Kept | None = None

    def use(
        self, connect: Callable[[], HTTPConnection], seconds: float, exchange: Callable[[HTTPConnection], Result]
    ) -> Result:
        """Return the result of `exchange` on the connection of this thread.

        If the server has closed the connection, which it does when it is idle, `exchange` is called again on a new one.

        Args:
            connect: returns a new connection.
            seconds: timeout for each part of the response.
            exchange: sends a request and reads its response.
        """
        kept, self._kept = self._kept, None  # an exception drops the connection: a response may be under way
        if kept is not None and kept.process_id == os.getpid() and kept.connection.sock is not None:
            kept.connection.sock.settimeout(seconds)
            try:
                result = exchange(kept.connection)
            except ConnectionError:
                kept.connection.close()
            else:
                self._kept = kept
                return result
        kept = _Kept(connect())
        kept.connection.timeout = seconds
        result = exchange(kept.connection)
        self._kept = kept
        return result
