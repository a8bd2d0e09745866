"""The number of matching exchanges in a journal that changes."""

import asyncio
from heapq import heappop, heappush
from typing import Protocol, TypeVar

from mock_atoms.core.slices import Steps
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.journal.query import JournalQuery
from mock_atoms.wiremock import steps
from mock_atoms.wiremock.patterns import PatternScan, RequestPattern

Result = TypeVar("Result")


class Runner(Protocol):
    """Runs work in slices, see `Slices.run`."""

    async def __call__(self, steps: Steps[Result], /) -> Result:
        """Return the result of `steps`."""
        ...


class MatchCounter:
    """Counts the exchanges in the journal that match a query and a pattern.

    It matches each exchange once, however many clients count. Exchanges in flight are matched in each count if their
    match may still change. It starts again when exchanges were removed from the journal.

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
        self._turn = asyncio.Lock()  # counts continue where others were left
        self._restart()

    def _restart(self) -> None:
        self._removals = self._journal.removals
        self._next = 0  # the first position that it has not looked at
        self._matches: list[int] = []  # a heap of positions: the journal drops exchanges in their order
        self._in_flight: dict[Exchange, bool] = {}  # whether they match so far

    async def count(self, run: Runner) -> int:
        """Return the number of exchanges that match. If it is cancelled, the next count continues there."""
        async with self._turn:
            if self._removals != self._journal.removals:
                self._restart()
            await run(self._look_at_all(await self._journal.candidates(self.key_sets, self._next)))
            return len(self._matches) + sum(self._in_flight.values())

    def _look_at_all(self, exchanges: list[Exchange]) -> Steps[None]:
        scan = PatternScan(self._pattern)
        for exchange in [*self._in_flight]:
            self._look_at(exchange, scan)
            yield
        total_steps = 0
        for exchange in exchanges:
            if exchange.is_in_journal:
                total_steps += self._look_at(exchange, scan)
                self._next = exchange.position + 1
            if total_steps >= steps.STEPS_PER_PAUSE:
                total_steps = 0
                yield
        while self._matches and self._matches[0] < self._journal.first_position:
            heappop(self._matches)
            yield

    def _look_at(self, exchange: Exchange, scan: PatternScan) -> int:
        """Match an exchange, and return the number of steps that this took. An error leaves it for the next count."""
        if not exchange.is_in_journal:
            del self._in_flight[exchange]
            return 1
        is_match, number = scan.compare(exchange) if self._query.matches(exchange) else (False, 1)
        self._in_flight.pop(exchange, None)
        if self._may_change(exchange):
            self._in_flight[exchange] = is_match
        elif is_match:
            heappush(self._matches, exchange.position)
        return number

    def _may_change(self, exchange: Exchange) -> bool:
        if exchange.ended_at is not None:
            return False
        return self._query.depends_on_response or self._pattern.awaits_body(exchange)
