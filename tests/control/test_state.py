"""Export and import of the state."""

import asyncio
import json
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer, Settings, create_app
from mock_atoms import mock as mock_module
from mock_atoms.contract.schemas import MAX_MEMBERS
from mock_atoms.control import parsing
from mock_atoms.core.sizes import json_characters
from mock_atoms.core.slices import SLICE_SECONDS
from mock_atoms.core.tenancy import caller_for
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.mock import MockAtoms
from mock_atoms.state.memory_store import MemoryStore
from tests.helpers.asgi import AsgiResponse, bearer_pairs, call
from tests.helpers.audiences import ACME, bearer, list_statuses
from tests.helpers.control import problem
from tests.helpers.exchanges import exchange
from tests.helpers.snippets import ROOT
from tests.helpers.stores import count_request


def audiences(mock: MockServer, token: str, **headers: str) -> list[dict[str, Any]]:
    response = httpx.get(f"{mock.url}/audience", headers={"Authorization": f"Bearer {token}", **headers})
    listed: list[dict[str, Any]] = response.json()["data"]
    return listed


def test_an_imported_state_gives_the_same_responses(running: MockServer, admin: httpx.Client) -> None:
    admin.post("/faults", json={"fault": "500x2", "match": {"token": "sk_acme"}})
    admin.post("/faults", json={"fault": "503p50"})
    admin.put("/tenants", json={"token": "sk_chosen", "audiences": [{"name": "Mine"}]})
    first = [
        list_statuses(running.url, bearer(token, test), 3)
        for token in ("sk_acme", "sk_mock_500x4")
        for test in (None, "t")
    ]
    assert first[0][:2] == [500, 500]
    state = admin.get("/state").json()
    assert '"sk_acme"' not in json.dumps(state)

    def responses(mock: MockServer) -> list[tuple[int, bytes, str]]:
        tokens = ("sk_acme", "sk_mock_500x4", "sk_chosen", "sk_acme_trainee", "sk_new", "two words")
        with httpx.Client() as http:
            calls = [
                http.request(method, f"{mock.url}/audience", headers={"Authorization": f"Bearer {token}", **extra})
                for token in tokens
                for extra in ({}, {"X-Test-Id": "t"})
                for method in ("GET", "GET", "POST")
            ]
        return [(response.status_code, response.content, response.headers["x-request-id"]) for response in calls]

    with MockServer(fault=["404", "401"]) as other:
        other_admin = f"{other.root_url}/__admin"
        assert httpx.put(f"{other_admin}/state", json=state).json() == {}
        assert httpx.get(f"{other_admin}/state").json() == state
        assert responses(other) == responses(running)
        # A reset removes imported data too.
        httpx.post(f"{other_admin}/reset")
        assert list_statuses(other.url, bearer("sk_documented"), 1) == [404]
        names = audiences(other, "sk_acme_trainee", Prefer="code=200")
        assert "Spring open house" not in [audience["name"] for audience in names]


def test_a_state_with_another_seed_is_an_error_with_the_fix(admin: httpx.Client) -> None:
    state = admin.get("/state").json()
    status, actual_pointer, detail = problem(admin.put("/state", json=state | {"seed": "other"}))
    assert (status, actual_pointer) == (409, "/seed")
    assert detail.endswith("start this server with --seed other")
    assert problem(admin.put("/state", json=state | {"locale": "de_DE"}))[:2] == (409, "/locale")


DIGEST = "0" * 32


TENANT = {"token": "sk_…#abcdef", "tokenDigest": DIGEST}


CHANGE = "/tenants/0/changes/audiences/0"
AGENTS = "/tenants/0/changes/agents"


CREATED = {"_id": "1" * 24, "name": "n", "phoneNumberColumnName": "p", "createdAt": "2026-01-31T09:00:00.000Z"}


ADDED = {"_id": "3" * 24, "data": {"p": "+15550100000"}}


