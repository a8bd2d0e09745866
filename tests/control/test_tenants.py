"""Endpoints about tenants and their data."""

import json
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.state import tenant_data
from tests.helpers.audiences import ACME
from tests.helpers.control import problem


def audiences(mock: MockServer, token: str, **headers: str) -> list[dict[str, Any]]:
    response = httpx.get(f"{mock.url}/audience", headers={"Authorization": f"Bearer {token}", **headers})
    listed: list[dict[str, Any]] = response.json()["data"]
    return listed


def test_a_test_sets_the_data_of_a_tenant(running: MockServer, admin: httpx.Client) -> None:
    others = audiences(running, "sk_other")
    response = admin.put("/tenants", json={"token": "sk_acme", "testId": "t1", "audiences": [{"name": "Mine"}]}).json()
    assert [audience["name"] for audience in response["audiences"]] == ["Mine"]
    assert response["testId"] == "t1"
    assert "sk_acme" not in json.dumps(response)
    assert audiences(running, "sk_acme", **{"X-Test-Id": "t1"}) == response["audiences"]
    assert [audience["name"] for audience in audiences(running, "sk_acme")] != ["Mine"]
    assert audiences(running, "sk_other") == others
    created = admin.put("/tenants", json={"token": "sk_acme", "generate": {"audiences": 2}}).json()
    assert audiences(running, "sk_acme") == created["audiences"]
    assert len(created["audiences"]) == 2
    admin.post("/reset", json={"token": "sk_acme"})
    assert audiences(running, "sk_acme", **{"X-Test-Id": "t1"}) == audiences(running, "sk_acme")


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"audiences": []}, "/token", "give the token"),
        ({"token": "a b", "audiences": []}, "/token", "one word of visible ASCII"),
        ({"token": "sk_acme"}, "", "must have either audiences or generate"),
        ({"token": "sk_acme", "audiences": [{"naem": "x"}]}, "/audiences/0/naem", "unknown key. Did you mean `name`?"),
        ({"token": "sk_acme", "audiences": [], "tokens": ["sk_b"]}, "/tokens", "unknown key. Did you mean `token`?"),
        (
            {"token": "sk_acme", "audiences": [], "x": 1},
            "/x",
            "the keys are token, testId, organization, audiences, gen",
        ),
        (
            {"token": "sk_acme", "generate": {}, "x": 1},
            "/x",
            "the keys are token, testId, organization, audiences, gen",
        ),
        ({"token": "sk_acme", "audiences": [{}] * 10_001}, "/audiences", "at most 10000"),
        ({"token": "sk_acme", "audiences": [{"campaigns": [{}] * 101}]}, "/audiences/0", "must have at most 100 items"),
        (
            {"token": "sk_acme", "audiences": [{"name": "x" * 500_000}]},
            "/audiences/0",
            "too large: at most 500,000 characters",
        ),
        ({"token": "sk_acme", "audiences": [{"campaigns": [{}] * 5_001}]}, "/audiences/0", "at most 5,000 values"),
        (
            {"token": "sk_acme", "audiences": [{"campaigns": [{"_id": "1" * 24}]}] * 2},
            "/audiences",
            f"the campaign _id {'1' * 24} is duplicated",
        ),
        (
            {"token": "sk_acme", "audiences": [{"_id": "1" * 24, "campaigns": [{"audienceId": "2" * 24}]}]},
            "/audiences/0",
            f"campaigns[0].audienceId is `{'2' * 24}`, but its audience is `{'1' * 24}`",
        ),
        (
            {"token": "sk_acme", "audiences": [{"campaigns": [{"audienceId": "2" * 24}]}]},
            "/audiences/0",
            f"campaigns[0].audienceId is `{'2' * 24}`, but its audience has no _id",
        ),
        ({"token": "sk_acme", "audiences": [{"members": "a.csv"}]}, "/audiences/0/members", "must be a list"),
        (
            {"token": "sk_acme", "audiences": [{"members": [{"phoneNumber": "5"}]}]},
            "/audiences/0/members/0/phoneNumber",
            "Invalid phone number: 5. Use a string of 7 to 15 digits",
        ),
        (
            {"token": "sk_acme", "audiences": [{"members": [], "memberCount": 1}]},
            "/audiences/0",
            "memberCount is `1`, but members lists 0: leave memberCount out",
        ),
        (
            {"token": "sk_acme", "audiences": [{"members": [{"name": "x" * 500_000}]}]},
            "/audiences/0/members/0",
            "too large: at most 500,000 characters",
        ),
        ({"token": "sk_acme", "generate": {"audiences": 5000}}, "/generate/audiences", "at most 1000"),
        ([], "/token", "give the token"),
    ],
)
def test_invalid_data_of_a_tenant_is_an_error(admin: httpx.Client, body: object, pointer: str, detail: str) -> None:
    status, actual_pointer, problem_detail = problem(admin.put("/tenants", json=body))
    assert (status, actual_pointer) == (422, pointer)
    assert detail in problem_detail
    assert admin.get("/tenants").json()["tenants"] == []


