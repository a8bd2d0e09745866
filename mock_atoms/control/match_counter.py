"""The number of matching exchanges in a journal that changes."""

from collections import deque

from mock_atoms.core.slices import Steps
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.wiremock.patterns import RequestPattern


class MatchCounter:
    """Counts the exchanges in the journal that match a pattern, and matches each exchange only once.

    It starts again when exchanges were removed from the journal. It keeps a bit for each exchange, since the journal
    drops exchanges in order.

    Args:
        journal: the journal.
        pattern: the pattern.
    """

    def __init__(self, journal: Journal, pattern: RequestPattern) -> None:
        self._journal = journal
        self._pattern = pattern
        self._restart()

    def _restart(self) -> None:
        self._removals = self._journal.removals
        self._first = self._next = self._journal.first
        self._matches = 0  # the bits of the exchanges that match, from position `_first` on
        self._arriving: deque[tuple[int, Exchange]] = deque()

    def count(self) -> Steps[int]:
        """Return the number of exchanges that match. If it is closed before its end, the next count continues there."""
        if self._removals != self._journal.removals:
            self._restart()
        first = self._journal.first
        self._matches >>= first - self._first
        self._first = first
        self._next = max(self._next, first)
        for _ in range(len(self._arriving)):
            self._look_at(*self._arriving.popleft())
            yield
        for position, exchange in enumerate(self._journal.since(self._next), self._next):
            self._next = position + 1
            self._look_at(position, exchange)
            yield
        return self._matches.bit_count()

    def _look_at(self, position: int, exchange: Exchange) -> None:
        if self._pattern.awaits_body(exchange):
            self._arriving.append((position, exchange))
        elif position >= self._first and self._pattern.matches(exchange):
            self._matches |= 1 << (position - self._first)