def duplicated_change() -> dict[str, Any]:
    audiences = [{"audience": "1" * 24, "phoneNumberColumnName": "p"}] * 2
    return {"tenants": [TENANT | {"changes": {"audiences": audiences}}]}


AGENT = {"_id": "1" * 24, "name": "a", "workflowType": "single_prompt"}


def agents_of(*agents: dict[str, Any], ids: int = 0) -> dict[str, Any]:
    """Return the tenants of a state in which one tenant has these changes to agents."""
    return {"tenants": [TENANT | {"changes": {"ids": ids, "agents": [*agents]}}]}


COUNTER = {"evaluated": 1, "triggered": 0}


def created_audiences(count: int) -> dict[str, Any]:
    """Return the tenants of a state in which one tenant has created `count` audiences."""
    ids = [f"{number:024x}" for number in range(count)]
    audiences = [{"audience": id_, "phoneNumberColumnName": "p", "created": CREATED | {"_id": id_}} for id_ in ids]
    return {"tenants": [TENANT | {"changes": {"ids": count, "audiences": audiences}}]}


def change_of(**part: object) -> dict[str, Any]:
    """Return the tenants of a state in which one audience has this change."""
    return {
        "tenants": [TENANT | {"changes": {"audiences": [{"audience": "1" * 24, "phoneNumberColumnName": "p", **part}]}}]
    }


