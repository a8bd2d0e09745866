"""The report of contract violations."""

from typing import Annotated, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.journal_models import ViolationReport
from mock_atoms.control.journal_reader import JournalReader
from mock_atoms.control.long_work import LongResponse, long_json
from mock_atoms.control.request_query import RequestQuery
from mock_atoms.control.retries import JOURNAL_IS_OFF
from mock_atoms.journal.violations import violation_lines, violation_report
from mock_atoms.mock import MockAtoms


class ViolationQuery(RequestQuery):
    """Parameters of the report."""

    format: Annotated[Literal["json", "text"], Field(description="JSON, or readable text.")] = "json"


class ViolationEndpoints:
    """The endpoint that reports contract violations."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        violations = Endpoint(
            "GET",
            "/violations",
            self.violations,
            "Report contract violations",
            ViolationReport,
            query=ViolationQuery,
            has_text_format=True,
        )
        return EndpointGroup("Violations", "What did clients send that the API does not document?", (violations,))

    async def violations(self, request: Request) -> Response:
        """Return what clients sent that the documented contract does not allow. Equal violations are counted."""
        query = ViolationQuery.parse(request)
        journal = self._mock.journal
        reader = JournalReader(self._mock, request)
        exchanges = await reader.select(query.journal_query(self._mock))
        report = await reader.run(violation_report(exchanges, journal.dropped))
        if query.format == "text":
            lines = [JOURNAL_IS_OFF] if journal.is_off else await reader.run(violation_lines(report))
            return LongResponse(self._mock.slices, iter(lines), "text/plain; charset=utf-8", kept=exchanges)
        return long_json(self._mock, {**report, "requestJournalDisabled": journal.is_off}, kept=exchanges)
