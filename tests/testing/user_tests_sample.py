"""Tests as a user of the plugin writes them; test_pytest_plugin.py runs them on several kinds of server."""

import httpx
import pytest
from smallestai import SmallestAI
from smallestai.atoms.helpers import Audience
from smallestai.environment import SmallestAIEnvironment

from mock_atoms import MockClient


def listed(mock: MockClient) -> int:
    headers = {"Authorization": f"Bearer {mock.token}"}
    return httpx.get(f"{mock.url}/audience", headers=headers, verify=mock.ssl_context()).status_code


def test_data_is_there(mock_atoms: MockClient, mock_atoms_token: str) -> None:
    assert mock_atoms.token == mock_atoms_token
    assert listed(mock_atoms) == 200
    (request,) = mock_atoms.requests()
    assert "test_data_is_there" in request.tenant


@pytest.mark.parametrize("number", range(8))
def test_nothing_is_left_of_other_tests(mock_atoms: MockClient, number: int) -> None:
    assert mock_atoms.requests() == []
    mock_atoms.fail("500x1")
    mock_atoms.set_audiences([{"name": f"mine {number}"}])
    assert [listed(mock_atoms), listed(mock_atoms)] == [500, 200]
    assert [request.attempt for request in mock_atoms.requests()] == [1, 2]


@pytest.mark.atoms_fault("503x1")
@pytest.mark.atoms_fault("429x1", method="GET", path="/audience")
def test_faults_strike_in_the_order_in_which_they_are_written(mock_atoms: MockClient) -> None:
    assert [listed(mock_atoms) for _ in range(3)] == [503, 429, 200]


@pytest.mark.atoms_fault("500", token="sk_mock_test.other")
def test_a_fault_strikes_the_token_that_it_names(mock_atoms: MockClient) -> None:
    assert listed(mock_atoms) == 200
    assert listed(mock_atoms.of("sk_mock_test.other")) == 500


def test_the_sdk_is_one_line(mock_atoms_token: str, mock_atoms_sdk_environment: SmallestAIEnvironment) -> None:
    with httpx.Client() as pool:
        client = SmallestAI(api_key=mock_atoms_token, environment=mock_atoms_sdk_environment, httpx_client=pool)
        assert client.atoms.audience.list().data


@pytest.mark.usefixtures("mock_atoms_sdk_environment")
def test_the_helpers_need_no_address() -> None:
    assert Audience().list()["data"]
