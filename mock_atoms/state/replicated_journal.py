"""The journal of servers that share a log."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.slices import start_outside_request
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.events import EventLog
from mock_atoms.journal.exchange import NO_RESPONSE, RESPONDED, STORE_UNAVAILABLE, Exchange
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.journal.recorded_body import NO_BODY, RecordedBody
from mock_atoms.state.log_contents import has_ended, outcome_json, update_outcome
from mock_atoms.state.replica import Replica

MAX_KEPT_ENTRIES = 200_000
"""The journal drops an exchange that started more than this many log entries ago, so that the log can be trimmed."""
MAX_UNCONFIRMED = 10_000
"""Number of exchanges whose end is recorded later, when the log is available again."""
_POLL_SECONDS = 0.02
"""Pause between two reads of the log while a client watches the journal."""
_REPEAT_SECONDS = 0.2


def _ignore(_exchange: Exchange) -> None:
    """Do nothing."""


class ReplicatedJournal(MemoryJournal):
    """A copy of the journal that servers share. Each change goes through the log to all copies.

    Args:
        size: maximum number of exchanges; 0 turns the journal off.
        credentials: masks and compares credentials.
        replica: the connection to the log.

    Attributes:
        on_foreign_end: called with each exchange that has ended at another server, or without a confirmation.
    """

    def __init__(self, size: int, credentials: Credentials, replica: Replica) -> None:
        super().__init__(size, credentials, events=EventLog(self._position))
        self.on_foreign_end: Callable[[Exchange], None] = _ignore
        self._replica = replica
        self._entry_ids: WeakKeyDictionary[Exchange, str] = WeakKeyDictionary()
        self._in_flight: dict[str, tuple[int, Exchange]] = {}  # of all servers: start and exchange, by id of the entry
        self._bodies: WeakValueDictionary[bytes, RecordedBody] = WeakValueDictionary()  # by content
        self._unconfirmed: deque[list[Any]] = deque(maxlen=MAX_UNCONFIRMED)
        self._recording: asyncio.Task[None] | None = None
        self._polling: asyncio.Task[None] | None = None
        self._restored_starts: dict[str, Any] = {}  # see `as_json`, by position
        self._polls = 0  # number of active watchers
        self._is_end = False  # whether the exchange that is being updated ends
        super().watch(self._record_event, None)  # a client may continue at any server
        replica.handle("update", self._update_foreign)
        replica.handle("remove", self._remove_foreign)
        replica.handle("clear", self._clear_foreign)

    def add(self, exchange: Exchange) -> None:
        """Record an exchange. Its position is that of its entry in the log."""
        self._next = self._replica.applying
        super().add(exchange)
        while self._exchanges and self.first_needed() < self._replica.applying - MAX_KEPT_ENTRIES:
            self._drop_oldest()

    def first_needed(self) -> int:
        """Return the position of the first log entry that a server needs to have the same exchanges."""
        return next(iter(self._exchanges), self._replica.position + 1)

    def as_json(self) -> list[Any]:
        """Return the journal's part of a snapshot: what the log entries since `first_needed` cannot restore.

        That is `dropped`, and the id, faults and delay of each exchange in flight, or to which the store was
        unavailable.
        """
        starts = {
            position: [exchange.id, exchange.faults, exchange.delay_ms]
            for position, exchange in self._exchanges.items()
            if exchange.ended is None or exchange.reason == STORE_UNAVAILABLE
        }
        return [self.dropped, starts]

    async def restore(self, content: list[Any]) -> None:
        """Reset this copy to what `as_json` returned. The exchanges follow from the log."""
        self._in_flight.clear()
        await self.clear_copy()
        self.dropped, self._restored_starts = content
        self.events.interrupt()

    def restore_start(self, entry_id: str, exchange: Exchange) -> None:
        """Record an exchange that began before a snapshot."""
        self.note_start(entry_id, exchange)
        start = self._restored_starts.get(str(self._replica.applying))
        if start is not None:
            exchange.id, faults, exchange.delay_ms = start
            exchange.faults = tuple(faults)
        self.add(exchange)

    def note_own(self, entry_id: str, exchange: Exchange) -> None:
        """Note the entry with which an exchange of this server begins."""
        self._entry_ids[exchange] = entry_id

    def note_start(self, entry_id: str, exchange: Exchange) -> None:
        """Note the entry with which an exchange of any server begins. Forget an old one: its server was killed.

        An exchange that a client has removed from the journal is not forgotten: its end counts in the metrics.
        """
        position = self._replica.applying
        self._in_flight[entry_id] = position, exchange
        oldest_id, (oldest, _) = next(iter(self._in_flight.items()))
        if oldest < position - MAX_KEPT_ENTRIES:  # the journal drops it now at the latest
            del self._in_flight[oldest_id]

    def _started_with(self, entry_id: str) -> Exchange | None:
        """Return the exchange in flight that began with an entry; `None` if it has ended, or is forgotten."""
        return self._in_flight.get(entry_id, (0, None))[1]

    async def update(self, exchange: Exchange) -> None:
        """Record a change of an exchange of this server.

        Raises:
            StoreUnavailableError: the log did not confirm it. If the change is its end, it is recorded later that the
                store was unavailable.
        """
        outcome = outcome_json(exchange)
        content = [self._entry_ids[exchange], outcome]
        try:
            await self._replica.change("update", content, lambda: self._update(exchange, content))
        except StoreUnavailableError:
            if has_ended(outcome):  # the exchange itself may have ended since then
                self.give_up(exchange)
            raise

    def give_up(self, exchange: Exchange) -> None:
        """Record that the store was unavailable to an exchange of this server, as soon as the log is available."""
        if exchange.ended in (None, RESPONDED):
            exchange.status, exchange.reason, exchange.ended = (
                HTTPStatus.SERVICE_UNAVAILABLE.value,
                STORE_UNAVAILABLE,
                RESPONDED,
            )
            exchange.response_head, exchange.response_body, exchange.bytes_sent = NO_RESPONSE, NO_BODY, 0
            exchange.ended_at = exchange.ended_at or exchange.started_at
        self._unconfirmed.append([self._entry_ids[exchange], outcome_json(exchange)])
        if self._recording is None:
            self._recording = start_outside_request(self._record_unconfirmed())

    async def _record_unconfirmed(self) -> None:
        try:
            while self._unconfirmed:
                content = self._unconfirmed.popleft()
                try:
                    await self._replica.change("update", content, lambda: self._update_foreign("", content))  # noqa: B023 - it is applied or dropped before the next one
                except StoreUnavailableError:
                    if len(self._unconfirmed) < MAX_UNCONFIRMED:  # otherwise it would remove the newest one
                        self._unconfirmed.appendleft(content)
                    await asyncio.sleep(_REPEAT_SECONDS)
        finally:
            self._recording = None

    async def remove(self, exchanges: Iterable[Exchange]) -> list[Exchange]:
        """Remove `exchanges`. Return those that the journal still held."""
        positions = [exchange.position for exchange in exchanges if exchange.is_in_journal]
        return await self._replica.change("remove", positions, lambda: self._remove_at(positions))

    async def clear(self) -> list[Any]:
        """Remove all exchanges, reset `dropped` and return what is no longer kept."""
        return await self._replica.change("clear", None, self.clear_copy)

    def _position(self) -> tuple[int, bool]:
        """Return the position of the entry that is being applied, and whether the restored snapshot lacks it."""
        replica = self._replica
        return max(replica.applying, replica.restored), not replica.is_restoring

    def _record_event(self, exchange: Exchange) -> None:
        self.events.record(exchange, has_ended=self._is_end)

    def follow(self) -> Callable[[], None]:
        """Apply changes of other servers soon, until the returned function is called. Events are always recorded."""
        return self._start_polling()

    def watch(self, callback: Callable[[Exchange], None], key: bytes | None) -> Callable[[], None]:
        """Call `callback` after each change of an exchange with this index key, or of any exchange if it is `None`."""
        unwatch, stop_polling = super().watch(callback, key), self._start_polling()

        def stop() -> None:
            unwatch()
            stop_polling()

        return stop

    def _start_polling(self) -> Callable[[], None]:
        self._polls += 1
        if self._polling is None:
            self._polling = start_outside_request(self._poll())

        def stop() -> None:
            self._polls -= 1

        return stop

    async def _poll(self) -> None:
        try:
            while self._polls:
                with suppress(StoreUnavailableError):  # the clients wait until it is there again
                    await self._replica.synchronize()
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            self._polling = None

    async def _remove_at(self, positions: list[int]) -> list[Exchange]:
        held = [self._exchanges[position] for position in positions if position in self._exchanges]
        return await super().remove(held)

    async def clear_copy(self) -> list[Any]:
        """Remove all exchanges from this copy alone, and return what is no longer kept."""
        return await super().clear()

    async def _update(self, exchange: Exchange, content: list[Any]) -> None:
        started_with, outcome = content
        if self._started_with(started_with) is None:
            return  # the journal has dropped it
        await self._apply_update(exchange, outcome)
        if has_ended(outcome):
            del self._in_flight[started_with]

    async def _apply_update(self, exchange: Exchange, outcome: Any) -> None:  # noqa: ANN401 - any JSON
        self._is_end = has_ended(outcome)  # the exchange itself may end before an earlier update is confirmed
        if exchange.is_in_journal:
            logged = exchange
            if not self._is_end and exchange in self._entry_ids:
                logged = replace(exchange)
                update_outcome(logged, outcome)
            self._update_weight(exchange, logged, self._share(logged.response_body))
        self._is_end = False

    def _share(self, body: RecordedBody) -> RecordedBody:
        """Return the first of all equal bodies, so that each server counts their memory once.

        `body` gets the bytes of the first one. The exchange keeps `body` itself, which the response cache compares by
        identity.
        """
        shared = self._bodies.setdefault(body.content, body)
        body.content = shared.content
        return shared

    async def _update_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        started_with, outcome = content
        exchange = self._started_with(started_with)
        if exchange is None:
            return
        if has_ended(outcome) or exchange not in self._entry_ids:  # an exchange of this server is newer until it ends
            update_outcome(exchange, outcome)
        if exchange.is_in_journal:
            self._by_id[exchange.id] = exchange  # it had none if it began before a snapshot
        await self._apply_update(exchange, outcome)
        if has_ended(outcome):
            del self._in_flight[started_with]
            self.on_foreign_end(exchange)

    async def _remove_foreign(self, _entry_id: str, positions: Any) -> None:  # noqa: ANN401 - any JSON
        await self._remove_at(positions)

    async def _clear_foreign(self, _entry_id: str, _content: Any) -> None:  # noqa: ANN401 - any JSON
        await self.clear_copy()
