"""Recording of requests to the vendor's API: request ids, marks on responses, journal, log and metrics."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.caching.eligibility import is_cacheable
from mock_atoms.core.masking import mask_text
from mock_atoms.core.tenancy import AuthenticatedCaller, UnauthenticatedCaller
from mock_atoms.journal.exchange import (
    ABORTED,
    CONTEXT_KEY,
    MAX_BODY_BYTES,
    RESPONDED,
    UNKNOWN_MAGIC_WORD,
    Exchange,
    RequestContext,
    ResponseHead,
)
from mock_atoms.journal.journal import Journal
from mock_atoms.middleware.connection_faults import BROKEN
from mock_atoms.mock import MockAtoms
from mock_atoms.state.store import TenantState

FAULT_HEADER = b"x-mock-atoms-fault"
REASON_HEADER = b"x-mock-atoms-reason"
MAX_UNREAD_BODY_BYTES = 8 * 1024 * 1024
"""Number of request body bytes that are read although the application did not ask for them."""

Headers = Sequence[tuple[bytes, bytes]]


class RecordingMiddleware:
    """Adds `x-request-id` (G) and marks to each response and records the exchange before the response is complete.

    The id derives from the seed, the tenant and the number of the tenant's requests so far.

    Args:
        app: the application that responds.
        mock: the server: its store, generator, journal and clock.
        body_timeout: seconds that a response waits for the rest of the request body, to record it.
    """

    def __init__(self, app: ASGIApp, mock: MockAtoms, body_timeout: float = 1.0) -> None:
        self._app = app
        self._store = mock.store
        self._generator = mock.generator
        self._journal = mock.journal
        self._recorder = mock.recorder
        self._fixtures = mock.fixtures
        self._engine = mock.fault_engine
        self._clock = mock.clock
        self._response_cache = mock.response_cache
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        exchange, tenant = context.exchange, context.caller.tenant
        state = await self._store.update(tenant, _count_request)
        exchange.id = self._generator.request_id(tenant.key, state.requests)
        self._recorder.begin(exchange)
        body_recorder = None
        if exchange.head.has_body:
            body_recorder = RequestBodyRecorder(exchange, self._journal, receive, context.caller.token)
        else:
            exchange.is_body_complete = True

        async def record(message: Message) -> None:
            if message["type"] == BROKEN:
                self._finish(exchange, body_recorder, message["kind"])
                return
            if message["type"] == "http.response.start":
                if body_recorder is not None:
                    await body_recorder.read_rest(self._body_timeout)
                exchange.response_started_at = self._clock()
                exchange.reason = exchange.reason or self._unknown_magic_word(context.caller)
                exchange.status = message["status"]
                exchange.response_head = ResponseHead(_with_marks(message["headers"], exchange))
                message["headers"] = _with_request_id(exchange)
            else:
                if exchange.method == "HEAD":
                    message["body"] = b""
                exchange.bytes_sent += len(message.get("body", b""))
                if not message.get("more_body"):
                    is_gone = body_recorder is not None and body_recorder.is_gone
                    self._finish(exchange, body_recorder, ABORTED if is_gone else RESPONDED)
                    if context.received is not None and is_cacheable(context, by_digest=True):
                        self._response_cache.put_request(context.received.digest, context, state)
            await send(message)

        try:
            await self._app(scope, receive if body_recorder is None else body_recorder.receive, record)
        finally:
            if exchange.ended_at is None:
                self._finish(exchange, body_recorder, ABORTED)

    def _unknown_magic_word(self, caller: AuthenticatedCaller | UnauthenticatedCaller) -> str | None:
        """Return the reason of a response to a magic key whose word has no meaning; `None` for other tokens."""
        if (
            isinstance(caller, UnauthenticatedCaller)
            or not self._engine.is_unknown_magic_key(caller.token)
            or self._fixtures.has_fixture(caller)
        ):
            return None
        return UNKNOWN_MAGIC_WORD

    def _finish(self, exchange: Exchange, body_recorder: "RequestBodyRecorder | None", ended: str) -> None:
        if body_recorder is not None and not exchange.is_body_complete:
            body_recorder.store_body()
        self._recorder.end(exchange, ended)


def _count_request(state: TenantState) -> TenantState:
    state.requests += 1
    return state


class RequestBodyRecorder:
    """Stores the first bytes of a request body in its exchange while the application reads it.

    Args:
        exchange: receives the body.
        journal: is notified when the body is complete.
        receive: ASGI callable that the body comes from.
        token: the caller's token, which is masked.

    Attributes:
        is_gone: whether the client disconnected before its body was complete.
    """

    def __init__(self, exchange: Exchange, journal: Journal, receive: Receive, token: str | None) -> None:
        self._exchange = exchange
        self._journal = journal
        self._receive = receive
        self._token = token
        # Longer than the limit by one token: a token across the limit is masked before the cut.
        self._limit = MAX_BODY_BYTES + len(token or "")
        self._first_bytes = bytearray()
        self._rest = blake2b(digest_size=16)
        self.is_gone = False

    async def receive(self) -> Message:
        """Return the next ASGI message of the request."""
        message = await self._receive()
        if message["type"] == "http.request":
            chunk = message.get("body", b"")
            room = self._limit - len(self._first_bytes)
            self._first_bytes += chunk[:room]
            self._rest.update(chunk[room:])
            self._exchange.body_size += len(chunk)
            if not message.get("more_body", False):
                self._exchange.is_body_complete = True
                self.store_body()
                self._journal.update(self._exchange)
        elif not self._exchange.is_body_complete:
            self.is_gone = True
        return message

    async def read_rest(self, seconds: float) -> None:
        """Read what the application did not read, up to `seconds` or `MAX_UNREAD_BODY_BYTES` bytes."""
        exchange = self._exchange
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (exchange.is_body_complete or self.is_gone) and exchange.body_size < MAX_UNREAD_BODY_BYTES:
                    await self.receive()

    def store_body(self) -> None:
        """Store the bytes read so far in the exchange, credentials masked."""
        text = bytes(self._first_bytes).decode(errors="surrogateescape")
        self._exchange.body = mask_text(text, self._token).encode(errors="surrogateescape")[:MAX_BODY_BYTES]
        if self._exchange.body_size > MAX_BODY_BYTES:
            tail = self._first_bytes[MAX_BODY_BYTES:] + self._rest.digest()
            self._exchange.body_tail_digest = blake2b(tail, digest_size=16).digest()


def _with_request_id(exchange: Exchange) -> Headers:
    """Return the response headers with a request id, unless a fault rule set one."""
    headers = exchange.response_head.headers
    if any(name == b"x-request-id" for name, _ in headers):
        return headers
    return [(b"x-request-id", exchange.id.encode()), *headers]


def _with_marks(headers: Headers, exchange: Exchange) -> Headers:
    """Return `headers` with the mock's own headers about the response."""
    marked = [*headers]
    if exchange.faults:
        marked.append((FAULT_HEADER, ",".join(exchange.faults).encode()))
    if exchange.reason:
        marked.append((REASON_HEADER, exchange.reason.encode()))
    return marked
