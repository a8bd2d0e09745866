"""Identification: who sent a request, and to which API path."""

from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.journal.exchange import CONTEXT_KEY, RequestContext
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.mock import MockAtoms

_MAX_SHORT_HEAD_BYTES = 4096
"""Longer heads are read in slices: they may take more than a few milliseconds."""


class IdentifyMiddleware:
    """Outermost layer: puts the `RequestContext` into the scope. The server may have read the request already."""

    def __init__(self, app: ASGIApp, mock: MockAtoms) -> None:
        self._app = app
        self._reader = mock.request_reader
        self._slices = mock.slices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context = scope.get("extensions", {}).get(CONTEXT_KEY)
        if context is None:
            context = await self._read(_raw_request(scope))
        await self._app({**scope, CONTEXT_KEY: context}, receive, send)

    async def _read(self, request: RawRequest) -> RequestContext:
        header_bytes = sum([len(name) + len(value) for name, value in request.headers])
        if header_bytes + len(request.raw_path) + len(request.query) <= _MAX_SHORT_HEAD_BYTES:
            return self._reader.read(request)
        return await self._slices.run_promptly(self._reader.read_steps(request), needs_slot=False)


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
