"""Contract violations: checks what needs no route, and refuses violations with `--strict`."""

import asyncio
from contextlib import suppress
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.contract.checking import check_unexpected_body, is_without_body
from mock_atoms.contract.errors import error_body
from mock_atoms.contract.schemas import JSON_TYPE
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.journal.exchange import CONTEXT_KEY, CONTRACT_VIOLATION, RequestContext
from mock_atoms.middleware.responses import CompleteResponse, complete_response, send_response

_MAX_BODY_BYTES = 1_000
"""Number of bytes to read of a body that should not be there. A longer one is no `{}`."""


class ContractMiddleware:
    """Records the bodies of operations without one. The reader of heads and the routes check everything else.

    Args:
        app: the application that responds.
        is_strict: whether a contract violation gets a 400, before anything is changed.
        body_timeout: seconds to wait for a body that should not be there.
    """

    def __init__(self, app: ASGIApp, *, is_strict: bool, body_timeout: float = 1.0) -> None:
        self._app = app
        self._is_strict = is_strict
        self._body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        if isinstance(context.caller, AuthenticatedCaller):
            if context.has_body and is_without_body(context.operation):
                body = await self._read_body(receive)
                context.exchange.later_violations += check_unexpected_body(
                    context.operation, body, context.caller.token
                )
            context.refuses_violations = self._is_strict
            if self._is_strict and context.exchange.violations:
                await send_response(send, _refusal(context))
                return
        await self._app(scope, receive, send)

    async def _read_body(self, receive: Receive) -> bytes:
        """Return the start of a body. Routes of operations without a body do not read it."""
        body = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._body_timeout):
                while len(body) <= _MAX_BODY_BYTES:
                    message = await receive()
                    body += message.get("body", b"")
                    if not message.get("more_body"):
                        break
        return body


def _refusal(context: RequestContext) -> CompleteResponse:
    context.exchange.reason = CONTRACT_VIOLATION
    errors = [str(violation) for violation in context.exchange.violations]
    body = error_body(HTTPStatus.BAD_REQUEST, errors, {}, context.operation)
    return complete_response(HTTPStatus.BAD_REQUEST, [("content-type", JSON_TYPE)], render_json(body))
