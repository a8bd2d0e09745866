"""The journal of servers that share a log."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.state.log_contents import outcome_json, update_outcome
from mock_atoms.state.replica import Replica

_POLL_SECONDS = 0.02
"""Pause between two looks at the log while someone watches the journal."""


def _ignore(_exchange: Exchange) -> None:
    """Do nothing."""


class ReplicatedJournal(MemoryJournal):
    """A copy of the journal that servers share. Each change goes through the log to all copies.

    Args:
        size: maximum number of exchanges; 0 turns the journal off.
        credentials: masks and compares credentials.
        replica: the connection to the log.

    Attributes:
        on_foreign_end: called with each exchange that has ended at another server.
    """

    def __init__(self, size: int, credentials: Credentials, replica: Replica) -> None:
        super().__init__(size, credentials)
        self.on_foreign_end: Callable[[Exchange], None] = _ignore
        self._replica = replica
        self._entry_ids: WeakKeyDictionary[Exchange, str] = WeakKeyDictionary()
        self._foreign: dict[str, Exchange] = {}  # those in flight, by the id of the entry that began them
        self._polling: asyncio.Task[None] | None = None
        replica.handle("update", self._update_foreign)
        replica.handle("remove", self._remove_foreign)
        replica.handle("clear", self._clear_foreign)

    def note_own(self, entry_id: str, exchange: Exchange) -> None:
        """Note the entry with which an exchange of this server begins."""
        self._entry_ids[exchange] = entry_id

    def note_foreign(self, entry_id: str, exchange: Exchange) -> None:
        """Note the entry with which an exchange of another server has begun."""
        self._foreign[entry_id] = exchange

    async def update(self, exchange: Exchange) -> None:
        """Record a change of an exchange of this server."""
        update = super().update
        await self._replica.change(
            "update", [self._entry_ids[exchange], outcome_json(exchange)], lambda: update(exchange)
        )

    async def remove(self, exchanges: Iterable[Exchange]) -> list[Exchange]:
        """Remove `exchanges`. Return those that the journal still held."""
        positions = [exchange.position for exchange in exchanges if exchange.is_in_journal]
        return await self._replica.change("remove", positions, lambda: self._remove_at(positions))

    async def clear(self) -> list[Exchange]:
        """Remove all exchanges, reset `dropped` and return the exchanges, oldest first."""
        return await self._replica.change("clear", None, self._clear)

    def watch(self, callback: Callable[[], None], key: bytes | None) -> Callable[[], None]:
        """Call `callback` after each change of an exchange with this index key, or of any exchange if it is `None`."""
        unwatch = super().watch(callback, key)
        if self._polling is None:
            self._polling = asyncio.ensure_future(self._poll())
        return unwatch

    async def _poll(self) -> None:
        try:
            while self._watchers:
                await self._replica.synchronize()
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            self._polling = None

    async def _remove_at(self, positions: list[int]) -> list[Exchange]:
        held = [self._exchanges[position] for position in positions if position in self._exchanges]
        return await super().remove(held)

    async def _clear(self) -> list[Exchange]:
        self.dropped = 0
        return await super().remove([*self])

    async def _update_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        began_with, outcome = content
        exchange = self._foreign.get(began_with)
        if exchange is None:
            return
        update_outcome(exchange, outcome)
        await super().update(exchange)
        if exchange.ended is not None:
            del self._foreign[began_with]
            self.on_foreign_end(exchange)

    async def _remove_foreign(self, _entry_id: str, positions: Any) -> None:  # noqa: ANN401 - any JSON
        await self._remove_at(positions)

    async def _clear_foreign(self, _entry_id: str, _content: Any) -> None:  # noqa: ANN401 - any JSON
        await self._clear()
