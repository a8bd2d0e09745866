"""The complete application: `create_app` builds it around the state of a `MockAtoms`."""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import openapi
from mock_atoms.api.account import account_routes
from mock_atoms.api.agents import agent_routes
from mock_atoms.api.audiences import audience_routes
from mock_atoms.api.campaigns import campaign_routes
from mock_atoms.api.members import member_routes
from mock_atoms.api.router import VendorJsonResponse, VendorRouter
from mock_atoms.api.vendor_app import VendorApp
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.body_memory import BodyLease
from mock_atoms.core.control_access import control_access
from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.core.forwarding import strip_root_path
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.settings import Settings
from mock_atoms.dashboard.files import RELATIVE_PAGE_PATH
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.middleware.concurrency import ConcurrencyLimitMiddleware
from mock_atoms.middleware.contract import ContractMiddleware
from mock_atoms.middleware.cors import CorsMiddleware
from mock_atoms.middleware.endpoint import HEAD_KEY
from mock_atoms.middleware.express import ExpressMiddleware
from mock_atoms.middleware.faults import FaultMiddleware
from mock_atoms.middleware.identify import IdentifyMiddleware
from mock_atoms.middleware.recording import RecordingMiddleware
from mock_atoms.middleware.response_cache import ResponseCacheMiddleware
from mock_atoms.middleware.responses import complete_response, send_response
from mock_atoms.middleware.stubs import StubMiddleware
from mock_atoms.mock import MockAtoms
from mock_atoms.state.repositories import Repositories

_ROOT = "/"
_TO_DASHBOARD = complete_response(
    HTTPStatus.TEMPORARY_REDIRECT, [("location", RELATIVE_PAGE_PATH), ("vary", "Accept")], b""
)


class PathDispatcher:
    """Dispatches requests to the control API, the documentation or, for all other paths, the vendor's API.

    `/` redirects browsers to the dashboard, unless it belongs to the vendor's API or the control API is disabled.

    Args:
        vendor: the vendor's API.
        documentation: the documentation.
        control: the control API.
        mock: the server: its memory of request bodies in flight.
    """

    def __init__(self, vendor: ASGIApp, documentation: ASGIApp, control: ASGIApp, mock: MockAtoms) -> None:
        self._body_memory = mock.body_memory
        self._slices = mock.slices
        self._vendor = vendor
        self._documentation = documentation
        self._control = control
        self._has_dashboard = bool(mock.settings.base_path) and control_access(mock.settings).access != "disabled"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._documentation(scope, receive, send)  # lifespan events, and WebSockets, which it refuses
            return
        lease = BodyLease(self._body_memory)
        lease.put_into(scope)
        try:
            await self._dispatch(scope, receive, send)
        finally:
            if lease.is_large:
                await self._slices.run(lease.free())
            lease.release()

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("root_path"):
            scope = strip_root_path(scope)
        path: str = scope["path"]
        if _is_control_path(path):
            await self._control(_head_as_get(scope), receive, send)
        elif openapi.is_documentation_path(path):
            await self._documentation(_head_as_get(scope), receive, send)
        elif path == _ROOT and self._has_dashboard and _is_page_request(scope):
            await send_response(send, _TO_DASHBOARD)
        else:
            await self._vendor(scope, receive, send)


def is_own_path(path: str) -> bool:
    """Return whether a path is not, or not only, of the vendor's API: control API, documentation and `/`."""
    return path == _ROOT or _is_control_path(path) or openapi.is_documentation_path(path)


def _is_control_path(path: str) -> bool:
    return path == CONTROL_PREFIX or path.startswith(f"{CONTROL_PREFIX}/")