def test_a_test_lists_the_members_of_an_audience(running: MockServer, admin: httpx.Client) -> None:
    ada, grace = {"phoneNumber": "+14155550100", "name": "Ada"}, {"phoneNumber": "+14155550101", "name": "Grace"}
    body = {"token": "sk_acme", "audiences": [{"name": "Pioneers", "members": [ada, grace]}]}
    (audience,) = admin.put("/tenants", json=body).json()["audiences"]
    assert (audience["memberCount"], "members" in audience) == (2, False)
    with httpx.Client(base_url=f"{running.url}/audience/{audience['_id']}", headers=ACME) as http:
        page = http.get("/members?page=2&offset=1").json()["data"]
        assert (page["totalCount"], page["members"][0]["data"]) == (2, grace)
        found = http.get("/members/search?name=ada").json()["data"]["members"]
        assert [member["data"] for member in found] == [ada]
        added = http.post("/members", json={"members": [ada, {"phoneNumber": "14155550102"}]}).json()["data"][0]
        assert added["data"] == {"added": 1, "skipped": 1}
        deleted = http.request("DELETE", "/members", json={"memberIds": [found[0]["_id"], found[0]["_id"]]})
        assert deleted.json()["data"] == {"deletedCount": 1}
        left = [member["data"] for member in http.get("/members").json()["data"]["members"]]
        assert left == [grace, {"phoneNumber": "14155550102"}]
        again = http.post("/members", json={"members": [ada]}).json()["data"][0]
        assert again["data"] == {"added": 1, "skipped": 0}
    assert audiences(running, "sk_acme")[0]["memberCount"] == 3


