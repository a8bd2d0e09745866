"""A shared log in memory, and servers that share it."""

from collections.abc import Sequence

from mock_atoms.state.shared_log import LogEntry, LogPage


class MemoryLog:
    """A `SharedLog` of servers in one process.

    Args:
        page_size: number of entries a page.

    Attributes:
        round_trips: number of calls.
    """

    secret = b"s" * 32

    def __init__(self, page_size: int = 1_000) -> None:
        self.round_trips = 0
        self.texts: list[bytes] = []
        self._page_size = page_size

    async def append(self, texts: Sequence[bytes], after: int) -> LogPage:
        """Append entries, and return those after a position."""
        self.round_trips += 1
        self.texts += texts
        found = self.texts[after : after + self._page_size]
        entries = [LogEntry(after + number, text) for number, text in enumerate(found, 1)]
        return LogPage(entries, after + len(entries) == len(self.texts))
