"""The retry report."""

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.journal_models import RetryReport
from mock_atoms.control.journal_reader import JournalReader
from mock_atoms.control.journal_waiter import MAX_WAIT_MS, JournalWaiter, waited_keys
from mock_atoms.control.long_work import LongResponse, long_json
from mock_atoms.control.parsing import TenantQuery, up_to
from mock_atoms.journal.calls import MAX_PAUSE_MS, MIN_BACKOFF_MS, is_attributable
from mock_atoms.journal.grouping import group_calls
from mock_atoms.journal.retries import RetrySettings
from mock_atoms.journal.retry_report import report, text_lines
from mock_atoms.mock import MockAtoms

IN_FLIGHT_WAIT_MS = 250
"""How long the report waits for requests in flight by default: a server notices late that a client has given up."""
MAX_BACKOFF_MS = 1_000_000
JOURNAL_IS_OFF = "the journal is off: start the server without --journal-size 0\n"


class RetryQuery(TenantQuery):
    """Parameters of the retry report."""

    timeout_ms: Annotated[
        int, up_to(MAX_WAIT_MS), Field(description="How long to wait for requests that are in flight.")
    ] = IN_FLIGHT_WAIT_MS
    patience_ms: Annotated[
        int, up_to(MAX_WAIT_MS), Field(description="How long after a failure a client may still retry.")
    ] = 0
    min_backoff_ms: Annotated[
        int, up_to(MAX_BACKOFF_MS), Field(description="A shorter pause before a retry counts as no backoff.")
    ] = MIN_BACKOFF_MS
    new_call_after_ms: Annotated[
        int, up_to(MAX_WAIT_MS), Field(description="A request after a longer pause starts a new call.")
    ] = MAX_PAUSE_MS
    format: Annotated[Literal["json", "text"], Field(description="JSON, or readable text.")] = "json"


class RetryEndpoints:
    """The endpoint that returns the retry report."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock
        self._waiter = JournalWaiter(mock)

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        retries = Endpoint(
            "GET",
            "/retries",
            self.retries,
            "Report how clients retried",
            RetryReport,
            query=RetryQuery,
            has_text_format=True,
        )
        return EndpointGroup("Retries", "Did clients retry correctly?", (retries,))

    async def retries(self, request: Request) -> Response:
        """Return each call (a first request and its retries) with its outcome and with what the client did wrong."""
        query = RetryQuery.parse(request)
        journal = self._mock.journal
        reader = JournalReader(self._mock, request)
        tenant = query.journal_query(self._mock)
        in_flight = [exchange for exchange in await reader.select(tenant) if exchange.ended_at is None]

        async def have_ended() -> bool:
            while in_flight and in_flight[-1].ended_at is not None:
                in_flight.pop()
            return not in_flight

        if in_flight and query.timeout_ms:
            await self._waiter.wait_until(have_ended, waited_keys(tenant.key_sets), query.timeout_ms, request.receive)
        settings = RetrySettings(
            min_backoff_ms=query.min_backoff_ms, patience_ms=query.patience_ms, max_pause_ms=query.new_call_after_ms
        )
        exchanges = await reader.select(tenant)
        attributable = [exchange for exchange in exchanges if is_attributable(exchange)]
        calls = await reader.run(group_calls(attributable, query.new_call_after_ms / 1000))
        unattributed = len(exchanges) - len(attributable)
        kept = [*exchanges, *calls]
        content = report(calls, settings, self._mock.clock(), journal.dropped, unattributed)
        if query.format == "text":
            lines = [JOURNAL_IS_OFF] if journal.is_off else await reader.run(text_lines(content))
            return LongResponse(self._mock.slices, iter(lines), "text/plain; charset=utf-8", kept=kept)
        return long_json(self._mock, {**content, "requestJournalDisabled": journal.is_off}, kept=kept)
