"""A shared log in memory, and servers that share it."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.state.shared_log import LogEntry, LogPage, LogTrimmedError

Failure = Literal["unreachable", "lost reply"]


class MemoryLog:
    """A `SharedLog` of servers in one process.

    Args:
        page_size: number of entries a page.

    Attributes:
        round_trips: number of calls.
        texts: contents of the entries that were not removed.
        snapshots: all snapshots, oldest first.
        failures: what the next calls do: `unreachable` changes nothing, and after `lost reply` the entries are there.
        refused_kind: kind of entries with which calls fail.
        refusal_seconds: how long such a call takes.
    """

    secret = b"s" * 32

    def __init__(self, page_size: int = 1_000) -> None:
        self.round_trips = 0
        self.texts: list[bytes] = []
        self.snapshots: list[bytes] = []
        self.failures: list[Failure | None] = []
        self.refused_kind: str | None = None
        self.refusal_seconds = 0.0
        self._page_size = page_size
        self._trimmed = 0

    async def append(self, texts: Sequence[bytes], after: int) -> LogPage:
        """Append entries, and return those after a position."""
        self.round_trips += 1
        failure = self.failures.pop(0) if self.failures else None
        is_refused = any(f'["{self.refused_kind}",'.encode() in text for text in texts)
        if is_refused and self.refusal_seconds:
            await asyncio.sleep(self.refusal_seconds)
        if is_refused or failure == "unreachable":
            raise StoreUnavailableError("the store is unreachable")
        if after < self._trimmed:
            raise LogTrimmedError
        self.texts += texts
        if failure == "lost reply":
            raise StoreUnavailableError("the store did not respond")
        start = after - self._trimmed
        found = self.texts[start : start + self._page_size]
        entries = [LogEntry(after + number, text) for number, text in enumerate(found, 1)]
        return LogPage(entries, start + len(entries) == len(self.texts))

    async def save_snapshot(self, snapshot: bytes, before: int) -> None:
        """Replace the snapshot, and remove the entries before a position."""
        if before > self._trimmed:
            self.snapshots.append(snapshot)
        del self.texts[: max(0, before - 1 - self._trimmed)]
        self._trimmed = max(self._trimmed, before - 1)

    async def close(self) -> None:
        """Do nothing."""

    async def load_snapshot(self) -> bytes | None:
        """Return the snapshot; `None` if there is none yet."""
        return self.snapshots[-1] if self.snapshots else None
