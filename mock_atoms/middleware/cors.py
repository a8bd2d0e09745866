"""CORS for the browser origins that the settings allow."""

from functools import lru_cache
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.core.http_text import Headers
from mock_atoms.core.masking import has_no_secret
from mock_atoms.core.settings import LOCALHOST_ORIGINS
from mock_atoms.journal.exchange import RequestContext

_LOCALHOST = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"

_EXPOSED_HEADERS = (
    "x-request-id",
    "x-mock-atoms-fault",
    "x-mock-atoms-reason",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
)

_MAX_CACHED = 100
"""Number of pairs of `Origin` and response headers whose CORS headers are cached."""
MAX_CACHED_LENGTH = 200
"""Longer origins are not cached, so that no client fills the memory with them."""


def is_preflight(headers: Headers) -> bool:
    """Return whether an `OPTIONS` request with these headers is a browser's preflight request, see `CorsMiddleware`."""
    return {b"origin", b"access-control-request-method"} <= {name for name, _ in headers}


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


class CorsHeaders:
    """Adds the same headers as `CorsMiddleware` to a complete response.

    Args:
        origins: allowed origins, see `Settings.cors_origin`.
    """

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = origins
        self._add_cached = lru_cache(_MAX_CACHED)(self._add)

    def add(self, headers: Headers, context: RequestContext) -> Headers:
        """Return the headers of the response to a request. Without `Origin`, they are unchanged."""
        origins = tuple([header for header in context.headers if header[0] == b"origin"])
        if not origins:
            return headers
        text = b"\n".join([value for _, value in origins]).decode("latin-1")
        is_cached = len(text) <= MAX_CACHED_LENGTH and has_no_secret(text, context.caller.token)
        add = self._add_cached if is_cached else self._add
        has_cookie = any(name == b"cookie" for name, _ in context.headers)
        return add(tuple(headers), (*origins, (b"cookie", b"")) if has_cookie else origins)

    def _add(self, headers: Headers, request_headers: Headers) -> Headers:
        """Run Starlette's middleware around a response with `headers`, as one step of its coroutine.

        The fast path has no task that could wait. Starlette awaits nothing but `respond` and `collect`, which
        return immediately, so the first step is the last one.
        """
        starts: list[Message] = []

        async def respond(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [*headers]})

        async def collect(message: Message) -> None:
            starts.append(message)

        scope = {"type": "http", "method": "GET", "headers": request_headers}
        middleware: Any = _with_cors(respond, self._origins)
        run = middleware(scope, None, collect)
        try:
            run.send(None)
        except StopIteration:
            return tuple(starts[0]["headers"])
        run.close()
        raise RuntimeError("CORSMiddleware of this version of Starlette waits: compute CORS headers in a task")


def _with_cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=[origin for origin in origins if origin != LOCALHOST_ORIGINS],
        allow_origin_regex=_LOCALHOST if LOCALHOST_ORIGINS in origins else None,
        allow_credentials="*" not in origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=_EXPOSED_HEADERS,
    )
