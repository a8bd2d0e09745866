"""JSON of the control API: WireMock's request journal, and the reports."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from mock_atoms.journal.retries import CallOutcome, Finding
from mock_atoms.wiremock.models import (
    Count,
    LoggedRequest,
    Milliseconds,
    NearMiss,
    ServeEvent,
    SourceLetter,
    ViolationKind,
)

Operator = dict[str, Any]
JournalDisabled = Annotated[bool, Field(description="Whether the journal is off.")]
_strict = with_config(ConfigDict(extra="forbid"))


@_strict
class RequestPatternBody(TypedDict):
    """WireMock's request pattern. `{}` matches every request."""

    method: NotRequired[
        Annotated[
            str | dict[Literal["oneOf", "noneOf"], list[str]],
            Field(description='A method, `ANY`, `{"oneOf": […]}` or `{"noneOf": […]}`.'),
        ]
    ]
    url: NotRequired[Annotated[str, Field(description="Path and query.")]]
    urlPattern: NotRequired[Annotated[str, Field(description="Regular expression (RE2) for path and query.")]]
    urlPath: NotRequired[Annotated[str, Field(description="Path.")]]
    urlPathPattern: NotRequired[Annotated[str, Field(description="Regular expression (RE2) for the path.")]]
    urlPathTemplate: NotRequired[Annotated[str, Field(description="Path such as `/audience/{id}`.")]]
    pathParameters: NotRequired[Annotated[dict[str, Operator], Field(description="Needs `urlPathTemplate`.")]]
    queryParameters: NotRequired[dict[str, Operator]]
    headers: NotRequired[Annotated[dict[str, Operator], Field(description='Such as `{"Accept": {"absent": true}}`.')]]
    cookies: NotRequired[dict[str, Operator]]
    bodyPatterns: NotRequired[list[Operator]]


@_strict
class ListMeta(TypedDict):
    """How long the complete list is."""

    total: Count


@_strict
class RequestList(TypedDict):
    """Requests and their responses, the newest first."""

    requests: list[ServeEvent]
    meta: ListMeta
    requestJournalDisabled: JournalDisabled


@_strict
class LoggedRequestBody(TypedDict):
    """A request to compare with stubs, such as one that the journal returned. Other keys have no effect."""

    url: Annotated[str, Field(description="Path and query.")]
    method: NotRequired[str]
    headers: NotRequired[dict[str, str | list[str]]]
    cookies: NotRequired[dict[str, str | list[str]]]
    body: NotRequired[str]


@_strict
class NearMissList(TypedDict):
    """The nearest requests or stubs."""

    nearMisses: list[NearMiss]


@_strict
class FoundRequests(TypedDict):
    """The requests that match, the oldest first."""

    requests: list[LoggedRequest]
    nearMisses: NotRequired[list[NearMiss]]
    requestJournalDisabled: JournalDisabled


@_strict
class UnmatchedRequests(TypedDict):
    """Requests to unknown routes, the newest first."""

    requests: list[LoggedRequest]
    requestJournalDisabled: JournalDisabled


@_strict
class RequestCount(TypedDict):
    """How many requests match."""

    count: Annotated[int, Field(ge=-1, description="-1 if the journal is off.")]
    requestJournalDisabled: JournalDisabled


@_strict
class RemovedRequests(TypedDict):
    """The removed requests and their responses, the oldest first."""

    serveEvents: list[ServeEvent]


@_strict
class RetryFinding(TypedDict):
    """What a client did wrong."""

    kind: Finding
    attempt: Annotated[int, Field(ge=1, description="Number of the attempt.")]
    detail: str


@_strict
class RetryAttempt(TypedDict):
    """One request of a call."""

    number: Annotated[int, Field(ge=1)]
    id: str
    time: str
    status: int | None
    ended: Annotated[str | None, Field(description="`responded`, `aborted` or a connection fault; `null` in flight.")]
    malformedBody: bool
    faults: list[str]
    durationMs: Milliseconds | None
    gapMs: Annotated[float | None, Field(description="Pause since the attempt before.")]
    retryAfterMs: Annotated[float | None, Field(description="What `Retry-After` asked for.")]
    retryAfterHonoured: bool | None


@_strict
class RetryCall(TypedDict):
    """A first request and its retries."""

    tenant: str
    testId: str | None
    method: str
    url: str
    outcome: CallOutcome
    ambiguous: Annotated[bool, Field(description="Whether similar requests ran in parallel.")]
    statuses: list[int | None]
    gapsMs: list[float]
    attempts: list[RetryAttempt]
    findings: list[RetryFinding]


@_strict
class RetrySummary(TypedDict):
    """Totals of the report."""

    calls: Count
    attempts: Count
    succeeded: Count
    recovered: Count
    refused: Count
    gaveUp: Count
    gaveUpAtOnce: Annotated[Count, Field(description="How many of `gaveUp` had no retry.")]
    stillFailing: Count
    ambiguous: Count
    findings: Count
    findingsByKind: dict[Finding, Count]


@_strict
class RetryReport(TypedDict):
    """How clients retried."""

    calls: list[RetryCall]
    summary: RetrySummary
    unattributed: Annotated[Count, Field(description="Requests without a token, or to an unknown route.")]
    dropped: Annotated[Count, Field(description="Requests that the journal has dropped.")]
    requestJournalDisabled: JournalDisabled


@_strict
class ReportedViolation(TypedDict):
    """Equal contract violations."""

    kind: ViolationKind
    operation: Annotated[str, Field(description="Such as `GET /audience/{id}`.")]
    place: Annotated[str, Field(description="JSON pointer with `*` for any index, or name of the parameter or header.")]
    expected: Annotated[str, Field(description="What the contract documents.")]
    source: SourceLetter
    count: Count
    firstRequestId: str
    lastRequestId: str
    examples: Annotated[list[str], Field(description="Different values, credentials masked.")]


@_strict
class ViolationSummary(TypedDict):
    """Totals of the report."""

    violations: Count
    requests: Annotated[Count, Field(description="Requests with violations.")]
    byKind: dict[ViolationKind, Count]


@_strict
class ViolationReport(TypedDict):
    """What clients sent that the API does not document, the first violation first."""

    violations: list[ReportedViolation]
    summary: ViolationSummary
    unlisted: Annotated[Count, Field(description="Violations that are left out, because there are too many.")]
    dropped: Annotated[Count, Field(description="Requests that the journal has dropped.")]
    requestJournalDisabled: JournalDisabled
