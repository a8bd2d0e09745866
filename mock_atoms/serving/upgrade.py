"""Requests that offer another protocol (`Upgrade`) and continue as HTTP/1.1."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from uvicorn._types import HTTPScope


def head_without_upgrade(scope: "HTTPScope", url: bytes) -> bytes:
    """Return the head of a request without its offer of another protocol."""
    head = [b"%s %s HTTP/%s" % (scope["method"].encode(), url, scope["http_version"].encode())]
    head += [b"%s: %s" % header for header in scope["headers"] if header[0] != b"upgrade"]
    return b"\r\n".join([*head, b"", b""])


class ParserCallbacks(Protocol):
    """What httptools calls."""

    def on_message_begin(self) -> None:
        """Start a request."""

    def on_url(self, url: bytes) -> None:
        """Add a part of a URL."""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""

    def on_headers_complete(self) -> None:
        """End a head."""

    def on_body(self, body: bytes) -> None:
        """Add a part of a body."""

    def on_message_complete(self) -> None:
        """End a request."""


class AfterFirstHead:
    """Parser callbacks that skip the first head, which the protocol has handled, and forward everything after it."""

    def __init__(self, protocol: ParserCallbacks) -> None:
        self._protocol = protocol
        self._is_after_head = False
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        """Start a request."""
        if self._is_after_head:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Add a part of a URL."""
        if self._is_after_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        if self._is_after_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head."""
        if self._is_after_head:
            self._protocol.on_headers_complete()
        self._is_after_head = True
