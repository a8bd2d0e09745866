"""The life of a campaign: driven by a test, or by the wall clock."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.contract.campaigns import STATUSES
from mock_atoms.data.campaign_life import MAX_EVENTS, reachable
from mock_atoms.mock import MockAtoms
from mock_atoms.state import snapshot_parsing
from mock_atoms.state.campaigns import MAX_ERROR_CHARACTERS
from mock_atoms.testing.control_api import ControlError
from tests.helpers.audiences import bearer

TOKEN = "sk_driven"
AGENT = "60d0fe4f5311236168a109cc"
NONE = "000000000000000000000000"
START = datetime(2026, 1, 31, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


@pytest.fixture
def campaign_id(mock: MockServer) -> str:
    """Return the id of a new campaign with 40 members."""
    mock.reset()
    (audience,) = mock.set_audiences([{"memberCount": 40}], token=TOKEN)
    body = {"name": "Mine", "audienceId": audience["_id"], "agentId": AGENT}
    created = httpx.post(f"{mock.url}/campaign", json=body, headers=bearer(TOKEN)).json()["data"]
    return str(created["_id"])


def test_a_test_drives_a_campaign(mock: MockServer, campaign_id: str) -> None:
    campaigns = mock.campaigns(TOKEN)
    assert [campaign["_id"] for campaign in campaigns.list()] == [campaign_id]
    assert campaigns.advance(campaign_id, "processing")["campaign"]["status"] == "processing"
    running = campaigns.advance(campaign_id, "running")
    assert running == campaigns.get(campaign_id) == campaigns.advance(campaign_id, "running")
    assert 0 < running["metrics"]["contacts_called"] < 40
    paused = campaigns.advance(campaign_id, "paused")
    assert paused["metrics"] == running["metrics"]
    failed = campaigns.advance(campaign_id, "failed", error="No funds")
    assert (failed["campaign"]["error"], failed["campaign"]["failedAt"]) == (
        "No funds",
        failed["campaign"]["updatedAt"],
    )
    assert [event["eventAction"] for event in failed["events"]] == ["started", "paused", "failed"]
    assert {event["triggerSource"] for event in failed["events"]} == {"system"}
    served = httpx.get(f"{mock.url}/campaign/{campaign_id}", headers=bearer(TOKEN)).json()["data"]
    assert served == failed
    assert mock.requests(path="/campaign/{id}", token=TOKEN)[0].status == 200


def test_a_campaign_has_a_default_reason_to_fail(mock: MockServer, campaign_id: str) -> None:
    failed = mock.campaigns(TOKEN).advance(campaign_id, "failed")
    assert failed["campaign"]["error"] == "No phone number is configured for the agent"
    assert failed["metrics"]["contacts_called"] == 0


def test_a_scheduled_campaign_has_a_time(mock: MockServer, campaign_id: str) -> None:
    campaigns = mock.campaigns(TOKEN)
    scheduled = campaigns.advance(campaign_id, "scheduled", scheduled_at="2090-01-01T00:00:00Z")["campaign"]
    assert scheduled["scheduledAt"] == "2090-01-01T00:00:00.000Z"
    assert campaigns.advance(campaign_id, "running")["campaign"]["status"] == "running"


def test_a_schedule_without_a_time_is_an_hour_later(mock: MockServer, campaign_id: str) -> None:
    scheduled = mock.campaigns(TOKEN).advance(campaign_id, "scheduled")["campaign"]
    hour = datetime.fromisoformat(scheduled["scheduledAt"]) - datetime.fromisoformat(scheduled["updatedAt"])
    assert hour == timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "steps"),
    [("running", "it can become paused, completed, failed"), ("completed", "it is over")],
)
def test_an_unreachable_status_is_a_409_with_the_reachable_ones(
    mock: MockServer, campaign_id: str, status: str, steps: str
) -> None:
    campaigns = mock.campaigns(TOKEN)
    campaigns.advance(campaign_id, status)
    message = f"{campaign_id}: the campaign is {status} and cannot become draft: {steps}"
    with pytest.raises(ControlError, match=message) as error:
        campaigns.advance(campaign_id, "draft")
    assert error.value.status == 409


def test_paused_campaigns_can_run_again() -> None:
    assert reachable("paused") == ("running", "completed", "failed")
    assert reachable("failed") == ()
    assert reachable("draft") == ("scheduled", "processing", "running", "paused", "completed", "failed")


@pytest.mark.parametrize(
    ("campaign", "body", "status", "pointer"),
    [
        ("x", {"token": TOKEN, "status": "running"}, 400, ""),
        (NONE, {"token": TOKEN, "status": "running"}, 404, ""),
        (NONE, {"status": "running"}, 422, "/token"),
        (NONE, {"token": TOKEN}, 422, "/status"),
        (NONE, {"token": TOKEN, "status": "active"}, 422, "/status"),
        (NONE, {"token": TOKEN, "status": "scheduled", "scheduledAt": "soon"}, 422, "/scheduledAt"),
        (NONE, {"token": TOKEN, "status": "running", "error": "No funds"}, 422, "/error"),
        (NONE, {"token": TOKEN, "status": "failed", "scheduledAt": "2090-01-01T00:00:00Z"}, 422, "/scheduledAt"),
        (NONE, {"token": TOKEN, "status": "failed", "error": "x" * (MAX_ERROR_CHARACTERS + 1)}, 422, "/error"),
    ],
)
def test_an_invalid_step_is_an_error(
    mock: MockServer, campaign: str, body: dict[str, Any], status: int, pointer: str
) -> None:
    response = httpx.put(f"{mock.root_url}/__admin/campaigns/{campaign}", json=body)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["source"]["pointer"]) == (status, pointer)


def test_a_list_needs_a_token(mock: MockServer) -> None:
    response = httpx.get(f"{mock.root_url}/__admin/campaigns")
    assert (response.status_code, response.json()["errors"][0]["source"]["pointer"]) == (422, "token")


def test_an_unknown_campaign_is_a_key_error(mock: MockServer, campaign_id: str) -> None:
    assert campaign_id
    with pytest.raises(KeyError, match=NONE):
        mock.campaigns(TOKEN).get(NONE)


def test_an_id_may_have_characters_that_a_url_escapes(mock: MockServer) -> None:
    with pytest.raises(ControlError, match=r": invalid id: a b\?x: ") as error:
        mock.campaigns(TOKEN).advance("a b?x", "running")
    assert error.value.status == 400


def test_a_campaign_keeps_its_latest_events(mock: MockServer, campaign_id: str) -> None:
    with httpx.Client(base_url=f"{mock.url}/campaign/{campaign_id}", headers=bearer(TOKEN)) as http:
        for _ in range(MAX_EVENTS // 2 + 1):
            http.post("/start").raise_for_status()
            http.post("/pause").raise_for_status()
        events = http.get("").json()["data"]["events"]
    assert len(events) == MAX_EVENTS == 100
    assert (events[0]["eventAction"], events[-1]["eventAction"]) == ("resumed", "paused")


class PacedMock:
    """A mock in this process whose campaigns take `pace` seconds of its clock."""

    def __init__(self, pace: float = 100) -> None:
        self.now = START
        self._app = create_app(mock=MockAtoms(Settings(campaign_pace=pace), now=lambda: self.now))

    def send(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - any JSON
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://127.0.0.1", headers=bearer(TOKEN)
            ) as http:
                return await http.request(method, path, json=body)

        return asyncio.run(call()).raise_for_status().json()

    def create(self, **fields: Any) -> str:  # noqa: ANN401 - of a new campaign
        audiences = self.send("PUT", "/__admin/tenants", {"token": TOKEN, "audiences": [{"memberCount": 1000}]})
        body = {"name": "Paced", "audienceId": audiences["audiences"][0]["_id"], "agentId": AGENT, **fields}
        return str(self.send("POST", "/atoms/v1/campaign", body)["data"]["_id"])

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def details(self) -> list[dict[str, Any]]:
        """Return the campaigns, each with its events and metrics."""
        listed = self.send("GET", "/atoms/v1/campaign?offset=10")["data"]["campaigns"]
        return [self.send("GET", f"/atoms/v1/campaign/{campaign['_id']}")["data"] for campaign in listed]

    def report(self, campaign_id: str) -> tuple[str, int]:
        """Return the status of a campaign, and how many members it has called."""
        data = self.send("GET", f"/atoms/v1/campaign/{campaign_id}")["data"]
        return data["campaign"]["status"], data["metrics"]["contacts_called"]


@pytest.fixture
def paced() -> PacedMock:
    return PacedMock()


@pytest.mark.alone("the clock of the test drives one server")
def test_a_paced_campaign_runs_by_the_clock(paced: PacedMock) -> None:
    campaign_id = paced.create()
    paced.wait(1000)
    assert paced.report(campaign_id) == ("draft", 0)
    paced.send("POST", f"/atoms/v1/campaign/{campaign_id}/start")
    reports = []
    for _ in range(6):
        reports.append(paced.report(campaign_id))
        paced.wait(20)
    assert reports == [
        ("processing", 0),
        ("running", 111),
        ("running", 333),
        ("running", 555),
        ("running", 777),
        ("completed", 1000),
    ]
    data = paced.send("GET", f"/atoms/v1/campaign/{campaign_id}")["data"]
    assert [event["eventAction"] for event in data["events"]] == ["started", "completed"]
    assert data["events"][-1]["createdAt"] == "2026-01-31T09:18:20.000Z"


@pytest.mark.alone("the clock of the test drives one server")
def test_a_paced_campaign_continues_after_a_pause(paced: PacedMock) -> None:
    campaign_id = paced.create()
    path = f"/atoms/v1/campaign/{campaign_id}"
    paced.send("POST", f"{path}/start")
    paced.wait(55)
    paced.send("POST", f"{path}/pause")
    paced.wait(1000)
    assert paced.report(campaign_id) == ("paused", 500)
    paced.send("POST", f"{path}/start")
    paced.wait(44)
    assert paced.report(campaign_id)[0] == "running"
    assert paced.send("GET", "/atoms/v1/audience")["data"][0]["campaigns"][0]["status"] == "active"
    paced.wait(2)
    assert paced.report(campaign_id) == ("completed", 1000)
    assert paced.send("GET", "/atoms/v1/audience")["data"][0]["hasCampaigns"] is False


@pytest.mark.alone("the clock of the test drives one server")
def test_a_paced_campaign_starts_on_schedule(paced: PacedMock) -> None:
    campaign_id = paced.create(scheduledAt="2026-01-31T09:10:00Z")
    statuses = [paced.report(campaign_id)[0]]
    for seconds in (600, 20, 100):
        paced.wait(seconds)
        statuses.append(paced.report(campaign_id)[0])
    assert statuses == ["scheduled", "processing", "running", "completed"]


@pytest.mark.alone("the clock of the test drives one server")
@pytest.mark.parametrize("status", ["processing", "running"])
def test_a_campaign_without_a_start_has_no_pace(paced: PacedMock, status: str) -> None:
    campaign_id = paced.create()
    state = paced.send("GET", "/__admin/state")
    for tenant in state["tenants"]:
        for campaign in tenant["changes"]["campaigns"]:
            campaign["status"] = status
    paced.send("PUT", "/__admin/state", state)
    paced.wait(1000)
    assert paced.report(campaign_id)[0] == status


def test_a_state_has_all_campaigns(mock: MockServer, campaign_id: str) -> None:
    http = httpx.Client(base_url=mock.root_url, headers=bearer("sk_other"))
    with http:
        listed = http.get("/atoms/v1/campaign?offset=100").json()
        first = listed["data"]["campaigns"][0]["_id"]
        http.delete(f"/atoms/v1/campaign/{first}").raise_for_status()
        mock.campaigns(TOKEN).advance(campaign_id, "running")
        before = [http.get("/atoms/v1/campaign?offset=100").json(), mock.campaigns(TOKEN).list()]
        state = http.get("/__admin/state").json()
        mock.reset()
        http.put("/__admin/state", json=state).raise_for_status()
        assert http.get("/__admin/state").json() == state
        assert [http.get("/atoms/v1/campaign?offset=100").json(), mock.campaigns(TOKEN).list()] == before


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda one: one.pop("agentId"), "agentId is missing"),
        (lambda one: one.update(status="active"), "status is `active`: must be one of draft"),
        (lambda one: one.update(status="scheduled"), "scheduledAt is missing"),
        (lambda one: one.update(events=[{"action": "a", "source": "s", "at": "x"}]), "not a timestamp"),
    ],
)
def test_an_imported_campaign_must_be_complete(
    mock: MockServer, campaign_id: str, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    assert campaign_id
    state = httpx.get(f"{mock.root_url}/__admin/state").json()
    (campaign,) = (one for tenant in state["tenants"] for one in tenant.get("changes", {}).get("campaigns", []))
    change(campaign)
    response = httpx.put(f"{mock.root_url}/__admin/state", json=state)
    assert response.status_code == 422
    assert problem in response.json()["errors"][0]["detail"]


def test_an_imported_tenant_has_a_limited_number_of_deleted_campaigns(
    mock: MockServer, campaign_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(snapshot_parsing._MAX_CHANGES, "deletedCampaigns", ("campaigns", 1))  # noqa: SLF001 - two million take too long
    state = httpx.get(f"{mock.root_url}/__admin/state").json()
    for tenant in state["tenants"]:
        tenant["changes"]["deletedCampaigns"] = [campaign_id] * 2
    response = httpx.put(f"{mock.root_url}/__admin/state", json=state)
    assert "2 campaigns: at most 1" in response.json()["errors"][0]["detail"]


def test_an_imported_campaign_must_not_be_duplicated(mock: MockServer, campaign_id: str) -> None:
    state = httpx.get(f"{mock.root_url}/__admin/state").json()
    for tenant in state["tenants"]:
        tenant["changes"]["campaigns"] *= 2
    response = httpx.put(f"{mock.root_url}/__admin/state", json=state)
    assert f"the campaign {campaign_id} is duplicated" in response.json()["errors"][0]["detail"]


@pytest.mark.alone("the clock of the test drives one server")
@pytest.mark.parametrize("is_set_alone", [False, True])
@pytest.mark.parametrize("key", ["createdAt", "startedAt"])
def test_the_history_of_a_campaign_is_fixed_when_it_is_written(key: str, *, is_set_alone: bool) -> None:
    mock = PacedMock(pace=0)
    written = {"createdAt": "2026-01-01T08:00:00Z", key: (START - timedelta(minutes=5)).isoformat()}
    campaigns = [written | {"status": status} for status in STATUSES]
    audience = {"memberCount": 20, "campaigns": [] if is_set_alone else campaigns}
    audience = mock.send("PUT", "/__admin/tenants", {"token": TOKEN, "audiences": [audience]})["audiences"][0]
    if is_set_alone:
        body = {"token": TOKEN, "campaigns": campaigns}
        mock.send("PUT", f"/__admin/audiences/{audience['_id']}/campaigns", body)
    before = mock.details()
    assert len(before) == len(STATUSES)
    for found in before:
        times = [found["campaign"][name] for name in ("startedAt", "updatedAt") if name in found["campaign"]]
        times += [event["createdAt"] for event in found["events"]]
        assert all(datetime.fromisoformat(time) <= START for time in times)
    mock.wait(420)
    assert mock.details() == before
    mock.send("PUT", "/__admin/state", mock.send("GET", "/__admin/state"))
    assert mock.details() == before