def _is_page_request(scope: Scope) -> bool:
    """Return whether a browser requests a page."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return scope["method"] in ("GET", "HEAD") and b"text/html" in accepted.lower()


class LazyApp:
    """An application that is created at its first request, which keeps the start fast.

    A thread creates it, so that other requests do not wait.

    Args:
        create: creates it.
    """

    def __init__(self, create: Callable[[], ASGIApp]) -> None:
        self._create = create
        self._app: ASGIApp | None = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        app = await asyncio.to_thread(self._created) if self._app is None else self._app
        await app(scope, receive, send)

    def _created(self) -> ASGIApp:
        with self._lock:
            if self._app is None:
                self._app = self._create()
            return self._app


def _head_as_get(scope: Scope) -> Scope:
    # The server removes the body of every response to HEAD.
    return {**scope, "method": "GET", HEAD_KEY: True} if scope["method"] == "HEAD" else scope


def _vendor_routes(repositories: Repositories, *, documented: bool) -> list[VendorRouter]:
    return [
        audience_routes(repositories, documented=documented),
        member_routes(repositories, documented=documented),
        account_routes(repositories, documented=documented),
        agent_routes(repositories, documented=documented),
        campaign_routes(repositories, documented=documented),
    ]


def vendor_app(repositories: Repositories) -> VendorApp:
    """Return the vendor's operations. Paths are API paths, and the scope of each request has a `RequestContext`.

    Args:
        repositories: the audiences to serve.
    """
    routers = _vendor_routes(repositories, documented=False)
    return VendorApp({name: handler for router in routers for name, handler in router.handlers.items()})


def documented_vendor_app(repositories: Repositories) -> FastAPI:
    """Return the vendor's operations as routes that describe themselves for the OpenAPI document."""
    return FastAPI(
        title="atoms",
        version="1.0.0",
        openapi_url=None,
        default_response_class=VendorJsonResponse,
        routes=[route for router in _vendor_routes(repositories, documented=True) for route in router.routes],
    )


def create_app(settings: Settings | None = None, mock: MockAtoms | None = None) -> ASGIApp:
    """Return the ASGI application of one mock server, for uvicorn or for an in-process transport.

    Args:
        settings: the settings; read from the environment if neither `settings` nor `mock` is passed.
        mock: the state of the server; created from `settings` by default.

    Raises:
        ConfigError: a setting, a fault or a fixture file is invalid.
    """
    mock = mock or MockAtoms(settings or load_settings({}, os.environ))
    if not mock.is_shared and _is_one_of_several_workers(os.environ):
        cause = "each worker has a separate state: set MOCK_ATOMS_STORE, or start only one (docs/scale.md)"
        LOGGER.warning(EventLine({"cause": cause}))
    origins = mock.settings.cors_origin
    operations = vendor_app(mock.repositories)
    vendor: ASGIApp = ExpressMiddleware(ConcurrencyLimitMiddleware(operations, mock.slices), mock)
    if mock.settings.response_cache and not mock.settings.campaign_pace:  # with a pace, data changes by itself
        vendor = ResponseCacheMiddleware(vendor, mock.store, mock.response_cache, mock.max_recorded_body)
    vendor = ContractMiddleware(vendor, is_strict=mock.settings.strict)
    waiter = CancellableWaiter(mock.shutdown_signal)
    vendor = FaultMiddleware(StubMiddleware(vendor, mock, waiter), waiter, mock.slices)
    vendor = RecordingMiddleware(CorsMiddleware(vendor, origins), mock)
    vendor = IdentifyMiddleware(vendor, mock)
    return PathDispatcher(vendor, LazyApp(partial(_documentation, mock)), LazyApp(partial(_control, mock)), mock)


def _is_one_of_several_workers(environ: Mapping[str, str]) -> bool:
    """Return whether uvicorn or gunicorn has started this process as a worker."""
    return multiprocessing.parent_process() is not None or environ.get("SERVER_SOFTWARE", "").startswith("gunicorn")


def _documentation(mock: MockAtoms) -> ASGIApp:
    has_control_api = control_access(mock.settings).access != "disabled"
    vendor = documented_vendor_app(mock.repositories)
    document = openapi.build_document(vendor, mock.settings.base_path, has_control_api=has_control_api)
    app = openapi.documentation_app(document, has_control_api=has_control_api)
    return CorsMiddleware(app, mock.settings.cors_origin)


def _control(mock: MockAtoms) -> ASGIApp:
    from mock_atoms.control.app import control_app  # noqa: PLC0415 - a lazy import keeps the start fast

    return control_app(mock)
