"""The vendor's operations on campaigns: list, create, get, delete, start, pause, and two exports."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import Request, Response
from pydantic import TypeAdapter

from mock_atoms.api.campaign_exports import export_logs, export_results
from mock_atoms.api.contract import record_page, record_past_schedule
from mock_atoms.api.query import positive_integer, query_parameter, read_query
from mock_atoms.api.router import (
    BAD_REQUEST,
    COMMON_ERRORS,
    CSV,
    CSV_TYPE,
    FORBIDDEN,
    CurrentCaller,
    VendorJsonResponse,
    VendorRouter,
    resource_id_of,
    success,
    success_in_steps,
)
from mock_atoms.api.uploads import read_json_object
from mock_atoms.contract.campaigns import (
    NO_CAMPAIGNS_IN_PLAN,
    STATUSES,
    CampaignPage,
    CampaignReport,
    CreatedCampaign,
    MemberResults,
    NewCampaign,
    StartedCampaign,
)
from mock_atoms.contract.errors import bad_request
from mock_atoms.contract.operations import (
    CREATE_CAMPAIGN,
    DELETE_CAMPAIGN,
    EXPORT_LOGS,
    EXPORT_RESULTS,
    GET_CAMPAIGN,
    LIST_CAMPAIGNS,
    PAUSE_CAMPAIGN,
    START_CAMPAIGN,
)
from mock_atoms.contract.schemas import JSON_TYPE, MAX_FIELD_BYTES, NO_DATA, BadRequestError, request_schema
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.parsing import ConfigError, parse_item
from mock_atoms.core.patterns import OBJECT_ID
from mock_atoms.core.sizes import json_problem
from mock_atoms.core.slices import Slices
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.data.personas import has_campaigns_in_plan
from mock_atoms.state.campaigns import CampaignQuery, CampaignRepository, PastScheduleError
from mock_atoms.state.repositories import Repositories

MAX_CAMPAIGN_VALUES = 1_000
"""Maximum number of values of a new campaign, checked first."""
MAX_CAMPAIGN_CHARACTERS = 2 * MAX_FIELD_BYTES
"""Maximum number of characters of a new campaign."""
_DEFAULT_PAGE_SIZE = 5
_ID_FIELDS = ("audienceId", "agentId")
_MISSING = {"description": "Campaign not found"}


def _path_id(**schema: str) -> dict[str, Any]:
    return {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "Id of the campaign",
        "schema": {"type": "string", **schema, "example": "60d0fe4f5311236168a109cd"},
    }


_SORT_FIELDS, _SORT_ORDERS = ("createdAt", "updatedAt"), ("asc", "desc")
_LIST_PARAMETERS = [
    query_parameter("page", "Number of the page; the first is 1", type="integer", default=1),
    query_parameter(
        "offset", "Campaigns on each page; `limit` has no effect", type="integer", default=_DEFAULT_PAGE_SIZE
    ),
    query_parameter("status", "Only campaigns with this status", type="string", enum=[*STATUSES]),
    query_parameter("search", "Part of the name, or an id", type="string"),
    query_parameter("sortField", "Time to sort by", type="string", default="createdAt", enum=[*_SORT_FIELDS]),
    query_parameter(
        "sortOrder", "Whether the oldest or the newest come first", type="string", default="desc", enum=[*_SORT_ORDERS]
    ),
]
_ID = [_path_id()]
_EXPORT_ID = _path_id(pattern=r"^[a-f\d]{24}$")
_FORMAT = query_parameter("format", "Format of the export", type="string", enum=["json", "csv"], default="json")


def campaign_routes(repositories: Repositories, *, documented: bool = False) -> VendorRouter:
    """Return the routes, below the base path, that serve and change the campaigns in `repositories`."""
    routes = VendorRouter(documented=documented)

    @routes.operation(
        LIST_CAMPAIGNS,
        summary="Retrieve all campaigns",
        description="Get one page of the campaigns, the newest first.",
        response_description="The page",
        data=CampaignPage,
        errors=COMMON_ERRORS | {400: BAD_REQUEST},
        openapi_extra={"parameters": _LIST_PARAMETERS},
    )
    async def list_campaigns(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        query = _campaign_query(request)
        page = await repositories.read_in_steps(caller, lambda data: CampaignRepository(data).list_campaigns(query))
        record_page(request, query.page, page["pagination"]["totalPages"])
        return await success_in_steps(page, repositories.slices)

    @routes.operation(
        CREATE_CAMPAIGN,
        summary="Create a campaign",
        description="Create a campaign for an audience. With `scheduledAt` it is `scheduled`, otherwise a `draft`.",
        response_description="The new campaign, with ids instead of objects",
        data=CreatedCampaign,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 403: FORBIDDEN},
        openapi_extra=_new_campaign_body() if documented else None,
    )
    async def create_campaign(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        new = await _read_campaign(request, repositories.slices)
        try:
            created = await repositories.update(caller, lambda data: CampaignRepository(data).create(new))
        except PastScheduleError:
            record_past_schedule(request, new["scheduledAt"])
            raise
        return success(created, CREATE_CAMPAIGN.success_status)

    @routes.operation(
        GET_CAMPAIGN,
        summary="Get a campaign",
        description="Get one campaign with its events and metrics. An unknown campaign gets a 400.",
        response_description="The campaign",
        data=CampaignReport,
        errors=COMMON_ERRORS | {400: BAD_REQUEST},
        openapi_extra={"parameters": _ID},
    )
    async def get_campaign(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        campaign_id = resource_id_of(request)
        return success(await repositories.read_in_steps(caller, lambda data: CampaignRepository(data).get(campaign_id)))

    @routes.operation(
        DELETE_CAMPAIGN,
        summary="Delete a campaign",
        description="Delete one campaign of any status.",
        response_description="The campaign is deleted",
        data=NO_DATA,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 404: _MISSING},
        openapi_extra={"parameters": _ID},
    )
    async def delete_campaign(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        campaign_id = resource_id_of(request)
        await repositories.update(caller, lambda data: CampaignRepository(data).delete(campaign_id))
        return VendorJsonResponse({"status": True})

    @routes.operation(
        START_CAMPAIGN,
        summary="Start or resume a campaign",
        description="Start a campaign, or resume a paused one. One that is in progress stays as it is.",
        response_description="The campaign is being processed",
        data=StartedCampaign,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 404: _MISSING},
        openapi_extra={"parameters": _ID},
    )
    async def start_campaign(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        campaign_id = resource_id_of(request)
        started = await repositories.update(caller, lambda data: CampaignRepository(data).start(campaign_id))
        return success(started, START_CAMPAIGN.success_status)

    @routes.operation(
        PAUSE_CAMPAIGN,
        summary="Pause a campaign",
        description="Pause a campaign that is in progress. An unknown campaign gets a 400.",
        response_description="The campaign is paused",
        data=NO_DATA,
        errors=COMMON_ERRORS | {400: BAD_REQUEST},
        openapi_extra={"parameters": _ID},
    )
    async def pause_campaign(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        campaign_id = resource_id_of(request)
        await repositories.update(caller, lambda data: CampaignRepository(data).pause(campaign_id))
        return VendorJsonResponse({"status": True})

    @routes.operation(
        EXPORT_RESULTS,
        summary="Export campaign results grouped by audience member",
        description="Get the calls to each member, as JSON without an envelope or as CSV.",
        response_description="The results",
        data=MemberResults,
        errors={404: {"description": "Campaign not found", "model": BadRequestError}},
        has_envelope=False,
        openapi_extra={"parameters": [_EXPORT_ID, _FORMAT]},
    )
    async def get_results(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        campaign_id = resource_id_of(request)
        is_csv = read_query(request).get("format", [""])[-1] == "csv"
        body = await repositories.read_in_steps(
            caller, lambda data: export_results(CampaignRepository(data), campaign_id, is_csv=is_csv)
        )
        return Response(body, media_type=CSV_TYPE if is_csv else JSON_TYPE)

    @routes.operation(
        EXPORT_LOGS,
        summary="Export campaign call logs",
        description="Get every call of a campaign as CSV. An unknown campaign gets a 400.",
        response_description="The calls",
        data=CSV,
        errors={400: BAD_REQUEST},
        openapi_extra={"parameters": [_EXPORT_ID]},
    )
    async def get_logs(request: Request, caller: CurrentCaller) -> Response:
        _check_plan(caller)
        campaign_id = resource_id_of(request)
        body = await repositories.read_in_steps(caller, lambda data: export_logs(CampaignRepository(data), campaign_id))
        return Response(body, media_type=CSV_TYPE)

    return routes


def _check_plan(caller: AuthenticatedCaller) -> None:
    """Check that the plan of `caller` has campaigns.

    Raises:
        ApiError: 400, it has none (K).
    """
    if not has_campaigns_in_plan(caller.token):
        raise bad_request(NO_CAMPAIGNS_IN_PLAN)


def _campaign_query(request: Request) -> CampaignQuery:
    """Return the query of a list.

    Raises:
        ApiError: 400, a parameter has an unknown value (A: the real server may ignore it).
    """
    query = read_query(request)
    return CampaignQuery(
        positive_integer(query, "page", 1),
        positive_integer(query, "offset", _DEFAULT_PAGE_SIZE),
        _one_of(query, "status", STATUSES, None),
        query.get("search", [""])[-1],
        _one_of(query, "sortField", _SORT_FIELDS, "createdAt") or "",
        _one_of(query, "sortOrder", _SORT_ORDERS, "desc") == "asc",
    )


def _one_of(query: dict[str, list[str]], name: str, allowed: Sequence[str], default: str | None) -> str | None:
    values = query.get(name)
    if values is None:
        return default
    if len(values) > 1 or values[0] not in allowed:
        raise bad_request(f"{name} must be one of {', '.join(allowed)}")
    return values[0]


async def _read_campaign(request: Request, slices: Slices) -> NewCampaign:
    """Return the campaign in the JSON body.

    Raises:
        ApiError: 400, fields are missing or one is invalid (D: the limits, A: the messages).
    """
    payload = await read_json_object(request, slices)
    problem = json_problem(payload, MAX_JSON_DEPTH, MAX_CAMPAIGN_VALUES, MAX_CAMPAIGN_CHARACTERS)
    if problem:
        raise bad_request(f"The campaign is {problem}")
    missing = [name for name in ("name", *_ID_FIELDS) if payload.get(name) in (None, "")]
    if missing:
        raise bad_request(*(f"{name} is required" for name in missing))
    try:
        new = parse_item(_new_campaign(), payload, "")
    except ConfigError as error:
        raise bad_request(f"{error.pointer[1:].replace('/', '.')} {error.problem}") from None
    if not new["name"].strip():
        raise bad_request("name is required")
    ids = [(name, str(payload[name])) for name in _ID_FIELDS]
    ids += [(f"phoneNumberIds.{number}", text) for number, text in enumerate(new.get("phoneNumberIds", []))]
    for name, text in ids:
        if not re.fullmatch(OBJECT_ID, text.lower()):
            raise bad_request(f"{name} must be an id of 24 hexadecimal digits")
    return new


@cache
def _new_campaign() -> TypeAdapter[NewCampaign]:
    """Return what validates a new campaign. The server starts faster without it."""
    return TypeAdapter(NewCampaign)


def _new_campaign_body() -> dict[str, Any]:
    content = {"application/json": {"schema": request_schema(NewCampaign)}}
    return {"requestBody": {"required": True, "content": content}}
