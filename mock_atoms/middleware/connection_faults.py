"""Connection faults: broken, hanging and slow connections.

They act on the transport of the connection, which the server puts into the ASGI scope.
"""

import socket
import struct
from typing import TYPE_CHECKING, Protocol, assert_never, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.core.delays import CancellableWaiter, WaitResult
from mock_atoms.faults.effects import ConnectionFault
from mock_atoms.middleware.waiting import send_slowly

if TYPE_CHECKING:
    import asyncio

TRANSPORT = "mock_atoms.transport"
"""Key of the connection's `asyncio.Transport` in the extensions of an ASGI scope."""
BROKEN = "mock_atoms.broken"
"""Type of the message that announces a broken connection; its `kind` is that of the fault."""
_GARBAGE = b"\x16\x03\x00 this is not HTTP \xff\xfe\r\n\r\n"
_DRIP_CHUNKS = 20
"""Number of chunks of a dripping body, unless it is shorter."""
_RST_ON_CLOSE = struct.pack("ii", 1, 0)


class ClosableConnection(Protocol):
    """The protocol of a transport, as this module uses it."""

    def close_before_next_request(self) -> None:
        """Close the connection silently once the next request arrives, or soon after the current response."""


class NoConnectionError(RuntimeError):
    """A connection fault needs a connection, and an in-process transport has none."""

    def __init__(self, fault: ConnectionFault) -> None:
        super().__init__(
            f"the fault `{fault.kind}` needs a real connection, and an in-process ASGI transport has none: "
            "use MockServer or `mock-atoms serve`"
        )


class ConnectionFaultRunner:
    """Applies connection faults.

    Args:
        app: the application whose response is truncated or slowed down.
        waiter: waits while a connection hangs or drips.
    """

    def __init__(self, app: ASGIApp, waiter: CancellableWaiter) -> None:
        self._app = app
        self._waiter = waiter

    async def __call__(self, fault: ConnectionFault, scope: Scope, receive: Receive, send: Send) -> None:
        """Apply `fault` to the connection of one request.

        Raises:
            NoConnectionError: the request has no connection.
        """
        transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
        if transport is None:
            raise NoConnectionError(fault)
        match fault.kind:
            case "reset" | "close" | "garbage":
                await _read_body(receive)  # unread data would turn the FIN into a RST
                await _break(fault, transport, receive, send)
            case "hang":
                await self._hang(fault, transport, receive, send)
            case "truncate":
                await self._truncate(scope, receive, send)
                await _break(fault, transport, receive, send)
            case "drip":
                await self._drip(fault, scope, receive, send)
            case "stale":
                cast("ClosableConnection", transport.get_protocol()).close_before_next_request()
                await self._app(scope, receive, send)
            case _:  # pragma: no cover - mypy checks that all kinds are here
                assert_never(fault.kind)

    async def _hang(self, fault: ConnectionFault, transport: "asyncio.Transport", receive: Receive, send: Send) -> None:
        seconds = None if fault.ms is None else fault.ms / 1000
        if await self._waiter.wait(seconds, receive) is not WaitResult.CLIENT_DISCONNECTED:
            await _break(fault, transport, receive, send)

    async def _truncate(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await collect_response(self._app, scope, receive, send)
        if response is not None:
            start, body = response
            await send(start)
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})

    async def _drip(self, fault: ConnectionFault, scope: Scope, receive: Receive, send: Send) -> None:
        response = await collect_response(self._app, scope, receive, send)
        if response is not None:
            await send_slowly(self._waiter, *response, _DRIP_CHUNKS, fault.ms or 0, receive, send)


async def _break(fault: ConnectionFault, transport: "asyncio.Transport", receive: Receive, send: Send) -> None:
    """Break the connection."""
    await send({"type": BROKEN, "kind": fault.kind})
    if fault.kind == "garbage" and not transport.is_closing():
        transport.write(_GARBAGE)
    if fault.kind == "reset":
        if not transport.is_closing():
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass  # if this returned earlier, the server would send a response


async def _read_body(receive: Receive) -> None:
    while (await receive()).get("more_body", False):
        pass


async def collect_response(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> tuple[Message, bytes] | None:
    """Return the start message and the complete body of the response of `app`.

    Returns `None` if there is no response: the client has disconnected, or a stub breaks the connection.
    """
    messages: list[Message] = []
    is_broken = False

    async def collect(message: Message) -> None:
        nonlocal is_broken
        if message["type"] == BROKEN:
            is_broken = True
            await send(message)
        else:
            messages.append(message)

    await app(scope, receive, collect)
    if is_broken or not messages:
        return None
    start, *bodies = messages
    return start, b"".join(message.get("body", b"") for message in bodies)
