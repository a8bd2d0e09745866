"""Observation of the vendor's routes: request ids, marks on answers, and what log and journal are told."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from sys import intern

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.caching.fast_path import FAST_PATH_KEY
from mock_atoms.contract.operations import find_operation
from mock_atoms.core.masking import mask_text, mask_url
from mock_atoms.core.tenancy import AuthenticatedCaller, UnauthenticatedCaller
from mock_atoms.journal.exchange import ABORTED, SCOPE_KEY, UNKNOWN_MAGIC_WORD, Exchange
from mock_atoms.journal.journal import ANSWERED, MAX_BODY_BYTES, Entry, Journal, RequestHead, ResponseHead
from mock_atoms.middleware.connection_faults import BROKEN
from mock_atoms.mock import MockAtoms
from mock_atoms.state.store import TenantState

FAULT_HEADER = b"x-mock-atoms-fault"
MAX_UNREAD_BODY_BYTES = 8 * 1024 * 1024
"""How much of a body is read that the application did not ask for."""
REASON_HEADER = b"x-mock-atoms-reason"

Headers = Sequence[tuple[bytes, bytes]]


class RecordingMiddleware:
    """Gives every answer its `x-request-id` (G) and its marks, and tells log and journal before the answer is whole.

    The id follows from the seed, the tenant and the tenant's number of requests so far.

    Args:
        app: what answers.
        mock: the server, for its store, generator, journal and clocks.
        patience: for how many seconds an answer waits for the rest of a request's body, so that it can be recorded.
    """

    def __init__(self, app: ASGIApp, mock: MockAtoms, patience: float = 1.0) -> None:
        self._app = app
        self._store = mock.store
        self._generator = mock.generator
        self._journal = mock.journal
        self._recorder = mock.recorder
        self._fixtures = mock.fixtures
        self._engine = mock.engine
        self._clock = mock.clock
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        exchange: Exchange = scope[SCOPE_KEY]
        tenant = exchange.caller.tenant
        request_id = self._generator.request_id(tenant.key, await self._store.update(tenant, _count)).encode()
        entry = self._arrived(scope, exchange, request_id)
        body_recorder = (
            RequestBodyRecorder(entry, self._journal, receive, exchange.caller.token) if _has_body(scope) else None
        )
        if body_recorder is None:
            entry.body_complete = True

        async def observed(message: Message) -> None:
            if message["type"] == BROKEN:
                self._finish(exchange, entry, body_recorder, message["kind"])
                return
            if message["type"] == "http.response.start":
                if body_recorder is not None:
                    await body_recorder.read_rest(self._patience)
                entry.response_started = self._clock()
                exchange.reason = exchange.reason or self._doubt(exchange.caller)
                exchange.status = message["status"]
                entry.answer = ResponseHead(_marked(message["headers"], exchange))
                message["headers"] = _with_id(entry.answer.headers, request_id)
            else:
                if exchange.method == "HEAD":
                    message["body"] = b""
                entry.bytes_sent += len(message.get("body", b""))
                if not message.get("more_body"):
                    is_gone = body_recorder is not None and body_recorder.is_gone
                    self._finish(exchange, entry, body_recorder, ABORTED if is_gone else ANSWERED)
                    if body_recorder is None and exchange.is_plain and exchange.reason is None:
                        _keep_shortcut(scope, exchange, entry)
            await send(message)

        try:
            await self._app(scope, receive if body_recorder is None else body_recorder.receive, observed)
        finally:
            if entry.ended is None:
                self._finish(exchange, entry, body_recorder, ABORTED)

    def _doubt(self, caller: AuthenticatedCaller | UnauthenticatedCaller) -> str | None:
        """Return what the answer should say of a key that seems to ask for something that is not there."""
        if (
            isinstance(caller, UnauthenticatedCaller)
            or not self._engine.is_unknown_magic_key(caller.token)
            or self._fixtures.has_fixture(caller)
        ):
            return None
        return UNKNOWN_MAGIC_WORD

    def _arrived(self, scope: Scope, exchange: Exchange, request_id: bytes) -> Entry:
        token = exchange.caller.token
        headers, secrets = self._journal.credentials.mask_headers(scope["headers"], token)
        query = scope.get("query_string", b"").decode("latin-1")
        head = RequestHead(
            tenant=exchange.caller.tenant,
            secrets=secrets,
            method=intern(exchange.method),  # one text for all
            url=mask_url(f"{exchange.path}?{query}" if query else exchange.path, token),
            scheme=scope.get("scheme", "http"),
            http_version=scope.get("http_version", "1.1"),
            host=_host(scope, headers),
            headers=headers,
            operation=find_operation(exchange.method, exchange.api_path or "").name,
        )
        client, client_port = scope.get("client") or ("", 0)
        entry = Entry(head, request_id.decode(), exchange.arrived, exchange.started, client, client_port)
        self._recorder.begin(entry)
        return entry

    def _finish(
        self, exchange: Exchange, entry: Entry, body_recorder: "RequestBodyRecorder | None", ending: str
    ) -> None:
        if body_recorder is not None and not entry.body_complete:
            body_recorder.settle()
        entry.status = exchange.status
        entry.faults, entry.reason = exchange.faults, exchange.reason
        entry.delay_ms, entry.malformed_body = exchange.delay_ms, exchange.malformed_body
        self._recorder.end(entry, ending)


def _keep_shortcut(scope: Scope, exchange: Exchange, entry: Entry) -> None:
    digest = scope.get("extensions", {}).get(FAST_PATH_KEY)
    if digest is not None and exchange.remember_fast_path is not None:
        exchange.remember_fast_path(digest, entry.head)


def _count(state: TenantState) -> int:
    """Count one more request, and return how many there have been with it."""
    state.requests += 1
    return state.requests


def _host(scope: Scope, headers: Sequence[tuple[str, str]]) -> str:
    """Return what the request was sent to: what it says itself, else the server's own address."""
    server, port = scope.get("server") or ("", None)
    own = server if port is None else f"{server}:{port}"
    return next((value for name, value in headers if name == "host"), own)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


