"""A listening socket that survives the end of the file descriptors."""

import errno
import math
import os
import socket
import time
from typing import Any

from mock_atoms.journal.access_log import LOGGER, EventLine

_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}
_QUIET_SECONDS = 10
"""Time between two lines of the log."""


class Listener(socket.socket):
    """A listening socket. If the process has no file descriptor left, it closes new connections.

    asyncio would log thousands of errors a second instead of serving requests. uvloop closes them by itself.

    Args:
        family: its address family.
        fileno: file descriptor of an existing socket; a new one by default.
    """

    __slots__ = ("_logged_at", "_spare")

    def __init__(self, family: int, fileno: int | None = None) -> None:
        # Without the protocol, asyncio does not know that its connections need TCP_NODELAY.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno)
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)
        self._logged_at = -math.inf

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection and its address.

        Raises:
            BlockingIOError: there is none, or it has been closed.
        """
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR:
                raise
            self._close_next()
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None

    def _close_next(self) -> None:
        """Close the next connection with the spare file descriptor."""
        now = time.monotonic()
        if now >= self._logged_at + _QUIET_SECONDS:
            self._logged_at = now
            LOGGER.warning(EventLine({"cause": "no file descriptor is left: new connections are closed"}))
        self._close_spare()
        try:
            connection, _ = super().accept()
            connection.close()
        except OSError:
            pass
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY)
        except OSError:
            self._spare = None

    def _close_spare(self) -> None:
        spare, self._spare = self._spare, None  # two threads must not close it: its number may be in use again
        if spare is not None:
            os.close(spare)

    def close(self) -> None:
        """Close the socket and the spare file descriptor."""
        self._close_spare()
        super().close()
