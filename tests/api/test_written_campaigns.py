"""Campaigns that a fixture file or a test writes down, with their audience and members."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.testing.control_api import ControlError
from tests.helpers.audiences import ACME

NUMBERS = [f"+141555501{number:02}" for number in range(40)]
MEMBERS = [{"phoneNumber": number, "name": f"Ada {place}"} for place, number in enumerate(NUMBERS)]
CAMPAIGN_ID = "67c400000000000000000001"
COMPLETE: dict[str, Any] = {
    "_id": CAMPAIGN_ID,
    "name": "Spring renewals",
    "status": "paused",
    "description": "Calls about renewals",
    "agentId": "67c400000000000000000002",
    "maxRetries": 2,
    "retryDelay": 30,
    "scheduledAt": "2025-03-02T08:00:00.000Z",
    "createdAt": "2025-03-01T08:00:00.000Z",
}


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def http(mock: MockServer) -> Iterator[httpx.Client]:
    mock.reset()
    with httpx.Client(base_url=mock.url, headers=ACME) as client:
        yield client


def set_campaigns(mock: MockServer, *campaigns: dict[str, Any]) -> dict[str, Any]:
    """Set one audience with these campaigns, and return it as the API lists it."""
    audience = {"name": "Pioneers", "members": MEMBERS, "campaigns": [*campaigns]}
    return mock.set_audiences([audience], token="sk_acme")[0]


def report(http: httpx.Client, campaign_id: str) -> dict[str, Any]:
    data: dict[str, Any] = http.get(f"/campaign/{campaign_id}").json()["data"]
    return data


def exported(http: httpx.Client, campaign_id: str) -> dict[str, Any]:
    """Return the exported calls by phone number."""
    data = http.get(f"/campaign/{campaign_id}/export/by-audience-member").json()["data"]
    return {item["phoneNumber"]: item for item in data}


def test_a_complete_campaign_is_served_with_its_audience(mock: MockServer, http: httpx.Client) -> None:
    audience = set_campaigns(mock, COMPLETE)
    listed_keys = ("_id", "name", "status", "createdAt")
    assert audience["campaigns"] == [{key: COMPLETE[key] for key in listed_keys}]
    (campaign,) = http.get("/campaign").json()["data"]["campaigns"]
    assert {key: campaign[key] for key in COMPLETE if key != "agentId"} == {
        key: value for key, value in COMPLETE.items() if key != "agentId"
    }
    assert campaign["agent"]["_id"] == COMPLETE["agentId"]
    assert campaign["audience"] == {"_id": audience["_id"], "name": "Pioneers"}
    assert campaign["participantsCount"] == len(MEMBERS)
    assert http.delete(f"/audience/{audience['_id']}").status_code == 400


def test_the_list_of_audiences_and_the_campaign_operations_agree(mock: MockServer, http: httpx.Client) -> None:
    audience = set_campaigns(mock, {"status": "scheduled"}, {"name": "Draft", "status": "draft"}, {"name": "Second"})
    campaigns = http.get("/campaign").json()["data"]["campaigns"]
    created = {campaign["_id"]: (campaign["name"], campaign["createdAt"]) for campaign in campaigns}
    assert len(created) == 3
    listed = {campaign["_id"]: (campaign["name"], campaign["createdAt"]) for campaign in audience["campaigns"]}
    assert listed.items() < created.items()
    assert [campaign["name"] for campaign in audience["campaigns"]] == ["Campaign 1", "Second"]


def test_the_error_of_a_failed_campaign_is_served(mock: MockServer, http: httpx.Client) -> None:
    set_campaigns(mock, COMPLETE | {"status": "failed", "error": "No number"})
    assert report(http, CAMPAIGN_ID)["campaign"]["error"] == "No number"


def test_the_results_of_calls_may_be_written_down(mock: MockServer, http: httpx.Client) -> None:
    expected = dict.fromkeys(NUMBERS, "completed") | {NUMBERS[3]: "failed", NUMBERS[7]: "no_answer"}
    results = {number.removeprefix("+"): result for number, result in expected.items()}
    set_campaigns(mock, COMPLETE | {"status": "completed", "results": results})
    calls = exported(http, CAMPAIGN_ID)
    assert {number: item["finalStatus"] for number, item in calls.items()} == expected


def test_metrics_follow_from_written_and_generated_results(mock: MockServer, http: httpx.Client) -> None:
    for status in ("completed", "running"):
        results = {NUMBERS[0]: "failed", NUMBERS[1]: "completed", NUMBERS[39]: "no_answer", NUMBERS[20]: "completed"}
        set_campaigns(mock, COMPLETE | {"status": status, "results": results})
        calls = exported(http, CAMPAIGN_ID).values()
        called = [item for item in calls if item["finalStatus"] != "pending"]
        data = report(http, CAMPAIGN_ID)
        assert data["metrics"] == {
            "total_participants": 40,
            "contacts_called": len(called),
            "contacts_connected": sum(item["finalStatus"] == "completed" for item in called),
        }
        assert data["campaign"]["retryAttempts"] == sum(item["totalAttempts"] - 1 for item in called)


def test_a_change_never_makes_the_update_time_earlier(mock: MockServer, http: httpx.Client) -> None:
    later = "2100-01-01T00:00:00.000Z"
    set_campaigns(mock, COMPLETE | {"status": "running", "updatedAt": later})
    http.post(f"/campaign/{CAMPAIGN_ID}/pause").raise_for_status()
    assert report(http, CAMPAIGN_ID)["campaign"]["updatedAt"] == later


@pytest.mark.parametrize("result", ["completed", "no_answer"])
def test_written_results_count_once_their_members_have_been_called(
    mock: MockServer, http: httpx.Client, result: str
) -> None:
    set_campaigns(mock, COMPLETE | {"status": "running", "results": dict.fromkeys(NUMBERS, result)})
    metrics = report(http, CAMPAIGN_ID)["metrics"]
    assert 0 < metrics["contacts_called"] < len(NUMBERS)
    assert metrics["contacts_connected"] == (metrics["contacts_called"] if result == "completed" else 0)


def test_results_stay_with_their_members(mock: MockServer, http: httpx.Client) -> None:
    results = {NUMBERS[0]: "failed", NUMBERS[5]: "failed", NUMBERS[6]: "completed"}
    audience = set_campaigns(mock, COMPLETE | {"status": "completed", "results": results})
    members = f"/audience/{audience['_id']}/members"
    ids = [member["_id"] for member in http.get(members, params={"offset": 40}).json()["data"]["members"]]
    http.request("DELETE", members, json={"memberIds": [ids[0], ids[3]]}).raise_for_status()
    calls = exported(http, CAMPAIGN_ID)
    assert NUMBERS[0] not in calls
    assert (calls[NUMBERS[5]]["finalStatus"], calls[NUMBERS[6]]["finalStatus"]) == ("failed", "completed")
    metrics = report(http, CAMPAIGN_ID)["metrics"]
    assert metrics["contacts_connected"] == sum(item["finalStatus"] == "completed" for item in calls.values())


def test_results_survive_a_state_and_a_change_of_the_campaign(mock: MockServer, http: httpx.Client) -> None:
    set_campaigns(mock, COMPLETE | {"status": "running", "results": {NUMBERS[0]: "failed"}})
    http.post(f"/campaign/{CAMPAIGN_ID}/pause").raise_for_status()
    before = exported(http, CAMPAIGN_ID)
    assert before[NUMBERS[0]]["finalStatus"] == "failed"
    with httpx.Client(base_url=f"{mock.root_url}/__admin") as admin:
        admin.put("/state", json=admin.get("/state").json()).raise_for_status()
    assert exported(http, CAMPAIGN_ID) == before


def test_results_of_a_generated_member_have_a_phone_number(mock: MockServer, http: httpx.Client) -> None:
    number = "+1201555010x"
    with pytest.raises(ControlError) as caught:
        mock.set_audiences([{"memberCount": 50, "campaigns": [{"results": {number: "failed"}}]}], token="sk_acme")
    assert f"campaigns[0].results: `{number}` is not a phone number" in caught.value.detail
    assert http.get("/campaign").status_code == 200


def test_an_earlier_state_may_have_results_of_other_texts(mock: MockServer, http: httpx.Client) -> None:
    results = {"+12015550100": "failed"}
    mock.set_audiences([{"memberCount": 50, "campaigns": [COMPLETE | {"results": results}]}], token="sk_acme")
    text = httpx.get(f"{mock.root_url}/__admin/state").text.replace("+12015550100", "+1201555010x")
    httpx.put(f"{mock.root_url}/__admin/state", json=json.loads(text)).raise_for_status()
    assert [campaign["_id"] for campaign in http.get("/campaign").json()["data"]["campaigns"]] == [CAMPAIGN_ID]
    assert "+1201555010x" in httpx.get(f"{mock.root_url}/__admin/state").text


@pytest.mark.parametrize(
    ("campaign", "problem"),
    [
        (
            {"results": {"+14155550199": "failed"}},
            "results: no member has the phone number `+14155550199`",
        ),
        ({"results": {NUMBERS[0]: "busy"}}, "must be `completed`, `no_answer` or `failed`"),
        ({"results": {str(number): "failed" for number in range(1_001)}}, "must have at most 1000 items"),
        ({"maxRetries": 11}, "must be at most 10"),
        ({"scheduledAt": "tomorrow"}, "scheduledAt is `tomorrow`: not a timestamp"),
        ({"agent": "x"}, "unknown key"),
    ],
)
def test_an_invalid_campaign_is_an_error(mock: MockServer, campaign: dict[str, Any], problem: str) -> None:
    body = {"token": "sk_acme", "audiences": [{"members": MEMBERS, "campaigns": [campaign]}]}
    response = httpx.put(f"{mock.root_url}/__admin/tenants", json=body)
    assert response.status_code == 422
    assert problem in response.json()["errors"][0]["detail"]
