"""JSON of WireMock 3: requests, responses and near misses."""

from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, WithJsonSchema, with_config
from typing_extensions import TypedDict

from mock_atoms.contract.violations import KINDS

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Headers = Annotated[dict[str, str | list[str]], Field(description="A list for headers with several values.")]
ViolationKind = Annotated[str, WithJsonSchema({"type": "string", "enum": [*KINDS]})]
SourceLetter = Annotated[str, Field(description="Source of the expectation, see docs/fidelity.md.")]
_strict = with_config(ConfigDict(extra="forbid"))


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
class RecordedViolation(TypedDict):
    """A contract violation of a request."""

    kind: ViolationKind
    place: Annotated[str, Field(description="JSON pointer into the body, or name of the parameter or header.")]
    value: Annotated[str | None, Field(description="What the client sent, credentials masked; `null` if nothing.")]
    expected: Annotated[str, Field(description="What the contract documents.")]
    source: SourceLetter


@_strict
class MockAtomsRequest(TypedDict):
    """What mock-atoms knows of a request beyond WireMock's fields."""

    id: str
    tenant: Annotated[str, Field(description="The masked token, valid or not; `-` without one.")]
    testId: str | None
    attempt: Annotated[int, Field(ge=1, description="Attempt number in its call.")]
    status: Annotated[int | None, Field(description="Status code; `null` if there was no response.")]
    ended: Annotated[str | None, Field(description="`responded`, `aborted` or a connection fault; `null` in flight.")]
    malformedBody: Annotated[bool, Field(description="Whether a fault made the body of the response malformed.")]
    reason: Annotated[str | None, Field(description="Why the mock responded as it did.")]
    faults: Annotated[list[str], Field(description="Ids of the rules that triggered.")]
    durationMs: Milliseconds | None
    bytesSent: Count
    bodySize: Annotated[Count, Field(description="Bytes of the request body.")]
    bodyComplete: Annotated[bool, Field(description="Whether the complete body arrived.")]
    bodyCap: Annotated[Count, Field(description="How many bytes of a body are kept.")]
    violations: Annotated[list[RecordedViolation], Field(description="What the API does not document.")]
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
    """WireMock's LoggedResponse. The journal keeps the first bytes of the body."""

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
    stubMapping: NotRequired[Annotated[dict[str, Any], Field(description="The stub that responded.")]]
    wasMatched: Annotated[bool, Field(description="Whether a stub responded or the route is known.")]
    subEvents: list[Any]


@_strict
class MatchResult(TypedDict):
    """How well a request matches."""

    distance: Annotated[float, Field(ge=0, le=1, description="0 matches, 1 differs in everything.")]


@_strict
class NearMiss(TypedDict):
    """A request that nearly matches a pattern."""

    request: LoggedRequest
    requestPattern: Annotated[dict[str, Any], Field(description="The pattern, credentials masked.")]
    stubMapping: NotRequired[Annotated[dict[str, Any], Field(description="The stub with this pattern.")]]
    matchResult: MatchResult
