"""Responds to requests that match a stub."""

from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.core.body_memory import BodyMemoryError, take_body_memory
from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.faults.effects import ConnectionFault, ConnectionKind
from mock_atoms.journal.exchange import BODIES_IN_FLIGHT, CONTEXT_KEY, STORE_UNAVAILABLE, STUB, Exchange, RequestContext
from mock_atoms.middleware.connection_faults import ConnectionFaultRunner
from mock_atoms.middleware.responses import complete_response, error_response, send_response
from mock_atoms.middleware.waiting import send_slowly, wait_before_response
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.stub_book import StubBook
from mock_atoms.wiremock.stub_matching import select_by_body, select_by_head
from mock_atoms.wiremock.stubs import Stub

MAX_STUB_BODY_BYTES = 8 * 1024 * 1024
"""Size of the longest request body that body patterns of stubs match."""
STUB_ID_HEADER = "matched-stub-id"
"""WireMock's header with the id of the stub."""
_KINDS: dict[str, ConnectionKind] = {
    "CONNECTION_RESET_BY_PEER": "reset",
    "EMPTY_RESPONSE": "close",
    "RANDOM_DATA_THEN_CLOSE": "garbage",
    "MALFORMED_RESPONSE_CHUNK": "garbage",
}
_CHANCES = 1 << 53


def candidate_stubs(book: StubBook, context: RequestContext) -> list[Stub]:
    """Return the stubs that may match a request by its method and path, in order of precedence."""
    exchange = context.exchange
    if context.has_credential_in_url:
        return book.find(exchange.method, exchange.path, context.path)
    return book.find(exchange.method, context.path)


class StubMiddleware:
    """Responds with the stub that matches. Other requests get to the application.

    Args:
        app: the application that responds without a stub.
        mock: the server: its stubs and its store.
        waiter: waits during a delay.
    """

    def __init__(self, app: ASGIApp, mock: MockAtoms, waiter: CancellableWaiter) -> None:
        self._app = app
        self._book = mock.stubs
        self._store = mock.store
        self._slices = mock.slices
        self._waiter = waiter
        self._connection_faults = ConnectionFaultRunner(app, waiter)
        self._key = blake2b(mock.settings.seed.encode(), digest_size=32).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        candidates = [] if self._book.is_empty else candidate_stubs(self._book, context)
        if not candidates:
            await self._app(scope, receive, send)
            return
        exchange = context.exchange
        selected = await self._slices.run_promptly(select_by_head(candidates, exchange), needs_slot=False)
        if any(stub.body_pattern is not None for stub in selected) and context.store_body is not None:
            try:
                receive, is_stored = await _receive_body(context.store_body, scope, receive)
            except BodyMemoryError as error:
                await _send_busy(exchange, BODIES_IN_FLIGHT, error, send)
                return
            if not is_stored:
                selected = [stub for stub in selected if stub.body_pattern is None]
        selected = await self._slices.run_promptly(select_by_body(selected, exchange), needs_slot=False)
        try:
            stub = await self._choose(context, selected)
        except StoreUnavailableError as error:
            await _send_busy(exchange, STORE_UNAVAILABLE, error, send)
            return
        if stub is None:
            await self._app(scope, receive, send)
        else:
            await self._respond(stub, scope, receive, send)

    async def _choose(self, context: RequestContext, selected: Sequence[Stub]) -> Stub | None:
        """Return the stub that responds. Only a scenario needs the store."""
        if not selected or selected[0].scenario is None:
            return selected[0] if selected else None
        return await self._store.choose_stub(context.caller.tenant, [stub.id for stub in selected])

    async def _respond(self, stub: Stub, scope: Scope, receive: Receive, send: Send) -> None:
        context: RequestContext = scope[CONTEXT_KEY]
        exchange, response = context.exchange, stub.response
        exchange.stub = stub.id
        exchange.reason = exchange.reason or STUB  # a connection fault that lets the request pass has its own
        delay_ms = response.delay_ms(self._chance(stub, exchange.id))
        if delay_ms:
            exchange.delay_ms += delay_ms
            next_receive = await wait_before_response(self._waiter, delay_ms, exchange, scope, receive, send)
            if next_receive is None:
                return
            receive = next_receive
        headers = [*response.headers, (STUB_ID_HEADER, stub.id)]
        complete = complete_response(response.status, headers, response.body)
        start: Message = {"type": "http.response.start", "status": complete.status, "headers": [*complete.headers]}
        if response.reason is not None:
            start["reason"] = response.reason
        if response.fault is not None:
            await self._break(response.fault, start, scope, receive, send)
        elif response.dribble is not None:
            chunks, duration_ms = response.dribble.numberOfChunks, response.dribble.totalDuration
            await send_slowly(self._waiter, start, response.body, chunks, duration_ms, receive, send)
        else:
            await send(start)
            await send({"type": "http.response.body", "body": response.body})

    async def _break(self, fault: str, start: Message, scope: Scope, receive: Receive, send: Send) -> None:
        if fault == "MALFORMED_RESPONSE_CHUNK":  # a response in chunks, whose first chunk is garbage
            headers = [header for header in start["headers"] if header[0] != b"content-length"]
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
        await self._connection_faults(ConnectionFault(kind=_KINDS[fault]), scope, receive, send)

    def _chance(self, stub: Stub, request_id: str) -> float:
        """Return a random number from 0 to below 1 that follows from seed, stub and request alone."""
        digest = blake2b(f"stub delay\0{stub.id}\0{request_id}".encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") % _CHANCES / _CHANCES


async def _send_busy(exchange: Exchange, reason: str, error: Exception, send: Send) -> None:
    exchange.reason = reason
    await send_response(send, error_response(HTTPStatus.SERVICE_UNAVAILABLE, [str(error)]))


async def _receive_body(store: Callable[[], Awaitable[None]], scope: Scope, receive: Receive) -> tuple[Receive, bool]:
    """Receive the request body and store it in the exchange.

    Returns:
        A `receive` that replays the body, and whether the body is stored: it is complete and not too long.

    Raises:
        BodyMemoryError: the bodies of all requests need too much memory.
    """
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= MAX_STUB_BODY_BYTES:
        message = await receive()
        take_body_memory(scope, len(message.get("body", b"")))
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)
    is_complete = not more and size <= MAX_STUB_BODY_BYTES and messages[-1]["type"] == "http.request"
    if is_complete:
        await store()
    messages.reverse()

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay, is_complete
