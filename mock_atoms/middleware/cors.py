"""CORS for the browser origins that the settings allow."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.core.settings import LOCALHOST_ORIGINS

_LOCALHOST = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


class CorsMiddleware:
    """Adds CORS headers to responses to browsers. Requests without `Origin` pass unchanged.

    Args:
        app: the application that responds.
        origins: allowed origins, see `Settings.cors_origin`.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        self._with_cors = _with_cors(app, origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        is_from_browser = any(name == b"origin" for name, _ in scope.get("headers", ()))
        await (self._with_cors if is_from_browser else self._app)(scope, receive, send)


def _with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=[origin for origin in origins if origin != LOCALHOST_ORIGINS],
        allow_origin_regex=_LOCALHOST if LOCALHOST_ORIGINS in origins else None,
        allow_credentials="*" not in origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["x-request-id", "x-mock-atoms-fault", "x-mock-atoms-reason", "retry-after"],
    )
