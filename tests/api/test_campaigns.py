"""Campaigns: every documented status and shape, and how they agree with audiences."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from mock_atoms import MockServer
from mock_atoms.api.campaign_exports import LOG_COLUMNS, RESULT_COLUMNS
from mock_atoms.contract.campaigns import ACTIVE, STATUSES, CampaignPage, CampaignReport, CreatedCampaign, MemberResults
from mock_atoms.state import campaigns, tenant_data
from mock_atoms.state.tenant_data import MAX_STORED_CAMPAIGNS
from tests.helpers.audiences import bearer

TOKEN = "sk_campaigns"
NONE = "000000000000000000000000"
AGENT = "60d0fe4f5311236168a109cc"
NOT_LISTED = ["completed", "draft", "failed"]


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture
def http(mock: MockServer) -> Iterator[httpx.Client]:
    mock.reset()
    with httpx.Client(base_url=mock.url, headers=bearer(TOKEN)) as client:
        yield client


def errors(response: httpx.Response) -> tuple[int, list[str]]:
    content = response.json()
    assert content["status"] is False
    return response.status_code, content["errors"]


def set_audience(mock: MockServer, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - keys of an audience
    return mock.set_audiences([{"name": "Only", "memberCount": 40, **fields}], token=TOKEN)[0]


def listed(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - query parameters
    response = http.get("/campaign", params={"offset": 100, **query})
    assert response.status_code == 200
    found: list[dict[str, Any]] = response.json()["data"]["campaigns"]
    return found


def create(http: httpx.Client, audience_id: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - the same
    body = {"name": "Mine", "audienceId": audience_id, "agentId": AGENT, **fields}
    response = http.post("/campaign", json=body)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()["data"]
    return created


def report(http: httpx.Client, campaign_id: str) -> dict[str, Any]:
    found: dict[str, Any] = http.get(f"/campaign/{campaign_id}").json()["data"]
    return found


def test_a_page_has_the_documented_shape(http: httpx.Client) -> None:
    page = http.get("/campaign").json()
    assert page.keys() == {"status", "data"}
    data = TypeAdapter(CampaignPage).validate_python(page["data"])
    assert len(data["campaigns"]) == 5
    total = data["totalCampaignCount"]
    assert data["pagination"] == {
        "total": total,
        "page": 1,
        "offset": 5,
        "hasMore": True,
        "totalPages": -(-total // 5),
    }


def test_the_audience_list_shows_the_active_campaigns(http: httpx.Client) -> None:
    campaigns = {campaign["_id"]: campaign for campaign in listed(http)}
    audiences = http.get("/audience").json()["data"]
    shown = {campaign["_id"] for audience in audiences for campaign in audience["campaigns"]}
    assert shown == {key for key, one in campaigns.items() if one["status"] not in NOT_LISTED}
    assert {one["status"] for one in campaigns.values()} > {"running", "completed"}
    for audience in audiences:
        assert audience["hasCampaigns"] == bool(audience["campaigns"])
        for campaign in audience["campaigns"]:
            own = campaigns[campaign["_id"]]
            assert campaign["status"] == "active"
            assert (own["status"], own["name"], own["createdAt"]) == (
                "running",
                campaign["name"],
                campaign["createdAt"],
            )
            assert own["audience"] == {"_id": audience["_id"], "name": audience["name"]}
            assert own["participantsCount"] == audience["memberCount"]


def test_a_change_of_status_keeps_the_place_of_a_campaign(http: httpx.Client, mock: MockServer) -> None:
    written = [{"_id": f"{number:024}", "createdAt": "2025-01-01T00:00:00.000Z"} for number in range(3)]
    audience = set_audience(mock, campaigns=[{**one, "status": "paused"} for one in written])
    with MockServer(now="2026-01-01T00:00:00.000Z") as frozen:
        only = frozen.set_audiences([{"name": "Only", "memberCount": 4}], token=TOKEN)[0]
        with httpx.Client(base_url=frozen.url, headers=bearer(TOKEN)) as client:
            created = [create(client, only["_id"])["_id"] for _ in range(3)]
            client.post(f"/campaign/{created[0]}/start").raise_for_status()
            assert [one["_id"] for one in listed(client)] == created[::-1]
    http.post(f"/campaign/{written[0]['_id']}/start").raise_for_status()
    assert [one["_id"] for one in listed(http)] == [one["_id"] for one in written][::-1]
    assert [one["_id"] for one in audience["campaigns"]] == [one["_id"] for one in written]


def test_running_campaigns_are_listed_as_active(http: httpx.Client, mock: MockServer) -> None:
    statuses = ["running", "active", "cancelled", "paused"]
    written = [{"status": status} for status in statuses]
    audience = set_audience(mock, campaigns=written)
    expected = ["active", "active", "cancelled", "paused"]
    assert [one["status"] for one in audience["campaigns"]] == expected
    path = f"{mock.root_url}/__admin/audiences/{audience['_id']}/campaigns"
    replaced = httpx.put(path, json={"token": TOKEN, "campaigns": written}).json()["audience"]
    assert [one["status"] for one in replaced["campaigns"]] == expected
    (found,) = http.get("/audience").json()["data"]
    assert [one["status"] for one in found["campaigns"]] == expected
    assert [one["status"] for one in listed(http, sortOrder="asc")] == ["running", "running", "running", "paused"]


def test_pages_join_to_the_whole_list_newest_first(http: httpx.Client) -> None:
    everything = listed(http)
    times = [campaign["createdAt"] for campaign in everything]
    assert times == sorted(times, reverse=True)
    pages = [http.get("/campaign", params={"page": number, "offset": 3}).json()["data"] for number in (1, 2, 3, 9)]
    last = -(-len(everything) // 3)
    assert [one for page in pages for one in page["campaigns"]] == everything[:9]
    assert [page["pagination"]["hasMore"] for page in pages] == [number < last for number in (1, 2, 3, 9)]


@pytest.mark.parametrize("field", ["createdAt", "updatedAt"])
def test_campaigns_are_sorted(http: httpx.Client, field: str) -> None:
    ascending, descending = (listed(http, sortField=field, sortOrder=order) for order in ("asc", "desc"))
    assert ascending == descending[::-1]
    assert [one[field] for one in ascending] == sorted(one[field] for one in ascending)


def test_long_lists_are_sorted_in_chunks(http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = listed(http)
    monkeypatch.setattr(campaigns, "_SORTED_PER_STEP", 2)
    assert listed(http, sortOrder="asc") == everything[::-1]


def test_campaigns_are_filtered_by_status_and_name(http: httpx.Client) -> None:
    everything = listed(http)
    for status in ("running", "completed", "scheduled"):
        assert listed(http, status=status) == [one for one in everything if one["status"] == status]
    name = everything[0]["name"]
    assert listed(http, search=name[1:].upper()) == [one for one in everything if name[1:] in one["name"]]
    assert listed(http, search=everything[0]["_id"]) == [everything[0]]
    assert listed(http, search=everything[0]["_id"][1:]) == []
    assert http.get("/campaign?search=none").json()["data"]["totalCampaignCount"] == len(everything)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("page=0", "page must be a positive integer"),
        ("offset=x", "offset must be a positive integer"),
        ("status=active", "status must be one of draft, scheduled, processing, running, paused, completed, failed"),
        ("sortField=name", "sortField must be one of createdAt, updatedAt"),
        ("sortOrder=up", "sortOrder must be one of asc, desc"),
        ("sortOrder=asc&sortOrder=asc", "sortOrder must be one of asc, desc"),
    ],
)
def test_an_invalid_parameter_is_a_400(http: httpx.Client, query: str, message: str) -> None:
    assert errors(http.get(f"/campaign?{query}")) == (400, [message])


def test_a_created_campaign_has_ids_and_defaults(http: httpx.Client, mock: MockServer) -> None:
    audience = set_audience(mock)
    response = http.post("/campaign", json={"name": "Mine", "audienceId": audience["_id"].upper(), "agentId": AGENT})
    assert response.status_code == 201
    created = TypeAdapter(CreatedCampaign).validate_python(response.json()["data"])
    assert created == {
        "_id": created["_id"],
        "name": "Mine",
        "organization": audience["organization"],
        "agentId": AGENT,
        "createdBy": audience["createdBy"],
        "audienceId": audience["_id"],
        "participantsCount": 40,
        "maxRetries": 3,
        "retryDelay": 15,
        "retryAttempts": 0,
        "status": "draft",
        "createdAt": created["createdAt"],
        "updatedAt": created["createdAt"],
    }
    (item,) = listed(http)
    assert item.keys() - created.keys() == {"agent", "audience", "cancelledCallsCount"}
    assert item["agent"].keys() == {"_id", "name", "workflowType"}
    assert item["audience"] == {"_id": audience["_id"], "name": "Only"}


def test_a_created_campaign_keeps_what_the_request_says(http: httpx.Client, mock: MockServer) -> None:
    fields = {"description": "d", "maxRetries": 0, "retryDelay": 1440.0, "scheduledAt": "2090-01-01T09:00:00+01:00"}
    created = create(http, set_audience(mock)["_id"], phoneNumberIds=[NONE], other=1, **fields)
    expected = fields | {"status": "scheduled", "scheduledAt": "2090-01-01T08:00:00.000Z"}
    assert {key: created[key] for key in expected} == expected
    assert {key: report(http, created["_id"])["campaign"][key] for key in expected} == expected
    assert http.get("/audience").json()["data"][0]["campaigns"] == [
        {"_id": created["_id"], "name": "Mine", "status": "scheduled", "createdAt": created["createdAt"]}
    ]


def test_an_agent_of_the_tenant_has_its_name(http: httpx.Client, mock: MockServer) -> None:
    audience = set_audience(mock)
    agent_id = http.post("/agent", json={"name": "Ours"}).json()["data"]
    created = create(http, audience["_id"], agentId=agent_id)
    assert report(http, created["_id"])["campaign"]["agent"]["name"] == "Ours"


ID = "60d0fe4f5311236168a109ca"
VALID = {"name": "Mine", "audienceId": ID, "agentId": AGENT}
MALFORMED = "must be an id of 24 hexadecimal digits"


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        ({}, ["name is required", "audienceId is required", "agentId is required"]),
        (VALID | {"name": " "}, ["name is required"]),
        (VALID | {"name": 1}, ["name must be text"]),
        (VALID | {"audienceId": "x"}, [f"audienceId {MALFORMED}"]),
        (VALID | {"agentId": "x"}, [f"agentId {MALFORMED}"]),
        (VALID | {"audienceId": NONE}, [f"audienceId: Audience not found: {NONE}"]),
        (VALID | {"phoneNumberIds": "x"}, ["phoneNumberIds must be a list"]),
        (VALID | {"phoneNumberIds": [1]}, ["phoneNumberIds.0 must be text"]),
        (VALID | {"phoneNumberIds": [NONE, "x"]}, [f"phoneNumberIds.1 {MALFORMED}"]),
        (VALID | {"maxRetries": 11}, ["maxRetries must be at most 10"]),
        (VALID | {"maxRetries": "3"}, ["maxRetries must be a whole number"]),
        (VALID | {"retryDelay": 0}, ["retryDelay must be at least 1"]),
        (VALID | {"scheduledAt": "2020-01-01T00:00:00Z"}, ["scheduledAt must be in the future"]),
        (
            VALID | {"scheduledAt": "soon"},
            ["scheduledAt must be a timestamp such as 2025-01-15T10:30:00.000Z, from 1970 to 2106"],
        ),
        (VALID | {"description": "x" * 200_000}, ["The campaign is too large: at most 131,072 characters"]),
        (VALID | {"phoneNumberIds": [NONE] * 1_000}, ["The campaign is too large: at most 1,000 values"]),
    ],
)
def test_an_invalid_new_campaign_is_a_400(
    http: httpx.Client, mock: MockServer, body: dict[str, Any], messages: list[str]
) -> None:
    set_audience(mock, _id=ID)
    assert errors(http.post("/campaign", json=body)) == (400, messages)
    assert listed(http) == []


def test_a_campaign_starts_pauses_and_resumes(http: httpx.Client, mock: MockServer) -> None:
    path = f"/campaign/{create(http, set_audience(mock)['_id'])['_id']}"
    first = http.post(f"{path}/start")
    assert first.status_code == 202
    task = first.json()["data"]["taskId"]
    assert first.json() == {
        "status": True,
        "data": {"message": "Campaign is being processed", "taskId": task, "campaignId": path[10:]},
    }
    assert http.post(f"{path}/start").json() == first.json()
    assert report(http, path[10:])["campaign"]["status"] == "processing"
    assert report(http, path[10:])["metrics"]["contacts_called"] == 0
    paused = http.post(f"{path}/pause")
    assert (paused.status_code, paused.json()) == (200, {"status": True})
    campaign = report(http, path[10:])["campaign"]
    assert (campaign["status"], campaign["pausedAt"]) == ("paused", campaign["updatedAt"])
    resumed = http.post(f"{path}/start")
    assert resumed.status_code == 202
    assert resumed.json()["data"]["taskId"] != task
    running = report(http, path[10:])
    assert running["campaign"]["status"] == "running"
    assert "pausedAt" not in running["campaign"]
    assert [event["eventAction"] for event in running["events"]] == ["started", "paused", "resumed"]
    assert {event["triggerSource"] for event in running["events"]} == {"manual"}


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_campaign_that_is_over_neither_starts_nor_pauses(http: httpx.Client, mock: MockServer, status: str) -> None:
    campaign_id = create(http, set_audience(mock)["_id"])["_id"]
    mock.campaigns(TOKEN).advance(campaign_id, status)
    for action, past in (("start", "started"), ("pause", "paused")):
        message = f"Campaign cannot be {past}: its status is {status}"
        assert errors(http.post(f"/campaign/{campaign_id}/{action}")) == (400, [message])


def test_a_draft_cannot_be_paused(http: httpx.Client, mock: MockServer) -> None:
    campaign_id = create(http, set_audience(mock)["_id"])["_id"]
    assert errors(http.post(f"/campaign/{campaign_id}/pause")) == (
        400,
        ["Campaign cannot be paused: its status is draft"],
    )


def test_a_generated_campaign_can_be_resumed_and_deleted(http: httpx.Client) -> None:
    running = listed(http, status="running")[0]
    path = f"/campaign/{running['_id'].upper()}"
    assert http.post(f"{path}/start").status_code == 202
    assert listed(http, status="running")[0] == running
    assert http.post(f"{path}/pause").status_code == 200
    assert report(http, running["_id"])["campaign"]["cancelledCallsCount"] in range(6)
    assert running["_id"] in http.get("/audience").text
    deleted = http.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, {"status": True})
    assert running["_id"] not in http.get("/audience").text
    assert running["_id"] not in {one["_id"] for one in listed(http)}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "", 400, "no campaign found for id {id}"),
        ("DELETE", "", 404, "Campaign not found"),
        ("POST", "/start", 404, "Campaign not found"),
        ("POST", "/pause", 400, "no campaign found for id {id}"),
        ("GET", "/export/by-audience-member", 404, "Campaign not found"),
        ("GET", "/logs/export", 400, "no campaign found for id {id}"),
    ],
)
def test_an_unknown_campaign_is_an_error(http: httpx.Client, method: str, path: str, status: int, message: str) -> None:
    assert errors(http.request(method, f"/campaign/{NONE}{path}")) == (status, [message.format(id=NONE)])
    malformed = message.format(id="x") if "export" in path else "Invalid campaign ID"
    expected = status if "export" in path else 400
    assert errors(http.request(method, f"/campaign/x{path}")) == (expected, [malformed])


def test_stopping_a_campaign_is_no_operation(http: httpx.Client) -> None:
    response = http.post(f"/campaign/{NONE}/stop")
    assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("status", [None, "processing", "running", "paused", "completed", "failed"])
def test_metrics_agree_with_both_exports(http: httpx.Client, mock: MockServer, status: str | None) -> None:
    campaign_id = create(http, set_audience(mock, memberCount=73)["_id"], maxRetries=2)["_id"]
    if status is not None:
        mock.campaigns(TOKEN).advance(campaign_id, status)
    found = TypeAdapter(CampaignReport).validate_python(report(http, campaign_id))
    exported = http.get(f"/campaign/{campaign_id}/export/by-audience-member")
    assert exported.headers["content-type"] == "application/json; charset=utf-8"
    results = TypeAdapter(MemberResults).validate_python(exported.json())
    assert (results["campaign"], results["totalAudienceMembers"], len(results["data"])) == ("Mine", 73, 73)
    called = [result for result in results["data"] if result["originalCall"]]
    connected = [result for result in called if result["finalStatus"] == "completed"]
    assert found["metrics"] == {
        "total_participants": 73,
        "contacts_called": len(called),
        "contacts_connected": len(connected),
    }
    assert {result["finalStatus"] for result in results["data"] if not result["originalCall"]} <= {"pending"}
    retries = sum(len(result["retryAttempts"]) for result in called)
    assert found["campaign"]["retryAttempts"] == retries
    assert all(result["totalAttempts"] == 1 + len(result["retryAttempts"]) <= 3 for result in called)
    logs = list(csv.DictReader(io.StringIO(http.get(f"/campaign/{campaign_id}/logs/export").text)))
    assert len(logs) == len(called) + retries
    assert sum(int(call["duration"]) for call in logs) == sum(result["totalCallDuration"] for result in called)
    assert {bool(call["recordingUrl"]) for call in logs if call["status"] != "completed"} <= {False}
    has_calls = status in ("running", "completed")
    assert bool(called) == bool(connected) == has_calls


def test_the_results_as_csv_have_a_row_for_each_member(http: httpx.Client, mock: MockServer) -> None:
    campaign_id = create(http, set_audience(mock)["_id"])["_id"]
    mock.campaigns(TOKEN).advance(campaign_id, "running")
    path = f"/campaign/{campaign_id}/export/by-audience-member"
    response = http.get(path, params={"format": "csv"})
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert tuple(rows[0]) == RESULT_COLUMNS
    assert [row["audienceMemberId"] for row in rows] == [
        one["audienceMemberId"] for one in http.get(path).json()["data"]
    ]
    logs = http.get(f"/campaign/{campaign_id}/logs/export")
    assert logs.headers["content-type"] == "text/csv; charset=utf-8"
    assert tuple(logs.text.splitlines()[0].split(",")) == LOG_COLUMNS
    assert http.get(path, params={"format": "xml"}).json()["campaign"] == "Mine"


def test_members_of_a_campaign_follow_the_audience(http: httpx.Client, mock: MockServer) -> None:
    audience = set_audience(mock, memberCount=2)
    campaign_id = create(http, audience["_id"])["_id"]
    member = {audience["phoneNumberColumnName"]: "+14155550123"}
    http.post(f"/audience/{audience['_id']}/members", json={"members": [member]}).raise_for_status()
    assert report(http, campaign_id)["campaign"]["participantsCount"] == 3
    last = http.get(f"/campaign/{campaign_id}/export/by-audience-member").json()["data"][-1]
    assert (last["phoneNumber"], last["audienceMemberData"]) == ("+14155550123", member)


@pytest.mark.parametrize(
    ("status", "blocks"),
    [(status, status in ACTIVE) for status in STATUSES],
)
def test_active_campaigns_block_the_deletion_of_an_audience(
    http: httpx.Client, mock: MockServer, status: str, *, blocks: bool
) -> None:
    audience = set_audience(mock)
    campaign_id = create(http, audience["_id"])["_id"]
    mock.campaigns(TOKEN).advance(campaign_id, status)
    assert http.get("/audience").json()["data"][0]["hasCampaigns"] == blocks
    response = http.delete(f"/audience/{audience['_id']}")
    if blocks:
        message = f"can't delete audience, campaign with this audience {audience['_id']} exists"
        assert errors(response) == (400, [message])
        assert http.delete(f"/campaign/{campaign_id}").status_code == 200
        response = http.delete(f"/audience/{audience['_id']}")
    assert response.status_code == 200


def test_campaigns_that_are_over_survive_their_audience(http: httpx.Client, mock: MockServer) -> None:
    written = {"_id": ID, "name": "Over", "status": "completed"}
    audience = set_audience(mock, campaigns=[written])
    created = create(http, audience["_id"])["_id"]
    assert (audience["hasCampaigns"], audience["campaigns"]) == (False, [])
    assert http.delete(f"/audience/{audience['_id']}").status_code == 200
    assert {one["_id"] for one in listed(http)} == {ID, created}
    found = report(http, ID)
    assert found["campaign"]["audience"] == {"_id": audience["_id"]}
    assert found["metrics"] == {"total_participants": 0, "contacts_called": 0, "contacts_connected": 0}
    assert http.get(f"/campaign/{ID}/export/by-audience-member").json()["data"] == []
    assert http.get(f"/campaign/{ID}/logs/export").text == ",".join(LOG_COLUMNS) + "\r\n"


def test_campaigns_of_a_fixture_are_completed(http: httpx.Client, mock: MockServer) -> None:
    written = [
        {"name": "Now"},
        {"_id": ID, "status": "paused", "maxRetries": 1},
        {"status": "scheduled"},
        {"status": "failed", "error": "No funds", "createdAt": "2025-01-01T00:00:00.000Z"},
    ]
    audience = set_audience(mock, campaigns=written)
    active = [(campaign["name"], campaign["status"]) for campaign in audience["campaigns"]]
    assert active == [("Now", "active"), ("Campaign 2", "paused"), ("Campaign 3", "scheduled")]
    assert audience["campaigns"][1]["_id"] == ID
    found = {one["name"]: report(http, one["_id"])["campaign"] for one in listed(http)}
    assert [found[name]["status"] for name in ("Now", "Campaign 2", "Campaign 3", "Campaign 4")] == [
        "running",
        "paused",
        "scheduled",
        "failed",
    ]
    assert found["Campaign 2"]["maxRetries"] == 1
    assert found["Campaign 2"]["pausedAt"] == found["Campaign 2"]["updatedAt"]
    assert found["Campaign 2"]["createdAt"] == "2021-06-21T21:02:07.000Z"
    assert found["Campaign 3"]["scheduledAt"]
    assert found["Campaign 4"]["error"] == "No funds"
    assert found["Campaign 4"]["failedAt"]


def test_campaigns_set_by_a_test_replace_all_others(http: httpx.Client, mock: MockServer) -> None:
    audience = set_audience(mock, campaigns=[{"_id": ID, "name": "Old"}])
    path = f"{mock.root_url}/__admin/audiences/{audience['_id']}/campaigns"

    def put(*campaigns: dict[str, Any]) -> dict[str, Any]:
        response = httpx.put(path, json={"token": TOKEN, "campaigns": [*campaigns]}).raise_for_status()
        changed: dict[str, Any] = response.json()["audience"]
        return changed

    create(http, audience["_id"])
    assert http.delete(f"/campaign/{ID}").status_code == 200
    shown = put({"_id": ID, "name": "New"}, {"name": "Over", "status": "completed"})
    assert [one["name"] for one in shown["campaigns"]] == ["New"]
    assert sorted(one["name"] for one in listed(http)) == ["New", "Over"]
    assert http.get("/audience").json()["data"] == [shown]
    assert http.post(f"/campaign/{ID}/pause").status_code == 200
    assert http.get("/audience").json()["data"][0]["campaigns"][0]["status"] == "paused"
    assert put()["hasCampaigns"] is False
    assert listed(http) == []


def test_a_created_audience_can_get_campaigns(http: httpx.Client, mock: MockServer) -> None:
    mock.set_audiences([], token=TOKEN)
    form = {"name": "Made", "phoneNumberColumnName": "tel"}
    audience = http.post("/audience", data=form, files={"file": "tel\n+14155550123\n"}).json()["data"]
    path = f"{mock.root_url}/__admin/audiences/{audience['_id']}/campaigns"
    httpx.put(path, json={"token": TOKEN, "campaigns": [{"_id": ID}]}).raise_for_status()
    assert [one["_id"] for one in listed(http)] == [ID]
    assert http.delete(f"/campaign/{ID}").status_code == 200
    assert listed(http) == []


def test_without_a_plan_every_campaign_operation_is_a_400(mock: MockServer) -> None:
    message = "Your plan has no access to campaigns, please upgrade to a higher plan to access this feature"
    with httpx.Client(base_url=mock.url, headers=bearer("sk_mock_noplan")) as http:
        audiences = http.get("/audience").json()["data"]
        assert audiences
        assert not any(audience["hasCampaigns"] or audience["campaigns"] for audience in audiences)
        for method, path in (("GET", ""), ("POST", ""), ("GET", f"/{NONE}"), ("DELETE", f"/{NONE}")):
            assert errors(http.request(method, f"/campaign{path}")) == (400, [message])
        for method, path in (("POST", "start"), ("POST", "pause"), ("GET", "logs/export")):
            assert errors(http.request(method, f"/campaign/{NONE}/{path}")) == (400, [message])
        assert errors(http.get(f"/campaign/{NONE}/export/by-audience-member")) == (400, [message])


def test_a_sparse_persona_omits_each_key(mock: MockServer) -> None:
    with httpx.Client(base_url=mock.url, headers=bearer("sk_mock_sparse")) as http:
        campaigns = listed(http)
    assert {} in campaigns
    for key in ("_id", "name", "agent", "audience", "status", "createdAt"):
        assert any(key not in one for one in campaigns if one)


def test_an_empty_persona_has_no_campaigns(mock: MockServer) -> None:
    with httpx.Client(base_url=mock.url, headers=bearer("sk_mock_empty")) as http:
        page = http.get("/campaign").json()["data"]
    assert page["campaigns"] == []
    assert page["pagination"] == {"total": 0, "page": 1, "offset": 5, "hasMore": False, "totalPages": 0}


def test_tests_of_one_token_have_separate_campaigns(http: httpx.Client, mock: MockServer) -> None:
    audience = set_audience(mock)
    create(http, audience["_id"])
    other = http.get("/campaign", headers={"X-Test-Id": "other"}).json()["data"]
    assert "Mine" not in [one["name"] for one in other["campaigns"]]


def test_campaigns_can_be_faulted_and_verified(http: httpx.Client, mock: MockServer) -> None:
    mock.fail("GET /campaign/{id} 500x1", token=TOKEN)
    mock.fail("DELETE /campaign/{id} 404", token=TOKEN)
    assert errors(http.get(f"/campaign/{NONE}")) == (500, ["Internal server error"])
    assert errors(http.delete(f"/campaign/{NONE}")) == (404, ["Campaign not found"])
    assert errors(http.get(f"/campaign/{NONE}/logs/export", headers={"Prefer": "code=400"})) == (
        400,
        [f"no campaign found for id {NONE}"],
    )
    assert len(mock.requests(path="/campaign/{id}", token=TOKEN)) == 2


def test_a_tenant_has_at_most_so_many_campaigns(
    http: httpx.Client, mock: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_STORED_CAMPAIGNS == 2_000
    monkeypatch.setattr(tenant_data, "MAX_STORED_CAMPAIGNS", 1)
    audience = set_audience(mock)
    first = create(http, audience["_id"])
    refused = http.post("/campaign", json={"name": "More", "audienceId": audience["_id"], "agentId": AGENT})
    assert (refused.status_code, refused.headers["x-mock-atoms-reason"]) == (400, "tenant-full")
    assert http.post(f"/campaign/{first['_id']}/start").status_code == 202


def test_deleting_an_audience_keeps_at_most_so_many_campaigns(
    http: httpx.Client, mock: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_data, "MAX_STORED_CAMPAIGNS", 2)
    audience = set_audience(mock, campaigns=[{"_id": f"{number:024}", "status": "completed"} for number in range(3)])
    refused = http.delete(f"/audience/{audience['_id']}")
    assert (refused.status_code, refused.headers["x-mock-atoms-reason"]) == (400, "tenant-full")
    http.delete(f"/campaign/{2:024}").raise_for_status()
    http.delete(f"/audience/{audience['_id']}").raise_for_status()
    assert len(listed(http)) == 2


def test_the_largest_campaign_of_a_deleted_audience_can_be_imported(http: httpx.Client, mock: MockServer) -> None:
    audience = set_audience(mock, campaigns=[{"_id": ID, "status": "completed", "description": "x" * 499_800}])
    http.delete(f"/audience/{audience['_id']}").raise_for_status()
    state = httpx.get(f"{mock.root_url}/__admin/state").json()
    httpx.put(f"{mock.root_url}/__admin/state", json=state).raise_for_status()
    assert httpx.get(f"{mock.root_url}/__admin/state").json() == state


def test_statuses_of_active_campaigns_are_a_setting() -> None:
    with (
        MockServer(active_campaigns="completed") as mock,
        httpx.Client(base_url=mock.url, headers=bearer(TOKEN)) as http,
    ):
        audience = set_audience(mock, campaigns=[{"name": "Over", "status": "completed"}, {"name": "Now"}])
        assert [campaign["status"] for campaign in audience["campaigns"]] == ["completed"]
        assert http.get("/audience").json()["data"] == [audience]
        assert http.delete(f"/audience/{audience['_id']}").status_code == 400
