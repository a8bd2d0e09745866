"""The vendor's agents, as responses show them (D). `new_agent.py` has the request that creates one."""

from typing import Literal

from typing_extensions import TypedDict

from mock_atoms.contract.schemas import ObjectId, documented_as

MAX_NAME_LENGTH = 1_000
"""Maximum number of characters of the name of an agent (A: the API documents none)."""
DEFAULT_WORKFLOW: Literal["single_prompt"] = "single_prompt"
"""`workflowType` of an agent whose request has none (D)."""
ALREADY_ARCHIVED = "Agent is already archived"
"""409 of an agent to archive that is archived (D)."""
ALREADY_ACTIVE = "Agent is already active"
"""409 of an agent to restore that is not archived (D)."""

WorkflowType = Literal["workflow_graph", "single_prompt"]
"""How an agent is configured (D)."""


@documented_as("Agent")
class Agent(TypedDict, total=False):
    """An agent, as campaigns show it (D)."""

    _id: ObjectId
    name: str
    workflowType: WorkflowType


@documented_as("AgentIdArchiveDeleteResponsesContentApplicationJsonSchemaData")
class ArchivedAgent(TypedDict, total=False):
    """`data` of `DELETE /agent/{id}/archive` (D)."""

    message: Literal["Agent archived", "Agent unarchived"]
