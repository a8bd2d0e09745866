"""Marks: the mock's own headers about a response, and what the journal records of its headers."""

from mock_atoms.core.http_text import Headers, decode_text
from mock_atoms.core.masking import has_no_secret
from mock_atoms.core.tenancy import AuthenticatedCaller, UnauthenticatedCaller
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.faults.engine import FaultEngine
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import (
    MAX_SHARED_HEAD_BYTES,
    UNKNOWN_MAGIC_WORD,
    RequestContext,
    ResponseHead,
    share_response_head,
)
from mock_atoms.middleware.responses import REASON_HEADER

FAULT_HEADER = b"x-mock-atoms-fault"


class ResponseMarker:
    """Adds `x-request-id` (G) and marks to the headers of a response, and records its head.

    Args:
        engine: knows the magic words of faults.
        fixtures: know the tokens of fixture files, which may look like magic keys.
        credentials: masks credentials in headers.
    """

    def __init__(self, engine: FaultEngine, fixtures: Fixtures, credentials: Credentials) -> None:
        self._engine = engine
        self._fixtures = fixtures
        self._credentials = credentials

    def mark(self, context: RequestContext, status: int, headers: Headers) -> Headers:
        """Record status, reason and headers of a response in its exchange. Return the headers to send."""
        exchange = context.exchange
        exchange.reason = exchange.reason or self._unknown_magic_word(context.caller)
        exchange.status = status
        if exchange.faults or exchange.reason:
            headers = [*headers]
            if exchange.faults:
                headers.append((FAULT_HEADER, ",".join(exchange.faults).encode()))
            if exchange.reason:
                headers.append((REASON_HEADER, exchange.reason.encode()))
        exchange.response_head = self._recorded_head(headers, context.caller.token)
        return _with_request_id(headers, exchange.id)

    def _unknown_magic_word(self, caller: AuthenticatedCaller | UnauthenticatedCaller) -> str | None:
        """Return the reason of a response to a magic key whose word has no meaning; `None` for other tokens."""
        if (
            isinstance(caller, UnauthenticatedCaller)
            or not self._engine.is_unknown_magic_key(caller.token)
            or self._fixtures.has_fixture(caller)
        ):
            return None
        return UNKNOWN_MAGIC_WORD

    def _recorded_head(self, headers: Headers, token: str | None) -> ResponseHead:
        """Return the head of a response, credentials masked: a fault rule, a stub or an echo may have put one there."""
        text = b"\n".join([part for header in headers for part in header]).decode("latin-1")
        has_credentials = "set-cookie" in text or "authorization" in text or "api-key" in text
        if has_credentials or not has_no_secret(text, token):
            mask = self._credentials.mask_header
            headers = [
                (name, mask(name.decode("latin-1"), decode_text(value), token).encode()) for name, value in headers
            ]
        return (share_response_head if len(text) <= MAX_SHARED_HEAD_BYTES else ResponseHead)(tuple(headers))


def _with_request_id(headers: Headers, request_id: str) -> Headers:
    """Return the response headers with a request id, unless a fault rule set one."""
    if b"x-request-id" in [name for name, _ in headers]:
        return headers
    return [(b"x-request-id", request_id.encode()), *headers]
