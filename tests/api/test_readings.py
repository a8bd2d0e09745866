"""What settings choose where the vendor's sources disagree."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from tests.helpers.audiences import ACME

MEMBERS = [{"phoneNumber": f"+141555501{number:02}", "name": f"Ada {number}"} for number in range(12)]


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer(audience_order="newest", search_limit=10, delete_emptied_audiences=True) as server:
        yield server


@pytest.fixture
def http(mock: MockServer) -> Iterator[httpx.Client]:
    mock.reset()
    with httpx.Client(base_url=mock.url, headers=ACME) as client:
        yield client


def listed(http: httpx.Client) -> list[dict[str, Any]]:
    audiences: list[dict[str, Any]] = http.get("/audience").json()["data"]
    return audiences


def create(http: httpx.Client) -> str:
    form = {"name": "Made", "phoneNumberColumnName": "phone"}
    created = http.post("/audience", data=form, files={"file": b"phone\n+14155550100\n"})
    return str(created.json()["data"]["_id"])


def delete_members(http: httpx.Client, audience_id: str, count: int) -> int:
    path = f"/audience/{audience_id}/members"
    members = http.get(path, params={"offset": count}).json()["data"]["members"]
    response = http.request("DELETE", path, json={"memberIds": [member["_id"] for member in members]})
    return int(response.json()["data"]["deletedCount"])


def test_the_newest_audience_may_be_listed_first(http: httpx.Client) -> None:
    before = listed(http)
    assert before == sorted(before, key=lambda audience: audience["createdAt"], reverse=True)
    created = create(http)
    after = listed(http)
    assert after[0]["_id"] == created
    assert after[1:] == before


def test_a_search_may_have_a_limit(mock: MockServer, http: httpx.Client) -> None:
    (audience,) = mock.set_audiences([{"members": MEMBERS}], token="sk_acme")
    path = f"/audience/{audience['_id']}/members"
    for query in ("query=ADA", "name=ada"):
        data = http.get(f"{path}/search?{query}").json()["data"]
        assert [member["data"] for member in data["members"]] == MEMBERS[:10]
        assert data["searchInfo"]["totalResults"] == 10
    assert http.get(f"{path}?search=ada").json()["data"]["totalCount"] == 12
    assert len(http.get(f"{path}/search?query=Ada 11").json()["data"]["members"]) == 1


def test_an_audience_may_be_deleted_with_its_last_member(mock: MockServer, http: httpx.Client) -> None:
    (audience,) = mock.set_audiences([{"members": MEMBERS[:3]}], token="sk_acme")
    created = create(http)
    for audience_id, count in ((audience["_id"], 3), (created, 1)):
        assert delete_members(http, audience_id, count) == count
        assert http.get(f"/audience/{audience_id}").status_code == 404
    assert listed(http) == []


def test_an_audience_with_other_members_or_a_campaign_is_not_deleted(mock: MockServer, http: httpx.Client) -> None:
    campaigns = [{"name": "Spring", "status": "active"}]
    used = {"members": MEMBERS[:1], "campaigns": campaigns}
    audiences: list[dict[str, Any]] = [{"members": MEMBERS[:3]}, used, {"members": []}]
    larger, in_use, empty = mock.set_audiences(audiences, token="sk_acme")
    assert delete_members(http, larger["_id"], 2) == 2
    assert delete_members(http, in_use["_id"], 1) == 1
    assert delete_members(http, empty["_id"], 1) == 0
    assert [audience["memberCount"] for audience in listed(http)] == [0, 0, 1]
