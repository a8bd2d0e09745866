"""The control API, `/__admin`: ours, beside the vendor's paths, never faulted."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mock_atoms import __version__
from mock_atoms.generator import iso
from mock_atoms.middleware import Clock, Now

PREFIX = "/__admin"


def admin_app(clock: Clock, now: Now) -> FastAPI:
    """Return the control API.

    Args:
        clock: seconds of a clock that only goes forward, read now and at each call for the uptime.
        now: the time of day.
    """
    started = clock()
    app = FastAPI(title="mock-atoms control API", version=__version__, openapi_url=None, redirect_slashes=False)

    @app.get(f"{PREFIX}/health")
    async def health() -> JSONResponse:
        """Tell that the server is up. Needs no token."""
        return JSONResponse(
            {
                "status": "healthy",
                "message": "mock-atoms is ready",
                "version": __version__,
                "uptimeInSeconds": int(clock() - started),
                "timestamp": iso(now()),
            }
        )

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> JSONResponse:
        detail = f"{request.method} {request.url.path}: the control API has no such call"
        problem = {"title": error.detail, "detail": detail, "source": {"pointer": ""}}
        return JSONResponse({"errors": [problem]}, error.status_code, error.headers)

    return app
