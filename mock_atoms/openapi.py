"""The OpenAPI document of the mocked API, and its page, which needs no network."""

from typing import Any

from fastapi import FastAPI

from mock_atoms.core.version import __version__

DOCUMENT_PATH = "/openapi.json"
PAGE_PATH = "/docs"
ASSETS_PATH = "/docs-assets"
PRODUCTION_SERVER = "https://api.smallest.ai/atoms/v1"


def build_document(vendor: FastAPI, base_path: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the routes of `vendor`; this server precedes the real one."""
    document = vendor.openapi()
    document["servers"] = [
        {"url": base_path or "/", "description": f"This mock, mock-atoms {__version__}"},
        {"url": PRODUCTION_SERVER, "description": "Production server"},
    ]
    return document


def documentation_app(document: dict[str, Any]) -> FastAPI:
    """Return an app that serves `document` and its page, with scripts and styles from an installed package."""
    from fastapi_offline import FastAPIOffline  # noqa: PLC0415 - the server starts faster without it

    app = FastAPIOffline(
        title="mock-atoms",
        openapi_url=DOCUMENT_PATH,
        docs_url=PAGE_PATH,
        redoc_url=None,
        static_url=ASSETS_PATH,
    )
    app.openapi = lambda: document  # type: ignore[method-assign] # how FastAPI wants a document replaced
    return app


def is_documentation_path(path: str) -> bool:
    """Return whether `path` belongs to the documentation."""
    return path in (DOCUMENT_PATH, PAGE_PATH, f"{PAGE_PATH}/oauth2-redirect") or path.startswith(f"{ASSETS_PATH}/")
