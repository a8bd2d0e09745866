"""Tests as a user of the plugin writes them. test_pytest_plugin.py runs them against several kinds of server."""

import httpx
import pytest
from smallestai import SmallestAI
from smallestai.atoms.helpers import Audience
from smallestai.environment import SmallestAIEnvironment

from mock_atoms import MockClient


def list_status(mock: MockClient) -> int:
    headers = {"Authorization": f"Bearer {mock.token}"}
    return httpx.get(f"{mock.url}/audience", headers=headers, verify=mock.ssl_context()).status_code


def test_the_server_knows_the_token(mock_atoms: MockClient, mock_atoms_token: str) -> None:
    assert mock_atoms.token == mock_atoms_token
    assert list_status(mock_atoms) == 200
    (request,) = mock_atoms.requests()
    assert "test_the_server_knows_the_token" in request.tenant


@pytest.mark.parametrize("number", range(8))
def test_each_test_starts_with_a_reset_server(mock_atoms: MockClient, number: int) -> None:
    assert mock_atoms.requests() == []
    mock_atoms.fail("500x1")
    mock_atoms.set_audiences([{"name": f"mine {number}"}])
    assert [list_status(mock_atoms), list_status(mock_atoms)] == [500, 200]
    assert [request.attempt for request in mock_atoms.requests()] == [1, 2]


@pytest.mark.atoms_fault("503x1")
@pytest.mark.atoms_fault("429x1", method="GET", path="/audience")
def test_faults_trigger_in_the_order_of_their_markers(mock_atoms: MockClient) -> None:
    assert [list_status(mock_atoms) for _ in range(3)] == [503, 429, 200]


@pytest.mark.atoms_fault("500", token="sk_mock_test.other")
def test_a_fault_may_name_another_token(mock_atoms: MockClient) -> None:
    assert list_status(mock_atoms) == 200
    assert list_status(mock_atoms.for_tenant("sk_mock_test.other")) == 500


def test_the_sdk_lists_audiences(mock_atoms_token: str, mock_atoms_sdk_environment: SmallestAIEnvironment) -> None:
    with httpx.Client() as pool:
        client = SmallestAI(api_key=mock_atoms_token, environment=mock_atoms_sdk_environment, httpx_client=pool)
        assert client.atoms.audience.list().data


@pytest.mark.usefixtures("mock_atoms_sdk_environment")
def test_the_helpers_of_the_sdk_read_the_environment() -> None:
    assert Audience().list()["data"]


def test_a_bare_client_of_the_sdk_sends_the_token_of_the_test(mock_atoms_sdk: MockClient) -> None:
    with httpx.Client() as pool:
        assert SmallestAI(httpx_client=pool).atoms.audience.list().data
    assert Audience().list()["data"]
    assert [request.status for request in mock_atoms_sdk.requests()] == [200, 200]
