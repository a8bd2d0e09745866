"""Identification: who sent a request, and to which API path."""

from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.journal.exchange import CONTEXT_KEY
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.mock import MockAtoms


class IdentifyMiddleware:
    """Outermost layer: puts the `RequestContext` into the scope. The server may have read the request already."""

    def __init__(self, app: ASGIApp, mock: MockAtoms) -> None:
        self._app = app
        self._reader = mock.request_reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = scope.get("extensions", {}).get(CONTEXT_KEY) or self._reader.read(_raw_request(scope))
        await self._app({**scope, CONTEXT_KEY: context}, receive, send)


def _raw_request(scope: Scope) -> RawRequest:
    return RawRequest(
        scope["method"],
        scope.get("raw_path") or quote(scope["path"]).encode(),
        scope.get("query_string", b""),
        [(name.lower(), value) for name, value in scope["headers"]],
        scope.get("scheme", "http"),
        scope.get("http_version", "1.1"),
        scope.get("server"),
        scope.get("client"),
    )