def test_listed_members_count_toward_the_memory_of_a_tenant(
    admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mock_atoms.control.tenants.MAX_TENANT_BYTES", 10_000)
    members = [{"phoneNumber": f"141555501{number:02}"} for number in range(40)]
    body = {"token": "sk_acme", "audiences": [{"members": members}]}
    assert problem(admin.put("/tenants", json=body))[:2] == (422, "/audiences")
    body["audiences"] = [{"members": members[:10]}]
    assert admin.put("/tenants", json=body).status_code == 200


def test_data_beyond_the_memory_of_a_tenant_is_an_error(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.control.tenants.MAX_TENANT_BYTES", 10_000)
    body = {"token": "sk_acme", "audiences": [{"description": "x" * 3_000}]}
    assert admin.put("/tenants", json=body).status_code == 200
    body["audiences"] = [{"description": "x" * 10_000}]
    status, pointer, detail = problem(admin.put("/tenants", json=body))
    assert (status, pointer, detail.partition(":")[0]) == (422, "/audiences", "more than 10000 bytes of memory")
    assert len(admin.get("/tenants").json()["tenants"]) == 1


def test_data_for_a_token_outside_tokens_is_an_error() -> None:
    with MockServer(tokens="sk_a") as mock:
        response = httpx.put(f"{mock.root_url}/__admin/tenants", json={"token": "sk_b", "audiences": []})
    assert problem(response)[:2] == (422, "/token")


def set_campaigns(admin: httpx.Client, audience_id: str, **fields: object) -> httpx.Response:
    return admin.put(f"/audiences/{audience_id}/campaigns", json={"token": "sk_acme", **fields})


def test_campaigns_of_an_audience_are_set_for_one_tenant(running: MockServer, admin: httpx.Client) -> None:
    first = httpx.get(f"{running.url}/audience", headers=ACME).json()["data"][0]
    response = set_campaigns(
        admin, first["_id"], testId="t1", campaigns=[{"name": "Mine"}, {"_id": "1" * 24, "status": "paused"}]
    )
    assert response.json()["testId"] == "t1"
    mine, other = response.json()["audience"]["campaigns"]
    assert (mine["name"], mine["status"], len(mine["_id"])) == ("Mine", "active", 24)
    assert mine["createdAt"] == other["createdAt"]
    assert (other["_id"], other["name"], other["status"]) == ("1" * 24, "Campaign 2", "paused")
    in_test = httpx.get(f"{running.url}/audience", headers=ACME | {"X-Test-Id": "t1"}).json()["data"][0]
    assert in_test == first | {"hasCampaigns": True, "campaigns": [mine, other]}
    assert httpx.get(f"{running.url}/audience", headers=ACME).json()["data"][0] == first


@pytest.mark.parametrize(
    ("audience_id", "fields", "expected"),
    [
        ("x", {"campaigns": []}, (400, "", "x: Invalid audience ID")),
        ("0" * 24, {"campaigns": []}, (404, "", f"{'0' * 24}: Audience not found")),
        ("0" * 24, {}, (422, "/campaigns", "is missing")),
        ("0" * 24, {"campaigns": [{"nmae": 1}]}, (422, "/campaigns/0/nmae", "unknown key. Did you mean `name`?")),
        (
            "0" * 24,
            {"campaigns": [{}] * 101},
            (422, "/campaigns", "must have at most 100 items"),
        ),
        (
            "0" * 24,
            {"campaigns": [{"name": "x" * 250_000}, {"name": "y" * 250_000}]},
            (422, "/campaigns", "too large: at most 500,000 characters"),
        ),
        (
            "0" * 24,
            {"campaigns": [{"_id": "1" * 24}, {"_id": "1" * 24}]},
            (422, "/campaigns", f"the campaign _id {'1' * 24} is duplicated: give each campaign its own"),
        ),
        (
            "0" * 24,
            {"campaigns": [{"audienceId": "0" * 24}, {"audienceId": "1" * 24}]},
            (
                422,
                "/campaigns/1/audienceId",
                f"is `{'1' * 24}`, but the audience is `{'0' * 24}`: leave audienceId out",
            ),
        ),
        (
            "0" * 24,
            {"campaigns": [], "token": None},
            (422, "/token", "null is not allowed: give text, or leave the field out to match all"),
        ),
    ],
)
def test_invalid_campaigns_are_an_error(
    admin: httpx.Client, audience_id: str, fields: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert problem(set_campaigns(admin, audience_id, **fields)) == expected


def test_a_campaign_of_another_audience_cannot_be_set(running: MockServer, admin: httpx.Client) -> None:
    first, second = (f"{number:024}" for number in range(2))
    written = [{"_id": first, "campaigns": [{"_id": f"{5:024}"}]}, {"_id": second, "campaigns": [{"_id": f"{6:024}"}]}]
    admin.put("/tenants", json={"token": "sk_acme", "audiences": written}).raise_for_status()
    expected = (
        409,
        "",
        f"{first}: the campaign {6:024} is one of the audience {second}: give it another _id",
    )
    for change in ("none", f"/campaign/{6:024}/pause", f"/campaign/{6:024}"):
        if change != "none":
            method = "POST" if change.endswith("pause") else "DELETE"
            httpx.request(method, running.url + change, headers=ACME).raise_for_status()
        response = set_campaigns(admin, first, campaigns=[{"_id": f"{6:024}"}])
        assert problem(response) == expected
        assert response.json()["errors"][0]["title"] == "campaign of another audience"
    set_campaigns(admin, second, campaigns=[{"_id": f"{7:024}"}]).raise_for_status()
    set_campaigns(admin, first, campaigns=[{"_id": f"{5:024}"}, {"_id": f"{6:024}"}]).raise_for_status()


def test_campaigns_for_which_there_is_no_room_are_an_error(
    running: MockServer, admin: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience_id = httpx.get(f"{running.url}/audience", headers=ACME).json()["data"][0]["_id"]
    monkeypatch.setattr(tenant_data, "MAX_TENANT_BYTES", 100)
    response = set_campaigns(admin, audience_id, campaigns=[{}])
    assert response.json()["errors"][0]["title"] == "no room"
    expected = (
        f"{audience_id}: mock-atoms stores at most 100 bytes of changes per token: delete some, or reset the token"
    )
    assert problem(response) == (400, "", expected)
