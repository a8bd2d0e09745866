"""The vendor's operations on the members of an audience: a page of them, add, delete, search."""

import re
from typing import Any

from fastapi import Request, Response

from mock_atoms.api.router import (
    AUDIENCE_ID,
    BAD_REQUEST,
    NOT_FOUND,
    CurrentCaller,
    VendorRouter,
    audience_id_of,
    success,
)
from mock_atoms.api.uploads import read_object
from mock_atoms.contract.errors import MISSING_SEARCH_PARAMETER, ApiError
from mock_atoms.contract.operations import ADD_MEMBERS, DELETE_MEMBERS, GET_MEMBERS, SEARCH_MEMBERS
from mock_atoms.contract.schemas import AddedMembers, DeletedCount, MembersBadRequestError, MembersPage, SearchResult
from mock_atoms.core.http_text import parse_query
from mock_atoms.state.audiences import AudienceRepositories

_DEFAULT_PAGE_SIZE = 5
_MOST_TERMS = 100
_WHOLE_NUMBER = re.compile(r"\d{1,1000}", re.ASCII)


def _number_parameter(name: str, description: str, default: int) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": {"type": "integer", "minimum": 1, "default": default},
    }


def _body(name: str, description: str, items: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": [name],
        "properties": {name: {"type": "array", "description": description, "items": items}},
    }
    return {"required": True, "content": {"application/json": {"schema": schema}}}


_PAGE = [
    AUDIENCE_ID,
    _number_parameter("page", "Which page, from 1 on", 1),
    _number_parameter("offset", "How many members a page has; `limit` means nothing", _DEFAULT_PAGE_SIZE),
]
_NEW_MEMBERS = _body(
    "members",
    "The members to add; each has the audience's `phoneNumberColumnName`",
    {"type": "object", "example": {"phoneNumber": "+14155550123", "name": "Ada"}},
)
_MEMBER_IDS = _body(
    "memberIds", "Ids of the members to delete", {"type": "string", "example": "60d0fe4f5311236168a109cd"}
)
_SEARCH = [
    AUDIENCE_ID,
    {
        "name": "query",
        "in": "query",
        "required": False,
        "description": "What to look for in all columns",
        "schema": {"type": "string", "example": "ada"},
    },
    {
        "name": "*",
        "in": "query",
        "required": False,
        "description": "In place of `query`: any column by its name, with what to look for in it. All have to match.",
        "schema": {"type": "string"},
    },
]


def member_routes(repositories: AudienceRepositories, *, documented: bool = False) -> VendorRouter:
    """Return the routes, below the base path, that serve and change the members of the audiences in `repositories`."""
    routes = VendorRouter(documented=documented)

    @routes.operation(
        GET_MEMBERS,
        summary="Get audience members",
        description="One page of an audience's members. For another organisation's audience that is a 403.",
        success="The page",
        data=MembersPage,
        errors={
            400: {"description": "Bad request", "model": MembersBadRequestError},
            403: {"description": "The audience is another organisation's"},
            404: {"description": "Audience not found"},
        },
        more={"parameters": _PAGE},
    )
    async def get_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id, query = audience_id_of(request), _query(request)
        page, size = _number(query, "page", 1), _number(query, "offset", _DEFAULT_PAGE_SIZE)
        search = query.get("search", [""])[-1]
        return success(
            await repositories.read(caller, lambda repository: repository.get_members(audience_id, page, size, search))
        )

    @routes.operation(
        ADD_MEMBERS,
        summary="Add audience members",
        description="Add members. Those whose phone number is there already are skipped.",
        success="How many are new",
        data=list[AddedMembers],
        errors={400: BAD_REQUEST, 404: NOT_FOUND},
        more={"parameters": [AUDIENCE_ID], "requestBody": _NEW_MEMBERS},
    )
    async def add_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id = audience_id_of(request)
        members = await _list_of(request, "members", dict, "objects")
        return success(
            [await repositories.update(caller, lambda repository: repository.add_members(audience_id, members))]
        )

    @routes.operation(
        DELETE_MEMBERS,
        summary="Delete audience members",
        description="Delete members by their ids. An id that no member has is passed over.",
        success="How many there are no more",
        data=DeletedCount,
        errors={400: BAD_REQUEST, 404: NOT_FOUND},
        more={"parameters": [AUDIENCE_ID], "requestBody": _MEMBER_IDS},
    )
    async def delete_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id = audience_id_of(request)
        ids = await _list_of(request, "memberIds", str, "texts")
        return success(
            await repositories.update(caller, lambda repository: repository.delete_members(audience_id, ids))
        )

    @routes.operation(
        SEARCH_MEMBERS,
        summary="Search audience members",
        description="All members in which `query` stands anywhere, or in which the columns named have what is asked.",
        success="The members found",
        data=SearchResult,
        errors={400: BAD_REQUEST, 404: {"description": "Audience not found"}},
        more={"parameters": _SEARCH},
    )
    async def search_members(request: Request, caller: CurrentCaller) -> Response:
        audience_id, fields = audience_id_of(request), _query(request)
        query = "".join(fields.pop("query", [""])[-1:])
        fields = {name: terms for name, given in fields.items() if (terms := [term for term in given if term])}
        if sum(map(len, fields.values())) > _MOST_TERMS:
            raise ApiError(400, f"at most {_MOST_TERMS} search parameters")
        if not query and not fields:
            raise ApiError(400, MISSING_SEARCH_PARAMETER)
        if query and fields:
            raise ApiError(400, "Use either 'query' or field-specific searches, not both")
        return success(
            await repositories.read(caller, lambda repository: repository.search_members(audience_id, query, fields))
        )

    return routes


def _query(request: Request) -> dict[str, list[str]]:
    """Return the parameters of the query string, each with all that was given for it."""
    return parse_query(request.scope["query_string"].decode("latin-1"))


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    """Return a whole number from 1 on.

    Raises:
        ApiError: 400, it is none (A: the real server may take it for the default).
    """
    given = query.get(name)
    if given is None:
        return default
    if len(given) > 1 or not _WHOLE_NUMBER.fullmatch(given[0]) or int(given[0]) < 1:
        raise ApiError(400, f"{name} must be a whole number from 1 on")
    return int(given[0])


async def _list_of(request: Request, name: str, kind: type, kinds: str) -> list[Any]:
    """Return the list that the body has under `name`.

    Raises:
        ApiError: 400, there is none, or its items are something else than `kind`.
    """
    given = (await read_object(request)).get(name)
    if not isinstance(given, list):
        raise ApiError(400, f"{name} is required: give a list of {kinds}")
    if not all(isinstance(item, kind) for item in given):
        raise ApiError(400, f"{name} must be a list of {kinds}")
    return given
