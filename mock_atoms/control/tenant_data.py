"""The data of a tenant as its clients see it now. Reading it does not count as a request of the tenant."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from mock_atoms.contract.errors import ApiError, documented_message
from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.errors import RequestError, invalid_parameter
from mock_atoms.control.long_work import long_json
from mock_atoms.control.models import AudienceMembers, TenantAudiences
from mock_atoms.control.parsing import TenantQuery, up_to
from mock_atoms.core.tenancy import AuthenticatedCaller, Tenant, caller_for
from mock_atoms.mock import MockAtoms
from mock_atoms.state.audiences import AudienceRepository

MAX_PAGE = 10_000
MAX_PAGE_SIZE = 1_000
_DEFAULT_PAGE_SIZE = 20


class MembersQuery(TenantQuery):
    """Query parameters that select members."""

    page: Annotated[int, up_to(MAX_PAGE), Field(ge=1, description="Number of the page; the first is 1.")] = 1
    size: Annotated[int, up_to(MAX_PAGE_SIZE), Field(ge=1, description="Members on each page.")] = _DEFAULT_PAGE_SIZE
    search: Annotated[str, Field(description="Only members that contain this text in any column.")] = ""


class TenantDataEndpoints:
    """Endpoints that return the data of one tenant."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        unknown = {400: "the audience id is malformed", 404: "the tenant has no such audience"}
        foreign = {403: "the control API is closed, or the audience is of another tenant"}
        return EndpointGroup(
            "Tenant data",
            "What the clients of a tenant see now. Reading it is neither counted nor recorded.",
            (
                Endpoint(
                    "GET", "/audiences", self.audiences, "List a tenant's audiences", TenantAudiences, query=TenantQuery
                ),
                Endpoint(
                    "GET",
                    "/audiences/{id}/members",
                    self.members,
                    "List the members of an audience",
                    AudienceMembers,
                    query=MembersQuery,
                    errors=unknown | foreign,
                ),
            ),
        )

    async def audiences(self, request: Request) -> Response:
        """Return the audiences of one token, or of one test, as the API lists them. `token` is required."""
        caller = self._caller(TenantQuery.parse(request))
        audiences = await self._mock.repositories.read_in_steps(
            caller, lambda data: AudienceRepository(data).list_audiences()
        )
        return long_json(self._mock, {**tenant_json(caller.tenant), "audiences": (each for each in audiences)})

    async def members(self, request: Request) -> Response:
        """Return one page of the members of an audience. `token` is required."""
        query = MembersQuery.parse(request)
        caller, audience_id = self._caller(query), request.path_params["id"]
        try:
            page = await self._mock.repositories.read_in_steps(
                caller,
                lambda data: AudienceRepository(data).get_members(audience_id, query.page, query.size, query.search),
            )
        except ApiError as error:
            raise audience_error(audience_id, error) from None
        return long_json(self._mock, {**page, "members": (member for member in page["members"])})

    def _caller(self, query: TenantQuery) -> AuthenticatedCaller:
        if query.token is None:
            raise invalid_parameter("token", "the token is missing: give the token of the tenant")
        return caller_for(query.token, query.test_id)


def tenant_json(tenant: Tenant) -> dict[str, str | None]:
    """Return what identifies a tenant, the token masked."""
    return {"token": tenant.label, "tokenDigest": tenant.token_digest.hex(), "testId": tenant.test_id}


def audience_error(audience_id: str, error: ApiError) -> RequestError:
    """Return the error of the control API for one of the audience repository."""
    detail = " ".join(error.errors or [documented_message(error.status)])
    title = "unknown audience" if error.reason is None else "no room"
    if error.status == HTTPStatus.CONFLICT:
        title = "campaign of another audience"
    if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        title = "invalid campaigns"
    return RequestError(HTTPStatus(error.status), title, f"{audience_id}: {detail}")
