"""Identification: who sent a request, and to which API path."""

from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.core.tenancy import identify
from mock_atoms.journal.exchange import SCOPE_KEY, Exchange
from mock_atoms.mock import MockAtoms


class IdentifyMiddleware:
    """Outermost: tells who is calling and where to, and puts the `Exchange` into the scope."""

    def __init__(self, app: ASGIApp, mock: MockAtoms) -> None:
        self._app = app
        self._settings = mock.settings
        self._clock = mock.clock
        self._now = mock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        # Express matches the path as it was sent: an encoded slash separates nothing.
        raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        path = quote(raw_path, safe="/%:@!$&'()*+,;=-._~")
        base = self._settings.base_path
        inside = path == base or path.startswith(f"{base}/")
        exchange = Exchange(
            method=scope["method"],
            path=path,
            api_path=path[len(base) :] or "/" if inside else None,
            caller=identify(scope["headers"], self._settings.session_cookie, self._settings.tokens),
            arrived=self._now(),
            started=self._clock(),
        )
        await self._app({**scope, SCOPE_KEY: exchange}, receive, send)
