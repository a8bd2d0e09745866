"""One request of the application and its response."""

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from mock_atoms.core.http_text import Headers
from mock_atoms.journal.exchange import REFUSAL_KEY
from mock_atoms.serving.refusal import Refusal

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGISendEvent

CLOSE = (b"connection", b"close")
"""Announces that the connection is closed after the response. uvicorn 0.35 omits it unless the request has it."""


def _announces_close(headers: Headers) -> bool:
    return any(name.lower() == b"connection" and b"close" in value.lower() for name, value in headers)


class _Writes:
    """Collects what is written."""

    def __init__(self, parts: list[bytes]) -> None:
        self.write = parts.append


class ResponseCycle(RequestResponseCycle):
    """uvicorn's cycle, which also announces that the connection is kept.

    Attributes:
        keep_alive_headers: the headers of a response that keeps the connection.
    """

    keep_alive_headers: Headers = ()

    def refuse(self, refusal: Refusal) -> None:
        """End a request whose body will not be complete. The application sends nothing any more."""
        cast("dict[str, Any]", self.scope["extensions"])[REFUSAL_KEY] = refusal.response
        self.waiting_for_100_continue = False
        self.disconnected = True
        self.message_event.set()

    async def send(self, message: "ASGISendEvent") -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            self.keep_alive = self.keep_alive and self._may_keep_alive(message["status"], headers)
            added = self.keep_alive_headers if self.keep_alive else (() if _announces_close(headers) else (CLOSE,))
            self.default_headers = [*self.default_headers, *added]
            reason = cast("dict[str, Any]", message).get("reason")
            if reason is not None:
                await self._send_with_reason(message, reason)
                return
        await super().send(message)

    async def _send_with_reason(self, start: "ASGISendEvent", reason: bytes) -> None:
        """Send the start of a response with another reason phrase than that of its status."""
        parts: list[bytes] = []
        transport = self.transport
        self.transport = cast("asyncio.Transport", _Writes(parts))
        try:
            await super().send(start)
        finally:
            self.transport = transport
        for head in parts:
            status_line, separator, rest = head.partition(b"\r\n")
            version, status, *_ = status_line.split(b" ")
            transport.write(b"%b %b %b%b%b" % (version, status, reason, separator, rest))

    def _may_keep_alive(self, status: int, headers: Headers) -> bool:
        if self.waiting_for_100_continue and not self.body:
            return False  # the client may send the refused body, or none
        # HTTP/1.0 has no chunks: the end of the connection ends a body without a length.
        return (
            self.scope["http_version"] != "1.0"
            or any(name.lower() == b"content-length" for name, _ in headers)
            or status in (204, 304)
        )
