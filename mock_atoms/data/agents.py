"""Generated agents: pure functions of the seed and the token, or of the seed and an agent's id."""

from datetime import UTC, datetime, timedelta

from mock_atoms.contract.agents import DEFAULT_WORKFLOW, Agent, WorkflowType
from mock_atoms.data.generator import Generator, object_id

_FIRST_CREATED = datetime(2023, 12, 4, 9, tzinfo=UTC)
"""Creation time of the first agent of each token, before its audiences."""
_CREATED_EVERY = timedelta(days=5)
_NAMES = (
    "Outreach Assistant",
    "Renewal Concierge",
    "Appointment Desk",
    "Feedback Interviewer",
    "Lead Qualifier",
    "Welcome Caller",
    "Payment Reminder",
    "Event Host",
)
_MIN_GENERATED_AGENTS, _MAX_GENERATED_AGENTS = 2, 4
_GRAPH_SHARE = 4
"""One of so many agents has a workflow graph."""


def generated_agents(generator: Generator, token: str) -> list[Agent]:
    """Return the agents that `token` has before any change, oldest first. Their names differ."""
    bits = generator.random_bits(token, "agents")
    bits, extra = divmod(bits, _MAX_GENERATED_AGENTS - _MIN_GENERATED_AGENTS + 1)
    bits, first_name = divmod(bits, len(_NAMES))
    agent_bits = generator.random_bits_by_index(token, "agent")
    return [
        _agent(
            object_id(_FIRST_CREATED + index * _CREATED_EVERY, agent_bits(index)),
            _NAMES[(first_name + index) % len(_NAMES)],
            agent_bits(index),
        )
        for index in range(_MIN_GENERATED_AGENTS + extra)
    ]


def unknown_agent(generator: Generator, agent_id: str) -> Agent:
    """Return an agent that only a campaign of a client names, with a generated name (A)."""
    bits = generator.random_bits(agent_id, "unknown agent")
    return _agent(agent_id, _NAMES[bits % len(_NAMES)], bits)


def _agent(agent_id: str, name: str, bits: int) -> Agent:
    workflow: WorkflowType = "workflow_graph" if (bits >> 32) % _GRAPH_SHARE == 0 else DEFAULT_WORKFLOW
    return {"_id": agent_id, "name": name, "workflowType": workflow}