@pytest.mark.parametrize(
    ("change", "pointer", "detail"),
    [
        ({"extra": 1}, "/extra", "unknown key"),
        ({"rules": [{"id": "a b", "respond": {"status": 500}}]}, "/rules/0/id", ""),
        ({"rules": [{"id": "r", "respond": {"status": 99}}]}, "/rules/0/respond/status", ""),
        ({"rules": [{"id": "r"}]}, "/rules/0", "must have delay, respond, connection or alter"),
        (
            {"rules": [{"id": "r", "fault": "500"}, {"id": "r", "fault": "500"}]},
            "/rules/1/id",
            "id r is duplicated",
        ),
        ({"tenants": [TENANT | {"token": "sk_whole"}]}, "/tenants/0/token", ""),
        ({"tenants": [TENANT | {"token": "sk_mock_a.sk_live_b"}]}, "/tenants/0", "neither masked nor a magic key"),
        ({"tenants": [TENANT | {"token": "sk_mock_a"}]}, "/tenants/0", "tokenDigest is not the digest of sk_mock_a"),
        ({"tenants": [TENANT | {"token": "x" * 11 + "…#abcdef"}]}, "/tenants/0/token", ""),
        ({"tenants": [TENANT | {"token": "sk_mock_" + "x" * 193}]}, "/tenants/0/token", ""),
        (
            {"tenants": [TENANT | {"counters": {str(number): COUNTER for number in range(11_002)}}]},
            "/tenants/0/counters",
            "11002 counters: a tenant has at most 11001",
        ),
        ({"tenants": [TENANT | {"counters": {"r" * 201: COUNTER}}]}, f"/tenants/0/counters/{'r' * 201}", ""),
        (
            change_of(created=CREATED | {"name": "n" * 65_537}),
            CHANGE,
            "created: name must have at most 65536 characters",
        ),
        (change_of(added=[ADDED | {"data": {"a": [1] * 10_000}}]), f"{CHANGE}/added/0", "at most 10000 values"),
        (
            {"tenants": [TENANT | {"changes": {"deleted": ["1" * 24] * 20_001}}]},
            "/tenants/0/changes/deleted",
            "20001 audiences: at most 20000",
        ),
        (
            {
                "tenants": [
                    TENANT | {"changes": {"audiences": [{"audience": "1" * 24, "phoneNumberColumnName": "p"}] * 20_001}}
                ]
            },
            "/tenants/0/changes/audiences",
            "20001 audiences: at most 20000",
        ),
        (created_audiences(1_001), "/tenants/0/changes", "audiences: a tenant can have created at most 1000"),
        ({"tenants": [TENANT | {"requests": 10**4000}]}, "/tenants/0/requests", "at most 4000 digits"),
        ({"tenants": [1]}, "/tenants/0", "must be an object"),
        (
            {"rules": [{"id": "r", "match": {"method": "FETCH"}, "delay": {"ms": 1}}]},
            "/rules/0/match/method",
            "a rule cannot have the method `FETCH`: use one of GET, HEAD, ",
        ),
        (
            {"rules": [{"id": "r", "match": {"path": "/audience?page=1"}, "delay": {"ms": 1}}]},
            "/rules/0/match/path",
            "a rule matches any query: leave out the query, and write /audience",
        ),
        (change_of(added=[ADDED] * 10_001), f"{CHANGE}/added", "must have at most 10000 items"),
        ({"tenants": [TENANT | {"testIdDigest": DIGEST}]}, "/tenants/0", "testIdDigest is not the digest of testId"),
        ({"tenants": [TENANT | {"testId": " "}]}, "/tenants/0/testId", "must not be blank"),
        ({"tenants": [TENANT | {"tokenDigest": "0"}]}, "/tenants/0/tokenDigest", ""),
        ({"tenants": [TENANT, TENANT]}, "/tenants", "a tenant is duplicated"),
        (
            {"tenants": [TENANT | {"counters": {"r": {"evaluated": -1, "triggered": 0}}}]},
            "/tenants/0/counters/r/evaluated",
            "",
        ),
        ({"tenants": [TENANT | {"audiences": [{"nam": ""}]}]}, "/tenants/0/audiences/0/nam", "unknown key"),
        ({"fixtures": [TENANT]}, "/fixtures/0/audiences", "is missing"),
        (
            {"tenants": [TENANT | {"audiences": [{"members": [{"phoneNumber": "1"}]}]}]},
            "/tenants/0/audiences/0/members/0/phoneNumber",
            "Invalid phone number: 1",
        ),
        (
            {"fixtures": [TENANT | {"audiences": [{"members": [[]]}]}]},
            "/fixtures/0/audiences/0/members/0",
            "must have columns and values",
        ),
        (
            {"fixtures": [TENANT | {"audiences": [{"members": [{"x": "x" * 500_000}]}]}]},
            "/fixtures/0/audiences/0/members/0",
            "too large: at most 500,000 characters",
        ),
        (
            {"fixtures": [TENANT | {"audiences": [{"members": [{}] * 10_001}]}]},
            "/fixtures/0/audiences/0/members",
            "must have at most 10000 items",
        ),
        (change_of(removed=[2, 1]), CHANGE, "removed: list each index once, in ascending order"),
        (change_of(removed=[1, 1]), CHANGE, "removed: list each index once, in ascending order"),
        (change_of(removed=[10_000]), f"{CHANGE}/removed/0", ""),
        (change_of(updatedAt="yesterday"), f"{CHANGE}/updatedAt", "not a timestamp"),
        (change_of(created={"_id": "1" * 24}), CHANGE, "created: name is missing"),
        (
            change_of(created=CREATED | {"_id": "2" * 24}),
            CHANGE,
            "created: _id or phoneNumberColumnName",
        ),
        (
            change_of(created=CREATED | {"phoneNumberColumnName": "q"}),
            CHANGE,
            "created: _id or phoneNumberColumnName",
        ),
        (change_of(created=CREATED | {"createdAt": "x"}), CHANGE, "not a timestamp"),
        (
            change_of(added=[ADDED | {"data": {"p": "x"}}]),
            CHANGE,
            "added: each member needs an _id, and data with a phone",
        ),
        (change_of(added=[{"data": {"p": "+15550100000"}}]), CHANGE, "added: each member needs an _id"),
        (change_of(added=[ADDED, ADDED]), CHANGE, "added: the phone number 15550100000 is"),
        (
            change_of(added=[ADDED, ADDED | {"data": {"p": "+15550100001"}}]),
            CHANGE,
            "added: the _id 333333333333333333333333 is",
        ),
        (change_of(created=CREATED | {"updatedAt": "x"}), CHANGE, "not a timestamp"),
        (
            change_of(created=CREATED),
            "/tenants/0/changes",
            "ids: 0 is less than the 1 ids of created audiences",
        ),
        (
            change_of(created=CREATED, added=[ADDED]),
            "/tenants/0/changes",
            "ids: 0 is less than the 2 ids of created audiences, members and agents",
        ),
        (agents_of({"agent": "1"}), f"{AGENTS}/0/agent", ""),
        (agents_of({"agent": "1" * 24, "created": {"_id": "1" * 24}}), f"{AGENTS}/0", "created: name is missing"),
        (agents_of({"agent": "2" * 24, "created": AGENT}), f"{AGENTS}/0", "created: _id is not that of the changes"),
        (
            agents_of({"agent": "1" * 24, "created": AGENT | {"name": "n" * 1_001}}),
            f"{AGENTS}/0",
            "created: name must have at most 1000 characters",
        ),
        (agents_of({"agent": "1" * 24}, {"agent": "1" * 24}), "/tenants/0/changes", "agents: the agent 1111"),
        (
            agents_of({"agent": "1" * 24, "created": AGENT}),
            "/tenants/0/changes",
            "ids: 0 is less than the 1 ids of created audiences, members and agents",
        ),
        (agents_of(*[{"agent": "1" * 24}] * 2_001), AGENTS, "2001 agents: at most 2000"),
        (duplicated_change(), "/tenants/0/changes", "audiences: the audience 111111111111111111111111 is duplicated"),
        ({"tenants": [TENANT | {"audiences": [{"_id": "1" * 24}] * 2}]}, "/tenants/0/audiences", "is duplicated"),
        ({"fixtures": [TENANT | {"audiences": []}] * 2}, "/fixtures", "a token is duplicated"),
        (
            change_of(campaigns=[{"createdAt": "x"}]),
            f"{CHANGE}/campaigns/0",
            "createdAt is `x`: not a timestamp",
        ),
    ],
)
def test_an_invalid_state_changes_nothing(
    running: MockServer, admin: httpx.Client, change: dict[str, Any], pointer: str, detail: str
) -> None:
    admin.post("/faults", json="500")
    list_statuses(running.url, ACME, 1)
    state = admin.get("/state").json()
    status, actual_pointer, problem_detail = problem(admin.put("/state", json=state | change))
    assert (status, actual_pointer) == (422, pointer)
    assert detail in problem_detail
    assert admin.get("/state").json() == state


