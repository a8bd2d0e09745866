"""One exchange: a request and its response, from arrival to the journal."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import chain
from sys import getsizeof
from typing import NamedTuple

from mock_atoms.contract.operations import NO_OPERATION, RequestedOperation
from mock_atoms.contract.violations import Violation, violations_bytes
from mock_atoms.core.http_text import decode_text, parse_cookies, parse_query
from mock_atoms.core.tenancy import AuthenticatedCaller, Tenant, UnauthenticatedCaller
from mock_atoms.faults.engine import FaultDecision
from mock_atoms.journal.recorded_body import NO_BODY, RecordedBody, weight_of

CONTEXT_KEY = "mock_atoms.context"
"""Key of the `RequestContext` in an ASGI scope and, if the server has read the request, in its extensions."""
FORM_TYPE = "application/x-www-form-urlencoded"
_HEADER_BYTES = 80  # memory of a header besides its name and value
_KEY_BYTES = 420  # memory of a digest with its place in the index of the journal, if no other exchange has it
_MAX_SHARED_HEADS = 1_000
MAX_SHARED_HEAD_BYTES = 1_000
"""Longer response heads are not shared, so that no client fills the memory with them."""

RESPONDED = "responded"
"""`Exchange.ended` after a complete response. Other values: `ABORTED` or the kind of a connection fault."""
ABORTED = "aborted"
"""`Exchange.ended` and reason without a complete response: the client disconnected or the server stopped."""
SHUTTING_DOWN = "shutting-down"
STORE_UNAVAILABLE = "store-unavailable"
BAD_PREFER = "bad-prefer"
BODIES_IN_FLIGHT = "bodies-in-flight"
REQUEST_TIMEOUT = "request-timeout"
MALFORMED_REQUEST = "malformed-request"
REFUSAL_KEY = "mock_atoms.refusal"
"""Key of the `RefusalResponse` with which the server refused the rest of a request, in the ASGI extensions."""
_REFUSED = {REQUEST_TIMEOUT, MALFORMED_REQUEST}
CONTRACT_VIOLATION = "contract-violation"
"""Reason of the 400 with which `--strict` responds."""
PATCH_TOO_LARGE = "alter-too-large"
UNMOCKED_ROUTE = "unmocked-route"
OUTSIDE_BASE_PATH = "outside-base-path"
UNROUTED = {UNMOCKED_ROUTE, OUTSIDE_BASE_PATH}
STUB = "stub"
"""Reason of a response of a stub."""
UNKNOWN_MAGIC_WORD = "unknown-magic-word"
"""Reason of a regular response to a magic key with an unknown word."""


def headers_size(headers: Sequence[tuple[str, str]]) -> int:
    """Return the memory of request headers, approximately."""
    # One character of a text takes up to 4 bytes: one emoji widens all of them. `getsizeof` takes three times as long.
    return _HEADER_BYTES * len(headers) + sum(map(str.__sizeof__, chain.from_iterable(headers)))


@dataclass(slots=True, eq=False)
class RequestHead:
    """A request without its body. Repeated requests share one, so it must not be changed.

    Attributes:
        tenant: the tenant that sent the request.
        credential_digests: digests of the credentials, that of the caller's token first; see `Credentials.digest`.
        method: HTTP method as sent, credentials masked.
        url: path and query as sent, credentials masked.
        scheme: `http` or `https`.
        http_version: such as `1.1`.
        host: target of the request, in the form of a `Host` header.
        headers: lower-case names and values, credentials masked.
        index_keys: keys of the request in the index of the journal, see `index_keys`.
        operation: documented operation, such as `GET /audience/{id}`; empty if unknown.
        violations: contract violations of the head.
        weight: estimated size, in units of `WEIGHT_UNIT` bytes.
    """

    tenant: Tenant
    credential_digests: tuple[bytes, ...]
    method: str
    url: str
    scheme: str
    http_version: str
    host: str
    headers: tuple[tuple[str, str], ...]
    index_keys: tuple[bytes, ...]
    operation: str = ""
    violations: tuple[Violation, ...] = ()
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        texts = getsizeof(self.url) + getsizeof(self.tenant.label) + getsizeof(self.tenant.test_id)
        size = texts + headers_size(self.headers) + _KEY_BYTES * len(self.index_keys)
        if self.violations:
            size += violations_bytes(self.violations)
        self.weight = weight_of(size)

    def with_headers(self, headers: tuple[tuple[str, str], ...]) -> "RequestHead":
        """Return a copy with other headers, credentials masked."""
        return RequestHead(
            *(self.tenant, self.credential_digests, self.method, self.url, self.scheme, self.http_version, self.host),
            *(headers, self.index_keys, self.operation, self.violations),
        )


@dataclass(slots=True, eq=False)
class ResponseHead:
    """The headers of a response, except its own `x-request-id`. Responses with equal headers may share one.

    It must not be changed.

    Attributes:
        headers: lower-case names and values, credentials masked.
        weight: estimated size, in units of `WEIGHT_UNIT` bytes.
    """

    headers: Sequence[tuple[bytes, bytes]] = ()
    weight: int = field(init=False)

    def __post_init__(self) -> None:
        self.weight = weight_of(_HEADER_BYTES * len(self.headers) + sum(map(getsizeof, chain(*self.headers))))


NO_RESPONSE = ResponseHead()


class RefusalResponse(NamedTuple):
    """The response to a request whose body the server refused. It has no `x-request-id`.

    Attributes:
        status: its status.
        reason: slug of the reason.
        headers: its headers besides those of every response.
        body: its body.
    """

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@lru_cache(_MAX_SHARED_HEADS)
def share_response_head(headers: tuple[tuple[bytes, bytes], ...]) -> ResponseHead:
    """Return the response head with `headers`, credentials masked. Equal headers share one.

    They must have at most `MAX_SHARED_HEAD_BYTES` bytes, unless only the mock itself wrote them.
    """
    return ResponseHead(headers)


@dataclass(slots=True, weakref_slot=True, eq=False)
class Exchange:
    """A request and its response. Complete before the client has received the end of the response.

    Attributes:
        head: the request without its body.
        arrived_at: wall-clock time of arrival.
        started_at: time of arrival on the monotonic clock, in seconds.
        client_address: IP address of the client.
        client_port: port of the client, which identifies the connection.
        id: UUID, the `x-request-id` of the response, unless the server refused the body.
        body: the first bytes of the request body, as many as the journal keeps, credentials masked.
        body_size: number of request body bytes received.
        body_tail_digest: digest of the request body bytes beyond `body`.
        is_body_complete: whether the complete request body arrived.
        response_started_at: start of the response on the monotonic clock; `None` before it.
        ended_at: end of the exchange on the monotonic clock; `None` while it is in flight.
        ended: how the exchange ended, see `RESPONDED`; `None` while it is in flight.
        status: HTTP status code of the response, 0 without a response.
        response_head: the response without its body.
        response_body: the first bytes of the response body.
        bytes_sent: number of response body bytes sent.
        faults: ids of the fault rules that triggered.
        reason: slug that explains the response; `None` if there is nothing to explain.
        delay_ms: delay that a fault added.
        stub: id of the stub that responded; `None` if none did.
        hint: what to do about a request to an unknown route, for the log; `None` for all others.
        has_malformed_body: whether a fault responded with a success status and a malformed body.
        later_violations: contract violations besides those of the head, such as those of the body.
        weight: estimated size without the response body, in units of `WEIGHT_UNIT` bytes.
        counted_body: the response body that the journal has counted.
        position: place in the journal, which grows with each exchange; -1 if the journal does not hold it.
        attempt: attempt number, as counted when the exchange ended.
    """

    head: RequestHead
    arrived_at: datetime
    started_at: float
    client_address: str
    client_port: int
    id: str = ""
    body: bytes = b""
    body_size: int = 0
    body_tail_digest: bytes = b""
    is_body_complete: bool = False
    response_started_at: float | None = None
    ended_at: float | None = None
    ended: str | None = None
    status: int = 0
    response_head: ResponseHead = NO_RESPONSE
    response_body: RecordedBody = NO_BODY
    bytes_sent: int = 0
    faults: tuple[str, ...] = ()
    reason: str | None = None
    delay_ms: float = 0.0
    has_malformed_body: bool = False
    later_violations: tuple[Violation, ...] = ()
    stub: str | None = None
    hint: str | None = None
    weight: int = 0
    counted_body: RecordedBody = NO_BODY
    position: int = -1
    attempt: int = 1

    @property
    def is_in_journal(self) -> bool:
        """Whether the journal still holds the exchange."""
        return self.position >= 0

    @property
    def tenant(self) -> Tenant:
        """The tenant that sent the request."""
        return self.head.tenant

    @property
    def method(self) -> str:
        """HTTP method as sent."""
        return self.head.method

    @property
    def url(self) -> str:
        """Path and query as sent, credentials masked."""
        return self.head.url

    @property
    def path(self) -> str:
        """Path as sent, credentials masked."""
        return self.head.url.partition("?")[0]

    @property
    def is_matched(self) -> bool:
        """Whether the mock has a route for the request."""
        return self.reason not in UNROUTED

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All contract violations of the request. One that a stub responded to has none."""
        return () if self.stub is not None else self.head.violations + self.later_violations

    @property
    def body_text(self) -> str:
        """The kept request body as UTF-8 or, if it is not valid UTF-8, as Latin-1."""
        return decode_text(self.body)

    @property
    def duration_ms(self) -> float | None:
        """Duration of the exchange; `None` while it is in flight."""
        return None if self.ended_at is None else (self.ended_at - self.started_at) * 1000

    def query_parameters(self) -> dict[str, list[str]]:
        """Return the decoded values of each query parameter."""
        return parse_query(self.head.url.partition("?")[2])

    def form_parameters(self) -> dict[str, list[str]]:
        """Return the decoded values of each parameter of a URL-encoded form."""
        if any(value.lower().startswith(FORM_TYPE) for value in self.header_values("content-type")):
            return parse_query(self.body_text)
        return {}

    def header_values(self, name: str) -> list[str]:
        """Return the values of the request header `name`."""
        lower_name = name.lower()
        return [value for key, value in self.head.headers if key.lower() == lower_name]

    def cookies(self) -> dict[str, list[str]]:
        """Return the values of each cookie."""
        cookies: dict[str, list[str]] = {}
        for header in self.header_values("cookie"):
            for name, value in parse_cookies(header):
                cookies.setdefault(name, []).append(value)
        return cookies

    def response_headers(self) -> list[tuple[str, str]]:
        """Return the lower-case names and the values of the response headers."""
        headers = [(name.decode("latin-1"), decode_text(value)) for name, value in self.response_head.headers]
        has_id = self.status and self.reason not in _REFUSED
        if has_id and not any(name == "x-request-id" for name, _ in headers):
            headers.insert(0, ("x-request-id", self.id))
        return headers

    def response_header(self, name: str) -> str | None:
        """Return the value of the response header `name` (lower-case), except `x-request-id`."""
        raw_name = name.encode()
        for key, value in self.response_head.headers:
            if key == raw_name:
                return decode_text(value)
        return None


