"""Routes of the dashboard. They are open to everyone: the page holds no data, and its calls need the admin token."""

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.dashboard.files import FILES_PREFIX, PAGE_PATH, RELATIVE_PAGE_PATH, dashboard_file


def dashboard_routes() -> list[Route]:
    """Return the routes of the page and its files."""
    return [
        Route(CONTROL_PREFIX, _redirect),
        Route(PAGE_PATH, _file),
        Route(f"{FILES_PREFIX}{{name}}", _file),
    ]


async def _redirect(_request: Request) -> Response:
    return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers={"location": RELATIVE_PAGE_PATH})


async def _file(request: Request) -> Response:
    file = await asyncio.to_thread(dashboard_file, request.scope["path"])
    if file is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    etags = [etag.strip().removeprefix("W/") for etag in request.headers.get("if-none-match", "").split(",")]
    if file.headers["etag"] in etags:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=file.headers)
    return Response(file.content, headers=file.headers)
