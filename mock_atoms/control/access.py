"""Who may call the control API."""

import hmac
import re
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.control.errors import RequestError, foreign_origin
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.control_access import control_access
from mock_atoms.core.settings import Settings
from mock_atoms.dashboard.files import is_dashboard_path

HEALTH_PATH = f"{CONTROL_PREFIX}/health"
DOCUMENT_PATH = f"{CONTROL_PREFIX}/openapi.json"
_LOCAL_DOMAINS = (".localhost", ".local", ".internal", ".svc")
_MAX_CACHED_HOSTS = 16
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


class AccessControlMiddleware:
    """Rejects calls by unauthorized clients and by pages of other origins.

    Health is open to everyone. The OpenAPI document and the files of the dashboard are open unless the control API is
    disabled.

    Args:
        app: the control API.
        settings: the settings that open or close it.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._token = settings.admin_token
        self._origins = set(settings.cors_origin)
        self._access = control_access(settings).access
        self._host_name = lru_cache(_MAX_CACHED_HOSTS)(_host_name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            self._check(Request(scope))
        except RequestError as error:
            await error.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        path = request.scope["path"]  # `request.url` raises for a malformed Host
        if path == HEALTH_PATH:
            return
        if self._access == "disabled":
            detail = "the server was started with --no-admin"
            raise RequestError(HTTPStatus.NOT_FOUND, "the control API is disabled", detail)
        if path == DOCUMENT_PATH or is_dashboard_path(path):
            return
        self._check_host(request)
        if self._access == "closed":
            raise RequestError(
                HTTPStatus.FORBIDDEN,
                "the control API is closed",
                "other machines can reach this server: start it with --admin-token, or with --admin to open it to all",
            )
        self._check_origin(request)
        if self._token is not None:
            self._check_token(request, self._token)

    def _check_host(self, request: Request) -> None:
        """Reject public host names, which a page could point at this machine to read responses (DNS rebinding)."""
        if self._token is not None:
            return
        name = self._host_name(f"//{request.headers.get('host', '')}")
        is_local = "." not in name or name.endswith(_LOCAL_DOMAINS) or _is_address(name)
        if not is_local and not any(name == _host_name(origin) for origin in self._origins):
            raise RequestError(
                HTTPStatus.FORBIDDEN,
                "the host name is public",
                f"{name} could be a web page's name for this machine: "
                "use the server's address, or start it with --admin-token",
            )

    def _check_origin(self, request: Request) -> None:
        origin = request.headers.get("origin")
        if origin is None or origin in self._origins:
            return
        # Only an address or localhost proves that the page is the server's own: any other name can be rebound.
        host = _host_name(origin)
        own_origin = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        if origin != own_origin or not (host == "localhost" or _is_address(host)):
            raise foreign_origin(origin)

    @staticmethod
    def _check_token(request: Request, expected: str) -> None:
        match = _BEARER.fullmatch(request.headers.get("authorization", "").strip())
        if match is None:
            title = "the admin token is missing"
            detail = "send the token of --admin-token in the header Authorization: Bearer …"
        elif not hmac.compare_digest(match[1].encode(), expected.encode()):
            title = "the admin token is wrong"
            detail = "the token in the header Authorization: Bearer … is not that of --admin-token"
        else:
            return
        raise RequestError(HTTPStatus.UNAUTHORIZED, title, detail, headers={"www-authenticate": "Bearer"})


def _host_name(origin: str) -> str:
    try:
        return (urlsplit(origin).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    return ":" in host or re.fullmatch(r"[\d.]+", host) is not None
