"""The OpenAPI document of the mocked API, and the pages that show it and the control API's without a network."""

from typing import Any

from fastapi import FastAPI, Response

from mock_atoms.control.access import DOCUMENT_PATH as CONTROL_DOCUMENT_PATH
from mock_atoms.core.version import __version__

DOCUMENT_PATH = "/openapi.json"
PAGE_PATH = "/docs"
CONTROL_PAGE_PATH = "/docs/control"
ASSETS_PATH = "/docs-assets"
PRODUCTION_SERVER = "https://api.smallest.ai/atoms/v1"


def build_document(vendor: FastAPI, base_path: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the routes of `vendor`; this server precedes the real one."""
    document = vendor.openapi()
    document["info"]["description"] = f"This mock also has a [control API]({CONTROL_PAGE_PATH})."
    document["servers"] = [
        {"url": base_path or "/", "description": f"This mock, mock-atoms {__version__}"},
        {"url": PRODUCTION_SERVER, "description": "Production server"},
    ]
    return document


def documentation_app(document: dict[str, Any]) -> FastAPI:
    """Return an app that serves `document`, its page and the control API's, with scripts from an installed package."""
    from fastapi.openapi.docs import get_swagger_ui_html  # noqa: PLC0415 - the server starts faster without it
    from fastapi_offline import FastAPIOffline  # noqa: PLC0415 - the server starts faster without it

    app = FastAPIOffline(
        title="mock-atoms", openapi_url=DOCUMENT_PATH, docs_url=PAGE_PATH, redoc_url=None, static_url=ASSETS_PATH
    )

    # The package has no Swagger UI layout with a list of documents, so each gets a page, with a link to the other.
    @app.get(CONTROL_PAGE_PATH, include_in_schema=False)
    async def control_page() -> Response:
        return get_swagger_ui_html(
            openapi_url=CONTROL_DOCUMENT_PATH,
            title="mock-atoms control API",
            swagger_js_url=f"{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS_PATH}/favicon.png",
        )

    app.openapi = lambda: document  # type: ignore[method-assign] # how FastAPI wants a document replaced
    return app


def is_documentation_path(path: str) -> bool:
    """Return whether `path` belongs to the documentation."""
    pages = (DOCUMENT_PATH, PAGE_PATH, CONTROL_PAGE_PATH, f"{PAGE_PATH}/oauth2-redirect")
    return path in pages or path.startswith(f"{ASSETS_PATH}/")
