"""Recording of requests to the vendor's API: request ids, marks on responses, journal, log and metrics."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from hashlib import blake2b
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.core.body_memory import MAX_UNREAD_BODY_BYTES
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.inflating import InflateError, Inflater, content_encoding, is_inflatable
from mock_atoms.core.masking import mask_text_steps
from mock_atoms.core.slices import IS_DISCONNECTED, Slices
from mock_atoms.faults.expressions import ExpressionError
from mock_atoms.journal.exchange import (
    ABORTED,
    CONTEXT_KEY,
    REFUSAL_KEY,
    RESPONDED,
    Exchange,
    RefusalResponse,
    RequestContext,
    share_response_head,
)
from mock_atoms.journal.journal import Journal
from mock_atoms.journal.recorded_body import MAX_SHARED_BODY_BYTES, kept_bytes, record_body, record_body_steps
from mock_atoms.middleware.connection_faults import BROKEN, TRANSPORT
from mock_atoms.middleware.faults import fault_evaluator
from mock_atoms.middleware.marks import ResponseMarker
from mock_atoms.middleware.responses import send_response, store_unavailable
from mock_atoms.mock import MockAtoms

MAX_INFLATED_BODY_BYTES = 8 * 1024 * 1024
"""Size limit of an inflated request body. The rest of the body is not recorded."""


class RecordingMiddleware:
    """Adds `x-request-id` (G) and marks to each response and records the exchange before the response is complete.

    The id derives from the seed, the tenant and the number of the tenant's requests so far.

    Args:
        app: the application that responds.
        mock: the server: its store, fault engine, journal and clock.
        body_timeout: seconds that a response waits for the rest of the request body, to record it.
    """

    def __init__(self, app: ASGIApp, mock: MockAtoms, body_timeout: float = 1.0) -> None:
        self._app = app
        self._store = mock.store
        self._engine = mock.fault_engine
        self._journal = mock.journal
        self._recorder = mock.recorder
        self._is_shared = mock.is_shared
        self._slices = mock.slices
        self._marker = ResponseMarker(mock.fault_engine, mock.fixtures, mock.journal.credentials)
        self._clock = mock.clock
        self._body_timeout = body_timeout
        self._max_body = mock.settings.journal_body
        self._max_response_body = mock.max_recorded_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        held_start = HeldStart(send, is_holding=self._is_shared)
        try:
            await self._begin(context)
            await self._respond(context, scope, receive, held_start)
        except StoreUnavailableError as error:
            await held_start.replace(error)

    async def _respond(self, context: RequestContext, scope: Scope, receive: Receive, held_start: "HeldStart") -> None:
        exchange = context.exchange
        body_recorder = None
        if context.has_body:
            body_recorder = RequestBodyRecorder(context, self._journal, self._slices, receive, self._max_body)
            context.store_body = body_recorder.store_body
        else:
            exchange.is_body_complete = True

        response_recorder = ResponseBodyRecorder(context, self._max_response_body, self._slices)
        finish = partial(self._finish, scope.get("extensions", {}), exchange, body_recorder, response_recorder)

        async def record(message: Message) -> None:
            if message["type"] == BROKEN:
                await held_start.break_off(finish(message["kind"]))
                return
            if message["type"] == "http.response.start":
                if body_recorder is not None and not _is_refused_unread(context, body_recorder):
                    await body_recorder.read_rest(self._body_timeout)
                exchange.response_started_at = self._clock()
                message["headers"] = self._marker.mark(context, message["status"], message["headers"])
            else:
                if exchange.method == "HEAD":
                    message["body"] = b""
                response_recorder.add(message.get("body", b""))
                if not message.get("more_body"):
                    is_disconnected = body_recorder is not None and body_recorder.is_disconnected
                    await held_start.end(finish(ABORTED if is_disconnected else RESPONDED))
            await held_start.send(message)

        transport = scope.get("extensions", {}).get(TRANSPORT)
        previous = IS_DISCONNECTED.set(None if transport is None else transport.is_closing)
        try:
            await self._app(scope, receive if body_recorder is None else body_recorder.receive, record)
        finally:
            IS_DISCONNECTED.reset(previous)
            context.store_body = None  # the scope has the context: no request is to leave garbage in a cycle
            if exchange.ended_at is None:
                with suppress(StoreUnavailableError):  # the client has gone
                    await finish(ABORTED)

    async def _begin(self, context: RequestContext) -> None:
        evaluate = None
        try:
            evaluate = fault_evaluator(context, self._engine)
        except ExpressionError as error:
            context.prefer_problem = str(error)
        context.faults = await self._store.begin(context.caller.tenant, context.exchange, evaluate)

    async def _finish(
        self,
        extensions: Mapping[str, Any],
        exchange: Exchange,
        body_recorder: "RequestBodyRecorder | None",
        response_recorder: "ResponseBodyRecorder",
        ended: str,
    ) -> None:
        if body_recorder is not None and not exchange.is_body_complete:
            await body_recorder.store_body()
        await response_recorder.store_body()
        if REFUSAL_KEY in extensions:
            refusal: RefusalResponse = extensions[REFUSAL_KEY]
            exchange.status, exchange.reason, ended = refusal.status, refusal.reason, RESPONDED
            exchange.response_head = share_response_head(refusal.headers)
            exchange.response_body = record_body(refusal.body, self._max_response_body, None)
            exchange.bytes_sent = len(refusal.body)
        await self._recorder.end(exchange, ended)


class HeldStart:
    """Holds the start of a response back until its body comes, since the store may fail to record the exchange.

    Args:
        send: sends the messages.
        is_holding: whether to hold it back.
    """

    def __init__(self, send: Send, *, is_holding: bool) -> None:
        self._send = send
        self._is_holding = is_holding
        self._is_replaced = False
        self._start: Message | None = None
        self._is_sent = False

    async def send(self, message: Message) -> None:
        """Send a message, or hold it back. Ignore it if another response was sent."""
        if self._is_holding and message["type"] == "http.response.start":
            self._start = message
        elif not self._is_replaced:
            if self._start is not None:
                await self._send(self._start)
                self._start = None
            self._is_sent = True
            await self._send(message)

    async def end(self, recording: Awaitable[None]) -> None:
        """Record the exchange. If that fails, send a 503 instead of the response.

        Raises:
            StoreUnavailableError: that failed, and the client has already received the start of the response.
        """
        try:
            await recording
        except StoreUnavailableError as error:
            await self.replace(error)

    async def break_off(self, recording: Awaitable[None]) -> None:
        """Record the exchange before its connection breaks.

        Raises:
            StoreUnavailableError: that failed, and nothing was sent, so that the client can get a 503.
        """
        try:
            await recording
        except StoreUnavailableError:
            if not self._is_sent:
                raise

    async def replace(self, error: StoreUnavailableError) -> None:
        """Send a 503 instead of the response.

        Raises:
            StoreUnavailableError: `error`, because the client has already received the start of the response.
        """
        if self._is_sent:
            raise error
        self._is_replaced = True
        await send_response(self._send, store_unavailable(error))


def _is_refused_unread(context: RequestContext, body_recorder: "RequestBodyRecorder") -> bool:
    """Return whether the API responds without a request body that the client holds back until `100 Continue`."""
    is_waiting = any(value.lower() == "100-continue" for value in context.header_values(b"expect"))
    return is_waiting and not body_recorder.is_started and not context.exchange.faults


class BodyExcerpt:
    """The first bytes of a body, and the size and a digest of all of it.

    Args:
        max_bytes: number of bytes to keep.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = blake2b(digest_size=16)
        self.first_bytes = bytearray()
        self.size = 0

    def add(self, data: bytes) -> None:
        """Add the next bytes."""
        room = self._max_bytes - len(self.first_bytes)
        self.first_bytes += data[:room]
        self._rest.update(data[room:])
        self.size += len(data)

    def tail_digest(self, start: int) -> bytes:
        """Return the digest of the bytes from `start` on; empty if there are none."""
        if self.size <= start:
            return b""
        return blake2b(self.first_bytes[start:] + self._rest.digest(), digest_size=16).digest()


