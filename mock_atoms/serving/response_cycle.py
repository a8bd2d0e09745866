"""One request of the application and its response."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

Headers = Sequence[tuple[bytes, bytes]]


class ResponseCycle(RequestResponseCycle):
    """uvicorn's cycle, which also announces that the connection is kept.

    Attributes:
        kept_headers: the headers of a response that keeps the connection.
    """

    kept_headers: Headers = ()

    async def send(self, message: "ASGISendEvent") -> None:
        """Send a part of the response."""
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            self.keep_alive = self.keep_alive and self._may_keep_alive(message["status"], headers)
            if self.keep_alive:
                self.default_headers = [*self.default_headers, *self.kept_headers]
        await super().send(message)

    def _may_keep_alive(self, status: int, headers: Headers) -> bool:
        names = {name.lower(): value.lower() for name, value in headers}
        if b"close" in names.get(b"connection", b""):
            return False
        if self.waiting_for_100_continue and not self.body:
            return False  # the client may send the refused body, or none
        # HTTP/1.0 has no chunks: the end of the connection ends a body without a length.
        return self.scope["http_version"] != "1.0" or b"content-length" in names or status in (204, 304)