class RequestBodyRecorder:
    """Keeps the beginning of a request's body for the journal while the application reads it.

    Args:
        entry: what it is kept in.
        journal: what is told once all of it is there.
        receive: where it comes from.
        token: the caller's token.

    Attributes:
        is_gone: whether the client went before all of it was there.
    """

    def __init__(self, entry: Entry, journal: Journal, receive: Receive, token: str | None) -> None:
        self._entry = entry
        self._journal = journal
        self._receive = receive
        self._token = token
        # A token across the cap is found before the rest of it is cut off.
        self._room = MAX_BODY_BYTES + len(token or "")
        self._kept = bytearray()
        self._rest = blake2b(digest_size=16)
        self.is_gone = False

    async def receive(self) -> Message:
        """Return the next message of the request."""
        message = await self._receive()
        if message["type"] == "http.request":
            piece = message.get("body", b"")
            room = self._room - len(self._kept)
            self._kept += piece[:room]
            self._rest.update(piece[room:])
            self._entry.body_size += len(piece)
            if not message.get("more_body", False):
                self._entry.body_complete = True
                self.settle()
                self._journal.update(self._entry)
        elif not self._entry.body_complete:
            self.is_gone = True
        return message

    async def read_rest(self, patience: float) -> None:
        """Read what the application did not, for `patience` seconds and `MAX_UNREAD_BODY_BYTES` bytes at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while not (self._entry.body_complete or self.is_gone) and self._entry.body_size < MAX_UNREAD_BODY_BYTES:
                    await self.receive()

    def settle(self) -> None:
        """Put what was read into the entry, credentials masked."""
        text = bytes(self._kept).decode(errors="surrogateescape")
        self._entry.body = mask_text(text, self._token).encode(errors="surrogateescape")[:MAX_BODY_BYTES]
        if self._entry.body_size > MAX_BODY_BYTES:
            self._entry.body_tail_digest = blake2b(
                self._kept[MAX_BODY_BYTES:] + self._rest.digest(), digest_size=16
            ).digest()


def _with_id(headers: Headers, request_id: bytes) -> Headers:
    """Return `headers` with a request id, unless a rule wrote one."""
    if any(name == b"x-request-id" for name, _ in headers):
        return headers
    return [(b"x-request-id", request_id), *headers]


def _marked(headers: Headers, exchange: Exchange) -> Headers:
    """Return `headers` with what the mock says of its answer."""
    marked = [*headers]
    if exchange.faults:
        marked.append((FAULT_HEADER, ",".join(exchange.faults).encode()))
    if exchange.reason:
        marked.append((REASON_HEADER, exchange.reason.encode()))
    return marked