class ResponseBodyRecorder:
    """Counts the bytes of a response body, and stores the first ones in its exchange.

    Args:
        context: the request, whose exchange receives the body.
        max_bytes: number of bytes to store.
        slices: runs the search for credentials in the body.
    """

    def __init__(self, context: RequestContext, max_bytes: int, slices: Slices) -> None:
        self._context = context
        self._max_bytes = max_bytes
        self._slices = slices
        self._room = kept_bytes(max_bytes, context.caller.token) if max_bytes else 0
        self._pieces: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Add the next bytes."""
        self._context.exchange.bytes_sent += len(data)
        if data and self._room > 0:
            self._pieces.append(data[: self._room])
            self._room -= len(data)

    async def store_body(self) -> None:
        """Store the bytes so far in the exchange, credentials masked."""
        context, exchange = self._context, self._context.exchange
        if not self._pieces:
            return
        if context.cached_body is not None and not exchange.faults:
            exchange.response_body = context.cached_body
            return
        body, token = b"".join(self._pieces), context.caller.token
        if len(body) <= MAX_SHARED_BODY_BYTES:
            exchange.response_body = record_body(body, self._max_bytes, token)
        else:
            steps = record_body_steps(body, self._max_bytes, token)
            exchange.response_body = await self._slices.run_promptly(steps, needs_slot=False)


class RequestBodyRecorder:
    """Stores the first bytes of a request body in its exchange while the application reads it.

    A body in gzip or deflate is stored inflated, or as received if it cannot be inflated.

    Args:
        context: the request, whose exchange receives the body.
        journal: is notified when the body is complete.
        slices: runs the search for credentials in the body.
        receive: ASGI callable that the body comes from.
        max_bytes: number of bytes to store.

    Attributes:
        is_disconnected: whether the client disconnected before its body was complete.
        is_started: whether the body has been requested from the client.
    """

    def __init__(
        self, context: RequestContext, journal: Journal, slices: Slices, receive: Receive, max_bytes: int
    ) -> None:
        token = context.caller.token
        self._max_bytes = max_bytes
        self._exchange = context.exchange
        self._journal = journal
        self._slices = slices
        self._receive = receive
        self._token = token
        self._received = self._stored = BodyExcerpt(kept_bytes(max_bytes, token))
        self._inflater: Inflater | None = None
        encoding = content_encoding(context.header_values(b"content-encoding"))
        if is_inflatable(encoding):
            self._inflater = Inflater(encoding)
            self._stored = BodyExcerpt(kept_bytes(max_bytes, token))
        self._storing: asyncio.Task[None] | None = None
        self._message: Message | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._is_complete = False
        self.is_disconnected = False
        self.is_started = False

    async def receive(self) -> Message:
        """Return the next ASGI message of the request. If this is cancelled, the next call returns the message."""
        self.is_started = True
        if self._message is None:
            self._message = await self._receive()
            data = self._message.get("body", b"")
            self._received.add(data)
            self._pieces = iter(()) if self._inflater is None else self._inflater.feed(data)
        message = self._message
        if message["type"] == "http.request":
            is_last = not message.get("more_body", False)
            await self._inflate(is_last=is_last)
            self._exchange.body_size = self._stored.size
            if is_last:
                self._is_complete = True
                self._start_storing()
        elif not self._is_complete:
            self.is_disconnected = True
        self._message = None
        return message

    async def _inflate(self, *, is_last: bool) -> None:
        """Inflate up to `MAX_INFLATED_BODY_BYTES` bytes. Other requests run between two pieces."""
        try:
            for piece in self._pieces:
                self._stored.add(piece)
                if self._stored.size >= MAX_INFLATED_BODY_BYTES:
                    self._inflater = None
                    return
                await asyncio.sleep(0)
            if is_last and self._inflater is not None:
                self._inflater.finish()
        except InflateError:
            self._inflater = None
            self._stored = self._received

    async def read_rest(self, seconds: float) -> None:
        """Read what the application did not read, up to `seconds` or `MAX_UNREAD_BODY_BYTES` bytes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (self._is_complete or self.is_disconnected) and self._received.size < MAX_UNREAD_BODY_BYTES:
                    await self.receive()

    async def store_body(self) -> None:
        """Store the bytes read so far in the exchange, credentials masked."""
        await asyncio.shield(self._storing or self._start_storing())

    def _start_storing(self) -> asyncio.Task[None]:
        """Start a task that is not cancelled with the request, which could lose the end of its body then."""
        self._storing = asyncio.ensure_future(self._store())
        return self._storing

    async def _store(self) -> None:
        IS_DISCONNECTED.set(None)  # of this task: the body of a client that has disconnected is stored too
        first_bytes = bytes(self._stored.first_bytes)
        text, kept = (data.decode(errors="surrogateescape") for data in (first_bytes, first_bytes[: self._max_bytes]))
        steps = mask_text_steps(text, self._token, len(kept))
        masked = (await self._slices.run_promptly(steps, needs_slot=False)).encode(errors="surrogateescape")
        self._exchange.body = masked[: self._max_bytes]
        self._exchange.body_tail_digest = self._stored.tail_digest(self._max_bytes)
        if self._is_complete:
            self._exchange.is_body_complete = True
            with suppress(StoreUnavailableError):  # the end of the exchange is recorded with the body
                await self._journal.update(self._exchange)
