"""Compares a mock with a model of audiences, after random operations in any order."""

import copy
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import httpx
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mock_atoms.data.agents import generated_agents
from mock_atoms.data.generator import Generator
from tests.state.audience_model import (
    ALICE,
    ALICES_TEST,
    BOB,
    FIXTURES,
    INVALID_NUMBERS,
    LIST_ONLY,
    MALFORMED_IDS,
    NEW_NUMBERS,
    SETTINGS,
    START,
    TENANTS,
    TICK,
    UNKNOWN_ID,
    WORDS,
    AudienceModel,
    AudienceModels,
    MockDriver,
    Tenant,
    csv_bytes,
    digits,
    error_messages,
    format_timestamp,
    has,
    success_data,
    text_of,
)

AgentModels = dict[str, bool]
"""Whether an agent is archived, by id, of all agents that the tenant has created or changed."""


def any_audience_exists(machine: "AudienceMachine") -> bool:
    return any(machine.audiences.values())


class AudienceMachine(RuleBasedStateMachine):
    """Applies random operations to a mock and to a model, and compares them after each step."""

    driver: ClassVar[MockDriver]
    """The mock of all runs. Each run resets it."""

    def __init__(self) -> None:
        super().__init__()
        self.driver.now = START
        self.driver.control("POST", "/reset", {})
        self.audiences = copy.deepcopy(self.driver.initial_data)
        self.agents: dict[Tenant, AgentModels] = {tenant: {} for tenant in TENANTS}
        self.last_ids: dict[Tenant, str] = {}
        self.exported: tuple[Any, dict[Tenant, AudienceModels], dict[Tenant, AgentModels]] | None = None

    def draw_audience(self, data: st.DataObject) -> tuple[Tenant, str, AudienceModel]:
        """Draw an audience of any tenant, mostly the last one, so that many changes meet in one audience."""
        tenant = data.draw(st.sampled_from([tenant for tenant in TENANTS if self.audiences[tenant]]))
        model = self.audiences[tenant]
        last = [self.last_ids[tenant]] * 5 if self.last_ids.get(tenant) in model else []
        audience_id = self.last_ids[tenant] = data.draw(st.sampled_from([*last, *model]))
        return tenant, audience_id, model[audience_id]

    def ids(self, tenant: Tenant) -> list[str]:
        """Return the ids of all audiences, members, campaigns and created agents of `tenant`."""
        return [
            *self.agents[tenant],
            *self.audiences[tenant],
            *(member["_id"] for model in self.audiences[tenant].values() for member in model.members),
            *(campaign["_id"] for model in self.audiences[tenant].values() for campaign in model.fields["campaigns"]),
        ]

    def is_new_id(self, tenant: Tenant, new: str) -> bool:
        """Return whether `new` can be the id of something that `tenant` created just now."""
        is_timed = re.fullmatch(r"[0-9a-f]{24}", new) and int(new[:8], 16) == int(self.driver.now.timestamp())
        return bool(is_timed) and new not in self.ids(tenant)

    @rule(data=st.data(), tenant=st.sampled_from(TENANTS))
    def create(self, data: st.DataObject, tenant: Tenant) -> None:
        for _ in range(data.draw(st.integers(1, 2))):
            self.create_one(data, tenant)

    def create_one(self, data: st.DataObject, tenant: Tenant) -> None:
        column = data.draw(st.sampled_from(["phone", "Phone Number", "tel, daytime"]))
        others = data.draw(st.lists(st.sampled_from(["name", "note", "Größe"]), unique=True))
        columns = data.draw(st.permutations([column, *others]))
        described = {"description": WORDS, "identifierColumnName": st.sampled_from(columns)}
        row_values = st.tuples(st.sampled_from(NEW_NUMBERS), st.booleans(), WORDS)
        rows = [
            {**dict.fromkeys(others, word), column: f"+{number}" if plus else number}
            for number, plus, word in data.draw(
                st.lists(row_values, min_size=1, max_size=6, unique_by=lambda row: row[0])
            )
        ]
        fields = {**data.draw(st.fixed_dictionaries({}, optional=described)), "phoneNumberColumnName": column}
        fields = {"name": "Made", **fields}
        created = success_data(self.driver.send(tenant, "POST", data=fields, files={"file": csv_bytes(columns, rows)}))
        now = format_timestamp(self.driver.now)
        initial = next(iter(self.driver.initial_data[tenant].values())).fields
        owner = {"organization": initial["organization"], "createdBy": initial["createdBy"]}
        assert created == {"_id": created["_id"], **fields, **owner, "createdAt": now, "updatedAt": now}
        assert self.is_new_id(tenant, created["_id"])
        assert all(created["_id"] not in self.audiences[other] for other in TENANTS)
        members = list(self.driver.members(tenant, created["_id"], 4))
        assert [member["data"] for member in members] == rows
        assert all(self.is_new_id(tenant, member["_id"]) for member in members)
        created.pop("identifierColumnName", None)
        self.audiences[tenant][created["_id"]] = AudienceModel(
            {**created, "hasCampaigns": False, "campaigns": []}, members
        )

    @precondition(any_audience_exists)
    @rule(data=st.data(), size=st.integers(1, 13))
    def read_members(self, data: st.DataObject, size: int) -> None:
        tenant, audience_id, model = self.draw_audience(data)
        path = f"/{audience_id.upper()}/members"
        term = self.draw_term(data, model)
        found = model.search(term)
        for members, query in ((model.members, {}), (found, {"search": term})):
            pages = (len(members) + size - 1) // size
            for number in range(1, pages + 3):
                params = {"page": number, "offset": size, **query}
                assert success_data(self.driver.send(tenant, "GET", path, params=params)) == {
                    "members": members[(number - 1) * size : number * size],
                    "totalCount": len(members),
                    "totalPages": pages,
                    "hasMore": number < pages,
                }
        info = {"searchType": "general", "searchTerm": term, "searchFields": [], "totalResults": len(found)}
        response = self.driver.send(tenant, "GET", f"{path}/search", params={"query": term})
        assert success_data(response) == {"members": found, "searchInfo": info}
        self.search_by_columns(data, tenant, audience_id, model)

    def draw_term(self, data: st.DataObject, model: AudienceModel, column: str | None = None) -> str:
        """Draw a search term: mostly a part of a value, sometimes a text that no member has."""
        texts = [
            text
            for member in model.members
            for name, value in member["data"].items()
            if name == column or column is None
            if (text := text_of(value))
        ]
        text = data.draw(st.sampled_from([*texts, "nowhere to be found"]))
        start = data.draw(st.integers(0, len(text) - 1))
        part = text[start : start + data.draw(st.integers(1, 6))]
        return data.draw(st.sampled_from([part, part.upper(), text]))

    def search_by_columns(self, data: st.DataObject, tenant: Tenant, audience_id: str, model: AudienceModel) -> None:
        known = sorted({name for member in model.members for name in member["data"]})
        columns = data.draw(st.lists(st.sampled_from([*known, *known, "no such column"]), min_size=1, max_size=2))
        # The last column is queried twice.
        queried = [(column, self.draw_term(data, model, column)) for column in [*columns, columns[-1]]]
        for fields in (queried, queried[:-1], queried[::-1]):
            members = [
                member
                for member in model.members
                if all(column in member["data"] and has(member["data"][column], term) for column, term in fields)
            ]
            params = httpx.QueryParams(cast("list[tuple[str, Any]]", fields))
            result = success_data(self.driver.send(tenant, "GET", f"/{audience_id}/members/search", params=params))
            assert result["members"] == members
            info = result["searchInfo"]
            assert info.keys() == {"searchType", "searchTerm", "searchFields", "totalResults"}
            assert info["searchType"] == "multiple"
            assert info["searchFields"] == list(dict.fromkeys(column for column, _ in fields))
            assert all(term in info["searchTerm"] for _, term in fields)
            assert info["totalResults"] == len(members)

    @precondition(any_audience_exists)
    @rule(data=st.data(), steps=st.lists(st.sampled_from(["add", "delete"]), min_size=2, max_size=4))
    def change_members(self, data: st.DataObject, steps: list[str]) -> None:
        tenant, audience_id, model = self.draw_audience(data)
        for step in steps:
            change = self.add_members if step == "add" else self.delete_members
            change(data, tenant, audience_id, model)

    def add_members(self, data: st.DataObject, tenant: Tenant, audience_id: str, model: AudienceModel) -> None:
        pool = st.sampled_from([*NEW_NUMBERS, *map(digits, model.numbers)])
        pool |= st.sampled_from(model.deleted_numbers[-4:] or NEW_NUMBERS)
        new_rows = data.draw(st.lists(st.tuples(pool, st.booleans(), WORDS), min_size=2, max_size=7))
        rows: list[dict[str, Any]] = [
            {model.column: f"+{number}" if plus else number, "name": word, "size": place}
            for place, (number, plus, word) in enumerate(new_rows)
        ]
        known_numbers = set(map(digits, model.numbers))
        new: list[dict[str, Any]] = []
        for row in rows:
            if digits(row[model.column]) not in known_numbers:
                known_numbers.add(digits(row[model.column]))
                new.append(row)
        response = success_data(self.driver.send(tenant, "POST", f"/{audience_id}/members", json={"members": rows}))
        assert response == [
            {
                "message": f"{len(new)} members added successfully",
                "data": {"added": len(new), "skipped": len(rows) - len(new)},
            }
        ]
        if new:
            members = list(self.driver.members(tenant, audience_id, 6))[len(model.members) :]
            assert [member["data"] for member in members] == new
            assert all(self.is_new_id(tenant, member["_id"]) for member in members)
            model.members += members
            model.mark_updated(self.driver.now)

    def delete_members(self, data: st.DataObject, tenant: Tenant, audience_id: str, model: AudienceModel) -> None:
        member_ids = [member["_id"] for member in model.members]
        all_ids = sorted({any_id for other in TENANTS for any_id in self.ids(other)})
        others = [*all_ids, *model.deleted_ids[-4:] * 3, *MALFORMED_IDS, UNKNOWN_ID, audience_id, ""]
        ids = data.draw(st.lists(st.sampled_from(others), max_size=2))
        if member_ids:
            # The last members are mostly added ones, not generated.
            ids += data.draw(
                st.lists(st.sampled_from(member_ids) | st.sampled_from(member_ids[-4:]), min_size=1, max_size=3)
            )
            # Neighbours of an existing id are unknown or belong to another member.
            ids += [f"{int(any_id, 16) + step:024x}" for any_id in member_ids[-1:] for step in (1, 2, 1 << 40)]
        ids = [any_id.upper() if data.draw(st.booleans()) else any_id for any_id in [*ids, *ids[:1]]]
        existing = {any_id.lower() for any_id in ids} & set(member_ids)
        response = self.driver.send(tenant, "DELETE", f"/{audience_id}/members", json={"memberIds": ids})
        assert success_data(response) == {"deletedCount": len(existing)}
        model.deleted_numbers += [
            digits(number) for number, any_id in zip(model.numbers, member_ids, strict=True) if any_id in existing
        ]
        model.deleted_ids += sorted(existing)
        model.members = [member for member in model.members if member["_id"] not in existing]
        if existing:
            model.mark_updated(self.driver.now)

    @precondition(any_audience_exists)
    @rule(data=st.data(), names=st.lists(WORDS, max_size=2))
    def set_campaigns(self, data: st.DataObject, names: list[str]) -> None:
        self.replace_campaigns(*self.draw_audience(data), names)

    def replace_campaigns(self, tenant: Tenant, audience_id: str, model: AudienceModel, names: list[str]) -> None:
        content = {**tenant.as_json, "campaigns": [{"name": name} for name in names]}
        audience = self.driver.control("PUT", f"/audiences/{audience_id}/campaigns", content)["audience"]
        campaigns = audience["campaigns"]
        # A running campaign has a history of calls, so it began earlier.
        created = self.driver.now - timedelta(hours=6, minutes=20)
        rest = {"status": "active", "createdAt": format_timestamp(created)}
        assert campaigns == [
            {"_id": campaign["_id"], "name": name, **rest} for campaign, name in zip(campaigns, names, strict=True)
        ]
        assert all(self.is_new_id(tenant, campaign["_id"]) for campaign in campaigns)
        model.fields |= {"hasCampaigns": bool(names), "campaigns": campaigns}
        assert audience == model.listed

    @precondition(any_audience_exists)
    @rule(data=st.data(), retry=st.booleans())
    def delete_audience(self, data: st.DataObject, retry: bool) -> None:  # noqa: FBT001 - Hypothesis passes keywords
        tenant, audience_id, model = self.draw_audience(data)
        response = self.driver.send(tenant, "DELETE", f"/{audience_id}")
        if model.fields["campaigns"]:
            assert error_messages(response, 400) == [
                f"can't delete audience, campaign with this audience {audience_id} exists"
            ]
            if not retry:
                return
            self.replace_campaigns(tenant, audience_id, model, [])
            response = self.driver.send(tenant, "DELETE", f"/{audience_id}")
        assert success_data(response) == []
        del self.audiences[tenant][audience_id]

    @precondition(any_audience_exists)
    @rule(data=st.data(), bad=st.sampled_from([None, *INVALID_NUMBERS]), duplicate=st.sampled_from(NEW_NUMBERS))
    def reject_invalid_input(self, data: st.DataObject, bad: str | None, duplicate: str) -> None:
        tenant, audience_id, model = self.draw_audience(data)
        wrong = {"name": "Ada"} if bad is None else {"name": "Ada", model.column: bad}
        members = [{model.column: "5550177"}, wrong, {model.column: "5550178"}]
        (error,) = error_messages(
            self.driver.send(tenant, "POST", f"/{audience_id}/members", json={"members": members}), 400
        )
        if not bad:
            assert error == f"Each member must have a {model.column} field"
        fields = {"name": "Never", "phoneNumberColumnName": "phone"}
        file = f"phone\n5550199\n{duplicate}\n+{duplicate}\n".encode()
        (error,) = error_messages(self.driver.send(tenant, "POST", data=fields, files={"file": file}), 400)
        assert "already exist" in error
        self.reject_unknown_audiences(data, tenant)

    def reject_unknown_audiences(self, data: st.DataObject, tenant: Tenant) -> None:
        malformed = data.draw(st.sampled_from(MALFORMED_IDS))
        all_ids = {any_id for other in TENANTS for any_id in (*self.audiences[other], *self.driver.initial_data[other])}
        absent = data.draw(st.sampled_from(sorted((all_ids | {UNKNOWN_ID}) - self.audiences[tenant].keys())))
        # All tests of one token belong to one organisation.
        own_ids = {any_id for other in TENANTS if other.token == tenant.token for any_id in self.audiences[other]}
        own_ids |= self.driver.initial_data[tenant].keys() | {UNKNOWN_ID}
        for audience_id, status in ((malformed, 400), (absent, 404)):
            for method, path, request in (
                ("GET", "", {}),
                ("DELETE", "", {}),
                ("POST", "/members", {"json": {"members": [{"phone": "5550100"}]}}),
                ("DELETE", "/members", {"json": {"memberIds": [UNKNOWN_ID]}}),
                ("GET", "/members/search", {"params": {"query": "a"}}),
            ):
                error_messages(self.driver.send(tenant, method, f"/{audience_id}{path}", **request), status)
        response = self.driver.send(tenant, "GET", f"/{malformed}/members")
        assert (response.status_code, response.json()["status"]) == (400, "error")
        error_messages(self.driver.send(tenant, "GET", f"/{absent}/members"), 404 if absent in own_ids else 403)

    @rule(tenant=st.sampled_from(TENANTS))
    def create_agent(self, tenant: Tenant) -> None:
        response = self.driver.call(tenant, "POST", "/agent", json={"name": "Mine"})
        assert response.status_code == 201
        agent_id = response.json()["data"]
        assert self.is_new_id(tenant, agent_id)
        self.agents[tenant][agent_id] = False

    @rule(data=st.data(), tenant=st.sampled_from(TENANTS), is_archived=st.booleans())
    def archive_agent(self, data: st.DataObject, tenant: Tenant, is_archived: bool) -> None:  # noqa: FBT001 - as above
        generated = [agent["_id"] for agent in generated_agents(Generator("atoms"), tenant.token)]
        known = {**dict.fromkeys(generated, False), **self.agents[tenant]}
        foreign = sorted({agent_id for other in TENANTS for agent_id in self.agents[other]} - known.keys())
        agent_id = data.draw(st.sampled_from([*known, *foreign, UNKNOWN_ID]))
        path = f"/agent/{agent_id}/archive?on={str(is_archived).lower()}"
        response = self.driver.call(tenant, "DELETE", path)
        if agent_id not in known:
            assert error_messages(response, 404) == ["Agent not found"]
        elif known[agent_id] == is_archived:
            state = "archived" if is_archived else "active"
            assert error_messages(response, 409) == [f"Agent is already {state}"]
        elif response.status_code == 409:
            (error,) = error_messages(response, 409)
            campaigns = [one for model in self.audiences[tenant].values() for one in model.fields["campaigns"]]
            assert any(f' campaign "{campaign["name"]}". Complete or remove' in error for campaign in campaigns)
        else:
            assert success_data(response) == {"message": f"Agent {'' if is_archived else 'un'}archived"}
            self.agents[tenant][agent_id] = is_archived

    @rule(call=st.sampled_from(["export", "export", "import", "reset", "set initial data"]), data=st.data())
    def use_the_control_api(self, call: str, data: st.DataObject) -> None:
        if call == "export":
            self.export_and_import_state()
        elif call == "reset":
            self.reset(data.draw(st.sampled_from([ALICE, ALICES_TEST, BOB, None])))
        elif call == "set initial data":
            self.set_initial_data(data)
        elif self.exported is not None:
            state, audiences, agents = self.exported
            self.driver.control("PUT", "/state", state)
            self.audiences, self.agents = copy.deepcopy(audiences), copy.deepcopy(agents)

    def export_and_import_state(self) -> None:
        state = self.driver.control("GET", "/state")
        self.driver.control("PUT", "/state", state)
        assert self.driver.control("GET", "/state") == state
        self.exported = state, copy.deepcopy(self.audiences), copy.deepcopy(self.agents)

    def reset(self, scope: Tenant | None) -> None:
        self.driver.control("POST", "/reset", {} if scope is None else scope.as_json)
        for tenant in TENANTS:
            if scope is None or (tenant.token == scope.token and scope.test_id in (None, tenant.test_id)):
                self.audiences[tenant] = copy.deepcopy(self.driver.initial_data[tenant])
                self.agents[tenant] = {}

    def set_initial_data(self, data: st.DataObject) -> None:
        tenant = data.draw(st.sampled_from(TENANTS))
        audiences, locale = data.draw(st.integers(1, 2)), data.draw(st.sampled_from(["en_US", "sv_SE"]))
        rows = data.draw(st.none() | st.lists(st.sampled_from(NEW_NUMBERS), unique=True, max_size=6))
        content: dict[str, Any] = {
            "generate": {"audiences": audiences, "members": {"min": 0, "max": 9}, "locale": locale}
        }
        if rows is not None:
            listed = [{"name": data.draw(WORDS), "phone": number} for number in rows]
            content = {"audiences": [{"phoneNumberColumnName": "phone", "members": listed}] * audiences}
        response = self.driver.control("PUT", "/tenants", {**tenant.as_json, **content})
        self.audiences[tenant] = self.driver.read_audiences(tenant)
        self.agents[tenant] = {}
        assert response["audiences"] == [model.fields for model in self.audiences[tenant].values()]
        assert len(self.audiences[tenant]) == audiences
        if rows is not None:
            for model in self.audiences[tenant].values():
                assert [member["data"] for member in model.members] == listed

    @invariant()
    def mock_matches_the_model(self) -> None:
        for tenant, audiences in self.audiences.items():
            list_response = success_data(self.driver.send(tenant, "GET"))
            assert list_response == [model.listed for model in audiences.values()]
            for listed, (audience_id, model) in zip(list_response, audiences.items(), strict=True):
                detail = success_data(self.driver.send(tenant, "GET", f"/{audience_id}"))
                assert detail == {key: value for key, value in listed.items() if key not in LIST_ONLY}
                # Two pages, so that one starts in the middle.
                members = list(self.driver.members(tenant, audience_id, len(model.members) // 2 + 1))
                assert members == model.members
                assert listed["memberCount"] == len(members)
                numbers = [member["data"][listed["phoneNumberColumnName"]] for member in members]
                assert len(set(map(digits, numbers))) == len(numbers)
            ids = self.ids(tenant)
            assert len(set(ids)) == len(ids)
        self.driver.now += TICK


@pytest.mark.slow
def test_mock_matches_a_model_after_any_operations(tmp_path: Path) -> None:
    for name, content in FIXTURES.items():
        (tmp_path / name).write_text(json.dumps(content))
    driver = AudienceMachine.driver = MockDriver(tmp_path)
    try:
        # The initial data must be large enough for the operations.
        assert [len(model.members) for model in driver.initial_data[BOB].values()] == [7, 9, 0, 6]
        assert [model.fields["hasCampaigns"] for model in driver.initial_data[BOB].values()] == [
            True,
            False,
            False,
            False,
        ]
        assert all(3 < len(model.members) < 13 for model in driver.initial_data[ALICE].values())
        run_state_machine_as_test(AudienceMachine, settings=SETTINGS)
    finally:
        driver.close()
