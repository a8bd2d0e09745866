"""Identification: who sent a request, and to which API path."""

from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.journal.exchange import CONTEXT_KEY, RECEIVED_KEY
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.mock import MockAtoms


class IdentifyMiddleware:
    """Outermost layer: reads the head and puts the `RequestContext` into the scope, unless the server did it."""

    def __init__(self, app: ASGIApp, mock: MockAtoms) -> None:
        self._app = app
        self._reader = mock.request_reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = self._reader.read(_raw_request(scope))
        context.received = scope.get("extensions", {}).get(RECEIVED_KEY)
        await self._app({**scope, CONTEXT_KEY: context}, receive, send)


def _raw_request(scope: Scope) -> RawRequest:
    return RawRequest(
        scope["method"],
        scope.get("raw_path") or quote(scope["path"]).encode(),
        scope.get("query_string", b""),
        scope["headers"],
        scope.get("scheme", "http"),
        scope.get("http_version", "1.1"),
        scope.get("server"),
        scope.get("client"),
    )
