"""Queries of the request journal for one request of the control API."""

from collections.abc import Sequence
from typing import TypeVar

from starlette.requests import Request

from mock_atoms.control.long_work import run_steps
from mock_atoms.core.slices import Steps
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.numbering import NumberedExchange, caller_keys, number_attempts
from mock_atoms.journal.query import JournalQuery
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.patterns import RequestPattern

Result = TypeVar("Result")


class JournalReader:
    """Reads the request journal for one request, in slices, while its client is connected.

    Args:
        mock: the server.
        request: the request.

    Attributes:
        journal: the journal.
        body_cap: number of bytes that the journal keeps of a body.
    """

    def __init__(self, mock: MockAtoms, request: Request) -> None:
        self._mock = mock
        self._request = request
        self.journal = mock.journal
        self.body_cap = mock.settings.journal_body

    async def run(self, steps: Steps[Result]) -> Result:
        """Return the result of `steps`, see `run_steps`."""
        return await run_steps(self._mock, self._request, steps)

    async def select(self, query: JournalQuery, pattern: RequestPattern | None = None) -> list[Exchange]:
        """Return the exchanges that match a query and a request pattern, oldest first."""
        key_sets = query.key_sets if pattern is None else (*query.key_sets, *pattern.key_sets)
        exchanges = await self.journal.candidates(key_sets)
        if query != JournalQuery():
            exchanges = await self.run(query.select(exchanges))
        return exchanges if pattern is None else await self.run(pattern.select(exchanges))

    async def number(self, exchanges: Sequence[Exchange]) -> list[NumberedExchange]:
        """Return exchanges with their attempt numbers, in the same order."""
        keys = caller_keys(exchanges)
        candidates = await self.journal.candidates((keys,)) if keys else []
        return await self.run(number_attempts(exchanges, candidates))
