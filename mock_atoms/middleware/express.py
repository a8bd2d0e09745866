"""Paths, HEAD requests and unknown routes as the vendor's server, Express, treats them."""

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.journal.exchange import CONTEXT_KEY, RequestContext
from mock_atoms.middleware.responses import send_response
from mock_atoms.middleware.unrouted import UnroutedRequests
from mock_atoms.mock import MockAtoms


class ExpressMiddleware:
    """Ignores a trailing slash and treats HEAD as GET (L, D). Passes on the API path as the path.

    Only authenticated requests to a known route get to the application.

    Args:
        app: the application.
        mock: the server.
    """

    def __init__(self, app: ASGIApp, mock: MockAtoms) -> None:
        self._app = app
        self._unrouted = UnroutedRequests(mock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        response = self._unrouted.respond(context)
        if response is not None:
            await send_response(send, response)
            return
        path = (context.api_path or "").removesuffix("/")
        inner = {**scope, "path": path, "raw_path": None, "root_path": ""}
        if context.exchange.method == "HEAD":
            inner["method"] = "GET"
        await self._app(inner, receive, send)
