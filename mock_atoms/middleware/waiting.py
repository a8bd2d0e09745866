"""Delays of responses, and responses that are sent slowly."""

from http import HTTPStatus

from starlette.types import Message, Receive, Send

from mock_atoms.core.delays import CancellableWaiter, WaitResult
from mock_atoms.journal.exchange import SHUTTING_DOWN, Exchange
from mock_atoms.middleware.responses import error_response, send_response


async def wait_before_response(
    waiter: CancellableWaiter, delay_ms: float, exchange: Exchange, receive: Receive, send: Send
) -> Receive | None:
    """Wait before a response, and respond with 503 if the server shuts down.

    Args:
        waiter: waits.
        delay_ms: duration.
        exchange: receives the reason of the 503.
        receive: the ASGI callable of the request.
        send: sends the 503.

    Returns:
        The `receive` to use from now on; `None` if there must be no other response.
    """
    result, receive = await waiter.wait(delay_ms / 1000, receive)
    if result is WaitResult.SHUTDOWN:
        exchange.reason = SHUTTING_DOWN
        await send_response(send, error_response(HTTPStatus.SERVICE_UNAVAILABLE, ["mock-atoms is shutting down"]))
    return receive if result is WaitResult.ELAPSED else None


async def send_slowly(  # noqa: PLR0913, PLR0917 - a response, and how to send it
    waiter: CancellableWaiter,
    start: Message,
    body: bytes,
    chunks: int,
    duration_ms: float,
    receive: Receive,
    send: Send,
) -> None:
    """Send a response whose body comes in chunks, evenly over a duration.

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
    for number in range(chunks):
        result, receive = await waiter.wait(duration_ms / 1000 / chunks, receive)
        if result is WaitResult.CLIENT_DISCONNECTED:
            return
        chunk = body[len(body) * number // chunks : len(body) * (number + 1) // chunks]
        await send({"type": "http.response.body", "body": chunk, "more_body": number < chunks - 1})
