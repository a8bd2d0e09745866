"""The number of matching exchanges in a journal that changes."""

from collections import deque
from typing import Protocol, TypeVar

from mock_atoms.core.slices import Steps
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.journal.query import JournalQuery
from mock_atoms.wiremock import steps
from mock_atoms.wiremock.patterns import RequestPattern

Result = TypeVar("Result")


class Runner(Protocol):
    """Runs work in slices, see `Slices.run`."""

    async def __call__(self, steps: Steps[Result], /) -> Result:
        """Return the result of `steps`."""
        ...


class MatchCounter:
    """Counts the exchanges in the journal that match a query and a pattern, and matches each exchange only once.

    It starts again when exchanges were removed from the journal. It keeps a bit for each exchange, since the journal
    drops exchanges in order.

    Args:
        journal: the journal.
        query: the query.
        pattern: the pattern.
    """

    def __init__(self, journal: Journal, query: JournalQuery, pattern: RequestPattern) -> None:
        self._journal = journal
        self._query = query
        self._pattern = pattern
        self.key_sets = (*query.key_sets, *pattern.key_sets)
        self._restart()

    def _restart(self) -> None:
        self._removals = self._journal.removals
        self._first = self._next = self._journal.first_position
        self._matches = 0  # the bits of the exchanges that match, from position `_first` on
        self._arriving: deque[tuple[int, Exchange]] = deque()

    async def count(self, run: Runner) -> int:
        """Return the number of exchanges that match. If it is cancelled, the next count continues there."""
        if self._removals != self._journal.removals:
            self._restart()
        first = self._journal.first_position
        self._matches >>= first - self._first
        self._first = first
        self._next = max(self._next, first)
        await run(self._look_at_all(await self._journal.candidates(self.key_sets, self._next)))
        return self._matches.bit_count()

    def _look_at_all(self, exchanges: list[Exchange]) -> Steps[None]:
        for _ in range(len(self._arriving)):
            self._look_at(*self._arriving.popleft())
            yield
        total_steps = 0
        for exchange in exchanges:
            if exchange.is_in_journal:
                self._next = exchange.position + 1
                total_steps += self._look_at(exchange.position, exchange)
            if total_steps >= steps.STEPS_PER_PAUSE:
                total_steps = 0
                yield

    def _look_at(self, position: int, exchange: Exchange) -> int:
        """Match an exchange, and return the number of steps that this took."""
        if position < self._first or not self._query.matches(exchange):
            return 1
        if self._pattern.awaits_body(exchange):
            self._arriving.append((position, exchange))
            return 1
        is_match, number = self._pattern.compare(exchange)
        if is_match:
            self._matches |= 1 << (position - self._first)
        return number
