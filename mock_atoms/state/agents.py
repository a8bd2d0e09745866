"""The agents of one tenant, with the API's operations on them."""

import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from mock_atoms.contract.agents import ALREADY_ACTIVE, ALREADY_ARCHIVED, Agent, ArchivedAgent, WorkflowType
from mock_atoms.contract.errors import ApiError, bad_request
from mock_atoms.core.patterns import OBJECT_ID
from mock_atoms.core.slices import Steps
from mock_atoms.data.agents import generated_agents
from mock_atoms.data.models import CampaignRecord
from mock_atoms.state.changes import AgentChanges
from mock_atoms.state.operations import PutAgent
from mock_atoms.state.tenant_data import Change, TenantData, tenant_full

MAX_CREATED_AGENTS = 1_000
"""Maximum number of agents that one tenant can create."""
MAX_OTHER_AGENTS = 1_000
"""Maximum number of other agents that one tenant can archive."""
TOO_MANY_AGENTS = (
    "You have reached the maximum number of agents for your plan, please upgrade to a higher plan to create more agents"
)
"""400 of `POST /agent` (K)."""
USED_BY_CAMPAIGN = (
    'Agent is associated with the {status} campaign "{name}". Complete or remove the campaign before archiving.'
)
"""409 of an agent that an active campaign uses (D)."""


class AgentRepository:
    """The agents of one tenant. A method that raises changes nothing.

    Args:
        data: the tenant's data.
    """

    def __init__(self, data: TenantData) -> None:
        self._data = data
        self._changes = data.changes.agents

    def agents(self) -> list[Agent]:
        """Return all agents, archived ones included, oldest first."""
        created = [changes.created for changes in self._changes.values() if changes.created is not None]
        return [*generated_agents(self._data.generator, self._data.caller.token), *created]

    def create(self, name: str, workflow: WorkflowType) -> Change[str]:
        """Create an agent and return its id.

        Args:
            name: its name.
            workflow: its `workflowType`.

        Raises:
            ApiError: 400, the tenant has too many created agents or too much data.
        """
        if sum(changes.created is not None for changes in self._changes.values()) >= MAX_CREATED_AGENTS:
            raise ApiError(HTTPStatus.BAD_REQUEST, TOO_MANY_AGENTS, reason="tenant-full")
        agent: Agent = {"_id": self._data.new_ids[0], "name": name, "workflowType": workflow}
        changes = AgentChanges(created=agent)
        self._data.check_room(changes.size_bytes)
        yield
        return agent["_id"], PutAgent(agent["_id"], changes, new_ids=1)

    def archive(
        self, agent_id: str, *, is_archived: bool, find_campaign: Callable[[str], Steps[CampaignRecord | None]]
    ) -> Change[ArchivedAgent]:
        """Archive an agent, or restore it.

        Args:
            agent_id: id of the agent.
            is_archived: whether to archive it.
            find_campaign: returns a campaign of an agent, given its id, an active one if there is any. An agent that
                only a campaign names exists too (A).

        Raises:
            ApiError: 400, the id is malformed, or the tenant has changed too many agents. 404, there is no such agent.
                409, the agent is in that state, or an active campaign uses it (D).
        """
        agent_id = agent_id.lower()
        if not re.fullmatch(OBJECT_ID, agent_id):
            raise bad_request("Invalid agent ID")
        campaign = yield from find_campaign(agent_id)
        if campaign is None and agent_id not in [*self._changes, *(agent["_id"] for agent in self.agents())]:
            raise ApiError(HTTPStatus.NOT_FOUND, "Agent not found")
        changes = self._changes.get(agent_id, AgentChanges())
        if changes.is_archived == is_archived:
            raise ApiError(HTTPStatus.CONFLICT, ALREADY_ARCHIVED if is_archived else ALREADY_ACTIVE)
        if is_archived and campaign is not None and campaign["status"] in self._data.readings.active_campaigns:
            raise ApiError(
                HTTPStatus.CONFLICT, USED_BY_CAMPAIGN.format(status=campaign["status"], name=campaign["name"])
            )
        if agent_id not in self._changes and self._other_agents() >= MAX_OTHER_AGENTS:
            raise tenant_full(f"{MAX_OTHER_AGENTS} archived agents that it did not create")
        changes = replace(changes, is_archived=is_archived)
        self._data.check_room(changes.size_bytes)
        result: ArchivedAgent = {"message": "Agent archived" if is_archived else "Agent unarchived"}
        return result, PutAgent(agent_id, changes)

    def _other_agents(self) -> int:
        """Return the number of changed agents that the tenant did not create."""
        return sum(changes.created is None for changes in self._changes.values())