def test_masked_tokens_and_test_ids_survive_a_state(running: MockServer, admin: httpx.Client) -> None:
    shared_id = "my-own-test-0123456789"  # both token and test id
    rule = admin.post(
        "/faults", json={"name": "for sk_verysecret", "fault": "500x3", "match": {"testId": shared_id}}
    ).json()
    listed = admin.post("/faults", json={"fault": "503x1", "match": {"testId": shared_id, "token": shared_id}}).json()
    assert rule["name"] == "for sk_ver…#38c9cb"
    assert shared_id not in json.dumps(listed)
    again = {key: listed[key] for key in ("match", "when", "respond")}
    assert admin.post("/faults", json=again).json()["id"] == f"{listed['id']}-2"
    assert list_statuses(running.url, bearer(shared_id, shared_id), 2) == [500, 500]
    assert admin.get("/requests", params={"testId": shared_id}).json()["meta"]["total"] == 2
    tenants = admin.get("/tenants").text
    state = admin.get("/state").json()
    assert shared_id not in tenants
    assert shared_id not in json.dumps(state["tenants"])
    with MockServer() as other:
        assert httpx.put(f"{other.root_url}/__admin/state", json=state).status_code == 200
        assert list_statuses(other.url, bearer(shared_id, shared_id), 4) == [500, 503, 503, 200]
        assert httpx.get(f"{other.root_url}/__admin/state").json()["seed"] == "atoms"
    admin.post("/reset", json={"testId": shared_id})
    assert [remaining["id"] for remaining in admin.get("/faults").json()["faults"]] == ["fault-1"]
    assert admin.get("/requests").json()["meta"]["total"] == 0


