"""Identification: who sent a request, and to which API path."""

from collections.abc import Sequence
from sys import intern
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.contract.operations import find_operation
from mock_atoms.core.masking import mask_text
from mock_atoms.core.tenancy import AuthenticatedCaller, identify
from mock_atoms.journal.exchange import CONTEXT_KEY, RECEIVED_KEY, Exchange, RequestContext, RequestHead
from mock_atoms.mock import MockAtoms


class IdentifyMiddleware:
    """Outermost layer: identifies the caller, creates the `Exchange` and puts its `RequestContext` into the scope."""

    def __init__(self, app: ASGIApp, mock: MockAtoms) -> None:
        self._app = app
        self._settings = mock.settings
        self._credentials = mock.journal.credentials
        self._clock = mock.clock
        self._now = mock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        arrived_at, started_at = self._now(), self._clock()
        caller = identify(scope["headers"], self._settings.session_cookie, self._settings.tokens)
        # Express matches the path as sent: an encoded slash is not a separator.
        raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        path = quote(raw_path, safe="/%:@!$&'()*+,;=-._~")
        base = self._settings.base_path
        is_in_base_path = path == base or path.startswith(f"{base}/")
        api_path = path[len(base) :] or "/" if is_in_base_path else None
        query: bytes = scope.get("query_string", b"")
        url = f"{path}?{query.decode('latin-1')}" if query else path
        operation = find_operation(scope["method"], mask_text(api_path or "", caller.token))
        headers, secrets = self._credentials.mask_headers(scope["headers"], caller.token)
        head = RequestHead(
            tenant=caller.tenant if isinstance(caller, AuthenticatedCaller) else caller.shown_tenant,
            secrets=secrets,
            method=intern(mask_text(scope["method"], caller.token)),
            url=mask_text(url, caller.token),
            scheme=scope.get("scheme", "http"),
            http_version=scope.get("http_version", "1.1"),
            host=_host(scope, headers),
            headers=headers,
            operation=operation.name,
        )
        client_address, client_port = scope.get("client") or ("", 0)
        exchange = Exchange(head, arrived_at, started_at, client_address, client_port)
        received = scope.get("extensions", {}).get(RECEIVED_KEY)
        context = RequestContext(exchange, caller, path, query, api_path, head.url != url, operation, received)
        await self._app({**scope, CONTEXT_KEY: context}, receive, send)


def _host(scope: Scope, headers: Sequence[tuple[str, str]]) -> str:
    """Return the `Host` header or, if there is none, the server's address."""
    server, port = scope.get("server") or ("", None)
    address = server if port is None else f"{server}:{port}"
    return next((value for name, value in headers if name == "host"), address)
