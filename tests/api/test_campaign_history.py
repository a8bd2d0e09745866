"""What a campaign has done stays when its audience changes: calls, events and counts."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.data.campaign_life import MAX_EVENTS
from tests.helpers.audiences import bearer

TOKEN = "sk_history"
AGENT = "60d0fe4f5311236168a109cc"
STATUSES = ("running", "paused", "completed", "failed")


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture
def http(mock: MockServer) -> Iterator[httpx.Client]:
    mock.reset()
    with httpx.Client(base_url=mock.url, headers=bearer(TOKEN)) as client:
        yield client


def set_audience(mock: MockServer, **fields: Any) -> str:  # noqa: ANN401 - keys of an audience
    (audience,) = mock.set_audiences([{"name": "Only", **fields}], token=TOKEN)
    return str(audience["_id"])


def set_campaigns(mock: MockServer, audience_id: str, campaigns: list[dict[str, Any]]) -> httpx.Response:
    body = {"token": TOKEN, "campaigns": campaigns}
    return httpx.put(f"{mock.root_url}/__admin/audiences/{audience_id}/campaigns", json=body)


def create_audience(http: httpx.Client, members: int) -> str:
    """Create an audience whose members are all added by a client."""
    rows = "\n".join(f"+141555501{number:02}" for number in range(members))
    fields = {"name": "Created", "phoneNumberColumnName": "phoneNumber"}
    response = http.post("/audience", data=fields, files={"file": ("a.csv", f"phoneNumber\n{rows}\n", "text/csv")})
    return str(response.json()["data"]["_id"])


def create(http: httpx.Client, audience_id: str) -> str:
    body = {"name": "Mine", "audienceId": audience_id, "agentId": AGENT}
    return str(http.post("/campaign", json=body).json()["data"]["_id"])


def add_members(http: httpx.Client, audience_id: str, count: int) -> None:
    column = http.get(f"/audience/{audience_id}").json()["data"]["phoneNumberColumnName"]
    members = [{column: f"+1415555{number:04}"} for number in range(2000, 2000 + count)]
    response = http.post(f"/audience/{audience_id}/members", json={"members": members})
    assert response.json()["data"][0]["data"]["added"] == count


def delete_member(http: httpx.Client, audience_id: str, member_id: str) -> None:
    response = http.request("DELETE", f"/audience/{audience_id}/members", json={"memberIds": [member_id]})
    assert response.json()["data"]["deletedCount"] == 1


def report(http: httpx.Client, campaign_id: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/campaign/{campaign_id}").json()["data"]
    return found


def exported(http: httpx.Client, campaign_id: str) -> list[dict[str, Any]]:
    """Return the exported results, which agree with the logs and the metrics."""
    results: list[dict[str, Any]] = http.get(f"/campaign/{campaign_id}/export/by-audience-member").json()["data"]
    called = [result for result in results if result["originalCall"]]
    found = report(http, campaign_id)
    assert found["metrics"] == {
        "total_participants": len(results),
        "contacts_called": len(called),
        "contacts_connected": sum(result["finalStatus"] == "completed" for result in called),
    }
    assert found["campaign"]["retryAttempts"] == sum(len(result["retryAttempts"]) for result in called)
    logs = csv.DictReader(io.StringIO(http.get(f"/campaign/{campaign_id}/logs/export").text))
    assert [row["callId"] for row in logs] == [
        call["callId"] for result in called for call in (result["originalCall"], *result["retryAttempts"])
    ]
    return results


def called_ids(results: list[dict[str, Any]]) -> list[str]:
    return [result["audienceMemberId"] for result in results if result["originalCall"]]


@pytest.mark.parametrize("is_created", [False, True])
@pytest.mark.parametrize("status", ["paused", "completed"])
def test_results_stay_with_their_members(
    http: httpx.Client, mock: MockServer, status: str, *, is_created: bool
) -> None:
    audience_id = create_audience(http, 40) if is_created else set_audience(mock, memberCount=40)
    campaign_id = create(http, audience_id)
    mock.campaigns(TOKEN).advance(campaign_id, "running")
    mock.campaigns(TOKEN).advance(campaign_id, status)
    before = exported(http, campaign_id)
    last = called_ids(before)[-1]
    for member_id in (before[0]["audienceMemberId"], before[3]["audienceMemberId"], last):
        delete_member(http, audience_id, member_id)
        before = [result for result in before if result["audienceMemberId"] != member_id]
        assert exported(http, campaign_id) == before
    for result in list(before):
        delete_member(http, audience_id, result["audienceMemberId"])
    assert exported(http, campaign_id) == []


@pytest.mark.parametrize("is_created", [False, True])
@pytest.mark.parametrize("status", STATUSES)
def test_added_members_of_a_campaign_that_does_not_run_are_pending(
    http: httpx.Client, mock: MockServer, status: str, *, is_created: bool
) -> None:
    audience_id = create_audience(http, 20) if is_created else set_audience(mock, memberCount=20)
    campaign_id = create(http, audience_id)
    mock.campaigns(TOKEN).advance(campaign_id, "running")
    mock.campaigns(TOKEN).advance(campaign_id, status)
    before = called_ids(exported(http, campaign_id))
    assert len(before) == 20 if status == "completed" else 0 < len(before) < 20
    add_members(http, audience_id, 100)
    assert called_ids(exported(http, campaign_id)) == before


def test_members_of_an_empty_audience_are_pending(http: httpx.Client, mock: MockServer) -> None:
    audience_id = set_audience(mock, memberCount=0)
    campaign_id = create(http, audience_id)
    mock.campaigns(TOKEN).advance(campaign_id, "completed")
    add_members(http, audience_id, 3)
    assert called_ids(exported(http, campaign_id)) == []


def test_a_resumed_campaign_calls_added_members_too(http: httpx.Client, mock: MockServer) -> None:
    audience_id = set_audience(mock, memberCount=10)
    campaign_id = create(http, audience_id)
    mock.campaigns(TOKEN).advance(campaign_id, "running")
    http.post(f"/campaign/{campaign_id}/pause").raise_for_status()
    before = called_ids(exported(http, campaign_id))
    add_members(http, audience_id, 90)
    http.post(f"/campaign/{campaign_id}/start").raise_for_status()
    resumed = called_ids(exported(http, campaign_id))
    assert resumed[: len(before)] == before
    assert 10 < len(resumed) < 100
    assert len(called_ids(exported_after(mock, http, campaign_id, "completed"))) == 100


def exported_after(mock: MockServer, http: httpx.Client, campaign_id: str, status: str) -> list[dict[str, Any]]:
    mock.campaigns(TOKEN).advance(campaign_id, status)
    return exported(http, campaign_id)


@pytest.mark.parametrize("status", STATUSES)
def test_generated_campaigns_have_called_no_added_members(http: httpx.Client, mock: MockServer, status: str) -> None:
    audience_id = set_audience(mock, memberCount=25, campaigns=[{"status": status}])
    (campaign,) = http.get("/campaign").json()["data"]["campaigns"]
    before = exported(http, campaign["_id"])
    add_members(http, audience_id, 10)
    assert exported(http, campaign["_id"])[:25] == before
    assert called_ids(exported(http, campaign["_id"])) == called_ids(before)
    delete_member(http, audience_id, before[0]["audienceMemberId"])
    assert exported(http, campaign["_id"])[:24] == before[1:]


def test_calls_fit_the_life_of_a_campaign(http: httpx.Client, mock: MockServer) -> None:
    campaigns = [{"status": status, "maxRetries": 5, "retryDelay": 60} for status in STATUSES]
    audience_id = set_audience(mock, memberCount=60, campaigns=campaigns)
    for status in STATUSES:
        campaign_id = create(http, audience_id)
        mock.campaigns(TOKEN).advance(campaign_id, "running")
        mock.campaigns(TOKEN).advance(campaign_id, status)
    for campaign in http.get("/campaign", params={"offset": 20}).json()["data"]["campaigns"]:
        events = report(http, campaign["_id"])["events"]
        export = http.get(f"/campaign/{campaign['_id']}/export/by-audience-member").json()
        times = []
        for result in export["data"]:
            if result["originalCall"]:
                of_member = [call["createdAt"] for call in (result["originalCall"], *result["retryAttempts"])]
                assert of_member == sorted(of_member)
                times += of_member
        end = export["exportedAt"] if campaign["status"] == "running" else events[-1]["createdAt"]
        assert events[0]["createdAt"] <= min(times, default=end) <= max(times, default=end) <= end


@pytest.mark.parametrize("status", [*STATUSES, "processing"])
def test_the_history_of_a_campaign_written_now_is_over(http: httpx.Client, mock: MockServer, status: str) -> None:
    audience_id = set_audience(mock, memberCount=20)
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    set_campaigns(mock, audience_id, [{"status": status}, {"status": status, "createdAt": now}]).raise_for_status()
    for campaign in http.get("/campaign").json()["data"]["campaigns"]:
        found = report(http, campaign["_id"])
        times = [campaign["createdAt"], *(event["createdAt"] for event in found["events"])]
        assert times == sorted(times)
        assert datetime.fromisoformat(times[-1]) <= datetime.now(UTC)
        exported(http, campaign["_id"])


def test_a_written_pause_is_not_before_the_start(http: httpx.Client, mock: MockServer) -> None:
    created = "2025-03-01T08:00:00.000Z"
    written = [
        {"status": "paused", "createdAt": created, "pausedAt": "2025-03-01T08:00:01.000Z"},
        {"status": "paused", "createdAt": created, "startedAt": "2025-03-02T08:00:00.000Z"},
    ]
    set_audience(mock, memberCount=20, campaigns=written)
    for campaign in http.get("/campaign").json()["data"]["campaigns"]:
        started, paused = report(http, campaign["_id"])["events"]
        assert created <= started["createdAt"] <= paused["createdAt"] == campaign["pausedAt"]


def test_results_of_added_members_may_be_written(http: httpx.Client, mock: MockServer) -> None:
    mock.set_audiences([], token=TOKEN)
    audience_id = create_audience(http, 3)
    results = {"+14155550100": "failed", "14155550102": "no_answer"}
    set_campaigns(mock, audience_id, [{"status": "completed", "results": results}]).raise_for_status()
    (campaign,) = http.get("/campaign").json()["data"]["campaigns"]
    first, _, third = exported(http, campaign["_id"])
    assert (first["finalStatus"], third["finalStatus"]) == ("failed", "no_answer")
    delete_member(http, audience_id, first["audienceMemberId"])
    assert exported(http, campaign["_id"])[-1] == third


def test_results_of_unknown_numbers_are_an_error(http: httpx.Client, mock: MockServer) -> None:
    audience_id = create_audience(http, 3)
    response = set_campaigns(mock, audience_id, [{}, {"results": {"+14155550199": "failed"}}])
    (error,) = response.json()["errors"]
    assert (response.status_code, error["title"]) == (422, "invalid campaigns")
    assert "campaigns[1].results: no member has the phone number `+14155550199`" in error["detail"]


def test_events_keep_their_ids(http: httpx.Client, mock: MockServer) -> None:
    campaign_id = create(http, set_audience(mock, memberCount=5))
    for _ in range(MAX_EVENTS // 2):
        http.post(f"/campaign/{campaign_id}/start").raise_for_status()
        http.post(f"/campaign/{campaign_id}/pause").raise_for_status()
    before = report(http, campaign_id)["events"]
    for number in (1, 2):
        http.post(f"/campaign/{campaign_id}/{'start' if number == 1 else 'pause'}").raise_for_status()
        events = report(http, campaign_id)["events"]
        assert len(events) == MAX_EVENTS
        assert events[:-number] == before[number:]
    assert len({event["_id"] for event in [*before, *events]}) == MAX_EVENTS + 2


def test_cancelled_calls_add_up(http: httpx.Client, mock: MockServer) -> None:
    campaign_id = create(http, set_audience(mock, memberCount=50))
    mock.campaigns(TOKEN).advance(campaign_id, "running")
    counts = []
    for action in ("pause", "start", "pause", "start"):
        http.post(f"/campaign/{campaign_id}/{action}").raise_for_status()
        counts.append(report(http, campaign_id)["campaign"]["cancelledCallsCount"])
    assert counts == [5, 5, 10, 10]
    mock.campaigns(TOKEN).advance(campaign_id, "completed")
    assert report(http, campaign_id)["campaign"]["cancelledCallsCount"] == 10


def test_a_generated_paused_campaign_keeps_its_cancelled_calls(http: httpx.Client, mock: MockServer) -> None:
    set_audience(mock, memberCount=50, campaigns=[{"status": "paused"}])
    (campaign,) = http.get("/campaign").json()["data"]["campaigns"]
    assert campaign["cancelledCallsCount"] == 5
    http.post(f"/campaign/{campaign['_id']}/start").raise_for_status()
    assert report(http, campaign["_id"])["campaign"]["cancelledCallsCount"] == 5


def test_a_campaign_without_an_audience_cannot_be_started(http: httpx.Client, mock: MockServer) -> None:
    audience_id = set_audience(mock, memberCount=5)
    campaign_id = create(http, audience_id)
    http.delete(f"/audience/{audience_id}").raise_for_status()
    response = http.post(f"/campaign/{campaign_id}/start")
    message = f"Campaign cannot be started: its audience {audience_id} is deleted"
    assert (response.status_code, response.json()["errors"]) == (400, [message])
    assert report(http, campaign_id)["campaign"]["status"] == "draft"
    mock.campaigns(TOKEN).advance(campaign_id, "completed")
    assert exported(http, campaign_id) == []


def test_a_history_survives_a_state(http: httpx.Client, mock: MockServer) -> None:
    audience_id = create_audience(http, 20)
    campaign_id = create(http, audience_id)
    mock.campaigns(TOKEN).advance(campaign_id, "running")
    http.post(f"/campaign/{campaign_id}/pause").raise_for_status()
    delete_member(http, audience_id, called_ids(exported(http, campaign_id))[-1])
    add_members(http, audience_id, 5)
    before = exported(http, campaign_id), report(http, campaign_id)
    with httpx.Client(base_url=f"{mock.root_url}/__admin") as admin:
        admin.put("/state", json=admin.get("/state").json()).raise_for_status()
    assert (exported(http, campaign_id), report(http, campaign_id)) == before
