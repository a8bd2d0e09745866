from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.contract.accounts import NO_PHONE_NUMBERS_IN_PLAN
from mock_atoms.data.agents import generated_agents
from mock_atoms.data.generator import Generator
from tests.helpers.audiences import bearer, list_audiences

ORGANIZATION = "60d0fe4f5311236168a109cb"


def get(client: httpx.Client, path: str, token: str = "sk_acme") -> Any:  # noqa: ANN401 - any JSON
    response = client.get(path, headers=bearer(token))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    return response.json()


def test_account_details_have_no_envelope(client: httpx.Client) -> None:
    account = get(client, "/account/get-account-details")
    assert list(account) == [
        "userId",
        "email",
        "firstName",
        "lastName",
        "phone",
        "picture",
        "hasOnboarded",
        "organizations",
    ]
    (organization,) = account["organizations"]
    assert list(organization) == ["orgId", "name", "ownerEmail", "roleId", "onPremEnabled"]
    assert (organization["ownerEmail"], organization["roleId"]) == (account["email"], 0)


def test_the_user_is_that_of_the_account(client: httpx.Client) -> None:
    account, user = get(client, "/account/get-account-details"), get(client, "/user")
    assert user == {
        "status": True,
        "data": {
            "_id": account["userId"],
            "firstName": account["firstName"],
            "lastName": account["lastName"],
            "userEmail": account["email"],
            "authProvider": "email",
            "isEmailVerified": True,
            "organizationId": account["organizations"][0]["orgId"],
        },
    }


@pytest.mark.parametrize("token", ["sk_acme", "sk_documented", "sk_mock_many"])
def test_user_and_organization_are_those_of_the_audiences(server: MockServer, client: httpx.Client, token: str) -> None:
    account = get(client, "/account/get-account-details", token)
    owners = {
        (audience["createdBy"], audience["organization"])
        for audience in list_audiences(server.url, token).json()["data"]
    }
    assert owners == {(account["userId"], account["organizations"][0]["orgId"])}


def test_the_organization_of_a_fixture_is_that_of_the_account(server: MockServer, client: httpx.Client) -> None:
    fixture = {"token": "sk_fixture", "organization": ORGANIZATION, "audiences": [{"name": "Mine"}]}
    httpx.put(f"{server.root_url}/__admin/tenants", json=fixture).raise_for_status()
    assert get(client, "/account/get-account-details", "sk_fixture")["organizations"][0]["orgId"] == ORGANIZATION
    assert get(client, "/user", "sk_fixture")["data"]["organizationId"] == ORGANIZATION


def test_a_token_without_audiences_has_an_account_and_a_number(client: httpx.Client) -> None:
    assert get(client, "/account/get-account-details", "sk_mock_empty")["organizations"]
    assert get(client, "/product/phone-numbers", "sk_mock_empty")["data"]


def test_phone_numbers_have_the_documented_keys(client: httpx.Client) -> None:
    numbers = get(client, "/product/phone-numbers")["data"]
    agents = [agent["_id"] for agent in generated_agents(Generator("atoms"), "sk_acme")]
    assert numbers[0]["agentId"] == agents[0]
    for number in numbers:
        assert list(number) == [
            "_id",
            "productType",
            "isActive",
            "agentId",
            "attributes",
            "createdAt",
            "updatedAt",
        ]
        assert number["productType"] == "telephony"
        assert number["agentId"] is None or number["agentId"] in agents
        assert list(number["attributes"]) == ["provider", "phoneNumber", "countryCode", "areaCode"]


@pytest.mark.parametrize("path", ["/account/get-account-details", "/user", "/product/phone-numbers"])
def test_an_unauthenticated_request_gets_the_documented_401(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.json()) == (
        401,
        {"status": False, "errors": ["Unauthorized: User not found"]},
    )
    assert client.get(path, headers=bearer("sk_mock_500")).json() == {
        "status": False,
        "errors": ["Internal server error"],
    }


def test_an_account_is_the_same_each_time(server: MockServer, client: httpx.Client) -> None:
    paths = ("/account/get-account-details", "/user", "/product/phone-numbers")
    before = [get(client, path) for path in paths]
    with MockServer() as other, httpx.Client(base_url=other.url) as http:
        assert [get(http, path) for path in paths] == before
    server.reset()
    assert [get(client, path) for path in paths] == before


def test_a_token_without_a_plan_has_no_phone_numbers(client: httpx.Client) -> None:
    response = client.get("/product/phone-numbers", headers=bearer("sk_mock_noplan"))
    assert (response.status_code, response.json()["errors"]) == (400, [NO_PHONE_NUMBERS_IN_PLAN])
    assert get(client, "/account/get-account-details", "sk_mock_noplan")["organizations"]
