"""Complete responses that need no route, and how to send them as ASGI messages."""

import re
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from html import escape
from http import HTTPStatus
from typing import NamedTuple

from starlette.types import Send

from mock_atoms.contract.errors import error_body
from mock_atoms.contract.operations import RequestedOperation
from mock_atoms.contract.schemas import JSON_TYPE, render_json
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.http_text import Headers
from mock_atoms.core.masking import mask_text
from mock_atoms.core.tenancy import UnauthenticatedCaller
from mock_atoms.faults.effects import STATUSES_WITHOUT_BODY, FaultResponse
from mock_atoms.faults.engine import FaultDecision
from mock_atoms.journal.exchange import (
    BAD_PREFER,
    OUTSIDE_BASE_PATH,
    STORE_UNAVAILABLE,
    UNMOCKED_ROUTE,
    RequestContext,
)

REASON_HEADER = b"x-mock-atoms-reason"
_PLAIN_PATH = re.compile(r"/[\w/.-]*", re.ASCII)
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


def response_without_route(context: RequestContext) -> CompleteResponse | None:
    """Return the response to an unknown route or to an unauthenticated request; `None` for all others."""
    if not context.operation.name:
        return _not_found(context)
    return _unauthorized(context, context.caller) if isinstance(context.caller, UnauthenticatedCaller) else None


def _unauthorized(context: RequestContext, caller: UnauthenticatedCaller) -> CompleteResponse:
    context.exchange.reason = caller.reason
    return _documented_error(HTTPStatus.UNAUTHORIZED, context.operation)


def _documented_error(status: int, operation: RequestedOperation) -> CompleteResponse:
    """Return the documented error of an operation."""
    is_long = len(operation.resource_id) > MAX_CACHED_ID_LENGTH
    return (_render_error if is_long else _cached_error)(status, operation)


def _render_error(status: int, operation: RequestedOperation) -> CompleteResponse:
    headers, body = FaultResponse(status=status).render(operation=operation)
    return complete_response(status, headers, body)


_cached_error = lru_cache(_MAX_CACHED)(_render_error)


def _not_found(context: RequestContext) -> CompleteResponse:
    """Return Express's response to an unknown route: HTML, not JSON (L)."""
    if context.exchange.reason is None:  # a connection fault that lets the request pass has its own
        context.exchange.reason = OUTSIDE_BASE_PATH if context.api_path is None else UNMOCKED_ROUTE
    route = escape(f"{context.exchange.method} {context.exchange.path}")
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>Cannot {route}</pre>\n</body>\n</html>\n"
        f"<!-- {_stub_hint(route, context.api_path)} -->\n"
    )
    return complete_response(HTTPStatus.NOT_FOUND, [("content-type", "text/html; charset=utf-8")], page.encode())


def _stub_hint(route: str, api_path: str | None) -> str:
    """Return how to stub an unknown route, in one line without two hyphens in a row.

    Args:
        route: its method and path, escaped, with credentials masked.
        api_path: its path below the base path as sent; `None` if it is not below.
    """
    # Without a credential, the path as sent ends the masked one. Others may need quotes in a shell.
    is_plain = api_path is not None and _PLAIN_PATH.fullmatch(api_path) and "--" not in route
    method, _, path = route.replace("--", "-\\u002d").partition(" ")
    command = (
        f"run `mock-atoms stubs add {method} {api_path}`, or " if is_plain and path.endswith(str(api_path)) else ""
    )
    return (
        f"mock-atoms does not mock this route. To stub it, {command}POST to {CONTROL_PREFIX}/mappings: "
        f'{{"request": {{"method": "{method}", "urlPath": "{path}"}}, '
        '"response": {"status": 200, "jsonBody": {}}} (docs/stubs.md)'
    )


def fault_response(context: RequestContext, decision: FaultDecision, respond: FaultResponse) -> CompleteResponse:
    """Return the response `respond` of a fault decision, as it is after the delay."""
    if respond.is_documented and not decision.extra_headers:
        return _documented_error(respond.status, context.operation)
    context.exchange.has_malformed_body = respond.has_malformed_body
    now = context.exchange.arrived_at + timedelta(milliseconds=decision.delay_ms)
    headers, body = respond.render(decision.extra_headers, context.operation, now)
    return complete_response(respond.status, headers, body)


async def send_response(send: Send, response: CompleteResponse) -> None:
    """Send a complete response. Outer layers may add headers to it."""
    await send({"type": "http.response.start", "status": response.status, "headers": [*response.headers]})
    await send({"type": "http.response.body", "body": response.body})
