"""The log that several servers share: every change of the state, in one order for all of them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mock_atoms.core.errors import StoreUnavailableError


class LogTrimmedError(StoreUnavailableError):
    """The next entries were removed from the log. A snapshot has what they did."""


class LogLostError(StoreUnavailableError):
    """The store lost entries that it had confirmed. A server that has read them cannot use the log any more."""


class LogEntry(NamedTuple):
    """An entry of a shared log.

    Attributes:
        position: its place, which grows by 1 with each entry.
        text: its content.
    """

    position: int
    text: bytes


class LogPage(NamedTuple):
    """Consecutive entries of a shared log.

    Attributes:
        entries: the entries.
        is_last: whether no entry followed when they were read.
    """

    entries: list[LogEntry]
    is_last: bool


class SharedLog(Protocol):
    """A log of entries that several servers append to and read. The first entry has position 1.

    A snapshot of the state after an entry makes room: entries that no server needs any more are removed.

    Attributes:
        secret: 32 random bytes, the same for all servers that share the log.
    """

    secret: bytes

    async def append(self, texts: Sequence[bytes], after: int) -> LogPage:
        """Append entries in one step, all or nothing, and return the first entries after a position.

        Args:
            texts: contents of the new entries, which may be none.
            after: a position, 0 for the start.

        Raises:
            LogTrimmedError: the first of these entries were removed. Nothing is appended.
            LogLostError: confirmed entries are missing. Nothing is appended.
            StoreUnavailableError: the store did not confirm it in time. Then either the entries are in the log
                already, or they never will be.
        """
        ...

    async def save_snapshot(self, snapshot: bytes, before: int) -> None:
        """Replace the snapshot, unless it is newer, and remove the entries before a position.

        Raises:
            StoreUnavailableError: the store did not confirm it in time.
        """
        ...

    async def close(self) -> None:
        """Close the connection. The next call opens a new one, possibly in another event loop."""
        ...

    async def load_snapshot(self) -> bytes | None:
        """Return the snapshot; `None` if there is none yet.

        Raises:
            StoreUnavailableError: the store did not respond in time.
        """
        ...
