"""The vendor's operations on audiences, as FastAPI routes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from mock_atoms.contract import ApiError, AudienceList, InternalServerError, UnauthorizedError
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
    async def list_audiences(caller: Annotated[Caller, Depends(BearerAuth())]) -> AudienceList:
        return {"status": True, "data": await store.audiences(caller)}

    return routes
