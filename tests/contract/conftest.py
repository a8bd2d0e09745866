"""Fixtures of the tests with schemathesis."""

from collections.abc import Iterator

import pytest
import requests

from mock_atoms import MockServer
from tests.contract.conformance import TOKEN, StatusCounts


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    # `ignored_auth` expects a wrong token to be refused; without a list of tokens, all are valid.
    with MockServer(tokens=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as shared:
        yield shared


@pytest.fixture
def statuses(request: pytest.FixtureRequest) -> Iterator[StatusCounts]:
    """Count the responses of one test, and check that it sends enough requests."""
    failed, statuses = request.session.testsfailed, StatusCounts()
    yield statuses
    if request.session.testsfailed == failed:
        assert statuses[True, 200] + statuses[True, 201] + statuses[True, 202] >= 3
        assert statuses[False, 400] + statuses[False, 401] >= 3  # the share of each is random
        assert statuses[False, 404] >= 3
