"""Query parameters that select requests of the journal."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from mock_atoms.control.parsing import TenantQuery, up_to
from mock_atoms.core.addresses import full_path
from mock_atoms.core.http_text import PathTemplate
from mock_atoms.core.statuses import STATUS_PATTERN, parse_statuses
from mock_atoms.journal.query import JournalQuery
from mock_atoms.mock import MockAtoms

MAX_REQUESTS = 1_000_000


def _check_status(status: str) -> str:
    parse_statuses(status)
    return status


def _check_path(path: str) -> str:
    PathTemplate(full_path("", path))
    return path


class RequestQuery(TenantQuery):
    """Query parameters that select requests."""

    method: Annotated[
        Annotated[str, Field(min_length=1)] | None,
        WithJsonSchema({"type": "string", "minLength": 1}),
        Field(description="Only this method, in any case."),
    ] = None
    path: Annotated[
        str | None,
        AfterValidator(_check_path),
        WithJsonSchema({"type": "string", "pattern": "^/[^?#]*$"}),
        Field(description="Only this path, with or without the base path, such as `/audience/{id}`."),
    ] = None
    status: Annotated[
        str | None,
        AfterValidator(_check_status),
        WithJsonSchema({"type": "string", "pattern": STATUS_PATTERN}),
        Field(description="Only responses with this status code, or of this class, such as `4xx`."),
    ] = None

    failed: Annotated[
        Literal["false", "true"],
        Field(description="Whether to select only requests without a complete, well-formed response below 400."),
    ] = "false"

    def journal_query(self, mock: MockAtoms) -> JournalQuery:
        """Return the query of the request journal."""
        path = None if self.path is None else full_path(mock.settings.base_path, self.path)
        statuses = None if self.status is None else parse_statuses(self.status)
        return replace(
            super().journal_query(mock),
            method=self.method,
            path=path,
            statuses=statuses,
            is_failed=self.failed == "true",
        )


class LimitedRequestQuery(RequestQuery):
    """Query parameters that select the latest requests."""

    limit: Annotated[int, up_to(MAX_REQUESTS), Field(description="How many requests to return.")] = MAX_REQUESTS
