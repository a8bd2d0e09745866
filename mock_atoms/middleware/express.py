"""Paths, HEAD requests and unknown routes as the vendor's server, Express, treats them."""

from html import escape
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.core.masking import mask_text
from mock_atoms.journal.exchange import CONTEXT_KEY, OUTSIDE_BASE_PATH, UNMOCKED_ROUTE, RequestContext
from mock_atoms.middleware.responses import send_response


class ExpressMiddleware:
    """Ignores a trailing slash and treats HEAD as GET (L, D). Passes on the API path as the path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        if context.api_path is None:
            context.exchange.reason = OUTSIDE_BASE_PATH
            await not_found(context, send)
            return
        inner = {**scope, "path": context.api_path.removesuffix("/") or "/", "raw_path": None, "root_path": ""}
        if context.exchange.method == "HEAD":
            inner["method"] = "GET"
        await self._app(inner, receive, send)


async def not_found(context: RequestContext, send: Send) -> None:
    """Send Express's response to an unknown route: HTML, not JSON (L)."""
    if context.exchange.reason is None:
        context.exchange.reason = UNMOCKED_ROUTE
    text = escape(f"Cannot {context.exchange.method} {mask_text(context.path, context.caller.token)}")
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>{text}</pre>\n</body>\n</html>\n"
    )
    await send_response(send, HTTPStatus.NOT_FOUND, [("content-type", "text/html; charset=utf-8")], page.encode())
