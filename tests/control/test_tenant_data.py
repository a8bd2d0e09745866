"""The data of a tenant as the control API shows it."""

import httpx
import pytest

from mock_atoms import MockServer
from tests.helpers.audiences import ACME, bearer, list_audiences
from tests.helpers.control import problem


def test_the_audiences_are_those_that_clients_see(running: MockServer, admin: httpx.Client) -> None:
    expected = list_audiences(running.url, "sk_acme").json()["data"]
    shown = admin.get("/audiences", params={"token": "sk_acme"}).json()
    assert shown["audiences"] == expected
    assert (shown["token"], shown["testId"]) == ("sk_…#665b48", None)
    assert "sk_acme" not in str(shown)


def test_a_test_has_separate_data(admin: httpx.Client) -> None:
    admin.put("/tenants", json={"token": "sk_acme", "testId": "t1", "audiences": [{"name": "Mine"}]})
    shown = admin.get("/audiences", params={"token": "sk_acme", "testId": "t1"}).json()
    assert ([each["name"] for each in shown["audiences"]], shown["testId"]) == (["Mine"], "t1")
    assert admin.get("/audiences", params={"token": "sk_acme"}).json()["audiences"] != shown["audiences"]


def test_the_members_come_in_pages_and_can_be_searched(running: MockServer, admin: httpx.Client) -> None:
    audience = list_audiences(running.url, "sk_acme").json()["data"][0]["_id"]
    by_clients = httpx.get(f"{running.url}/audience/{audience}/members?offset=3&page=2", headers=ACME).json()["data"]
    path = f"/audiences/{audience}/members"
    page = admin.get(path, params={"token": "sk_acme", "size": 3, "page": 2}).json()
    assert page["members"] == by_clients["members"]
    assert page["totalCount"] == by_clients["totalCount"]
    member = page["members"][0]
    number = next(value for value in member["data"].values() if value.startswith("+"))
    found = admin.get(path, params={"token": "sk_acme", "search": number}).json()
    assert found["members"] == [member]


def test_reading_is_neither_counted_nor_recorded(running: MockServer, admin: httpx.Client) -> None:
    admin.get("/audiences", params={"token": "sk_quiet"})
    assert running.requests() == []
    assert [tenant["requests"] for tenant in admin.get("/tenants").json()["tenants"]] in ([], [0])


@pytest.mark.parametrize(
    ("path", "query", "status", "pointer"),
    [
        ("/audiences", {}, 422, "token"),
        ("/audiences/x/members", {}, 422, "token"),
        ("/audiences/x/members", {"token": "sk_a", "page": "0"}, 422, "page"),
        ("/audiences/x/members", {"token": "sk_a", "page": "10001"}, 422, "page"),
        ("/audiences/x/members", {"token": "sk_a", "size": "1001"}, 422, "size"),
        ("/audiences/x/members", {"token": "sk_a"}, 400, ""),
        (f"/audiences/{'0' * 24}/members", {"token": "sk_a"}, 404, ""),
    ],
)
def test_errors_name_the_parameter_or_the_audience(
    admin: httpx.Client, path: str, query: dict[str, str], status: int, pointer: str
) -> None:
    found_status, found_pointer, detail = problem(admin.get(path, params=query))
    assert (found_status, found_pointer) == (status, pointer)
    assert pointer or path.split("/")[2] in detail


def test_an_audience_of_another_tenant_is_refused(running: MockServer, admin: httpx.Client) -> None:
    audience = httpx.get(f"{running.url}/audience", headers=bearer("sk_documented")).json()["data"][0]["_id"]
    assert problem(admin.get(f"/audiences/{audience}/members", params={"token": "sk_acme"}))[0] == 403
