"""Limits that all connections share: their number, and the bytes that wait in them."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.utils import get_remote_addr

from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.serving.deadline import Deadline
from mock_atoms.serving.refusal import Refusal, log_connection

MAX_CONNECTIONS = 5_120
"""Maximum number of open connections."""
CONNECTION_BYTES = 16 * 1024
"""Estimated memory of a connection in which no bytes wait."""
MAX_WAITING_BYTES = 128 * 1024 * 1024
"""Maximum size of the responses that clients do not read, and of the bytes that wait behind requests."""
_OTHER_DESCRIPTORS = 32
"""File descriptors that the process needs besides those of connections."""


def max_connections() -> int:
    """Return `MAX_CONNECTIONS`, or fewer if the limit of file descriptors is lower."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return MAX_CONNECTIONS
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, descriptors - _OTHER_DESCRIPTORS))


class ConnectionLimits:
    """Counts the connections of a server, and the bytes that wait in them.

    Args:
        max_connections: maximum number of connections.
    """

    def __init__(self, max_connections: int = MAX_CONNECTIONS) -> None:
        self.max_connections = max_connections
        self._is_full = False
        self._waiting: dict[WaitingBytes, int] = {}
        self._waiting_bytes = 0

    def refusal(self, count: int) -> Refusal | None:
        """Return the refusal of a new connection if it is one too many of `count`, otherwise `None`.

        Only the first one is logged, until other connections were accepted again.
        """
        was_full, self._is_full = self._is_full, count > self.max_connections
        if self._is_full and not was_full:
            cause = f"more than {self.max_connections} connections are open: new ones are refused"
            LOGGER.warning(EventLine({"cause": cause}))
        if not self._is_full:
            return None
        cause = f"more than {self.max_connections} connections are open: close some, or use them for several requests"
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, cause)

    def set_waiting(self, connection: "WaitingBytes", size: int) -> None:
        """Set how many bytes wait in `connection`. If there are too many, those that waited longest are aborted."""
        self._waiting_bytes += size - self._waiting.get(connection, 0)
        if size == 0:
            self._waiting.pop(connection, None)
            return
        self._waiting[connection] = size
        while self._waiting_bytes > MAX_WAITING_BYTES and len(self._waiting) > 1:
            oldest = next(iter(self._waiting))
            self.set_waiting(oldest, 0)
            oldest.abort(f"more than {MAX_WAITING_BYTES} bytes wait in all connections, and this one waited longest")


class WaitingBytes:
    """The bytes that wait in one connection: unread parts of responses, and what follows a request.

    Args:
        limits: the limits that all connections share.
        timeout: seconds for the client to read more.
        transport: the transport of the connection.
    """

    def __init__(self, limits: ConnectionLimits, timeout: float, transport: asyncio.Transport) -> None:
        self._limits = limits
        self._timeout = timeout
        self._transport = transport
        self._deadline = Deadline(asyncio.get_running_loop(), self._on_deadline)
        self._received = self._unread = 0

    def set_received(self, size: int) -> None:
        """Set how many received bytes wait behind a request."""
        self._received = size
        self._limits.set_waiting(self, size + self._unread)

    def start_reading(self) -> None:
        """The client has to read more within the timeout, again and again."""
        self._unread = self._transport.get_write_buffer_size()
        self._limits.set_waiting(self, self._received + self._unread)
        self._deadline.set(self._timeout)

    def end_reading(self) -> None:
        """The client has read enough."""
        self._unread = 0
        self._limits.set_waiting(self, self._received)
        self._deadline.clear()

    def abort(self, cause: str) -> None:
        """Close the connection immediately, without what waits, and log the cause."""
        log_connection(get_remote_addr(self._transport), cause)
        self._transport.abort()

    def close(self) -> None:
        """Nothing waits any more."""
        self._limits.set_waiting(self, 0)
        self._deadline.cancel()

    def _on_deadline(self) -> None:
        before = self._unread
        self.start_reading()
        if self._unread >= before:
            self.abort(f"the client read nothing for {self._timeout:g} s")
