"""The vendor's operations on agents: create, archive and restore."""

import asyncio
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from pydantic import TypeAdapter

from mock_atoms.api.query import query_parameter, read_query
from mock_atoms.api.router import (
    BAD_REQUEST,
    COMMON_ERRORS,
    FORBIDDEN,
    CurrentCaller,
    VendorRouter,
    resource_id_of,
    success,
)
from mock_atoms.api.uploads import read_json_object
from mock_atoms.contract.agents import DEFAULT_WORKFLOW, MAX_NAME_LENGTH, ArchivedAgent
from mock_atoms.contract.errors import bad_request
from mock_atoms.contract.operations import ARCHIVE_AGENT, CREATE_AGENT
from mock_atoms.contract.schemas import request_schema
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.parsing import ConfigError, parse_item
from mock_atoms.core.sizes import json_problem
from mock_atoms.core.slices import Slices, Steps
from mock_atoms.state.agents import AgentRepository
from mock_atoms.state.campaigns import CampaignRepository
from mock_atoms.state.repositories import Repositories
from mock_atoms.state.tenant_data import Change, TenantData

if TYPE_CHECKING:
    from mock_atoms.contract.new_agent import NewAgent

MAX_AGENT_CHARACTERS = 200_000
"""Maximum number of characters of a new agent: one step validates it."""
MAX_AGENT_VALUES = 1_000
"""Maximum number of values of a new agent, checked first."""
_AGENT_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the agent",
    "schema": {"type": "string", "example": "60d0fe4f5311236168a109ca"},
}
_ON = query_parameter("on", "`false` restores an archived agent", type="boolean", default=True)
_FLAGS = {"true": True, "false": False}


def agent_routes(repositories: Repositories, *, documented: bool = False) -> VendorRouter:
    """Return the routes, below the base path, that change the agents in `repositories`."""
    routes = VendorRouter(documented=documented)

    @routes.operation(
        CREATE_AGENT,
        summary="Create a new agent",
        description="Create an agent. Only its name is required.",
        response_description="Id of the agent",
        data=str,
        errors=COMMON_ERRORS | {400: BAD_REQUEST, 403: FORBIDDEN},
        openapi_extra=_new_agent_body() if documented else {},
    )
    async def create_agent(request: Request, caller: CurrentCaller) -> Response:
        agent = await _read_agent(request, repositories.slices)
        name, workflow = agent["name"], agent.get("workflowType", DEFAULT_WORKFLOW)
        agent_id = await repositories.update(caller, lambda data: AgentRepository(data).create(name, workflow))
        return success(agent_id, CREATE_AGENT.success_status)

    @routes.operation(
        ARCHIVE_AGENT,
        summary="Archive or unarchive an agent",
        description="Archive an agent, or restore it. An agent that an active campaign uses gets a 409.",
        response_description="The agent is archived, or restored",
        data=ArchivedAgent,
        errors=COMMON_ERRORS
        | {
            400: BAD_REQUEST,
            403: FORBIDDEN,
            404: {"description": "Agent not found"},
            409: {"description": "The agent is in that state already, or an active campaign uses it"},
        },
        openapi_extra={"parameters": [_AGENT_ID, _ON]},
    )
    async def archive_agent(request: Request, caller: CurrentCaller) -> Response:
        agent_id = resource_id_of(request)
        values = read_query(request).get("on", ["true"])
        if len(values) > 1 or values[0] not in _FLAGS:
            raise bad_request("on must be true or false")
        is_archived = _FLAGS[values[0]]

        def archive(data: TenantData) -> Change[ArchivedAgent]:
            find_campaign = CampaignRepository(data).campaign_of
            return AgentRepository(data).archive(agent_id, is_archived=is_archived, find_campaign=find_campaign)

        return success(await repositories.update(caller, archive))

    return routes


async def _read_agent(request: Request, slices: Slices) -> "NewAgent":
    """Return the agent in the JSON body.

    Raises:
        ApiError: 400, a field is missing or invalid (D: the limits, A: the messages).
    """
    payload = await read_json_object(request, slices)
    validator, find_contradiction = await asyncio.to_thread(_new_agent_checks)
    agent = await slices.run_promptly(_parse_agent(payload, validator))
    problem = find_contradiction(agent)
    if problem:
        raise bad_request(problem)
    return agent


def _parse_agent(payload: dict[str, Any], validator: TypeAdapter["NewAgent"]) -> Steps["NewAgent"]:
    problem = json_problem(payload, MAX_JSON_DEPTH, MAX_AGENT_VALUES, MAX_AGENT_CHARACTERS)
    if problem:
        raise bad_request(f"The agent is {problem}")
    yield
    try:
        agent = parse_item(validator, payload, "")
    except ConfigError as error:
        field = error.pointer.removeprefix("/").replace("/", ".")
        problem = "is required" if error.problem == "is missing" else error.problem
        raise bad_request(f"{field} {problem}") from None
    if not agent["name"].strip():
        raise bad_request("name is required")
    if len(agent["name"]) > MAX_NAME_LENGTH:
        raise bad_request(f"name must have at most {MAX_NAME_LENGTH} characters")
    return agent


@cache
def _new_agent_checks() -> tuple[TypeAdapter["NewAgent"], Callable[["NewAgent"], str | None]]:
    """Return what validates a new agent, and what finds contradictions in it. The first call takes about 100 ms."""
    from mock_atoms.contract.new_agent import NewAgent, find_contradiction  # noqa: PLC0415 - for a fast start

    return TypeAdapter(NewAgent), find_contradiction


def _new_agent_body() -> dict[str, Any]:
    from mock_atoms.contract.new_agent import NewAgent  # noqa: PLC0415 - the same

    return {"requestBody": {"required": True, "content": {"application/json": {"schema": request_schema(NewAgent)}}}}
