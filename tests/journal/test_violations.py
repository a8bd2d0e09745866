"""The report of contract violations, and their log lines."""

import logging
from typing import Any

import pytest

from mock_atoms.contract.violations import Violation
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, RequestHead
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.journal.violations import MAX_EXAMPLES, MAX_GROUPS, ViolationLog, violation_lines, violation_report
from tests.helpers.exchanges import exchange

LIMIT = Violation("unknown-parameter", "limit", "10", "the operation has no parameters", "S")
STOP = Violation("undocumented-operation", "POST /campaign/{id}/stop", None, "no document has it", "K")


def violating(*violations: Violation, request_id: str = "r1", operation: str = "GET /audience") -> Exchange:
    """Return an exchange with violations: the first one of its head, the others of the rest."""
    made = exchange(0.0, 200, id=request_id, later_violations=violations[1:])
    head = made.head
    fields: dict[str, Any] = {name: getattr(head, name) for name in RequestHead.__slots__ if name != "weight"}
    made.head = RequestHead(**fields | {"operation": operation, "violations": violations[:1]})
    return made


def report(*exchanges: Exchange, dropped: int = 0) -> dict[str, Any]:
    return run_without_pauses(violation_report(exchanges, dropped))


def text(*exchanges: Exchange, dropped: int = 0) -> str:
    return "".join(run_without_pauses(violation_lines(report(*exchanges, dropped=dropped))))


def test_equal_violations_are_counted_together() -> None:
    found = report(
        violating(LIMIT, request_id="r1"),
        violating(request_id="r2"),
        violating(LIMIT._replace(value="20"), STOP, request_id="r3"),
        violating(LIMIT, request_id="r4", operation="GET /user"),
    )
    first, stop, other = found["violations"]
    assert first == {
        "kind": "unknown-parameter",
        "operation": "GET /audience",
        "place": "limit",
        "expected": "the operation has no parameters",
        "source": "S",
        "count": 2,
        "firstRequestId": "r1",
        "lastRequestId": "r3",
        "examples": ["10", "20"],
    }
    assert (stop["operation"], stop["examples"]) == ("POST /campaign/{id}/stop", [])
    assert (other["operation"], other["count"]) == ("GET /user", 1)
    kinds = {"unknown-parameter": 3, "undocumented-operation": 1}
    assert found["summary"] == {"violations": 4, "requests": 3, "byKind": kinds}


def test_places_in_a_list_are_counted_together() -> None:
    places = ["/members/0", "/members/17", "/members/2/a", "/12"]
    violations = [Violation("invalid-field", place, "1", "must be text", "D") for place in places]
    assert [each["place"] for each in report(violating(*violations))["violations"]] == [
        "/members/*",
        "/members/*/a",
        "/*",
    ]


def test_a_report_shows_some_different_values() -> None:
    exchanges = [violating(LIMIT._replace(value=str(number // 2))) for number in range(4 * MAX_EXAMPLES)]
    assert report(*exchanges)["violations"][0]["examples"] == [str(number) for number in range(MAX_EXAMPLES)]


def test_a_report_lists_a_limited_number_of_violations() -> None:
    exchanges = [violating(LIMIT._replace(place=f"p{number}")) for number in range(MAX_GROUPS + 5)]
    found = report(*exchanges)
    assert (len(found["violations"]), found["unlisted"]) == (MAX_GROUPS, 5)
    assert found["summary"]["violations"] == MAX_GROUPS + 5


def test_the_text_has_two_lines_for_each_violation() -> None:
    assert text(violating(LIMIT), violating(LIMIT, STOP)) == (
        "3 contract violations in 2 requests\n"
        "unknown-parameter: GET /audience limit, such as `10`, 2 times\n"
        "  the operation has no parameters (S)\n"
        "undocumented-operation: POST /campaign/{id}/stop\n"
        "  no document has it (K)\n"
    )


def test_the_text_says_what_is_missing() -> None:
    many = [violating(LIMIT._replace(place=f"p{number}")) for number in range(MAX_GROUPS + 2)]
    assert text(*many, dropped=1).splitlines()[:3] == [
        f"{MAX_GROUPS + 2} contract violations in {MAX_GROUPS + 2} requests",
        "not listed, because there are too many different ones: 2",
        "the journal has dropped 1 exchange: violations may be missing",
    ]
    assert text() == "no contract violations\n"


def test_each_kind_and_operation_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    log = ViolationLog()
    with caplog.at_level(logging.WARNING, "mock_atoms"):
        for violations in ((LIMIT,), (LIMIT._replace(place="page"), STOP), (STOP,)):
            log.report_new(violating(*violations))
        log.report_new(violating(LIMIT, operation="GET /user"))
    documented = 'expected="the operation has no parameters (S)" id=r1'
    stop = "POST /campaign/{id}/stop"
    assert [str(record.msg) for record in caplog.records] == [
        f'violation=unknown-parameter operation="GET /audience" place=limit value=10 {documented}',
        f'violation=undocumented-operation operation="{stop}" place="{stop}" expected="no document has it (K)" id=r1',
        f'violation=unknown-parameter operation="GET /user" place=limit value=10 {documented}',
    ]


def test_the_journal_counts_the_memory_of_violations() -> None:
    sizes = []
    for violations in ((), (LIMIT,), (LIMIT, LIMIT)):
        journal = MemoryJournal(10, Credentials(b"key"))
        journal.add(violating(*violations))
        sizes.append(journal.size_bytes)
    assert sizes[1] - sizes[0] >= 400
    assert sizes[2] - sizes[1] >= 400
