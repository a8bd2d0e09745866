"""Endpoints of routes."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

HEAD_KEY = "mock_atoms.is_head"
"""Key in the ASGI scope of a `HEAD` request that is handled like `GET`: its response must end."""


class RequestEndpoint:
    """An ASGI application that responds with a function of the request.

    Its errors are the application's to handle. Starlette would prepare to handle them twice, in the route as well.

    Args:
        respond: returns the response.
    """

    def __init__(self, respond: Callable[[Request], Awaitable[Response]]) -> None:
        self._respond = respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        response = await self._respond(Request(scope, receive, send))
        await response(scope, receive, send)
