"""Connection faults: what becomes of the socket instead of a proper answer.

An ASGI application cannot do this by itself: the server puts the connection's transport into the scope.
"""

import socket
import struct
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.core.delays import CancellableWaiter, WaitResult
from mock_atoms.faults.effects import ConnectionFault

if TYPE_CHECKING:
    import asyncio

TRANSPORT = "mock_atoms.transport"
"""Under which extension of the scope the server puts the `asyncio.Transport` of the connection."""
BROKEN = "mock_atoms.broken"
"""Type of the message that is sent right before a connection is broken; its `kind` is that of the fault."""
_GARBAGE = b"\x16\x03\x00 this is not HTTP \xff\xfe\r\n\r\n"
_PIECES = 20
"""Into how many pieces a dripping body is cut, if it is long enough."""
_NO_WAITING_AT_CLOSE = struct.pack("ii", 1, 0)


class NoConnectionError(RuntimeError):
    """A connection fault was asked for where there is no connection."""

    def __init__(self, fault: ConnectionFault) -> None:
        super().__init__(
            f"the fault {fault.kind!r} needs a real connection, which an in-process ASGI transport does not have: "
            "use MockServer, or a server of its own"
        )


class ConnectionFaultRunner:
    """Carries connection faults out.

    Args:
        app: what gives the answer that is cut or slowed down.
        holder: waits while it hangs or drips.
    """

    def __init__(self, app: ASGIApp, waiter: CancellableWaiter) -> None:
        self._app = app
        self._waiter = waiter

    async def __call__(self, fault: ConnectionFault, scope: Scope, receive: Receive, send: Send) -> None:
        """Break the connection of one request as `fault` says.

        Raises:
            NoSocketError: there is no connection.
        """
        transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
        if transport is None:
            raise NoConnectionError(fault)
        if fault.kind == "drip":
            await self._drip(fault, scope, receive, send)
            return
        if fault.kind == "hang":
            outcome, receive = await self._waiter.wait(
                None if fault.ms is None else fault.ms / 1000, receive, keep_messages=False
            )
            if outcome is WaitResult.CLIENT_DISCONNECTED:
                return
        elif fault.kind == "truncate":
            await self._truncate(scope, receive, send)
        else:
            await _read(receive)  # what lies unread at a close would turn a FIN into a RST
        await send({"type": BROKEN, "kind": fault.kind})
        if fault.kind == "garbage":
            transport.write(_GARBAGE)
        if fault.kind == "reset":
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_WAITING_AT_CLOSE)
            transport.abort()
        else:
            transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass  # to return before would have the server answer in our place

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await collect_response(self._app, scope, receive)
        await send(start)
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})

    async def _drip(self, fault: ConnectionFault, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await collect_response(self._app, scope, receive)
        await send(start)
        pieces = max(1, min(_PIECES, len(body)))
        for number in range(pieces):
            outcome, receive = await self._waiter.wait((fault.ms or 0) / 1000 / pieces, receive)
            if outcome is WaitResult.CLIENT_DISCONNECTED:
                return
            piece = body[len(body) * number // pieces : len(body) * (number + 1) // pieces]
            await send({"type": "http.response.body", "body": piece, "more_body": number < pieces - 1})


async def _read(receive: Receive) -> None:
    while (await receive()).get("more_body", False):
        pass


async def collect_response(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Return the start of the answer of `app`, and its whole body."""
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, keep)
    start, *bodies = sent
    return start, b"".join(message.get("body", b"") for message in bodies)
