"""Routes of the vendor's operations: authentication, JSON responses and documentation."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, cast
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase
from starlette.routing import Route

from mock_atoms.contract.operations import Operation
from mock_atoms.contract.schemas import (
    JSON_TYPE,
    BadRequestError,
    InternalServerError,
    UnauthorizedError,
    render_json,
    success_envelope,
)
from mock_atoms.core.json_stream import dump_json
from mock_atoms.core.slices import Slices, Steps
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.journal.exchange import CONTEXT_KEY, RequestContext
from mock_atoms.middleware.endpoint import RequestEndpoint

TAG = "subpackage_audience"
"""The tag of all operations (S)."""
UNAUTHORIZED = {"description": "Unauthorized access", "model": UnauthorizedError}
SERVER_ERROR = {"description": "Internal server error", "model": InternalServerError}
BAD_REQUEST = {"description": "Bad request", "model": BadRequestError}
NOT_FOUND = {"description": "Audience not found, or of another organisation"}
AUDIENCE_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the audience",
    "schema": {"type": "string", "example": "60d0fe4f5311236168a109ca"},
}


class VendorJsonResponse(JSONResponse):
    """JSON as the vendor sends it (L). `media_type` has no charset: the OpenAPI document shows it."""

    def render(self, content: object) -> bytes:
        """Return the bytes of `content`."""
        return render_json(content)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the headers of the response."""
        super().init_headers({"content-type": JSON_TYPE} | dict(headers or {}))


class BearerAuth(SecurityBase):
    """The documented security scheme. As a dependency it returns the caller, who is authenticated."""

    def __init__(self) -> None:
        self.scheme_name = "BearerAuth"
        self.model = HTTPBearer(description="API key of the console, or a session cookie for browsers.")

    def __call__(self, request: Request) -> AuthenticatedCaller:
        """Return the caller of `request`."""
        context: RequestContext = request.scope[CONTEXT_KEY]
        return cast("AuthenticatedCaller", context.caller)  # others get no further than `ExpressMiddleware`


_AUTH = BearerAuth()
CurrentCaller = Annotated[AuthenticatedCaller, Depends(_AUTH)]
"""The authenticated caller of a route."""
Handler = Callable[[Request, CurrentCaller], Awaitable[Response]]


def audience_id_of(request: Request) -> str:
    """Return the id in the path. It is decoded after the path is split, as in Express."""
    return unquote(request.path_params["id"])


def success(data: object) -> Response:
    """Return the response of a success. The data of the handlers is valid, so it is not validated again."""
    return VendorJsonResponse({"status": True, "data": data})


async def success_in_steps(data: object, slices: Slices) -> Response:
    """Return the same as `success`. Lists, and lists in an object, are rendered in slices."""
    body = await slices.run_promptly(_render_success(data))
    return Response(body, media_type=JSON_TYPE)


def _render_success(data: object) -> Steps[bytes]:
    body = bytearray(b'{"status":true,"data":')
    if isinstance(data, dict) and data:
        opening = "{"
        for name, value in data.items():
            body += f"{opening}{dump_json(name)}:".encode()
            yield from _render(value, body)
            opening = ","
        body += b"}"
    else:
        yield from _render(data, body)
    body += b"}"
    return bytes(body)


def _render(value: object, body: bytearray) -> Steps[None]:
    """Append `value` to `body`; a list item by item."""
    if isinstance(value, list) and value:
        opening = b"["
        for item in value:
            body += opening
            body += render_json(item)
            yield
            opening = b","
        body += b"]"
    else:
        body += render_json(value)


class VendorRouter(APIRouter):
    """Routes whose documentation follows the vendor's.

    Args:
        documented: whether to document them. Serving does without: response models take long to build.
    """

    def __init__(self, *, documented: bool) -> None:
        super().__init__()
        self._is_documented = documented

    def operation(  # noqa: PLR0913 - the parts of an operation in an OpenAPI document
        self,
        operation: Operation,
        *,
        summary: str,
        description: str,
        response_description: str,
        data: Any,  # noqa: ANN401 - any type that pydantic knows
        errors: Mapping[int, Mapping[str, Any]],
        openapi_extra: Mapping[str, Any] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Return a decorator that registers a handler as the route of an operation.

        Args:
            operation: its method, path and id.
            summary: its title in the vendor's documents.
            description: what it does.
            response_description: description of the 200.
            data: shape of `data` in the 200.
            errors: description and model of each documented error besides 401 and 500, which all operations have.
            openapi_extra: other parts of the document, such as `parameters`.
        """
        if not self._is_documented:
            return partial(self._add_plain_route, operation)
        documented = {401: UNAUTHORIZED, 500: SERVER_ERROR} | dict(errors)
        return self.api_route(
            operation.path,
            methods=[operation.method],
            response_model=success_envelope(operation.operation_id, data),
            operation_id=operation.operation_id,
            summary=summary,
            description=description,
            tags=[TAG],
            response_description=response_description,
            responses=dict(sorted(documented.items())),  # type: ignore[arg-type] # a status is an int there too
            openapi_extra=dict(openapi_extra or {}),
        )

    def _add_plain_route(self, operation: Operation, handler: Handler) -> Handler:
        """Register `handler` without FastAPI's dependency injection, which costs more than most handlers."""

        async def serve(request: Request) -> Response:
            return await handler(request, _AUTH(request))

        route = Route(operation.path, RequestEndpoint(serve), methods=[operation.method], include_in_schema=False)
        self.routes.append(route)
        return handler
