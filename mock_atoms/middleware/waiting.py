"""Delays of responses, and responses that are sent slowly."""

from collections import deque
from http import HTTPStatus

from starlette.types import Message, Receive, Scope, Send

from mock_atoms.core.body_memory import MAX_UNREAD_BODY_BYTES, BodyMemoryError, take_body_memory
from mock_atoms.core.delays import CancellableWaiter, WaitResult, wait_forever
from mock_atoms.journal.exchange import SHUTTING_DOWN, Exchange
from mock_atoms.middleware.responses import error_response, send_response


class ReadAhead:
    """Reads a request during a delay, and returns its messages afterwards.

    Args:
        scope: ASGI scope of the request, which takes the memory of its body.
        receive: its ASGI callable.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope = scope
        self._receive = receive
        self._messages: deque[tuple[Message, int]] = deque()  # each with the memory that it has taken
        self._room = MAX_UNREAD_BODY_BYTES

    async def read(self) -> Message:
        """Read the next message and keep it. If there is no room for more of the body, wait until cancelled."""
        if self._room <= 0:
            await wait_forever()
        message = await self._receive()
        size = len(message.get("body", b""))
        self._room -= size
        try:
            take_body_memory(self._scope, size)
        except BodyMemoryError:
            self._room = size = 0
        self._messages.append((message, size))
        return message

    async def receive(self) -> Message:
        """Return the first message that was kept, or the next one of the request."""
        if not self._messages:
            return await self._receive()
        message, size = self._messages.popleft()
        take_body_memory(self._scope, -size)
        return message


async def wait_before_response(  # noqa: PLR0913, PLR0917 - the arguments of an application, and the delay
    waiter: CancellableWaiter, delay_ms: float, exchange: Exchange, scope: Scope, receive: Receive, send: Send
) -> Receive | None:
    """Wait before a response, and respond with 503 if the server shuts down.

    Args:
        waiter: waits.
        delay_ms: duration.
        exchange: receives the reason of the 503.
        scope: ASGI scope of the request.
        receive: its ASGI callable.
        send: sends the 503.

    Returns:
        The `receive` to use from now on; `None` if there must be no other response.
    """
    request = ReadAhead(scope, receive)
    result = await waiter.wait(delay_ms / 1000, request.read)
    if result is WaitResult.SHUTDOWN:
        exchange.reason = SHUTTING_DOWN
        await send_response(send, error_response(HTTPStatus.SERVICE_UNAVAILABLE, ["mock-atoms is shutting down"]))
    return request.receive if result is WaitResult.ELAPSED else None


async def send_slowly(  # noqa: PLR0913, PLR0917 - a response, and how to send it
    waiter: CancellableWaiter,
    start: Message,
    body: bytes,
    chunks: int,
    duration_ms: float,
    receive: Receive,
    send: Send,
) -> None:
    """Send a response whose body comes in chunks, evenly over a duration. If the server shuts down, send the rest.

    Args:
        waiter: waits before each chunk.
        start: the start of the response.
        body: its body.
        chunks: number of chunks, unless the body is shorter.
        duration_ms: time until the last chunk.
        receive: the ASGI callable of the request.
        send: sends the response.
    """
    await send(start)
    chunks = max(1, min(chunks, len(body)))
    number = begin = 0
    more = True
    while more:
        result = await waiter.wait(duration_ms / 1000 / chunks, receive)
        if result is WaitResult.CLIENT_DISCONNECTED:
            return
        number += 1
        more = number < chunks and result is not WaitResult.SHUTDOWN
        end = len(body) * number // chunks if more else len(body)
        await send({"type": "http.response.body", "body": body[begin:end], "more_body": more})
        begin = end
