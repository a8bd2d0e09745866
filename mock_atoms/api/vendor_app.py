"""The vendor's operations as an ASGI application."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_atoms.api.router import Handler, VendorJsonResponse
from mock_atoms.contract.errors import ApiError, error_body, error_headers
from mock_atoms.core.body_memory import BodyMemoryError
from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.core.masking import MAX_MESSAGE_LENGTH, show_text
from mock_atoms.journal.exchange import BODIES_IN_FLIGHT, CONTEXT_KEY, STORE_UNAVAILABLE, RequestContext

if TYPE_CHECKING:
    from mock_atoms.core.tenancy import AuthenticatedCaller


class VendorApp:
    """Calls the handler of the operation that a request calls, and makes responses of its errors.

    It needs no routing, which costs more than most handlers: the context of each request has its operation.

    Args:
        handlers: the handler of each operation, by the name of the operation.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an authenticated request to a known route. Its path is below the base path."""
        context: RequestContext = scope[CONTEXT_KEY]
        caller = cast("AuthenticatedCaller", context.caller)  # others get no further than `ExpressMiddleware`
        try:
            response = await self._handlers[context.operation.name](Request(scope, receive, send), caller)
        except ApiError as error:
            response = _error_response(context, error)
        except BodyMemoryError as error:
            response = _unavailable(context, error, BODIES_IN_FLIGHT)
        except StoreUnavailableError as error:
            response = _unavailable(context, error, STORE_UNAVAILABLE)
        except Exception:
            await _bug_response(context)(scope, receive, send)
            raise
        await response(scope, receive, send)


def _error_response(context: RequestContext, error: ApiError) -> Response:
    exchange = context.exchange
    exchange.reason = exchange.reason or error.reason
    headers = error_headers(error.status)
    # The messages quote what the client sent.
    errors = error.errors and [show_text(message, MAX_MESSAGE_LENGTH, context.caller.token) for message in error.errors]
    return VendorJsonResponse(error_body(error.status, errors, headers, context.operation), error.status, headers)


def _unavailable(context: RequestContext, error: Exception, reason: str) -> Response:
    return _error_response(context, ApiError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), reason=reason))


def _bug_response(context: RequestContext) -> Response:
    context.exchange.reason = "bug-in-mock"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return VendorJsonResponse(error_body(status, None, {}, context.operation), status)
