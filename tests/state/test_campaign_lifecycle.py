"""Compares a mock with a model of campaigns, after random operations in any order."""

import copy
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.state.audience_model import (
    ALICE,
    ALICES_TEST,
    BOB,
    FIXTURES,
    MALFORMED_IDS,
    SETTINGS,
    START,
    TENANTS,
    UNKNOWN_ID,
    MockDriver,
    Tenant,
    error_messages,
    format_timestamp,
    success_data,
)

TICK = timedelta(seconds=1)
"""No two campaigns of a test are created at the same time, so that the order of the list is certain."""
ACTIVE = {"scheduled", "processing", "running", "paused"}
"""Statuses that the list of audiences shows and that block a deletion."""
LATER = {
    "draft": ["scheduled", "processing", "running", "paused", "completed", "failed"],
    "scheduled": ["processing", "running", "paused", "completed", "failed"],
    "processing": ["running", "paused", "completed", "failed"],
    "running": ["paused", "completed", "failed"],
    "paused": ["running", "completed", "failed"],
    "completed": [],
    "failed": [],
}
"""Statuses that a test can give a campaign, by its status."""
AGENT_ID = "60d0fe4f5311236168a109cc"
ALL = {"page": 1, "offset": 1000}


class Campaign(NamedTuple):
    """A campaign of the model."""

    name: str
    status: str
    audience_id: str
    created_at: str


@dataclass
class World:
    """All that a tenant has.

    Attributes:
        campaigns: the campaigns by id.
        members: the number of members of each audience by its id.
    """

    campaigns: dict[str, Campaign]
    members: dict[str, int]


