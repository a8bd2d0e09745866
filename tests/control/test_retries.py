"""Which requests the retry report counts as attempts."""

import logging
import re

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.core.masking import mask_token
from tests.helpers.audiences import bearer


def outcomes(server: MockServer) -> list[tuple[str, list[int], list[str]]]:
    """Return the path, the statuses and the findings of each call."""
    calls = server.retries(minBackoffMs=60_000).calls  # a busy machine retries later
    return [(call["url"], call["statuses"], [each["kind"] for each in call["findings"]]) for call in calls]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/atoms/v1/audience", {}),
        ("/atoms/v1/audience", {"Authorization": "Basic eDp5"}),
        ("/atoms/v1/audience", {"Authorization": "Bearer two words"}),
        ("/atoms/v1/audience", {"X-Test-Id": "t1"}),
        ("/atoms/v1/audience", {"Cookie": "other=1"}),
        ("/atoms/v1/health", {}),
        ("/favicon.ico", {}),
        ("/", {}),
        ("/atoms/v1/agents", bearer("sk_acme")),
        ("/v1/audience", bearer("sk_acme")),
    ],
)
def test_requests_without_a_token_or_a_mocked_route_are_no_attempts(
    server: MockServer, path: str, headers: dict[str, str]
) -> None:
    statuses = [httpx.get(server.root_url + path, headers=headers).status_code for _ in range(3)]
    assert set(statuses) <= {401, 404}
    report = server.retries()
    assert (report.calls, report.unattributed, report.summary["attempts"]) == ([], 3, 0)
    text = "0 calls, 0 attempts; 0 findings\nnot counted, because they had no token or an unknown route: 3 requests\n"
    assert report.text == text
    assert [request.attempt for request in server.requests()] == [1, 1, 1]


@pytest.mark.parametrize("headers", [bearer("sk_mock_revoked"), {"Cookie": "session=sk_mock_revoked"}])
def test_a_retried_401_of_a_token_is_a_mistake(server: MockServer, headers: dict[str, str]) -> None:
    for _ in range(2):
        httpx.get(f"{server.url}/audience", headers=headers)
    ((_, statuses, kinds),) = outcomes(server)
    assert (statuses, kinds) == ([401, 401], ["retried-final-status", "no-backoff"])
    assert [request.attempt for request in server.requests()] == [1, 2]


def test_each_unknown_token_has_separate_calls() -> None:
    with MockServer(tokens=["sk_known"]) as server:
        for token in ("sk_one", "sk_other", "sk_one"):
            httpx.get(f"{server.url}/audience", headers=bearer(token))
        assert [statuses for _, statuses, _ in outcomes(server)] == [[401, 401], [401]]


def test_rejected_tokens_are_named_and_share_one_tenant(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mock_atoms"), MockServer(tokens=["sk_known"]) as server:
        for token in ("sk_one_secret", "sk_mock_revoked.other"):
            httpx.get(f"{server.url}/audience", headers=bearer(token))
        labels = [mask_token("sk_one_secret"), "sk_mock_revoked.other"]
        assert [call["tenant"] for call in server.retries().calls] == labels
        assert [request.tenant for request in server.requests()] == labels
        tenants = httpx.get(f"{server.root_url}/__admin/tenants").json()["tenants"]
        assert [(tenant["token"], tenant["requests"]) for tenant in tenants] == [("-", 2)]
    logged = [record.getMessage() for record in caplog.records if "status=401" in record.getMessage()]
    assert [re.findall(r"tenant=\S+", line) for line in logged] == [[f"tenant={label}"] for label in labels]
    assert "sk_one_secret" not in caplog.text


def test_a_malformed_body_is_a_failure(server: MockServer) -> None:
    for _ in range(2):
        httpx.get(f"{server.url}/audience", headers=bearer("sk_mock_badjsonx1.recovers"))
    report = server.retries()
    ((_, statuses, kinds),) = outcomes(server)
    assert (statuses, kinds) == ([200, 200], ["no-backoff"])
    assert [(call["outcome"], call["attempts"][0]["malformedBody"]) for call in report.calls] == [("recovered", True)]
    assert (report.summary["recovered"], report.summary["succeeded"]) == (1, 0)


def test_a_body_that_a_rule_sets_is_no_failure(server: MockServer) -> None:
    server.fail({"respond": {"status": 200, "body": {"status": True, "data": []}}, "match": {"token": "sk_acme"}})
    for _ in range(2):
        httpx.get(f"{server.url}/audience", headers=bearer("sk_acme"))
    assert outcomes(server) == [("/atoms/v1/audience", [200], [])] * 2


def test_a_404_of_a_mocked_route_is_an_attempt(server: MockServer) -> None:
    for _ in range(2):
        httpx.get(f"{server.url}/audience/60d0fe4f5311236168a109ca", headers=bearer("sk_mock_none"))
    ((_, statuses, kinds),) = outcomes(server)
    assert (statuses, kinds) == ([404, 404], ["retried-final-status", "no-backoff"])


def test_clients_with_different_user_agents_have_separate_calls(server: MockServer) -> None:
    for user_agent in ("sdk/1", "curl/8", "sdk/1"):
        httpx.get(f"{server.url}/audience", headers=bearer("sk_mock_500x2.agents") | {"User-Agent": user_agent})
    assert [statuses for _, statuses, _ in outcomes(server)] == [[500, 200], [500]]
    assert [request.attempt for request in server.requests()] == [1, 1, 2]


def test_a_cleared_journal_ends_all_calls(server: MockServer, caplog: pytest.LogCaptureFixture) -> None:
    headers = bearer("sk_mock_500.cleared")
    with caplog.at_level("INFO", "mock_atoms"):
        for _ in range(2):
            httpx.get(f"{server.url}/audience", headers=headers)
        httpx.delete(f"{server.root_url}/__admin/requests")
        httpx.get(f"{server.url}/audience", headers=headers)
    lines = [record.getMessage() for record in caplog.records if record.name == "mock_atoms"]
    assert ["attempt=2" in line for line in lines] == [False, True, False]
    assert [request.attempt for request in server.requests()] == [1]
