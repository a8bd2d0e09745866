"""Routes of the vendor's operations: authentication, JSON responses and documentation."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer

from mock_atoms.contract.operations import Operation
from mock_atoms.contract.schemas import (
    JSON_TYPE,
    BadRequestError,
    ForbiddenError,
    InternalServerError,
    UnauthorizedError,
    success_envelope,
)
from mock_atoms.core.http_text import unquote
from mock_atoms.core.json_stream import dump_json, render_json
from mock_atoms.core.slices import Slices, Steps
from mock_atoms.core.tenancy import AuthenticatedCaller

_Errors = dict[int | str, dict[str, Any]]
UNAUTHORIZED = {"description": "Unauthorized access", "model": UnauthorizedError}
COMMON_ERRORS: _Errors = {
    401: UNAUTHORIZED,
    500: {"description": "Internal server error", "model": InternalServerError},
}
"""Documented errors that nearly all operations have."""
BAD_REQUEST = {"description": "Bad request", "model": BadRequestError}
FORBIDDEN = {"description": "Forbidden access", "model": ForbiddenError}
NOT_FOUND = {"description": "Audience not found, or of another organisation"}
CSV = "csv"
"""Shape of a success whose body is a CSV file."""
CSV_TYPE = "text/csv"
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


_AUTH = HTTPBearer(scheme_name="BearerAuth", description="API key of the console, or a session cookie for browsers.")
"""The documented security scheme."""
CurrentCaller = Annotated[AuthenticatedCaller, Depends(_AUTH)]
"""The authenticated caller of a route."""
Handler = Callable[[Request, CurrentCaller], Awaitable[Response]]


def resource_id_of(request: Request) -> str:
    """Return the id, the second segment of the path. It is decoded after the path is split, as in Express."""
    resource_id: str = request.scope["path"].split("/", 3)[2]
    return unquote(resource_id)


def success(data: object, status: int = HTTPStatus.OK) -> Response:
    """Return the response of a success. The data of the handlers is valid, so it is not validated again."""
    return VendorJsonResponse({"status": True, "data": data}, status)


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
    """Handlers of operations, and routes whose documentation follows the vendor's.

    Args:
        documented: whether to document them. Serving does without: response models take long to build.

    Attributes:
        handlers: the handler of each operation, by the name of the operation.
    """

    def __init__(self, *, documented: bool) -> None:
        super().__init__()
        self._is_documented = documented
        self.handlers: dict[str, Handler] = {}

    def operation(  # noqa: PLR0913 - the parts of an operation in an OpenAPI document
        self,
        operation: Operation,
        *,
        summary: str,
        description: str,
        response_description: str,
        data: Any,  # noqa: ANN401 - any type that pydantic knows
        errors: _Errors,
        has_envelope: bool = True,
        openapi_extra: Mapping[str, Any] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Return a decorator that registers the handler of an operation.

        Args:
            operation: its method, path and id.
            summary: its title in the vendor's documents.
            description: what it does.
            response_description: description of the success.
            data: shape of `data` in the success; `NO_DATA` if it has none, and `CSV` if the body is a CSV file.
            errors: description and model of each documented error by status.
            has_envelope: whether `data` is in the envelope, or the complete body.
            openapi_extra: other parts of the document, such as `parameters`.
        """
        if not self._is_documented:
            return partial(self._add_handler, operation)
        responses = errors
        if data is CSV:
            file = {"schema": {"type": "string", "format": "binary"}}
            responses = errors | {operation.success_status: {"content": {CSV_TYPE: file}}}
        return self.api_route(
            operation.path,
            methods=[operation.method],
            status_code=operation.success_status,
            response_model=None if data is CSV else success_envelope(operation, data) if has_envelope else data,
            response_class=Response if data is CSV else VendorJsonResponse,
            operation_id=operation.operation_id,
            summary=summary,
            description=description,
            tags=[f"subpackage_{operation.group}"],
            response_description=response_description,
            responses=dict(sorted(responses.items(), key=lambda item: str(item[0]))),
            openapi_extra=dict(openapi_extra or {}),
        )

    def _add_handler(self, operation: Operation, handler: Handler) -> Handler:
        self.handlers[operation.name] = handler
        return handler
