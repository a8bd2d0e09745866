"""The vendor's operations on audiences, as FastAPI routes."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase

from mock_atoms.contract import (
    JSON_TYPE,
    ApiError,
    AudienceList,
    InternalServerError,
    UnauthorizedError,
    render_json,
)
from mock_atoms.exchange import SCOPE_KEY, Exchange
from mock_atoms.store import Store
from mock_atoms.tenancy import Caller

_AUTHORIZATION_PARAMETER = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "`Bearer` and an API key; on this page, give the key to Authorize. A session cookie does as well.",
    "example": "Bearer sk_acme",
    "schema": {"type": "string"},
}
"""S documents the header as a parameter of the operation, beside the security scheme."""


class VendorJson(JSONResponse):
    """JSON as the vendor sends it (L). `media_type` stays plain, since the OpenAPI document is made of it."""

    def render(self, content: object) -> bytes:
        """Return `content` in bytes."""
        return render_json(content)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the headers of the answer."""
        super().init_headers({"content-type": JSON_TYPE} | dict(headers or {}))


class BearerAuth(SecurityBase):
    """The documented security scheme; as a dependency, the caller it lets through.

    Raises:
        ApiError: 401, when the request was sent by nobody.
    """

    def __init__(self) -> None:
        self.scheme_name = "BearerAuth"
        self.model = HTTPBearer(description="API key of the console, or a session cookie for browsers.")

    async def __call__(self, request: Request) -> Caller:
        """Return who sent `request`."""
        exchange: Exchange = request.scope[SCOPE_KEY]
        if isinstance(exchange.caller, Caller):
            return exchange.caller
        exchange.reason = exchange.caller.reason
        raise ApiError(401)


def router(store: Store) -> APIRouter:
    """Return the routes, below the base path, that serve what is in `store`."""
    routes = APIRouter()

    @routes.get(
        "/audience",
        response_model=AudienceList,
        operation_id="get-all-audiences",
        summary="Get all audiences",
        description="All audiences that the caller created, in one answer: there is no paging.",
        tags=["subpackage_audience"],
        response_description="All audiences of the caller",
        responses={
            401: {"description": "Unauthorized access", "model": UnauthorizedError},
            500: {"description": "Internal server error", "model": InternalServerError},
        },
        openapi_extra={"parameters": [_AUTHORIZATION_PARAMETER]},
    )
    async def list_audiences(caller: Annotated[Caller, Depends(BearerAuth())]) -> Response:
        # A response, not a model: what the store holds has been checked, and would be validated anew for each request.
        return VendorJson({"status": True, "data": await store.audiences(caller)})

    return routes
