"""The retry report."""

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from mock_atoms.control.calls import Call, CallGroup
from mock_atoms.control.journal_models import RetryReport
from mock_atoms.control.parsing import TenantQuery, up_to
from mock_atoms.control.waiting import MAX_WAIT_MS, JournalWaiter
from mock_atoms.journal.calls import MAX_PAUSE_MS, MIN_BACKOFF_MS
from mock_atoms.journal.grouping import group_calls
from mock_atoms.journal.retries import RetrySettings
from mock_atoms.journal.retry_report import as_text, report
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


class RetryCalls:
    """The call that returns the retry report."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock
        self._waiter = JournalWaiter(mock)

    def group(self) -> CallGroup:
        """Return the calls."""
        retries = Call(
            "GET",
            "/retries",
            self.retries,
            "Report how clients retried",
            RetryReport,
            query=RetryQuery,
            has_text_format=True,
        )
        return CallGroup("Retries", "Did clients retry correctly?", (retries,))

    async def retries(self, request: Request) -> Response:
        """Return each call (a first request and its retries) with its outcome and with what the client did wrong."""
        query = RetryQuery.parse(request)
        journal = self._mock.journal
        is_selected = journal.tenant_filter(query.token, query.test_id)
        in_flight = [exchange for exchange in journal if exchange.ended_at is None and is_selected(exchange)]
        if in_flight and query.timeout_ms:

            def has_settled() -> bool:
                return all(exchange.ended_at is not None for exchange in in_flight)

            await self._waiter.wait_until(has_settled, query.timeout_ms, request.receive)
        settings = RetrySettings(
            min_backoff_ms=query.min_backoff_ms, patience_ms=query.patience_ms, max_pause_ms=query.new_call_after_ms
        )
        exchanges = [*filter(is_selected, journal)]
        calls = await self._mock.slices.run(group_calls(exchanges, query.new_call_after_ms / 1000))
        content = report(calls, settings, self._mock.clock(), journal.dropped)
        if query.format == "text":
            return PlainTextResponse(JOURNAL_IS_OFF if journal.is_off else as_text(content))
        return JSONResponse({**content, "requestJournalDisabled": journal.is_off})
