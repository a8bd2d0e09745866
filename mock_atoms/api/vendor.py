"""The vendor's API: calls the handler of each operation, and responds to the requests that have none."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_atoms.api.router import Handler, VendorJsonResponse
from mock_atoms.contract.errors import ApiError, error_body, error_headers
from mock_atoms.core.body_memory import BodyMemoryError
from mock_atoms.core.masking import MAX_MESSAGE_LENGTH, show_text
from mock_atoms.journal.exchange import BODIES_IN_FLIGHT, BUG_IN_MOCK, CONTEXT_KEY, RequestContext
from mock_atoms.middleware.responses import response_without_route, send_response

if TYPE_CHECKING:
    from mock_atoms.core.tenancy import AuthenticatedCaller


class VendorApp:
    """The vendor's API. The scope of each request has a `RequestContext`, which names the operation.

    To route again with FastAPI would cost more than most handlers.

    Args:
        handlers: the handlers by the name of their operation.
    """

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        complete = response_without_route(context)
        if complete is not None:
            await send_response(send, complete)
            return
        caller = cast("AuthenticatedCaller", context.caller)  # others have a complete response
        try:
            response = await self._handlers[context.operation.name](Request(scope, receive), caller)
        except ApiError as error:
            response = _error_response(context, error)
        except BodyMemoryError as error:
            busy = ApiError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), reason=BODIES_IN_FLIGHT)
            response = _error_response(context, busy)
        except Exception:
            context.exchange.reason = BUG_IN_MOCK
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            await VendorJsonResponse(error_body(status, None, {}, context.operation), status)(scope, receive, send)
            raise  # the server logs it
        await response(scope, receive, send)


def _error_response(context: RequestContext, error: ApiError) -> Response:
    exchange = context.exchange
    exchange.reason = exchange.reason or error.reason
    headers = error_headers(error.status)
    # The messages quote what the client sent.
    errors = error.errors and [show_text(message, MAX_MESSAGE_LENGTH, context.caller.token) for message in error.errors]
    return VendorJsonResponse(error_body(error.status, errors, headers, context.operation), error.status, headers)
