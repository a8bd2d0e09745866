"""JSON of the control API: WireMock's request journal, and the retry report."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from mock_atoms.control.models import Count
from mock_atoms.journal.retries import CallOutcome, Finding

Milliseconds = Annotated[float, Field(ge=0)]
Operator = dict[str, Any]
Headers = Annotated[dict[str, str | list[str]], Field(description="A list for headers with several values.")]
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
    urlPattern: NotRequired[Annotated[str, Field(description="Regular expression for path and query.")]]
    urlPath: NotRequired[Annotated[str, Field(description="Path.")]]
    urlPathPattern: NotRequired[Annotated[str, Field(description="Regular expression for the path.")]]
    urlPathTemplate: NotRequired[Annotated[str, Field(description="Path such as `/audience/{id}`.")]]
    pathParameters: NotRequired[Annotated[dict[str, Operator], Field(description="Needs `urlPathTemplate`.")]]
    queryParameters: NotRequired[dict[str, Operator]]
    headers: NotRequired[Annotated[dict[str, Operator], Field(description='Such as `{"Accept": {"absent": true}}`.')]]
    cookies: NotRequired[dict[str, Operator]]
    bodyPatterns: NotRequired[list[Operator]]


@_strict
class Parameter(TypedDict):
    """The values of a query or form parameter."""

    key: str
    values: list[str]


@_strict
class Difference(TypedDict):
    """One difference between a request and a pattern."""

    field: Annotated[str, Field(description="Such as `headers.Accept`.")]
    expected: str
    actual: str | None


@_strict
class MockAtomsRequest(TypedDict):
    """What mock-atoms knows of a request beyond WireMock's fields."""

    id: str
    tenant: Annotated[str, Field(description="The masked token.")]
    testId: str | None
    attempt: Annotated[int, Field(ge=1, description="Attempt number in its call.")]
    status: Annotated[int | None, Field(description="Status code; `null` if there was no response.")]
    ended: Annotated[str | None, Field(description="`answered`, `aborted` or a connection fault; `null` in flight.")]
    reason: Annotated[str | None, Field(description="Why the mock responded as it did.")]
    faults: Annotated[list[str], Field(description="Ids of the rules that triggered.")]
    durationMs: Milliseconds | None
    bytesSent: Count
    bodySize: Annotated[Count, Field(description="Bytes of the request body.")]
    bodyComplete: Annotated[bool, Field(description="Whether the complete body arrived.")]
    bodyCap: Annotated[Count, Field(description="How many bytes of a body are kept.")]
    differences: NotRequired[Annotated[list[Difference], Field(description="In a near miss: what differs.")]]


@_strict
class LoggedRequest(TypedDict):
    """WireMock's LoggedRequest. Credentials are masked."""

    url: str
    absoluteUrl: str
    method: str
    scheme: str
    host: str
    port: int
    clientIp: str
    headers: Headers
    cookies: dict[str, str | list[str]]
    browserProxyRequest: bool
    protocol: str
    body: str
    bodyAsBase64: str
    loggedDate: Annotated[int, Field(description="Milliseconds since 1970.")]
    loggedDateString: str
    queryParams: dict[str, Parameter]
    formParams: dict[str, Parameter]
    mockAtoms: MockAtomsRequest


@_strict
class ResponseDefinition(TypedDict):
    """What the mock decided to respond."""

    status: NotRequired[int]
    fault: NotRequired[Annotated[str, Field(description="WireMock's name of a connection fault.")]]
    fromConfiguredStub: NotRequired[bool]


@_strict
class LoggedResponse(TypedDict):
    """WireMock's LoggedResponse. The body is not kept."""

    status: NotRequired[int]
    fault: NotRequired[str]
    headers: Headers
    body: str
    bodyAsBase64: str


@_strict
class Timing(TypedDict):
    """Durations in milliseconds."""

    addedDelay: Count
    processTime: Count
    responseSendTime: Count
    serveTime: Count
    totalTime: Count


@_strict
class ServeEvent(TypedDict):
    """WireMock's ServeEvent: a request and, once it has ended, its response."""

    id: str
    request: LoggedRequest
    responseDefinition: NotRequired[ResponseDefinition]
    response: NotRequired[LoggedResponse]
    timing: NotRequired[Timing]
    wasMatched: Annotated[bool, Field(description="Whether the route is known.")]
    subEvents: list[Any]


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
class MatchResult(TypedDict):
    """How well a request matches."""

    distance: Annotated[float, Field(ge=0, le=1, description="0 matches, 1 differs in everything.")]


@_strict
class NearMiss(TypedDict):
    """A request that nearly matches a pattern."""

    request: LoggedRequest
    requestPattern: Annotated[dict[str, Any], Field(description="The pattern, credentials masked.")]
    matchResult: MatchResult


@_strict
class NearMissList(TypedDict):
    """The nearest requests."""

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
    ended: Annotated[str | None, Field(description="`answered`, `aborted` or a connection fault; `null` in flight.")]
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
    dropped: Annotated[Count, Field(description="Requests that the journal has dropped.")]
    requestJournalDisabled: JournalDisabled
