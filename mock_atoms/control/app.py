"""The control API as a Starlette application. FastAPI writes its document, see `document`.

Adding a group of endpoints takes one module and one line in `endpoint_groups`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import cache, partial
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.control.access import DOCUMENT_PATH, AccessControlMiddleware
from mock_atoms.control.campaigns import CampaignEndpoints
from mock_atoms.control.dashboard import dashboard_routes
from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.errors import RequestError, foreign_origin, unprocessable
from mock_atoms.control.events import EventEndpoints
from mock_atoms.control.faults import FaultEndpoints
from mock_atoms.control.mappings import MappingEndpoints
from mock_atoms.control.near_misses import NearMissEndpoints
from mock_atoms.control.requests import RequestEndpoints
from mock_atoms.control.retries import RetryEndpoints
from mock_atoms.control.scenarios import ScenarioEndpoints
from mock_atoms.control.server_status import ServerStatusEndpoints
from mock_atoms.control.state import StateEndpoints
from mock_atoms.control.stub_requests import StubRequestEndpoints
from mock_atoms.control.tenant_data import TenantDataEndpoints
from mock_atoms.control.tenants import TenantEndpoints
from mock_atoms.control.violations import ViolationEndpoints
from mock_atoms.control.wiremock_compatibility import alternative_to
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.body_memory import BodyMemoryError
from mock_atoms.core.errors import CapacityError, StoreUnavailableError
from mock_atoms.core.forwarding import PREFIX_HEADER, with_public_prefix
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import LOCALHOST_ORIGINS
from mock_atoms.middleware.endpoint import RequestEndpoint
from mock_atoms.mock import MockAtoms

_ERROR_TYPES = (RequestError, ConfigError, BodyMemoryError, StoreUnavailableError, CapacityError)
"""Expected errors of endpoints, which become responses."""


def endpoint_groups(mock: MockAtoms) -> list[EndpointGroup]:
    """Return all endpoints of the control API, in the order of the document. Literal paths precede those with an id."""
    return [
        ServerStatusEndpoints(mock).group(),
        FaultEndpoints(mock).group(),
        TenantEndpoints(mock).group(),
        TenantDataEndpoints(mock).group(),
        CampaignEndpoints(mock).group(),
        StateEndpoints(mock).group(),
        RequestEndpoints(mock).group(),
        RetryEndpoints(mock).group(),
        NearMissEndpoints(mock).group(),
        StubRequestEndpoints(mock).group(),
        EventEndpoints(mock).group(),
        ViolationEndpoints(mock).group(),
        MappingEndpoints(mock).group(),
        ScenarioEndpoints(mock).group(),
    ]


def control_app(mock: MockAtoms) -> ASGIApp:
    """Return the control API of `mock`."""
    groups = endpoint_groups(mock)

    @cache
    def document() -> dict[str, Any]:
        from mock_atoms.control.document import describe  # noqa: PLC0415 - other requests do without

        return describe(groups)

    async def openapi(request: Request) -> Response:
        return JSONResponse(
            with_public_prefix(await asyncio.to_thread(document), request.scope), headers={"vary": PREFIX_HEADER}
        )

    endpoints = [endpoint for group in groups for endpoint in group.endpoints]
    respond = partial(_respond, mock)
    routes = [
        Route(CONTROL_PREFIX + each.route, RequestEndpoint(partial(respond, each)), methods=[each.method])
        for each in endpoints
    ]
    app = Starlette(
        routes=[*routes, Route(DOCUMENT_PATH, openapi), *dashboard_routes()],
        exception_handlers=dict.fromkeys((*_ERROR_TYPES, HTTPException, Exception), _respond_error),
    )
    app.router.redirect_slashes = False
    app.state.slices = mock.slices
    origins = [origin for origin in mock.settings.cors_origin if origin not in ("*", LOCALHOST_ORIGINS)]
    return _CorsMiddleware(
        AccessControlMiddleware(_LiteralPathMiddleware(endpoints, respond, app), mock.settings),
        allow_origins=origins,
        allow_methods=["*"],
        allow_headers=["*"],
        allow_credentials=True,
    )


class _LiteralPathMiddleware:
    """Calls endpoints without path parameters directly, and turns their errors into responses.

    All other requests go to Starlette, which would try many routes in turn, and pass each message through three layers.

    Args:
        endpoints: the endpoints; those with path parameters are ignored.
        respond: calls an endpoint.
        app: handles all other requests.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        respond: Callable[[Endpoint, Request], Awaitable[Response]],
        app: Starlette,
    ) -> None:
        self._endpoints = {
            (each.method, CONTROL_PREFIX + each.route): each for each in endpoints if "{" not in each.route
        }
        self._respond = respond
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        endpoint = self._endpoints.get((scope["method"], scope["path"]))
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        scope["app"] = self._app
        request = Request(scope, receive, send)
        has_started = False

        async def note_and_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            try:
                response = await self._respond(endpoint, request)
            except _ERROR_TYPES as error:
                response = _request_error(request, error).response()
            await response(scope, receive, note_and_send)
        except Exception as error:
            if not has_started:
                await _request_error(request, error).response()(scope, receive, send)
            raise


class _CorsMiddleware(CORSMiddleware):
    """Starlette's CORS, with the errors of the control API."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request. Most come from programs, whose responses only need a `Vary`."""
        if any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def send_with_vary(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"vary", b"Origin"))
            await send(message)

        await self.app(scope, receive, send_with_vary)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the response to a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code == HTTPStatus.OK:
            return response
        error = foreign_origin(request_headers["origin"], response.status_code)
        return error.response()


async def _respond(mock: MockAtoms, endpoint: Endpoint, request: Request) -> Response:
    await mock.store.synchronize()
    return await endpoint(request)


async def _respond_error(request: Request, error: Exception) -> Response:
    return _request_error(request, error).response()


def _request_error(request: Request, error: Exception) -> RequestError:
    match error:
        case RequestError():
            return error
        case ConfigError():
            return unprocessable(error)
        case BodyMemoryError() | StoreUnavailableError():
            is_busy = isinstance(error, BodyMemoryError)
            title = "too many bodies in flight" if is_busy else "the store is unavailable"
            return RequestError(HTTPStatus.SERVICE_UNAVAILABLE, title, str(error))
        case CapacityError():
            return RequestError(HTTPStatus.CONFLICT, "no room", str(error))
        case HTTPException():
            return _no_such_endpoint(request, error.status_code)
        case _:
            return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "bug in the mock", "the log has the traceback")


def _no_such_endpoint(request: Request, status: int) -> RequestError:
    methods = {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is Match.PARTIAL
        for method in route.methods or ()
    }
    if "GET" in methods:
        methods.add("HEAD")
    headers = {"allow": ", ".join(sorted(methods))} if methods else None
    path = request.scope["path"]
    problem = alternative_to(path) or "the control API has no such endpoint"
    detail = f"{request.method} {path}: {problem}; {DOCUMENT_PATH} lists all endpoints"
    return RequestError(status, HTTPStatus(status).phrase, detail, headers=headers)