@pytest.mark.parametrize("effect", ["respond", "alter"])
def test_a_rule_with_a_key_sends_its_mask_after_an_import(admin: httpx.Client, effect: str) -> None:
    headers = {"X-Echo": "sk_verysecret"}
    contents: dict[str, dict[str, object]] = {
        "respond": {"status": 503, "text": "sk_verysecret"},
        "alter": {"values": {"/message": "sk_verysecret"}},
    }
    rule = {effect: {**contents[effect], "headers": headers}, "match": {"path": "/audience"}}
    assert admin.post("/faults", json=rule).status_code == 201
    state = admin.get("/state").json()
    with MockServer() as other:
        assert httpx.put(f"{other.root_url}/__admin/state", json=state).status_code == 200
        assert httpx.get(f"{other.root_url}/__admin/state").json() == state
        response = httpx.get(f"{other.url}/audience", headers=ACME)
    assert response.headers["x-echo"] == "sk_ver…#38c9cb"
    assert "sk_ver…#38c9cb" in response.text


def test_importing_a_state_empties_the_journal(running: MockServer, admin: httpx.Client) -> None:
    state = admin.get("/state").json()
    list_statuses(running.url, ACME, 1)
    admin.put("/state", json=state)
    list_statuses(running.url, ACME, 1)
    assert admin.get("/requests").json()["meta"]["total"] == 1


def test_the_largest_audience_and_campaigns_survive_a_state(admin: httpx.Client) -> None:
    audience_id = "1" * 24
    campaigns: list[dict[str, str]] = [{} for _ in range(100)]
    audience = {"_id": audience_id, "name": "", "campaigns": campaigns}
    name = "n" * (500_000 - json_characters(audience))
    body = {"token": "sk_acme", "audiences": [audience | {"name": name}]}
    assert admin.put("/tenants", json=body).status_code == 200
    largest = [{"name": "n" * (500_000 - len("name"))}, *campaigns[1:]]
    path = f"/audiences/{audience_id}/campaigns"
    assert admin.put(path, json={"token": "sk_acme", "campaigns": largest}).status_code == 200
    state = admin.get("/state").json()
    assert json_characters(state["tenants"][0]["audiences"]) > 500_000
    assert json_characters(state["tenants"][0]["changes"]) > 500_000
    assert admin.put("/state", json=state).json() == {}
    assert admin.get("/state").json() == state


def test_the_audience_with_the_most_values_survives_a_state(admin: httpx.Client) -> None:
    def put(omitted: int) -> int:
        audience = {"name": "a", "omit": ["description"] * omitted}
        return admin.put("/tenants", json={"token": "sk_a", "audiences": [audience]}).status_code

    most = next(omitted for omitted in range(5_000, 4_900, -1) if put(omitted) == 200)
    assert most > 4_950
    assert admin.put("/state", json=admin.get("/state").json()).status_code == 200


def test_the_most_nested_contents_survive_a_state(running: MockServer, admin: httpx.Client) -> None:
    audience = audiences(running, "sk_acme")[0]
    column, url = audience["phoneNumberColumnName"], f"{running.url}/audience/{audience['_id']}/members"
    deep: Any = []
    for _ in range(95):
        deep = [deep]
    member = {column: "+14155550199", "deep": [deep]}
    assert httpx.post(url, json={"members": [member]}, headers=bearer("sk_acme")).is_success
    assert admin.post("/faults", json={"alter": {"values": {"/data": [deep]}}}).is_success
    assert admin.post("/mappings", json={"request": {}, "response": {"jsonBody": [[deep]]}}).is_success
    state = admin.get("/state").content
    assert admin.put("/state", content=state, headers={"Content-Type": "application/json"}).json() == {}
    assert admin.get("/state").content == state


