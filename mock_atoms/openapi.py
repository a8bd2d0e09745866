"""The OpenAPI document of the mocked API, and the pages that show it and the control API's without a network."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from mock_atoms.control.access import DOCUMENT_PATH as CONTROL_DOCUMENT_PATH
from mock_atoms.control.errors import RequestError
from mock_atoms.core.forwarding import PREFIX_HEADER, with_public_prefix
from mock_atoms.core.version import __version__

DOCUMENT_PATH = "/openapi.json"
PAGE_PATH = "/docs"
CONTROL_PAGE_PATH = "/docs/control"
ASSETS_PATH = "/docs-assets"
PRODUCTION_SERVER = "https://api.smallest.ai/atoms/v1"


def build_document(vendor: FastAPI, base_path: str, *, has_control_api: bool = True) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the routes of `vendor`; this server precedes the real one."""
    document = vendor.openapi()
    if has_control_api:
        document["info"]["description"] = f"This mock also has a [control API]({CONTROL_PAGE_PATH.removeprefix('/')})."
    document["servers"] = [
        {"url": base_path or "/", "description": f"This mock, mock-atoms {__version__}"},
        {"url": PRODUCTION_SERVER, "description": "Production server"},
    ]
    return document


def documentation_app(document: Mapping[str, Any], *, has_control_api: bool = True) -> Starlette:
    """Return an app that serves `document`, its page and the control API's, with scripts from an installed package.

    The addresses in the pages are relative, so they work behind a proxy that strips a prefix of the path.
    """
    from fastapi.openapi.docs import get_swagger_ui_html  # noqa: PLC0415 - the server starts faster without it
    from starlette.staticfiles import StaticFiles  # noqa: PLC0415 - the same

    # Swagger UI has no layout with a list of documents in that package, so each gets a page, with a link to the other.
    pages = {
        PAGE_PATH: ("mock-atoms", ".", DOCUMENT_PATH),
        CONTROL_PAGE_PATH: ("mock-atoms control API", "..", CONTROL_DOCUMENT_PATH),
    }
    if not has_control_api:
        del pages[CONTROL_PAGE_PATH]

    async def show_page(request: Request) -> Response:
        title, root, document_path = pages[request.scope["path"]]
        return get_swagger_ui_html(
            openapi_url=root + document_path,
            title=title,
            swagger_js_url=f"{root}{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS_PATH}/favicon.png",
        )

    async def show_document(request: Request) -> Response:
        return JSONResponse(with_public_prefix(document, request.scope), headers={"vary": PREFIX_HEADER})

    assets = Mount(ASSETS_PATH, StaticFiles(packages=[("fastapi_offline", "static")]))
    routes = [Route(DOCUMENT_PATH, show_document), *(Route(path, show_page) for path in pages), assets]
    return Starlette(routes=routes, exception_handlers={HTTPException: _respond_error})


async def _respond_error(request: Request, error: Exception) -> Response:
    http_error = cast("HTTPException", error)
    detail = f"{request.method} {request.scope['path']}: the documentation is at {PAGE_PATH} and {DOCUMENT_PATH}"
    title = HTTPStatus(http_error.status_code).phrase
    return RequestError(http_error.status_code, title, detail, headers=http_error.headers).response()


def is_documentation_path(path: str) -> bool:
    """Return whether `path` belongs to the documentation."""
    return path in (DOCUMENT_PATH, PAGE_PATH, CONTROL_PAGE_PATH) or path.startswith(f"{ASSETS_PATH}/")
