import re
from typing import Any

import httpx
import pytest

from mock_atoms.api.agents import MAX_AGENT_CHARACTERS, MAX_AGENT_VALUES
from mock_atoms.contract.agents import MAX_NAME_LENGTH
from mock_atoms.contract.new_agent import MAX_FIRST_MESSAGE_LENGTH, MAX_PROMPT_LENGTH, MAX_VOICEMAIL_LENGTH
from mock_atoms.data.agents import generated_agents, unknown_agent
from mock_atoms.data.generator import Generator
from mock_atoms.state import agents
from mock_atoms.state.agents import TOO_MANY_AGENTS
from tests.helpers.audiences import bearer

TOKEN = "sk_agents"
GENERATOR = Generator("atoms")
UNKNOWN = "000000000000000000000000"


@pytest.fixture
def api(client: httpx.Client) -> httpx.Client:
    client.headers.update(bearer(TOKEN))
    return client


def create(api: httpx.Client, **fields: object) -> str:
    response = api.post("/agent", json={"name": "Mine", **fields})
    assert response.status_code == 201, response.text
    body = response.json()
    assert body == {"status": True, "data": body["data"]}
    return str(body["data"])


def archive(api: httpx.Client, agent_id: str, query: str = "") -> tuple[int, Any]:
    response = api.delete(f"/agent/{agent_id}/archive{query}")
    body = response.json()
    return response.status_code, body["data"]["message"] if body["status"] else body["errors"]


def test_the_data_of_a_new_agent_is_its_id(api: httpx.Client) -> None:
    first, second = create(api), create(api, description="Calls", globalPrompt="Be kind", workflowType="workflow_graph")
    assert re.fullmatch("[0-9a-f]{24}", first)
    assert first != second


def test_agents_audiences_and_members_never_share_an_id(api: httpx.Client) -> None:
    form = {"name": "Mine", "phoneNumberColumnName": "phone"}
    ids = [create(api), create(api)]
    created = api.post("/audience", data=form, files={"file": "phone\n+14155550100\n"}).json()["data"]["_id"]
    member = api.get(f"/audience/{created}/members").json()["data"]["members"][0]["_id"]
    ids += [created, member, create(api)]
    assert len(set(ids)) == 5


def test_an_agent_is_archived_and_restored(api: httpx.Client) -> None:
    agent_id = create(api)
    assert archive(api, agent_id) == (200, "Agent archived")
    assert archive(api, agent_id.upper(), "?on=true") == (409, ["Agent is already archived"])
    assert archive(api, agent_id, "?on=false") == (200, "Agent unarchived")
    assert archive(api, agent_id, "?on=false") == (409, ["Agent is already active"])
    assert archive(api, agent_id) == (200, "Agent archived")


def test_a_generated_agent_can_be_archived(api: httpx.Client) -> None:
    api.headers.update(bearer("sk_mock_empty"))  # without audiences, and so without campaigns
    agent_id = generated_agents(GENERATOR, "sk_mock_empty")[0]["_id"]
    assert archive(api, agent_id) == (200, "Agent archived")
    assert archive(api, agent_id) == (409, ["Agent is already archived"])


def create_campaign(api: httpx.Client, agent_id: str) -> str:
    audience_id = api.get("/audience").json()["data"][0]["_id"]
    fields = {"name": "Spring", "audienceId": audience_id, "agentId": agent_id}
    response = api.post("/campaign", json=fields)
    assert response.status_code == 201, response.text
    return str(response.json()["data"]["_id"])


def test_an_agent_of_an_active_campaign_cannot_be_archived(api: httpx.Client) -> None:
    agent_id = create(api)
    campaign_id = create_campaign(api, agent_id)
    assert archive(api, agent_id)[0] == 200  # a draft is not active
    assert archive(api, agent_id, "?on=false")[0] == 200
    api.post(f"/campaign/{campaign_id}/start").raise_for_status()
    message = (
        'Agent is associated with the processing campaign "Spring". Complete or remove the campaign before archiving.'
    )
    assert archive(api, agent_id.upper()) == (409, [message])
    assert archive(api, agent_id, "?on=false") == (409, ["Agent is already active"])
    api.delete(f"/campaign/{campaign_id}").raise_for_status()
    assert archive(api, agent_id) == (200, "Agent archived")


