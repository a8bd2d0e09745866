"""The whole application: `MockAtoms` owns all state, `create_app` wires it."""

import time
from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import admin, openapi
from mock_atoms.audiences import VendorJson, router
from mock_atoms.contract import ApiError, error_body, error_headers
from mock_atoms.exchange import SCOPE_KEY
from mock_atoms.expressions import parse_fault
from mock_atoms.faults import ERROR_RATE_RULE, FaultEngine, error_rate_rule
from mock_atoms.fixtures import Fixtures, read_folder
from mock_atoms.generator import Generator
from mock_atoms.holding import Closing, Holder
from mock_atoms.middleware import Clock, Express, Faults, Identify, Now, Observe, not_found
from mock_atoms.rulebook import RuleBook
from mock_atoms.rules import Rule
from mock_atoms.settings import LOCALHOST_ORIGINS, ConfigError, Settings
from mock_atoms.store import MemoryStore, Store

_LOCALHOST = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MockAtoms:
    """The state of one mock server. Several live in one process without knowing of each other.

    Args:
        settings: its settings.
        clock: seconds of a clock that only goes forward, for durations.
        now: the time of day.

    Raises:
        ConfigError: a fault or a fixture file cannot be used.
    """

    def __init__(self, settings: Settings, clock: Clock = time.monotonic, now: Now = _utc_now) -> None:
        self.settings = settings
        self.clock = clock
        self.now = now
        self.generator = Generator(settings.seed)
        self.generator.prepare(settings.locale)
        files = read_folder(settings.fixtures) if settings.fixtures else {}
        self.fixtures = Fixtures(self.generator, settings.locale, files)
        self.store: Store = MemoryStore(self.fixtures)
        self.closing = Closing()
        self.rules = RuleBook(_rules(settings))
        self.engine = FaultEngine(settings.seed, self.rules)


def _rules(settings: Settings) -> dict[str, Rule]:
    rules = {}
    for number, given in enumerate(settings.faults, 1):
        rule_id = f"fault-{number}"
        try:
            rules[rule_id] = parse_fault(given, settings.base_path)
        except ConfigError as error:
            raise ConfigError(f"{rule_id}: {error}") from None
    if settings.error_rate:
        rules[ERROR_RATE_RULE] = error_rate_rule(settings.error_rate)
    return rules


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
        if path == admin.PREFIX or path.startswith(f"{admin.PREFIX}/"):
            await self._control(_head_as_get(scope), receive, send)
        elif openapi.serves(path):
            await self._documentation(_head_as_get(scope), receive, send)
        else:
            await self._vendor(scope, receive, send)


def _head_as_get(scope: Scope) -> Scope:
    # The server itself leaves out the body, as it does for every HEAD.
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def vendor_app(store: Store) -> FastAPI:
    """Return the vendor's routes alone: paths below the base path, each request with an `Exchange` in its scope."""
    app = FastAPI(
        title="atoms", version="1.0.0", openapi_url=None, redirect_slashes=False, default_response_class=VendorJson
    )
    app.include_router(router(store))

    @app.exception_handler(ApiError)
    async def api_error(_request: Request, error: ApiError) -> Response:
        headers = error_headers(error.status)
        return VendorJson(error_body(error.status, error.errors, headers), error.status, headers)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, _error: HTTPException) -> Response:
        return _NotFound(request.scope)

    @app.exception_handler(Exception)
    async def bug(request: Request, _error: Exception) -> Response:
        request.scope[SCOPE_KEY].reason = "bug-in-mock"
        return VendorJson(error_body(500, None, {}), 500)

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
    routes = vendor_app(mock.store)
    vendor: ASGIApp = Faults(Express(routes), mock.engine, mock.store, Holder(mock.closing), mock.now)
    vendor = Observe(_with_cors(vendor, origins), mock.store, mock.generator, mock.clock)
    vendor = Identify(vendor, mock.settings, mock.clock)
    document = openapi.describe(routes, mock.settings.base_path)
    documentation = _with_cors(openapi.documentation_app(document), origins)
    return Root(vendor, documentation, admin.admin_app(mock.clock, mock.now))


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
