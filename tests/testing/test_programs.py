"""Sequences of requests as programs of the vendor send them, typed from their documentation.

Each reads the fields that the program needs.
"""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from tests.helpers.audiences import bearer


class McpClient:
    """Calls the API like the vendor's MCP server: first it asks for the account, once for each process.

    Args:
        http: a client whose base URL is that of the API.
        key: the API key.
    """

    def __init__(self, http: httpx.Client, key: str) -> None:
        self._http = http
        self._headers = {**bearer(key), "Content-Type": "application/json"}
        self._organization: str | None = None

    def call(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - as in httpx
        """Return the `data` of a response."""
        if self._organization is None:
            account = self._request("GET", "/account/get-account-details")
            assert account["userId"]
            self._organization = account["organizations"][0]["orgId"]
        return self._request(method, path, **request)["data"]

    def _request(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401 - as in httpx
        response = self._http.request(method, path, headers=self._headers, **request)
        if response.status_code == 401:
            raise PermissionError("Invalid or revoked key")
        return response.raise_for_status().json()


@pytest.fixture
def mcp(client: httpx.Client) -> Callable[[str], McpClient]:
    return lambda key: McpClient(client, key)


def test_an_mcp_like_client_asks_for_the_account_once(server: MockServer, mcp: Callable[[str], McpClient]) -> None:
    tools = mcp("sk_mcp")
    audiences = tools.call("GET", "/audience")
    assert isinstance(audiences, list)
    audience_id = audiences[0]["_id"]
    assert tools.call("GET", f"/audience/{audience_id}")["_id"] == audience_id
    page = tools.call("GET", f"/audience/{audience_id}/members", params={"page": 1, "offset": 10})
    assert page.keys() == {"members", "totalCount", "totalPages", "hasMore"}
    found = tools.call("GET", f"/audience/{audience_id}/members/search", params={"query": "a"})
    assert found["searchInfo"]["totalResults"] == len(found["members"])
    new = {audiences[0]["phoneNumberColumnName"]: "+14155559999"}
    (added,) = tools.call("POST", f"/audience/{audience_id}/members", json={"members": [new]})
    assert added["data"]["added"] == 1
    member = tools.call("GET", f"/audience/{audience_id}/members/search", params=new)["members"][0]
    deleted = tools.call("DELETE", f"/audience/{audience_id}/members", json={"memberIds": [member["_id"]]})
    assert deleted["deletedCount"] == 1
    numbers = tools.call("GET", "/product/phone-numbers")
    assert numbers[0]["_id"]
    assert numbers[0]["attributes"]["phoneNumber"].startswith("+")
    paths = [request.path.removeprefix("/atoms/v1") for request in server.requests(token="sk_mcp")]
    assert paths.count("/account/get-account-details") == 1
    assert paths[0] == "/account/get-account-details"


def test_an_mcp_like_client_reports_a_revoked_key(mcp: Callable[[str], McpClient]) -> None:
    with pytest.raises(PermissionError):
        mcp("sk_mock_revoked").call("GET", "/audience")


def test_the_command_of_the_sdk_logs_in(client: httpx.Client) -> None:
    body = client.get("/user", headers=bearer("sk_cli")).raise_for_status().json()
    assert body["status"] is True
    assert all(body["data"][name] for name in ("firstName", "lastName", "userEmail"))