def test_an_agent_that_only_a_campaign_names_is_archived(api: httpx.Client) -> None:
    assert archive(api, UNKNOWN) == (404, ["Agent not found"])
    campaign_id = create_campaign(api, UNKNOWN)
    assert archive(api, UNKNOWN, "?on=false") == (409, ["Agent is already active"])
    api.post(f"/campaign/{campaign_id}/start").raise_for_status()
    status, (message,) = archive(api, UNKNOWN)
    assert (status, message[:54]) == (409, 'Agent is associated with the processing campaign "Spri')
    api.delete(f"/campaign/{campaign_id}").raise_for_status()
    assert archive(api, UNKNOWN) == (404, ["Agent not found"])
    draft_id = create_campaign(api, UNKNOWN)
    assert archive(api, UNKNOWN) == (200, "Agent archived")
    api.delete(f"/campaign/{draft_id}").raise_for_status()
    assert archive(api, UNKNOWN) == (409, ["Agent is already archived"])
    assert archive(api, UNKNOWN, "?on=false") == (200, "Agent unarchived")


def test_a_tenant_has_a_maximum_number_of_other_archived_agents(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "MAX_OTHER_AGENTS", 1)
    for agent_id in (UNKNOWN, "1" * 24):
        create_campaign(api, agent_id)
    assert archive(api, UNKNOWN) == (200, "Agent archived")
    assert archive(api, UNKNOWN, "?on=false") == (200, "Agent unarchived")
    response = api.delete(f"/agent/{'1' * 24}/archive")
    assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (400, "tenant-full")
    assert archive(api, create(api)) == (200, "Agent archived")


def test_a_campaign_shows_the_name_of_its_agent(api: httpx.Client) -> None:
    unknown = unknown_agent(GENERATOR, UNKNOWN)["name"]
    for agent_id, name in ((create(api, name="Caller"), "Caller"), (UNKNOWN, unknown)):
        campaign_id = create_campaign(api, agent_id)
        agent = api.get(f"/campaign/{campaign_id}").json()["data"]["campaign"]["agent"]
        assert (agent["_id"], agent["name"]) == (agent_id, name)


def test_an_unknown_agent_is_a_404(api: httpx.Client) -> None:
    foreign = generated_agents(GENERATOR, "sk_other")[0]["_id"]
    for agent_id in (UNKNOWN, foreign):
        assert archive(api, agent_id) == (404, ["Agent not found"])
    assert archive(api, "agent") == (400, ["Invalid agent ID"])


@pytest.mark.parametrize("query", ["?on=maybe", "?on=", "?on=true&on=false", "?on=0"])
def test_on_is_true_or_false(api: httpx.Client, query: str) -> None:
    assert archive(api, UNKNOWN, query) == (400, ["on must be true or false"])


def test_the_agents_of_each_test_are_separate(api: httpx.Client) -> None:
    agent_id = create(api)
    api.headers["x-test-id"] = "other"
    assert archive(api, agent_id) == (404, ["Agent not found"])