class ReadHead(NamedTuple):
    """What was read of a head besides what the journal records, to be used again. It holds no token.

    Attributes:
        tenant: the tenant of the caller; see `shown_tenant` of `UnauthenticatedCaller`.
        reason: why the caller is unauthenticated; `None` of an authenticated one.
        path: path as sent, percent-encoded.
        query: query string as sent.
        api_path: path below the base path; `None` if the request is outside of it.
        operation: the requested operation.
    """

    tenant: Tenant
    reason: str | None
    path: str
    query: bytes
    api_path: str | None
    operation: RequestedOperation


@dataclass(slots=True, eq=False)
class RequestContext:
    """A request while it is served: its exchange, and the secrets that the journal must not keep.

    Attributes:
        exchange: the part that the journal keeps.
        caller: who sent the request, with the complete token.
        path: path as sent, percent-encoded.
        query: query string as sent.
        api_path: path below the base path; `None` if the request is outside of it.
        has_credential_in_url: whether the journal masks a part of the URL.
        operation: the requested operation, credentials masked.
        headers: the headers as sent.
        prefer_problem: why the `Prefer` header is invalid, if it is.
        faults: the faults of the request, once it has been counted; `None` if it has none.
        refuses_violations: whether a contract violation gets a 400.
        cached_body: the response body as the journal keeps it, if the response comes from the cache.
        store_body: stores the request body received so far in the exchange; `None` if there is none.
    """

    exchange: Exchange
    caller: AuthenticatedCaller | UnauthenticatedCaller
    path: str
    query: bytes
    api_path: str | None
    has_credential_in_url: bool
    operation: RequestedOperation = NO_OPERATION
    headers: Sequence[tuple[bytes, bytes]] = ()
    prefer_problem: str | None = None
    faults: FaultDecision | None = None
    refuses_violations: bool = False
    cached_body: RecordedBody | None = None
    store_body: Callable[[], Awaitable[None]] | None = None

    def header_values(self, name: bytes) -> list[str]:
        """Return the values of the request header `name` (lower-case), with all credentials."""
        return [value.decode("latin-1") for header, value in self.headers if header == name]

    def read_head(self) -> ReadHead:
        """Return what was read of the head. It holds no token unless there is one in the URL."""
        caller = self.caller
        reason = caller.reason if isinstance(caller, UnauthenticatedCaller) else None
        return ReadHead(caller.tenant, reason, self.path, self.query, self.api_path, self.operation)

    @property
    def has_body(self) -> bool:
        """Whether a body follows the head."""
        for name, value in self.headers:
            if name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
                return True
        return False
