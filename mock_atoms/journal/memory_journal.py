"""The request journal in memory, indexed by credential and test id."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mock_atoms.contract.violations import violations_bytes
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.events import REQUESTS_CLEARED, REQUESTS_REMOVED, EventLog
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.query import IndexKeys, KeySets
from mock_atoms.journal.recorded_body import NO_BODY, WEIGHT_UNIT, RecordedBody, weight_of

MAX_JOURNAL_BYTES = 64 * 1024 * 1024
"""Number of bytes of URLs, headers and bodies that the journal keeps in total."""
_EXCHANGE_WEIGHT = 1_500 // WEIGHT_UNIT  # estimated weight of an exchange without headers, index keys and body

_IDS_PER_EVENT = 1_000
_ID_BYTES = 100  # estimated memory of an id in an event

_MAX_MERGED_SHARE = 1 / 8
"""Share of the journal from which on a search with many keys returns all exchanges: to sort them takes longer."""


class MemoryJournal:
    """A `Journal` in memory. Not thread-safe: one event loop owns it.

    Args:
        size: maximum number of exchanges; 0 turns the journal off.
        credentials: masks and compares credentials.
        max_bytes: approximate maximum size of all exchanges.
        events: records what changes; a new log by default.
    """

    def __init__(
        self,
        size: int,
        credentials: Credentials,
        max_bytes: int = MAX_JOURNAL_BYTES,
        events: EventLog | None = None,
    ) -> None:
        self.size = size
        self.credentials = credentials
        self.dropped = 0
        self.removals = 0
        self.first_position = 0
        self._next = 0
        self._max_weight = max_bytes // WEIGHT_UNIT
        self._weight = 0
        self._body_uses: dict[RecordedBody, int] = {}  # number of exchanges with each response body
        self._exchanges: OrderedDict[int, Exchange] = OrderedDict()
        self._by_id: dict[str, Exchange] = {}
        self._by_key: defaultdict[bytes, dict[int, Exchange]] = defaultdict(dict)
        self._watchers: dict[bytes | None, list[Callable[[Exchange], None]]] = {}
        self.events = EventLog() if events is None else events

    def __iter__(self) -> Iterator[Exchange]:
        """Yield the exchanges, oldest first. Nothing may be recorded meanwhile, see `candidates`."""
        return iter(self._exchanges.values())

    async def count(self) -> int:
        """Return the number of exchanges."""
        return len(self._exchanges)

    @property
    def is_off(self) -> bool:
        """Whether the journal records nothing."""
        return self.size == 0

    @property
    def size_bytes(self) -> int:
        """Memory of all exchanges, approximately."""
        return self._weight * WEIGHT_UNIT

    def add(self, exchange: Exchange) -> None:
        """Record an exchange, with the next position."""
        if self.size == 0:
            return
        position = exchange.position = self._next
        self._next = position + 1
        self._exchanges[position] = exchange
        self._by_id[exchange.id] = exchange
        for key in exchange.head.index_keys:
            self._by_key[key][position] = exchange
        self._update_weight(exchange, exchange, exchange.response_body)

    async def update(self, exchange: Exchange) -> None:
        """Adapt to a change of `exchange` and notify the watchers, if the journal still holds it."""
        if exchange.is_in_journal:
            self._update_weight(exchange, exchange, exchange.response_body)

    def holds(self, position: int) -> bool:
        """Return whether the journal holds the exchange at a position."""
        return position in self._exchanges

    async def candidates(self, key_sets: KeySets, start: int = 0) -> list[Exchange]:
        """Return at least the exchanges with a key of each set, oldest first, from position `start` on."""
        if not key_sets:
            return self._from(start, self._exchanges)
        keys = key_sets[0] if len(key_sets) == 1 else min(key_sets, key=self._count)
        found = [self._by_key[key] for key in keys if key in self._by_key]
        if len(found) == 1:
            return self._from(start, found[0])
        if sum(map(len, found)) > len(self._exchanges) * _MAX_MERGED_SHARE:
            return self._from(start, self._exchanges)
        merged = {position: exchange for exchanges in found for position, exchange in exchanges.items()}
        return [merged[position] for position in sorted(merged) if position >= start]

    def _count(self, keys: IndexKeys) -> int:
        return sum(len(self._by_key[key]) for key in keys if key in self._by_key)

    def _from(self, start: int, exchanges: dict[int, Exchange]) -> list[Exchange]:
        """Return the exchanges from position `start` on. They are sorted by position."""
        if start <= self.first_position:
            return [*exchanges.values()]
        latest = []
        for exchange in reversed(exchanges.values()):
            if exchange.position < start:
                break
            latest.append(exchange)
        return latest[::-1]

    async def find(self, exchange_id: str) -> Exchange | None:
        """Return the latest exchange with this id, or `None` if there is none, or if it was removed."""
        return self._by_id.get(exchange_id)

    async def remove(self, exchanges: Iterable[Exchange]) -> list[Exchange]:
        """Remove `exchanges`. Return those that the journal still held."""
        removed = self._remove(exchanges)
        if removed and self.events.is_recording:
            for start in range(0, len(removed), _IDS_PER_EVENT):
                ids = [exchange.id for exchange in removed[start : start + _IDS_PER_EVENT]]
                self.events.publish(REQUESTS_REMOVED, {"ids": ids}, size_bytes=_ID_BYTES * len(ids))
        return removed

    async def clear(self) -> list[Any]:
        """Remove all exchanges, reset `dropped` and return what is no longer kept: the exchanges and their indexes."""
        self.dropped = 0
        removed: list[Any] = [*self._exchanges.values()]
        for exchange in removed:
            exchange.position = -1
        self.removals += bool(removed)
        removed += [self._exchanges, self._by_id, *self._by_key.values(), self._by_key]
        self._exchanges, self._by_id, self._by_key = OrderedDict(), {}, defaultdict(dict)
        self._weight, self._body_uses = 0, {}
        self.events.publish(REQUESTS_CLEARED, {})
        return removed

    def _remove(self, exchanges: Iterable[Exchange]) -> list[Exchange]:
        removed = [exchange for exchange in exchanges if exchange.is_in_journal]
        for exchange in removed:
            del self._exchanges[exchange.position]
            self._release(exchange)
        if removed:
            self.removals += 1
        return removed

    def follow(self) -> Callable[[], None]:
        """Record events until the returned function is called."""
        self.events.start()
        unwatch = self.watch(self._record_event, None)

        def stop() -> None:
            unwatch()
            self.events.stop()

        return stop

    def _record_event(self, exchange: Exchange) -> None:
        self.events.record(exchange, has_ended=exchange.ended is not None)

    def watch(self, callback: Callable[[Exchange], None], key: bytes | None) -> Callable[[], None]:
        """Call `callback` after each change of an exchange with this index key, or of any exchange if it is `None`.

        Returns a function that unsubscribes.
        """
        self._watchers.setdefault(key, []).append(callback)

        def unwatch() -> None:
            callbacks = self._watchers[key]
            callbacks.remove(callback)
            if not callbacks:
                del self._watchers[key]

        return unwatch

    def _update_weight(self, exchange: Exchange, content: Exchange, body: RecordedBody) -> None:
        """Adapt to a change of `exchange`, and drop the oldest exchanges beyond the limits.

        Args:
            exchange: the exchange.
            content: has what counts: the same exchange, or a copy.
            body: its response body, which counts once for all exchanges that have this object.
        """
        weight = _EXCHANGE_WEIGHT + content.head.weight + weight_of(len(content.body)) + content.response_head.weight
        if content.later_violations:
            weight += weight_of(violations_bytes(content.later_violations))
        self._weight += weight - exchange.weight
        exchange.weight = weight
        if body is not exchange.counted_body:
            if exchange.counted_body is not NO_BODY:
                self._discount_body(exchange)
            exchange.counted_body = body
            if body in self._body_uses:
                self._body_uses[body] += 1
            else:
                self._body_uses[body] = 1
                self._weight += body.weight
        exchanges = self._exchanges
        while len(exchanges) > self.size or (self._weight > self._max_weight and len(exchanges) > 1):
            self._drop_oldest()
        if self._watchers:
            self._notify(exchange)

    def _discount_body(self, exchange: Exchange) -> None:
        """Forget the response body of an exchange, which others may share."""
        body = exchange.counted_body
        exchange.counted_body = NO_BODY
        self._body_uses[body] -= 1
        if not self._body_uses[body]:
            del self._body_uses[body]
            self._weight -= body.weight

    def _drop_oldest(self) -> None:
        position, oldest = self._exchanges.popitem(last=False)
        self._release(oldest)
        self.first_position = position + 1
        self.dropped += 1

    def _release(self, exchange: Exchange) -> None:
        """Forget an exchange that is no longer in `_exchanges`."""
        self._weight -= exchange.weight
        if exchange.counted_body is not NO_BODY:
            self._discount_body(exchange)
        position, exchange.position = exchange.position, -1
        if self._by_id.get(exchange.id) is exchange:  # ids repeat after a reset
            del self._by_id[exchange.id]
        for key in exchange.head.index_keys:
            exchanges = self._by_key[key]
            del exchanges[position]
            if not exchanges:
                del self._by_key[key]

    def _notify(self, exchange: Exchange) -> None:
        for key in (None, *exchange.head.index_keys):
            for callback in self._watchers.get(key, ()):
                callback(exchange)