def test_deleting_an_agent_is_an_unknown_route_as_in_old_releases_of_the_sdk(api: httpx.Client) -> None:
    response = api.delete(f"/agent/{create(api)}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "name is required"),
        ({"name": " "}, "name is required"),
        ({"name": None}, "name must be text"),
        ({"name": "x" * (MAX_NAME_LENGTH + 1)}, f"name must have at most {MAX_NAME_LENGTH} characters"),
        ({"name": "x", "description": 1}, "description must be text"),
        (
            {"name": "x", "globalPrompt": "x" * (MAX_PROMPT_LENGTH + 1)},
            "globalPrompt must have at most 4000 characters",
        ),
        (
            {"name": "x", "firstMessage": "x" * (MAX_FIRST_MESSAGE_LENGTH + 1)},
            "firstMessage must have at most 500 characters",
        ),
        (
            {"name": "x", "voiceMailDetectionConfig": {"endText": "x" * (MAX_VOICEMAIL_LENGTH + 1)}},
            "voiceMailDetectionConfig.endText must have at most 200 characters",
        ),
        ({"name": "x", "workflowType": "tree"}, "workflowType must be `workflow_graph` or `single_prompt`"),
        ({"name": "x", "allowInboundCall": 1}, "allowInboundCall must be true or false"),
        ({"name": "x", "timezone": {"offset": True}}, "timezone.offset must be a number"),
        ({"name": "x", "synthesizer": {"speed": 2.5}}, "synthesizer.speed must be at most 2"),
        ({"name": "x", "synthesizer": {"enhancement": 3}}, "synthesizer.enhancement must be one of 0, 1, 2"),
        ({"name": "x", "pronunciationDicts": [{"word": "a"}]}, "pronunciationDicts.0.pronunciation is required"),
        (
            {"name": "x", "preCallAPI": {"url": "a b", "method": "GET"}},
            "preCallAPI.url must be a URL such as https://example.com/lookup",
        ),
        (
            {"name": "x", "preCallAPI": {"url": "https://a", "method": "GET", "timeout": 1.5}},
            "preCallAPI.timeout must be a whole number",
        ),
        (
            {"name": "x", "language": {"default": "en", "supported": ["hi"]}},
            "language.default must be one of language.supported",
        ),
        (
            {"name": "x", "language": {"supported": ["ta", "en"]}},
            "language.supported: ta cannot be combined with other languages",
        ),
        (
            {"name": "x", "workflowType": "workflow_graph", "slmModel": "gpt-realtime"},
            "slmModel: gpt-realtime needs the workflowType single_prompt",
        ),
        (
            {
                "name": "x",
                "workflowType": "workflow_graph",
                "synthesizer": {"voiceConfig": {"model": "gpt-realtime-mini"}},
            },
            "synthesizer.voiceConfig.model: gpt-realtime-mini needs the workflowType single_prompt",
        ),
        (
            {"name": "x", "defaultVariables": dict.fromkeys(map(str, range(MAX_AGENT_VALUES)), 1)},
            "The agent is too large: at most 1,000 values",
        ),
        (
            {"name": "x", "callDispositionConfig": "x" * MAX_AGENT_CHARACTERS},
            "The agent is too large: at most 200,000 characters",
        ),
    ],
)
def test_an_invalid_agent_is_a_400(api: httpx.Client, fields: dict[str, object], message: str) -> None:
    response = api.post("/agent", json=fields)
    assert (response.status_code, response.json()) == (400, {"status": False, "errors": [message]})


def test_an_agent_may_use_all_limits(api: httpx.Client) -> None:
    create(
        api,
        name="x" * MAX_NAME_LENGTH,
        globalPrompt="x" * MAX_PROMPT_LENGTH,
        firstMessage="x" * MAX_FIRST_MESSAGE_LENGTH,
        voiceMailDetectionConfig={"endText": "x" * MAX_VOICEMAIL_LENGTH},
        language={"default": "ta", "supported": ["ta"]},
        slmModel="gpt-realtime",
        synthesizer={"sampleRate": 8000, "speed": 2},
        preCallAPI={"url": "https://example.com/lookup", "method": "GET", "headers": {"a": "b"}, "timeout": 30},
        unknown={"is": "ignored"},
    )


def test_a_body_that_is_no_json_object_has_no_name(api: httpx.Client) -> None:
    for response in (api.post("/agent", json=["x"]), api.post("/agent", content=b"name=x")):
        assert (response.status_code, response.json()["errors"]) == (400, ["name is required"])


def test_a_tenant_has_a_maximum_number_of_created_agents(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "MAX_CREATED_AGENTS", 2)
    create(api)
    assert archive(api, create(api)) == (200, "Agent archived")
    response = api.post("/agent", json={"name": "x"})
    assert (response.status_code, response.json()["errors"]) == (400, [TOO_MANY_AGENTS])
    assert response.headers["x-mock-atoms-reason"] == "tenant-full"


def test_agents_have_room_like_other_data(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    agent_id = create(api)
    monkeypatch.setattr("mock_atoms.state.tenant_data.MAX_TENANT_BYTES", 100)
    assert api.post("/agent", json={"name": "x"}).headers["x-mock-atoms-reason"] == "tenant-full"
    assert archive(api, agent_id)[0] == 400