@pytest.mark.alone("it limits the memory store alone")
def test_a_state_that_is_too_large_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mock_module, "MemoryStore", partial(MemoryStore, max_bytes=11_000))
    app = create_app(mock=MockAtoms(Settings()))

    def put(state: dict[str, Any]) -> AsgiResponse:
        headers = [(b"content-type", b"application/json")]
        return call(app, "/__admin/state", headers, "PUT", body=json.dumps(state).encode())

    state = json.loads(call(app, "/__admin/state").body)
    assert put(state | {"tenants": [TENANT | {"audiences": [{}] * 60}]}).status == 409
    assert json.loads(call(app, "/__admin/state").body) == state
    assert put(state | {"tenants": [TENANT | {"audiences": [{}] * 5}]}).status == 200


@pytest.mark.alone("a shared store resets when its log has the entries")
def test_a_complete_reset_removes_everything_before_others_run() -> None:
    async def run() -> None:
        ticks = count(step=SLICE_SECONDS / 2)  # so that each step takes a slice
        mock = MockAtoms(Settings(), clock=ticks.__next__)
        for number in range(100):
            await mock.store.add_rule(parse_fault("500"))
            mock.journal.add(exchange(number, 200))
        await count_request(mock.store, caller_for("sk_acme").tenant)
        resetting = asyncio.ensure_future(mock.reset())
        await asyncio.sleep(0)
        assert not resetting.done()
        rules, _fixtures, tenants, *_ = await mock.store.export()
        assert (rules, tenants, await mock.journal.count()) == ([], [], 0)
        await resetting

    asyncio.run(run())


def test_a_state_contains_the_changes_of_clients(running: MockServer, admin: httpx.Client) -> None:
    with httpx.Client(base_url=running.url, headers=bearer("sk_hands.over")) as http:
        kept, deleted, edited, *_ = http.get("/audience").json()["data"]
        admin.put(f"/audiences/{deleted['_id']}/campaigns", json={"token": "sk_hands.over", "campaigns": []})
        http.delete(f"/audience/{deleted['_id']}").raise_for_status()
        members = f"/audience/{edited['_id']}/members"
        first = http.get(members).json()["data"]["members"][0]["_id"]
        http.request("DELETE", members, json={"memberIds": [first]})
        http.post(members, json={"members": [{edited["phoneNumberColumnName"]: "+15550100000", "n": [1, None]}]})
        form, files = {"name": "New", "phoneNumberColumnName": "p"}, {"file": ("x.csv", "p,q\n+15550100001,é\n")}
        created = http.post("/audience", data=form, files=files, headers={"Prefer": "code=200"}).json()["data"]
        paths = [
            "/audience",
            members + "?offset=10000",
            f"/audience/{created['_id']}/members",
            f"/audience/{deleted['_id']}",
        ]
        before = [http.get(path).content for path in paths]
    state = admin.get("/state").json()
    with MockServer(fixtures=ROOT / "fixtures") as other:
        assert httpx.put(f"{other.root_url}/__admin/state", json=state).json() == {}
        with httpx.Client(base_url=other.url, headers=bearer("sk_hands.over")) as http:
            assert [http.get(path).content for path in paths] == before
            assert http.get(f"/audience/{kept['_id']}").status_code == 200
            again = http.post(members, json={"members": [{edited["phoneNumberColumnName"]: "15550100000"}]})
            assert again.json()["data"][0]["data"] == {"added": 0, "skipped": 1}