class CampaignMachine(RuleBasedStateMachine):
    """Applies random operations to a mock and to a model, and compares them after each step."""

    driver: ClassVar[MockDriver]
    """The mock of all runs. Each run resets it."""
    initial: ClassVar[dict[Tenant, World]]
    """What the tenants have after a reset."""

    def __init__(self) -> None:
        super().__init__()
        self.driver.now = START
        self.driver.control("POST", "/reset", {})
        self.worlds = {tenant: self.read(tenant) for tenant in TENANTS}
        self.touched = {any_id for world in self.worlds.values() for any_id in world.campaigns}
        """Ids of the campaigns that the last operation may have changed."""
        self.exported: tuple[Any, dict[Tenant, World]] | None = None

    def read(self, tenant: Tenant) -> World:
        """Return what the API says that a tenant has."""
        listed = self.listed(tenant)
        audiences = success_data(self.driver.send(tenant, "GET"))
        return World(
            {
                one["_id"]: Campaign(one["name"], one["status"], one["audience"]["_id"], one["createdAt"])
                for one in listed
            },
            {audience["_id"]: audience["memberCount"] for audience in audiences},
        )

    def listed(self, tenant: Tenant, **query: object) -> list[dict[str, Any]]:
        page = success_data(self.driver.call(tenant, "GET", "/campaign", params=ALL | query))
        campaigns: list[dict[str, Any]] = page["campaigns"]
        assert page["pagination"]["total"] == len(campaigns)
        return campaigns

    def draw(self, data: st.DataObject) -> tuple[Tenant, str, Campaign | None]:
        """Draw a tenant and an id: mostly of one of its campaigns, which is returned too."""
        tenant = data.draw(st.sampled_from(TENANTS))
        own = self.worlds[tenant].campaigns
        foreign = sorted({any_id for other in TENANTS for any_id in self.worlds[other].campaigns} - own.keys())
        campaign_id = data.draw(st.sampled_from([*[*own][-4:] * 3, *own, *foreign, UNKNOWN_ID, *MALFORMED_IDS[1:2]]))
        self.touched.add(campaign_id)
        return tenant, campaign_id, own.get(campaign_id)

    def touch(self, world: World, audience_id: str) -> None:
        self.touched |= {any_id for any_id, one in world.campaigns.items() if one.audience_id == audience_id}

    def call(self, tenant: Tenant, method: str, campaign_id: str, step: str = "") -> Any:  # noqa: ANN401 - a response
        return self.driver.call(tenant, method, f"/campaign/{campaign_id}{step}")

    def change(self, tenant: Tenant, campaign_id: str, **fields: str) -> None:
        campaigns = self.worlds[tenant].campaigns
        campaigns[campaign_id] = campaigns[campaign_id]._replace(**fields)

    @rule(data=st.data(), tenant=st.sampled_from(TENANTS), is_scheduled=st.booleans(), is_known=st.booleans())
    def create(self, data: st.DataObject, tenant: Tenant, is_scheduled: bool, is_known: bool) -> None:  # noqa: FBT001 - Hypothesis passes keywords
        world = self.worlds[tenant]
        foreign = sorted({any_id for other in TENANTS for any_id in self.worlds[other].members} - world.members.keys())
        known = [*world.members] if is_known and world.members else [*foreign, UNKNOWN_ID]
        audience_id = data.draw(st.sampled_from(known))
        body = {"name": data.draw(st.sampled_from(["One", "two", "Żółć"])), "audienceId": audience_id}
        body["agentId"] = AGENT_ID
        if is_scheduled:
            body["scheduledAt"] = format_timestamp(self.driver.now + timedelta(hours=1))
        response = self.driver.call(tenant, "POST", "/campaign", json=body)
        if audience_id not in world.members:
            assert error_messages(response, 400) == [f"audienceId: Audience not found: {audience_id}"]
            return
        assert response.status_code == 201
        created = response.json()["data"]
        now = format_timestamp(self.driver.now)
        status = "scheduled" if is_scheduled else "draft"
        assert (created["status"], created["createdAt"]) == (status, now)
        assert created["participantsCount"] == world.members[audience_id]
        assert created["_id"] not in {any_id for other in TENANTS for any_id in self.worlds[other].campaigns}
        self.touched.add(created["_id"])
        world.campaigns[created["_id"]] = Campaign(body["name"], status, audience_id, now)

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        tenant, campaign_id, campaign = self.draw(data)
        response = self.call(tenant, "POST", campaign_id, "/start")
        if campaign is None:
            error_messages(response, 400 if campaign_id in MALFORMED_IDS else 404)
            return
        is_deleted = campaign.audience_id not in self.worlds[tenant].members
        if not LATER[campaign.status] or (is_deleted and campaign.status not in {"processing", "running"}):
            error_messages(response, 400)
            return
        assert response.status_code == 202
        assert response.json()["data"]["campaignId"] == campaign_id
        following = {"paused": "running", "running": "running"}.get(campaign.status, "processing")
        self.change(tenant, campaign_id, status=following)

    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        tenant, campaign_id, campaign = self.draw(data)
        response = self.call(tenant, "POST", campaign_id, "/pause")
        if campaign is None or campaign.status not in {"processing", "running"}:
            error_messages(response, 400)
            return
        assert (response.status_code, response.json()) == (200, {"status": True})
        self.change(tenant, campaign_id, status="paused")

    @rule(data=st.data(), status=st.sampled_from([*LATER]))
    def advance(self, data: st.DataObject, status: str) -> None:
        tenant, campaign_id, campaign = self.draw(data)
        expected = 200
        if campaign is None:
            expected = 400 if campaign_id in MALFORMED_IDS else 404
        elif status not in (campaign.status, *LATER[campaign.status]):
            expected = 409
        content = {**tenant.as_json, "status": status}
        response = self.driver.control("PUT", f"/campaigns/{campaign_id}", content, expected)
        if expected == 200:
            assert response["campaign"]["status"] == status
            self.change(tenant, campaign_id, status=status)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        tenant, campaign_id, campaign = self.draw(data)
        response = self.call(tenant, "DELETE", campaign_id)
        if campaign is None:
            error_messages(response, 400 if campaign_id in MALFORMED_IDS else 404)
            return
        assert (response.status_code, response.json()) == (200, {"status": True})
        del self.worlds[tenant].campaigns[campaign_id]

    @rule(data=st.data(), tenant=st.sampled_from(TENANTS))
    def delete_audience(self, data: st.DataObject, tenant: Tenant) -> None:
        world = self.worlds[tenant]
        audience_id = data.draw(st.sampled_from([*world.members, UNKNOWN_ID]))
        response = self.driver.send(tenant, "DELETE", f"/{audience_id}")
        if audience_id == UNKNOWN_ID:
            error_messages(response, 404)
        elif any(one.audience_id == audience_id and one.status in ACTIVE for one in world.campaigns.values()):
            error_messages(response, 400)
        else:
            assert success_data(response) == []
            del world.members[audience_id]
            self.touch(world, audience_id)

    @rule(data=st.data(), tenant=st.sampled_from(TENANTS))
    def add_a_member(self, data: st.DataObject, tenant: Tenant) -> None:
        world = self.worlds[tenant]
        if not world.members:
            return
        audience_id = data.draw(st.sampled_from([*world.members]))
        detail = success_data(self.driver.send(tenant, "GET", f"/{audience_id}"))
        row = {detail["phoneNumberColumnName"]: data.draw(st.sampled_from(["5550100", "5550101", "5550102"]))}
        response = self.driver.send(tenant, "POST", f"/{audience_id}/members", json={"members": [row]})
        self.touch(world, audience_id)
        world.members[audience_id] += success_data(response)[0]["data"]["added"]

    @rule(data=st.data(), statuses=st.lists(st.sampled_from([*LATER]), max_size=2), tenant=st.sampled_from(TENANTS))
    def set_campaigns(self, data: st.DataObject, statuses: list[str], tenant: Tenant) -> None:
        world = self.worlds[tenant]
        if not world.members:
            return
        audience_id = data.draw(st.sampled_from([*world.members]))
        created = [
            format_timestamp(self.driver.now + timedelta(milliseconds=number)) for number in range(len(statuses))
        ]
        campaigns = [
            {"name": "Set", "status": status, "createdAt": at} for status, at in zip(statuses, created, strict=True)
        ]
        self.driver.control("PUT", f"/audiences/{audience_id}/campaigns", {**tenant.as_json, "campaigns": campaigns})
        for campaign_id, campaign in [*world.campaigns.items()]:
            if campaign.audience_id == audience_id:
                del world.campaigns[campaign_id]
        added = [one for one in self.listed(tenant) if one["_id"] not in world.campaigns]
        by_status = {(one["name"], one["status"], one["audience"]["_id"], one["createdAt"]) for one in added}
        expected = {("Set", status, audience_id, at) for status, at in zip(statuses, created, strict=True)}
        assert by_status == expected
        for one in added:
            self.touched.add(one["_id"])
            world.campaigns[one["_id"]] = Campaign("Set", one["status"], audience_id, one["createdAt"])

    @rule(scope=st.sampled_from([ALICE, ALICES_TEST, BOB, None]))
    def reset(self, scope: Tenant | None) -> None:
        self.driver.control("POST", "/reset", {} if scope is None else scope.as_json)
        for tenant in TENANTS:
            if scope is None or (tenant.token == scope.token and scope.test_id in (None, tenant.test_id)):
                self.worlds[tenant] = self.read(tenant)
                assert self.worlds[tenant] == self.initial[tenant]

    @rule(is_import=st.booleans())
    def export_or_import(self, is_import: bool) -> None:  # noqa: FBT001 - as above
        if not is_import:
            self.exported = self.driver.control("GET", "/state"), copy.deepcopy(self.worlds)
        elif self.exported is not None:
            state, worlds = self.exported
            self.driver.control("PUT", "/state", state)
            self.worlds = copy.deepcopy(worlds)

    @invariant()
    def mock_matches_the_model(self) -> None:
        for tenant, world in self.worlds.items():
            campaigns = world.campaigns
            listed = self.listed(tenant)
            newest_first = sorted(campaigns, key=lambda campaign_id: campaigns[campaign_id].created_at, reverse=True)
            assert [one["_id"] for one in listed] == newest_first
            for one in listed:
                self.check(tenant, one, campaigns[one["_id"]], world.members)
            found = [one["_id"] for one in self.listed(tenant, status="draft")]
            assert found == [any_id for any_id in newest_first if campaigns[any_id].status == "draft"]
            self.check_audiences(tenant)
        self.touched.clear()
        self.driver.now += TICK

    def check(self, tenant: Tenant, listed: dict[str, Any], campaign: Campaign, members: dict[str, int]) -> None:
        """Compare a campaign with the model in the list, by itself and in its results."""
        assert Campaign(listed["name"], listed["status"], listed["audience"]["_id"], listed["createdAt"]) == campaign
        count = members.get(campaign.audience_id, 0)
        assert listed["participantsCount"] == count
        if listed["_id"] not in self.touched:
            return
        report = success_data(self.call(tenant, "GET", listed["_id"]))
        assert {key: report["campaign"][key] for key in listed} == listed
        assert report["metrics"]["total_participants"] == count
        called = report["metrics"]["contacts_called"]
        if campaign.status in {"draft", "scheduled"}:
            assert called == 0
        results = self.call(tenant, "GET", listed["_id"], "/export/by-audience-member").json()["data"]
        assert len(results) == count
        assert called == sum(bool(result["originalCall"]) for result in results) <= count

    def check_audiences(self, tenant: Tenant) -> None:
        """Compare the campaigns in the list of audiences with the model."""
        world = self.worlds[tenant]
        audiences = success_data(self.driver.send(tenant, "GET"))
        assert [audience["_id"] for audience in audiences] == [*world.members]
        for audience in audiences:
            shown = [
                campaign_id
                for campaign_id, one in world.campaigns.items()
                if one.audience_id == audience["_id"] and one.status in ACTIVE
            ]
            assert sorted(one["_id"] for one in audience["campaigns"]) == sorted(shown)
            assert audience["hasCampaigns"] == bool(shown)
            assert audience["memberCount"] == world.members[audience["_id"]]


@pytest.mark.slow
def test_mock_matches_a_model_of_campaigns_after_any_operations(tmp_path: Path) -> None:
    for name, content in FIXTURES.items():
        (tmp_path / name).write_text(json.dumps(content))
    driver = CampaignMachine.driver = MockDriver(tmp_path)
    try:
        machine = CampaignMachine()
        CampaignMachine.initial = machine.worlds
        assert {one.status for world in machine.worlds.values() for one in world.campaigns.values()} >= {"running"}
        run_state_machine_as_test(CampaignMachine, settings=settings(SETTINGS, max_examples=25, stateful_step_count=25))
    finally:
        driver.close()
