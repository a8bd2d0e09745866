"""The endpoint that reports contract violations."""

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.control.retries import JOURNAL_IS_OFF
from mock_atoms.testing.control_api import ControlError
from tests.helpers.audiences import bearer
from tests.helpers.control import problem


@pytest.fixture
def violating(server: MockServer) -> MockServer:
    """Return a server that has received violations of three tenants."""
    for token, headers, path in (
        ("sk_one", {}, "/audience?limit=10"),
        ("sk_one", {"X-Test-Id": "t1"}, "/audience?limit=20"),
        ("sk_two", {}, "/user?verbose=1"),
        ("sk_two", {}, "/user"),
    ):
        httpx.get(server.url + path, headers=bearer(token) | headers)
    return server


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("", ["limit", "verbose"]),
        ("token=sk_one", ["limit"]),
        ("token=sk_one&testId=t1", ["limit"]),
        ("testId=t1", ["limit"]),
        ("path=/user", ["verbose"]),
        ("path=/audience&token=sk_two", []),
        ("method=POST", []),
        ("status=200", ["limit", "verbose"]),
    ],
)
def test_the_report_has_the_violations_of_the_selected_requests(
    violating: MockServer, query: str, places: list[str]
) -> None:
    report = httpx.get(f"{violating.root_url}/__admin/violations?{query}").json()
    assert [each["place"] for each in report["violations"]] == places
    assert (report["dropped"], report["unlisted"], report["requestJournalDisabled"]) == (0, 0, False)


def test_the_report_names_the_first_and_the_last_request(violating: MockServer) -> None:
    first, last, *_ = violating.requests()
    violation = violating.violations()[0]
    assert (violation.first_request_id, violation.last_request_id, violation.count) == (first.id, last.id, 2)
    assert (violation.kind, violation.operation, violation.place) == ("unknown-parameter", "GET /audience", "limit")
    assert (violation.expected, violation.source) == ("the operation has no parameters", "S")
    assert violation.examples == ("10", "20")
    assert str(violation) == (
        "unknown-parameter: GET /audience limit `10`, `20`, 2 times: the operation has no parameters (S)"
    )


def test_a_client_reports_the_violations_of_its_tenant(violating: MockServer) -> None:
    assert [each.place for each in violating.for_tenant("sk_two").violations()] == ["verbose"]
    assert violating.violations(token="sk_other") == []
    assert violating.violations(test_id="t1")[0].examples == ("20",)


def test_the_report_is_also_a_text(violating: MockServer) -> None:
    response = httpx.get(f"{violating.root_url}/__admin/violations?format=text&token=sk_two")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == (
        "1 contract violation in 1 request\n"
        "unknown-parameter: GET /user verbose, such as `1`\n"
        "  the operation has no parameters (D)\n"
    )


def test_unknown_parameters_of_the_report_are_refused(server: MockServer) -> None:
    response = httpx.get(f"{server.root_url}/__admin/violations?format=html")
    assert problem(response)[:2] == (422, "format")


def test_a_report_without_a_journal_says_so() -> None:
    with MockServer(journal_size=0) as server:
        assert httpx.get(f"{server.root_url}/__admin/violations?format=text").text == JOURNAL_IS_OFF
        with pytest.raises(ControlError, match="the journal is off"):
            server.violations()


def test_an_undocumented_operation_is_named_once() -> None:
    with MockServer() as server:
        httpx.delete(f"{server.url}/agent/a1", headers=bearer("sk_one"))
        (violation,) = server.violations()
        metrics = httpx.get(f"{server.root_url}/__admin/metrics").text
    assert str(violation).startswith(
        "undocumented-operation: DELETE /agent/{id}: the API does not document this operation; "
    )
    labels = 'kind="undocumented-operation",operation="DELETE /agent/{id}"'
    assert f"mock_atoms_contract_violations_total{{{labels}}} 1.0" in metrics