def test_a_state_may_be_longer_than_other_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(mock=MockAtoms(Settings()))
    headers = [(b"content-type", b"application/json")]
    state = json.loads(call(app, "/__admin/state").body)
    tenants = [TENANT | {"testId": str(number), "audiences": [{}]} for number in range(2000)]
    body = json.dumps(state | {"tenants": tenants}).encode()

    monkeypatch.setattr(parsing, "MAX_CONTROL_BODY_BYTES", 1000)
    assert call(app, "/__admin/state", headers, "PUT", body=body).status == 200
    assert call(app, "/__admin/faults", headers, "POST", body=body).status == 413
    monkeypatch.setattr(parsing, "MAX_UNCONVERTED_BYTES", 10_000)
    response = call(app, "/__admin/state", headers, "PUT", body=json.dumps({"rules": [{}] * 100_000}).encode())
    assert response.status == 413
    assert json.loads(call(app, "/__admin/state").body)["tenants"][-1]["testId"] == "1999"


@pytest.mark.alone("each replica has its own memory of bodies")
def test_an_imported_state_is_a_body_in_flight() -> None:
    mock = MockAtoms(Settings())
    app = create_app(mock=mock)
    headers = [(b"content-type", b"application/json")]
    state = json.loads(call(app, "/__admin/state").body)
    state["tenants"] = [TENANT | {"testId": str(number), "audiences": [{}]} for number in range(2_000)]
    for free, status in ((4_000_000, 503), (8_000_000, 200)):
        mock.body_memory.free_bytes = free
        assert call(app, "/__admin/state", headers, "PUT", body=json.dumps(state).encode()).status == status
        assert mock.body_memory.free_bytes == free


@pytest.mark.slow
def test_listed_members_survive_a_state(tmp_path: Path) -> None:
    rows = "".join(f"+1415555{number:04},n{number}\n" for number in range(MAX_MEMBERS))
    (tmp_path / "customers.csv").write_text(f"phoneNumber,name\n{rows}")
    fixture = {"tokens": ["sk_listed"], "audiences": [{"members": "customers.csv"}]}
    (tmp_path / "team.json").write_text(json.dumps(fixture))
    first, second = (create_app(mock=MockAtoms(settings)) for settings in (Settings(fixtures=tmp_path), Settings()))
    listed = [{"phoneNumber": "+14155550100", "name": "Ada", "tags": [None, 1.5, "\u00e9"]}]
    content = json.dumps({"token": "sk_acme", "audiences": [{"members": listed}]}).encode()
    headers = [(b"content-type", b"application/json")]
    assert call(first, "/__admin/tenants", headers, "PUT", body=content).status == 200
    body = call(first, "/__admin/state").body
    assert call(second, "/__admin/state", headers, "PUT", body=body).status == 200
    assert call(second, "/__admin/state").body == body
    for token in ("sk_listed", "sk_acme"):
        sent = bearer_pairs(token)
        (audience,) = json.loads(call(first, "/atoms/v1/audience", sent).body)["data"]
        path = f"/atoms/v1/audience/{audience['_id']}/members"
        pages = [call(app, path, sent, query=b"offset=10000").body for app in (first, second)]
        assert pages[0] == pages[1]
        assert json.loads(pages[0])["data"]["totalCount"] == audience["memberCount"]


def test_the_memory_of_listed_members_of_imported_fixtures_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(mock=MockAtoms(Settings()))
    headers = [(b"content-type", b"application/json")]
    state = json.loads(call(app, "/__admin/state").body)
    members = [{"phoneNumber": f"1415555{number:04}"} for number in range(MAX_MEMBERS)]
    state["fixtures"] = [TENANT | {"audiences": [{"members": members}]}]
    body = json.dumps(state).encode()
    for maximum, status in ((1_000_000, 413), (10_000_000, 200)):
        monkeypatch.setattr(parsing, "MAX_UNCONVERTED_BYTES", maximum)
        assert call(app, "/__admin/state", headers, "PUT", body=body).status == status


def test_a_state_of_another_content_type_is_refused() -> None:
    app = create_app(mock=MockAtoms(Settings()))
    assert call(app, "/__admin/state", [], "PUT", body=b"{}").status == 415
