"""Sequences of requests as programs of the vendor send them, typed from their documentation.

Each reads the fields that the program needs.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from smallestai import SmallestAI
from smallestai.atoms.errors import ConflictError
from smallestai.atoms.helpers import Campaign

from mock_atoms import MockServer
from tests.helpers.audiences import bearer


class McpClient:
    """Calls the API like the vendor's MCP server: first it asks for the account, once for each process.

    Args:
        http: a client whose base URL is that of the API.
        key: the API key.
    """

    def __init__(self, http: httpx.Client, key: str) -> None:
        self._http = http
        self._headers = {**bearer(key), "Content-Type": "application/json"}
        self._organization: str | None = None

    def call(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - as in httpx
        """Return the `data` of a response."""
        if self._organization is None:
            account = self._request("GET", "/account/get-account-details")
            assert account["userId"]
            self._organization = account["organizations"][0]["orgId"]
        return self._request(method, path, **request)["data"]

    def _request(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - as in httpx
        response = self._http.request(method, path, headers=self._headers, **request)
        if response.status_code == 401:
            raise PermissionError("Invalid or revoked key")
        return response.raise_for_status().json()


@pytest.fixture
def mcp(client: httpx.Client) -> Callable[[str], McpClient]:
    return lambda key: McpClient(client, key)


def test_an_mcp_like_client_asks_for_the_account_once(server: MockServer, mcp: Callable[[str], McpClient]) -> None:
    tools = mcp("sk_mcp")
    audiences = tools.call("GET", "/audience")
    assert isinstance(audiences, list)
    audience_id = audiences[0]["_id"]
    assert tools.call("GET", f"/audience/{audience_id}")["_id"] == audience_id
    page = tools.call("GET", f"/audience/{audience_id}/members", params={"page": 1, "offset": 10})
    assert page.keys() == {"members", "totalCount", "totalPages", "hasMore"}
    found = tools.call("GET", f"/audience/{audience_id}/members/search", params={"query": "a"})
    assert found["searchInfo"]["totalResults"] == len(found["members"])
    new = {audiences[0]["phoneNumberColumnName"]: "+14155559999"}
    (added,) = tools.call("POST", f"/audience/{audience_id}/members", json={"members": [new]})
    assert added["data"]["added"] == 1
    member = tools.call("GET", f"/audience/{audience_id}/members/search", params=new)["members"][0]
    deleted = tools.call("DELETE", f"/audience/{audience_id}/members", json={"memberIds": [member["_id"]]})
    assert deleted["deletedCount"] == 1
    numbers = tools.call("GET", "/product/phone-numbers")
    assert numbers[0]["_id"]
    assert numbers[0]["attributes"]["phoneNumber"].startswith("+")
    paths = [request.path.removeprefix("/atoms/v1") for request in server.requests(token="sk_mcp")]
    assert paths.count("/account/get-account-details") == 1
    assert paths[0] == "/account/get-account-details"


def test_an_mcp_like_client_reports_a_revoked_key(mcp: Callable[[str], McpClient]) -> None:
    with pytest.raises(PermissionError):
        mcp("sk_mock_revoked").call("GET", "/audience")


def test_the_command_of_the_sdk_logs_in(client: httpx.Client) -> None:
    body = client.get("/user", headers=bearer("sk_cli")).raise_for_status().json()
    assert body["status"] is True
    assert all(body["data"][name] for name in ("firstName", "lastName", "userEmail"))


def test_an_mcp_like_client_runs_a_campaign(server: MockServer, mcp: Callable[[str], McpClient]) -> None:
    tools = mcp("sk_mcp.campaigns")
    audience = next(one for one in tools.call("GET", "/audience") if one["memberCount"])
    number = tools.call("GET", "/product/phone-numbers")[0]
    created = tools.call(
        "POST",
        "/campaign",
        json={
            "name": "Spring",
            "audienceId": audience["_id"],
            "agentId": number["agentId"],
            "phoneNumberIds": [number["_id"]],
        },
    )
    assert (created["status"], created["participantsCount"]) == ("draft", audience["memberCount"])
    assert tools.call("POST", f"/campaign/{created['_id']}/start")["taskId"]
    listed = tools.call("GET", "/campaign", params={"page": 1, "offset": 20})
    assert listed["campaigns"][0]["_id"] == created["_id"]
    assert listed["totalCampaignCount"] >= 1
    server.campaigns("sk_mcp.campaigns").advance(created["_id"], "completed")
    detail = tools.call("GET", f"/campaign/{created['_id']}")
    assert detail["campaign"]["status"] == "completed"
    assert detail["metrics"]["contacts_called"] == audience["memberCount"]


CONTACTS = ("contacts.csv", "phoneNumber,firstName\n+14155550100,Ada\n+14155550101,Grace\n", "text/csv")


def test_the_complete_example_of_the_guide_runs(server: MockServer) -> None:
    """What the guide about phone calls shows as its complete example, in other words."""
    token = "sk_guide"
    with server.redirect_sdk(token=token), httpx.Client() as pool:
        atoms = SmallestAI(httpx_client=pool).atoms
        numbers = atoms.phone_numbers.list().data
        assert numbers
        assert numbers[0].attributes
        assert str(numbers[0].attributes.phone_number).startswith("+1")
        agent_id = atoms.agents.create_agent(name="Survey", global_prompt="Ask", description="A survey").data
        assert isinstance(agent_id, str)
        audience = atoms.audience.create_audience_with_csv_upload(
            name="Pioneers", phone_number_column_name="phoneNumber", file=CONTACTS
        ).data
        assert audience
        audience_id = str(audience.id)
        campaign = atoms.campaigns.create(
            name="Survey", audience_id=audience_id, agent_id=agent_id, phone_number_ids=[str(numbers[0].id)]
        ).data
        assert campaign
        assert campaign.participants_count == 2
        campaign_id = str(campaign.id)
        started = atoms.campaigns.start_or_resume(campaign_id).data
        assert started
        assert started.task_id
        with pytest.raises(ConflictError, match='Agent is associated with the processing campaign "Survey"'):
            atoms.agents.archive_agent(agent_id, request_options={"max_retries": 0})
        for status in ("running", "completed"):
            server.campaigns(token).advance(campaign_id, status)
            read = atoms.campaigns.get(campaign_id).data
            assert read
            assert read.campaign
            assert read.campaign.agent
            assert (read.campaign.status, read.campaign.agent.name) == (status, "Survey")
        assert atoms.campaigns.delete(campaign_id).status is True
        assert atoms.audience.delete_audience(audience_id).data == []
        archived = atoms.agents.archive_agent(agent_id).data
        assert archived
        assert archived.message == "Agent archived"


def test_the_helper_of_the_sdk_cannot_stop_a_campaign(server: MockServer) -> None:
    with server.redirect_sdk(token="sk_helper"), pytest.raises(requests.HTTPError, match="404"):
        Campaign().stop("60d0fe4f5311236168a109ca")


@pytest.mark.slow
def test_the_command_of_the_sdk_reads_the_host_without_a_path(server: MockServer, tmp_path: Path) -> None:
    variables = {"SMALLESTAI_TELEMETRY": "0", "SMALLEST_API_KEY": "sk_cli", "SMALLEST_BASE_URL": server.root_url}
    for line, output in (
        ("auth login", "Login successful"),
        ("whoami", "@example.com"),
        ("phone-numbers list --json", "+1"),
        ("campaigns list --json", '"campaigns"'),
    ):
        done = subprocess.run(
            [Path(sys.executable).with_name("smallestai"), *line.split()],
            env={**os.environ, **variables, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert output in done.stdout
