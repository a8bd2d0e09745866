"""Complete responses, and how to send them as ASGI messages."""

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from starlette.types import Send

from mock_atoms.contract.errors import error_body
from mock_atoms.contract.operations import RequestedOperation
from mock_atoms.contract.schemas import JSON_TYPE
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.http_text import Headers
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.masking import mask_text
from mock_atoms.faults.effects import STATUSES_WITHOUT_BODY, FaultResponse
from mock_atoms.faults.engine import FaultDecision
from mock_atoms.journal.exchange import BAD_PREFER, STORE_UNAVAILABLE, RequestContext

REASON_HEADER = b"x-mock-atoms-reason"
_MAX_CACHED = 1_000
"""Number of documented errors that are cached."""
MAX_CACHED_ID_LENGTH = 200
"""Errors about longer ids are not cached, so that no client fills the memory with them."""


class CompleteResponse(NamedTuple):
    """A response.

    Attributes:
        status: HTTP status.
        headers: lower-case names and values, with `content-length` if the status has a body.
        body: all bytes of the body.
    """

    status: int
    headers: Headers
    body: bytes


def complete_response(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> CompleteResponse:
    """Return a response with its `content-length`."""
    raw_headers = [(name.encode("ascii"), value.encode()) for name, value in headers]
    if status not in STATUSES_WITHOUT_BODY:
        raw_headers.append((b"content-length", b"%d" % len(body)))
    return CompleteResponse(status, tuple(raw_headers), body)


def error_response(status: int, errors: list[str]) -> CompleteResponse:
    """Return an error in the vendor's envelope."""
    return complete_response(status, [("content-type", JSON_TYPE)], render_json(error_body(status, errors, {})))


def store_unavailable(error: StoreUnavailableError) -> CompleteResponse:
    """Return the response to a request that the shared store has not recorded."""
    status, headers, body = error_response(HTTPStatus.SERVICE_UNAVAILABLE, [str(error)])
    return CompleteResponse(status, (*headers, (REASON_HEADER, STORE_UNAVAILABLE.encode())), body)


def bad_prefer(context: RequestContext, problem: str) -> CompleteResponse:
    """Return the response to a `Prefer` header with a problem."""
    context.exchange.reason = BAD_PREFER
    return error_response(HTTPStatus.BAD_REQUEST, [mask_text(f"Prefer: {problem}", context.caller.token)])


def documented_error(status: int, operation: RequestedOperation) -> CompleteResponse:
    """Return the documented error of an operation."""
    is_long = len(operation.resource_id) > MAX_CACHED_ID_LENGTH
    return (_render_error if is_long else _cached_error)(status, operation)


def _render_error(status: int, operation: RequestedOperation) -> CompleteResponse:
    headers, body = FaultResponse(status=status).render(operation=operation)
    return complete_response(status, headers, body)


_cached_error = lru_cache(_MAX_CACHED)(_render_error)


def fault_response(context: RequestContext, decision: FaultDecision, respond: FaultResponse) -> CompleteResponse:
    """Return the response `respond` of a fault decision, as it is after the delay."""
    if respond.is_documented and not decision.extra_headers:
        return documented_error(respond.status, context.operation)
    context.exchange.has_malformed_body = respond.has_malformed_body
    now = context.exchange.arrived_at + timedelta(milliseconds=decision.delay_ms)
    headers, body = respond.render(decision.extra_headers, context.operation, now)
    return complete_response(respond.status, headers, body)


async def send_response(send: Send, response: CompleteResponse) -> None:
    """Send a complete response. Outer layers may add headers to it."""
    await send({"type": "http.response.start", "status": response.status, "headers": [*response.headers]})
    await send({"type": "http.response.body", "body": response.body})
