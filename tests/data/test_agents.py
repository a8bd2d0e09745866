import pytest

from mock_atoms.data.agents import generated_agents, unknown_agent
from mock_atoms.data.generator import Generator

AGENT_ID = "60d0fe4f5311236168a109ca"
TOKENS = [f"sk_team_{number}" for number in range(40)]


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator("atoms")


def test_a_token_has_the_same_agents_each_time(generator: Generator) -> None:
    assert generated_agents(generator, "sk_acme") == generated_agents(Generator("atoms"), "sk_acme")
    assert generated_agents(generator, "sk_acme") != generated_agents(Generator("other"), "sk_acme")


def test_agents_of_a_token_differ_in_ids_and_names(generator: Generator) -> None:
    all_agents = [generated_agents(generator, token) for token in TOKENS]
    assert {len(agents) for agents in all_agents} == {2, 3, 4}
    for agents in all_agents:
        ids = [agent["_id"] for agent in agents]
        assert ids == sorted(set(ids))
        assert len({agent["name"] for agent in agents}) == len(agents)
    ids = [agent["_id"] for agents in all_agents for agent in agents]
    assert len(set(ids)) == len(ids)
    workflows = [agent["workflowType"] for agents in all_agents for agent in agents]
    assert 0 < workflows.count("workflow_graph") < workflows.count("single_prompt")


def test_an_unknown_agent_has_its_id_and_the_same_name_each_time(generator: Generator) -> None:
    agent = unknown_agent(generator, AGENT_ID)
    assert agent == unknown_agent(Generator("atoms"), AGENT_ID)
    assert agent["_id"] == AGENT_ID
    assert agent["name"]


def test_generated_agents_are_these() -> None:
    # A change of these values breaks tests of users: the changelog must name it.
    assert [tuple(agent.values()) for agent in generated_agents(Generator("atoms"), "sk_acme")] == [
        ("656d9510ac483123d0228c20", "Event Host", "single_prompt"),
        ("65742c905df65a53761266f4", "Outreach Assistant", "single_prompt"),
        ("657ac4103b3c28ff9a165b67", "Renewal Concierge", "single_prompt"),
    ]
