"""Requests that the server refuses before the application receives them."""

from collections.abc import Iterable
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from mock_atoms.core.addresses import format_address
from mock_atoms.core.http_text import MAX_REQUEST_HEAD_BYTES
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.journal.exchange import MALFORMED_REQUEST, REQUEST_TIMEOUT, RefusalResponse

LINGER_SECONDS = 2
"""Time for a client to read a refusal. The close of a connection with unread data would lose it."""
PLAIN_HTTP = "no TLS handshake: this port speaks HTTPS, so use https://"
_TLS = "a TLS handshake: this port speaks plain HTTP, so use http://"
_TARGET = (
    "the request target is invalid: send a path such as /atoms/v1/audience, with spaces, control characters and bytes "
    "above 127 percent-encoded"
)
_PROXY = "CONNECT: this server is no proxy"
TLS_HANDSHAKE = b"\x16"
"""First byte of a TLS connection."""


class Refusal(Exception):  # noqa: N818 - a response, rather than an error of ours
    """A response with which the connection ends.

    Attributes:
        status: its status.
        cause: the reason, for the client and for the log. It quotes nothing that the client sent.
    """

    def __init__(self, status: HTTPStatus, cause: str) -> None:
        super().__init__(cause)
        self.status = status
        self.cause = cause

    @property
    def response(self) -> RefusalResponse:
        """The response: the cause as plain text."""
        body = f"{self.cause}\n".encode()
        headers = (
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        reason = REQUEST_TIMEOUT if self.status == HTTPStatus.REQUEST_TIMEOUT else MALFORMED_REQUEST
        return RefusalResponse(self.status.value, reason, headers, body)

    def render(self, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return the bytes of the response, with the server's own headers."""
        response = self.response
        headers = b"".join(b"%b: %b\r\n" % header for header in (*default_headers, *response.headers))
        return b"%b%b\r\n%b" % (STATUS_LINE[self.status], headers, response.body)

    def log(self, client: tuple[str, int] | None) -> None:
        """Log one line with the peer and the cause."""
        log_connection(client, self.cause, status=self.status.value)


def log_connection(client: tuple[str, int] | None, cause: str, **fields: object) -> None:
    """Log one line about the connection of `client`."""
    peer = None if client is None else format_address(*client)
    LOGGER.warning(EventLine({"peer": peer, **fields, "cause": cause}))


def too_long() -> Refusal:
    """Return the refusal of a long head."""
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    return Refusal(status, f"the request line and headers have more than {MAX_REQUEST_HEAD_BYTES} bytes")


def check_head_size(url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Check the size of a head.

    Raises:
        Refusal: the head is too long.
    """
    size = len(url) + sum(len(name) + len(value) + len(": \r\n") for name, value in headers)
    if size > MAX_REQUEST_HEAD_BYTES:
        raise too_long()


def timed_out(seconds: float, part: str) -> Refusal:
    """Return the refusal of a client that stopped sending `part` of its request."""
    return Refusal(HTTPStatus.REQUEST_TIMEOUT, f"{part} incomplete after {seconds:g} s")


def refusal_of(error: httptools.HttpParserError, data: bytes) -> BaseException:
    """Return what a callback raised while `data` were parsed, or the refusal of data that the parser cannot read."""
    cause = error.__context__ or error  # the parser wraps what a callback raised
    return _unparsable(cause, data) if isinstance(cause, httptools.HttpParserError) else cause


def _unparsable(error: httptools.HttpParserError, data: bytes) -> Refusal:
    if data.startswith(TLS_HANDSHAKE):
        cause = _TLS
    elif data.startswith(b"PRI * HTTP/2"):
        cause = "HTTP/2: this server speaks HTTP/1.1"
    elif isinstance(error, httptools.HttpParserInvalidURLError):
        cause = _PROXY if data.startswith(b"CONNECT ") else _TARGET
    else:
        cause = f"not an HTTP/1.1 request: {error}"
    return Refusal(HTTPStatus.BAD_REQUEST, cause)
