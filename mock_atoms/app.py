"""The whole application: `create_app` wires it, around the state that `MockAtoms` owns."""

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import openapi
from mock_atoms.audiences import audience_routes
from mock_atoms.catalogue import Catalogues
from mock_atoms.control import PREFIX
from mock_atoms.errors import ApiError, error_body, error_headers, operation_of
from mock_atoms.exchange import SCOPE_KEY, Exchange
from mock_atoms.holding import Holder
from mock_atoms.members import member_routes
from mock_atoms.middleware import Express, Faults, Identify, not_found
from mock_atoms.mock import MockAtoms
from mock_atoms.observing import Observe
from mock_atoms.replay import Replay
from mock_atoms.settings import LOCALHOST_ORIGINS, Settings
from mock_atoms.vendor import VendorJson

_LOCALHOST = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


class Root:
    """Sends a request to the control API, the documentation, or, whatever else it is, the vendor's API."""

    def __init__(self, vendor: ASGIApp, documentation: ASGIApp, control: ASGIApp) -> None:
        self._vendor = vendor
        self._documentation = documentation
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._documentation(scope, receive, send)  # lifespan; a WebSocket is refused there
            return
        path: str = scope["path"]
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            await self._control(_head_as_get(scope), receive, send)
        elif openapi.serves(path):
            await self._documentation(_head_as_get(scope), receive, send)
        else:
            await self._vendor(scope, receive, send)


class Later:
    """An application that is made when it is asked for the first time: the start is quicker without.

    Args:
        make: makes it.
    """

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._made: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        if self._made is None:
            self._made = self._make()
        await self._made(scope, receive, send)


def _head_as_get(scope: Scope) -> Scope:
    # The server itself leaves out the body, as it does for every HEAD.
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def vendor_app(catalogues: Catalogues, *, documented: bool = False) -> FastAPI:
    """Return the vendor's routes alone: paths below the base path, each request with an `Exchange` in its scope.

    Args:
        catalogues: what they serve.
        documented: whether they are to be described, too; serving does without.
    """
    app = FastAPI(
        title="atoms", version="1.0.0", openapi_url=None, redirect_slashes=False, default_response_class=VendorJson
    )
    app.include_router(audience_routes(catalogues, documented=documented))
    app.include_router(member_routes(catalogues, documented=documented))

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> Response:
        exchange: Exchange = request.scope[SCOPE_KEY]
        exchange.reason = exchange.reason or error.reason
        headers = error_headers(error.status)
        operation = operation_of(exchange.method, exchange.below or "")
        return VendorJson(error_body(error.status, error.errors, headers, operation), error.status, headers)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, _error: HTTPException) -> Response:
        return _NotFound(request.scope)

    @app.exception_handler(Exception)
    async def bug(request: Request, _error: Exception) -> Response:
        exchange: Exchange = request.scope[SCOPE_KEY]
        exchange.reason = "bug-in-mock"
        operation = operation_of(exchange.method, exchange.below or "")
        return VendorJson(error_body(500, None, {}, operation), 500)

    return app


class _NotFound(Response):
    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._exchange = scope[SCOPE_KEY]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await not_found(self._exchange, send)


def create_app(settings: Settings | None = None, mock: MockAtoms | None = None) -> ASGIApp:
    """Return the ASGI application of one mock server, for uvicorn or for an in-process transport.

    Args:
        settings: its settings; the defaults where none are given.
        mock: its state, where the caller wants to keep hold of it; made from `settings` otherwise.

    Raises:
        ConfigError: a fault or a fixture file cannot be used.
    """
    mock = mock or MockAtoms(settings or Settings())
    origins = mock.settings.cors_origins
    routes = vendor_app(mock.catalogues)
    vendor: ASGIApp = Express(routes)
    if mock.settings.replay:
        vendor = Replay(vendor, mock.store, mock.rendering, mock.shortcuts)
    vendor = Faults(vendor, mock.engine, mock.store, Holder(mock.closing))
    vendor = Observe(Cors(vendor, origins), mock)
    vendor = Identify(vendor, mock)
    return Root(vendor, Later(partial(_documentation, mock)), Later(partial(_control, mock)))


def _documentation(mock: MockAtoms) -> ASGIApp:
    document = openapi.describe(vendor_app(mock.catalogues, documented=True), mock.settings.base_path)
    return Cors(openapi.documentation_app(document), mock.settings.cors_origins)


def _control(mock: MockAtoms) -> ASGIApp:
    from mock_atoms.admin import admin_app  # noqa: PLC0415 - the start is quicker without

    return admin_app(mock)


class Cors:
    """Answers browsers as their origins are allowed. Others, which send no origin, are not told of it.

    Args:
        app: what answers.
        origins: those that are allowed, see `Settings.cors_origins`.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        self._app = app
        self._with_cors = _with_cors(app, origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        is_of_browser = any(name == b"origin" for name, _ in scope.get("headers", ()))
        await (self._with_cors if is_of_browser else self._app)(scope, receive, send)


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
