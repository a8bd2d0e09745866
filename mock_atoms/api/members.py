"""The vendor's operations on the members of an audience: get a page, add, delete, search."""

from typing import Any

from fastapi import Request, Response

from mock_atoms.api.contract import record_page
from mock_atoms.api.query import positive_integer, query_parameter, read_query
from mock_atoms.api.router import (
    AUDIENCE_ID,
    BAD_REQUEST,
    COMMON_ERRORS,
    NOT_FOUND,
    CurrentCaller,
    VendorRouter,
    resource_id_of,
    success,
    success_in_steps,
)
from mock_atoms.api.uploads import read_json_object
from mock_atoms.contract.errors import MISSING_SEARCH_PARAMETER, bad_request
from mock_atoms.contract.operations import ADD_MEMBERS, DELETE_MEMBERS, GET_MEMBERS, SEARCH_MEMBERS
from mock_atoms.contract.schemas import AddedMembers, DeletedCount, MembersBadRequestError, MembersPage, SearchResult
from mock_atoms.core.slices import Slices, Steps
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.repositories import Repositories

_DEFAULT_PAGE_SIZE = 5
MAX_SEARCH_TERMS = 100
_ITEMS_PER_STEP = 1000


def _body(name: str, description: str, items: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": [name],
        "properties": {name: {"type": "array", "description": description, "items": items}},
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}


_PAGE_PARAMETERS = [
    AUDIENCE_ID,
    query_parameter("page", "Number of the page; the first is 1", type="integer", minimum=1, default=1),
    query_parameter(
        "offset",
        "Members on each page; `limit` has no effect",
        type="integer",
        minimum=1,
        default=_DEFAULT_PAGE_SIZE,
    ),
]
_NEW_MEMBERS = _body(
    "members",
    "The members to add; each has the audience's `phoneNumberColumnName`",
    {"type": "object", "example": {"phoneNumber": "+14155550123", "name": "Ada"}},
)
_MEMBER_IDS = _body(
    "memberIds", "Ids of the members to delete", {"type": "string", "example": "60d0fe4f5311236168a109cd"}
)
_SEARCH_PARAMETERS = [
    AUDIENCE_ID,
    query_parameter("query", "Text to find in any column", type="string", example="ada"),
    query_parameter(
        "*",
        "Instead of `query`: the name of a column and the text to find in it. All of them must match.",
        type="string",
    ),
]


def member_routes(repositories: Repositories, *, documented: bool = False) -> VendorRouter:
    """Return the routes, below the base path, that serve and change the members of the audiences in `repositories`."""
    routes = VendorRouter(documented=documented)

    @routes.operation(
        GET_MEMBERS,
        summary="Get audience members",
        description="Get one page of the members of an audience. An audience of another organisation gets a 403.",
        response_description="The page",
        data=MembersPage,
        errors=COMMON_ERRORS
        | {
            400: {"description": "Bad request", "model": MembersBadRequestError},
            403: {"description": "The audience belongs to another organisation"},
            404: {"description": "Audience not found"},
        },
        openapi_extra={"parameters": _PAGE_PARAMETERS},
    )
    async def get_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id, query = resource_id_of(request), read_query(request)
        page = positive_integer(query, "page", 1)
        size = positive_integer(query, "offset", _DEFAULT_PAGE_SIZE)
        search = query.get("search", [""])[-1]
        found = await repositories.read_in_steps(
            caller, lambda data: AudienceRepository(data).get_members(audience_id, page, size, search)
        )
        record_page(request, page, found["totalPages"])
        return await success_in_steps(found, repositories.slices)

    @routes.operation(
        ADD_MEMBERS,
        summary="Add audience members",
        description="Add members. Members whose phone number exists already are skipped.",
        response_description="How many members were added and skipped",
        data=list[AddedMembers],
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 404: NOT_FOUND},
        openapi_extra={"parameters": [AUDIENCE_ID], "requestBody": _NEW_MEMBERS},
    )
    async def add_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id = resource_id_of(request)
        members = await _read_list(request, repositories.slices, "members", dict, "objects")
        return success(
            [await repositories.update(caller, lambda data: AudienceRepository(data).add_members(audience_id, members))]
        )

    @routes.operation(
        DELETE_MEMBERS,
        summary="Delete audience members",
        description="Delete members by their ids. Unknown ids are ignored.",
        response_description="How many members were deleted",
        data=DeletedCount,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 404: NOT_FOUND},
        openapi_extra={"parameters": [AUDIENCE_ID], "requestBody": _MEMBER_IDS},
    )
    async def delete_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id = resource_id_of(request)
        ids = await _read_list(request, repositories.slices, "memberIds", str, "strings")
        return success(
            await repositories.update(caller, lambda data: AudienceRepository(data).delete_members(audience_id, ids))
        )

    @routes.operation(
        SEARCH_MEMBERS,
        summary="Search audience members",
        description="Find the members that contain `query` in any column, or the given text in each named column.",
        response_description="The members found",
        data=SearchResult,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 404: {"description": "Audience not found"}},
        openapi_extra={"parameters": _SEARCH_PARAMETERS},
    )
    async def search_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id, parameters = resource_id_of(request), read_query(request)
        query = parameters.pop("query", [""])[-1]
        fields = {name: terms for name, values in parameters.items() if (terms := [term for term in values if term])}
        if sum(map(len, fields.values())) > MAX_SEARCH_TERMS:
            raise bad_request(f"Too many search parameters: at most {MAX_SEARCH_TERMS}")
        if not query and not fields:
            raise bad_request(MISSING_SEARCH_PARAMETER)
        if query and fields:
            raise bad_request("Use either 'query' or field-specific searches, not both")
        result = await repositories.read_in_steps(
            caller, lambda data: AudienceRepository(data).search_members(audience_id, query, fields)
        )
        return await success_in_steps(result, repositories.slices)

    return routes


async def _read_list(request: Request, slices: Slices, name: str, item_type: type, items: str) -> list[Any]:
    """Return the list `name` of the JSON body.

    Raises:
        ApiError: 400, it is missing, or has items that are not of `item_type`; the message calls them `items`.
    """
    payload = await read_json_object(request, slices)
    if name not in payload:
        raise bad_request(f"{name} is required")
    value = payload[name]
    if not isinstance(value, list) or not await slices.run_promptly(_are_all(value, item_type)):
        raise bad_request(f"{name} must be a list of {items}")
    return value


def _are_all(items: list[Any], item_type: type) -> Steps[bool]:
    """Return whether all `items` are of `item_type`."""
    for start in range(0, len(items), _ITEMS_PER_STEP):
        if not all(isinstance(item, item_type) for item in items[start : start + _ITEMS_PER_STEP]):
            return False
        yield
    return True
