"""What the checks of a request find."""

from typing import Any

import pytest

from mock_atoms.contract.checking import (
    ITEMS_PER_STEP,
    MAX_CHECKED_VALUES,
    check_body,
    check_credentials,
    check_head,
    check_unexpected_body,
    page_beyond_end,
    prepare_body_check,
)
from mock_atoms.contract.operations import RequestedOperation
from mock_atoms.contract.requests import FormFile
from mock_atoms.contract.violations import KINDS, MAX_VALUE_LENGTH, MAX_VIOLATIONS, Violation, violations_bytes
from mock_atoms.core.masking import mask_token
from mock_atoms.core.slices import run_without_pauses

CAMPAIGN = {"name": "a", "audienceId": "0" * 24, "agentId": "1" * 24}
SECRET = "sk_live_a1b2c3d4e5"
NO_INTEGERS = ("1.0", " 1", "1_0", "1e1", "two", "")
MEMBERS = "/audience/{id}/members"


def head(name: str, query: str = "", **headers: str) -> list[tuple[str, str, str | None, str]]:
    """Return kind, place, value and source of each violation of a head."""
    pairs = [(key.replace("_", "-").encode(), value.encode()) for key, value in headers.items()]
    method, path = name.split(" ")
    found = check_head(RequestedOperation(name), method, path, query.encode(), pairs, SECRET)
    return [(each.kind, each.place, each.value, each.source) for each in found]


def body(name: str, content: Any) -> list[tuple[str, str, str | None]]:  # noqa: ANN401 - any JSON
    """Return kind, place and value of each violation of a body."""
    found = run_without_pauses(check_body(RequestedOperation(name), content, SECRET))
    assert {each.source for each in found} <= {"D"}
    return [(each.kind, each.place, each.value) for each in found]


def test_documented_parameters_are_no_violations() -> None:
    assert head(f"GET {MEMBERS}", "page=2&offset=10") == []
    assert head(f"GET {MEMBERS}/search", "firstName=ada&firstName=bob&lastName=") == []
    assert head(f"GET {MEMBERS}/search", "query=ada") == []
    assert head("DELETE /agent/{id}/archive", "on=false") == []
    assert head("GET /campaign", "page=01&offset=50&status=paused&sortOrder=asc") == []


@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("GET /audience", "page=1", ("unknown-parameter", "page", "1", "S")),
        (f"GET {MEMBERS}", "limit=10", ("unknown-parameter", "limit", "10", "D")),
        (f"GET {MEMBERS}", "search=ada", ("unknown-parameter", "search", "ada", "K")),
        (f"GET {MEMBERS}", "Page=1", ("unknown-parameter", "Page", "1", "D")),
        (f"GET {MEMBERS}", "page=0", ("invalid-parameter", "page", "0", "D")),
        *((f"GET {MEMBERS}", f"page={number}", ("invalid-parameter", "page", number, "D")) for number in NO_INTEGERS),
        *(("GET /campaign", f"page={number}", ("invalid-parameter", "page", number, "D")) for number in NO_INTEGERS),
        ("GET /campaign", "page=0", ("invalid-parameter", "page", "0", "A")),
        ("GET /campaign", "offset=-1", ("invalid-parameter", "offset", "-1", "A")),
        ("GET /campaign", "offset=1&offset=1", ("invalid-parameter", "offset", "1&1", "D")),
        (f"GET {MEMBERS}", "page=1&page=2", ("invalid-parameter", "page", "1&2", "D")),
        (f"GET {MEMBERS}/search", "query=a&query=b", ("invalid-parameter", "query", "a&b", "D")),
        ("DELETE /agent/{id}/archive", "on=no", ("invalid-parameter", "on", "no", "D")),
        ("POST /agent", "dryRun=true", ("unknown-parameter", "dryRun", "true", "D")),
    ],
)
def test_other_parameters_are_violations(name: str, query: str, expected: tuple[str, ...]) -> None:
    assert head(name, query) == [expected]


def test_violations_say_what_is_documented() -> None:
    (limit,) = check_head(RequestedOperation(f"GET {MEMBERS}"), "GET", MEMBERS, b"limit=1", (), None)
    assert limit.expected == ("the parameters are page, offset; the page size is offset, and limit is silently ignored")
    assert str(limit) == f"unknown-parameter: limit is `1`: {limit.expected} (D)"
    (page,) = check_head(RequestedOperation(f"GET {MEMBERS}"), "GET", MEMBERS, b"page=x", (), None)
    assert page.expected == "must be a positive integer"
    (twice,) = check_head(RequestedOperation(f"GET {MEMBERS}"), "GET", MEMBERS, b"page=1&page=1", (), None)
    assert twice.expected == "must be sent only once"
    (none,) = check_head(RequestedOperation("GET /audience"), "GET", "/audience", b"a=1", (), None)
    assert none.expected == "the operation has no parameters"
    (field,) = run_without_pauses(check_body(RequestedOperation("POST /agent"), {"name": "a", "title": ""}, None))
    assert field.expected == "no such field is documented"
    (root,) = run_without_pauses(check_body(RequestedOperation("POST /agent"), None, None))
    assert str(root) == "invalid-field: the body is `null`: must be a JSON object (D)"


def test_violations_mask_credentials_and_cut_values() -> None:
    ((_, place, value, _),) = head("GET /audience", f"{SECRET}={SECRET}")
    assert place == value == mask_token(SECRET)
    ((_, place, value, _),) = head("GET /audience", f"{'n' * 5_000}={'v' * 5_000}")
    assert (len(place), value) == (201, f"{'v' * MAX_VALUE_LENGTH}…")
    assert body(f"POST {MEMBERS}", {"members": [], SECRET: SECRET}) == [
        ("unknown-field", f"/{mask_token(SECRET)}", mask_token(SECRET))
    ]


def test_an_exchange_keeps_a_limited_number_of_violations() -> None:
    unknown = "&".join(f"p{number}=1" for number in range(100))
    assert head(f"GET {MEMBERS}", f"{unknown}&page=0")[0] == ("invalid-parameter", "page", "0", "D")
    assert len(head("GET /audience", "&".join(f"p{number}=1" for number in range(100)))) == MAX_VIOLATIONS
    assert len(body(f"POST {MEMBERS}", {f"k{number}": 1 for number in range(100)})) == MAX_VIOLATIONS
    assert len(body(f"POST {MEMBERS}", {"members": [1] * 100})) == MAX_VIOLATIONS


@pytest.mark.parametrize(
    ("name", "sent", "is_violation"),
    [
        (f"POST {MEMBERS}", "application/json", False),
        (f"POST {MEMBERS}", "Application/JSON; charset=utf-8", False),
        (f"POST {MEMBERS}", "text/plain", True),
        ("POST /audience", "multipart/form-data; boundary=x", False),
        ("POST /audience", "application/json", True),
        (f"DELETE {MEMBERS}", "application/x-www-form-urlencoded", True),
        ("GET /audience", "text/plain", False),
        ("DELETE /audience/{id}", "text/plain", False),
    ],
)
def test_bodies_have_the_documented_content_type(name: str, sent: str, is_violation: bool) -> None:  # noqa: FBT001 - a parameter of the test
    expected = [("wrong-content-type", "Content-Type", sent, "D")] if is_violation else []
    assert head(name, content_type=sent, content_length="2") == expected
    assert head(name, content_type=sent, transfer_encoding="chunked") == expected


def test_a_request_without_a_body_needs_no_content_type() -> None:
    assert head(f"POST {MEMBERS}", content_type="text/plain", content_length="0") == []
    assert head(f"POST {MEMBERS}", content_length="2") == [("wrong-content-type", "Content-Type", None, "D")]


@pytest.mark.parametrize(
    ("headers", "token", "place"),
    [
        ({"authorization": "Bearer sk_…"}, SECRET, None),
        ({}, None, None),
        ({"authorization": "sk_…"}, None, "Authorization"),
        ({"authorization": "Basic …", "x-api-key": "…"}, None, "Authorization"),
        ({"cookie": "session=…"}, SECRET, None),
        ({"cookie": "session=…", "x-api-key": "…"}, SECRET, None),
        ({"cookie": "other=1"}, None, None),
        ({"x-api-key": "…"}, None, "x-api-key"),
        ({"x-test-id": "t", "api-key": "…"}, None, "api-key"),
        ({"proxy-authorization": "Basic …"}, None, None),
    ],
)
def test_credentials_belong_into_authorization(headers: dict[str, str], token: str | None, place: str | None) -> None:
    found = check_credentials(headers, token)
    assert [(each.kind, each.place, each.source) for each in found] == (
        [("undocumented-header", place, "S")] if place else []
    )


@pytest.mark.parametrize(
    ("method", "path", "is_known"),
    [
        ("POST", "/campaign/c1/stop", True),
        ("POST", "/campaign/c1/stop/", True),
        ("DELETE", "/agent/a1", True),
        ("GET", "/agent/a1", False),
        ("POST", "/campaign/stop", False),
    ],
)
def test_operations_that_only_the_sdk_knows_are_violations(method: str, path: str, is_known: bool) -> None:  # noqa: FBT001 - the same
    found = check_head(RequestedOperation(""), method, path, b"", (), None)
    assert [(each.kind, each.source) for each in found] == ([("undocumented-operation", "K")] if is_known else [])
    assert all("stub it" in each.expected for each in found)


def test_a_valid_body_has_no_violations() -> None:
    prepare_body_check(RequestedOperation("POST /agent"))
    assert body("POST /campaign", {**CAMPAIGN, "scheduledAt": "2026-06-01T09:00:00+02:00", "maxRetries": 3.0}) == []
    assert body("POST /agent", {"name": "a", "language": {"default": "en", "supported": ["en"]}}) == []
    assert body(f"POST {MEMBERS}", {"members": [{"phoneNumber": 1, "any": None}]}) == []
    assert body(f"DELETE {MEMBERS}", {"memberIds": []}) == []
    form = {"name": "a", "phoneNumberColumnName": "p", "file": FormFile(), "identifierColumnName": "i"}
    assert body("POST /audience", form) == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("POST /agent", {}, [("missing-field", "/name", None)]),
        ("POST /agent", [], [("invalid-field", "", "[…]")]),
        ("POST /agent", {"name": None}, [("invalid-field", "/name", "null")]),
        ("POST /agent", {"name": 1e-7}, [("invalid-field", "/name", "1e-7")]),
        (
            "POST /agent",
            {"name": "a", "pronunciationDicts": [{"word": 1, "x": {}}]},
            [
                ("invalid-field", "/pronunciationDicts/0/word", "1"),
                ("missing-field", "/pronunciationDicts/0/pronunciation", None),
                ("unknown-field", "/pronunciationDicts/0/x", "{…}"),
            ],
        ),
        (f"POST {MEMBERS}", {"members": {}}, [("invalid-field", "/members", "{…}")]),
        (f"POST {MEMBERS}", {"members": [{}, "a"]}, [("invalid-field", "/members/1", "a")]),
        (
            f"POST {MEMBERS}",
            {"Members": []},
            [("missing-field", "/members", None), ("unknown-field", "/Members", "[…]")],
        ),
        *(
            ("POST /campaign", {**CAMPAIGN, "scheduledAt": value}, [("invalid-field", "/scheduledAt", str(value))])
            for value in ("tomorrow", "2026-06-01", "2026-06-01T09:00:00", 1780304400)
        ),
        (
            f"DELETE {MEMBERS}",
            {"memberIds": [True, 1]},
            [("invalid-field", f"/memberIds/{n}", v) for n, v in enumerate(("true", "1"))],
        ),
        ("POST /campaign", {**CAMPAIGN, "maxRetries": "3"}, [("invalid-field", "/maxRetries", '"3"')]),
        (f"DELETE {MEMBERS}", {"memberIds": ["a", True]}, [("invalid-field", "/memberIds/1", "true")]),
        (
            "POST /audience",
            {"name": FormFile(), "phoneNumberColumnName": "p", "file": "text"},
            [("invalid-field", "/name", "a file"), ("invalid-field", "/file", "text")],
        ),
    ],
)
def test_other_bodies_have_violations(name: str, content: object, expected: list[tuple[str, str, str | None]]) -> None:
    assert body(name, content) == expected


def test_long_lists_are_checked_in_steps() -> None:
    def steps(size: int) -> int:
        check = check_body(RequestedOperation(f"DELETE {MEMBERS}"), {"memberIds": ["a"] * size}, None)
        return sum(1 for _ in check)

    assert steps(20 * ITEMS_PER_STEP) == 2 * steps(10 * ITEMS_PER_STEP) == 20
    late = ["a"] * (3 * ITEMS_PER_STEP) + [1]
    assert body(f"DELETE {MEMBERS}", {"memberIds": late}) == [
        ("invalid-field", f"/memberIds/{3 * ITEMS_PER_STEP}", "1")
    ]


def test_fields_with_too_many_values_are_not_checked() -> None:
    too_large = {"defaultVariables": {}, "language": {f"k{number}": 1 for number in range(MAX_CHECKED_VALUES + 1)}}
    assert body("POST /agent", {"name": 1, **too_large}) == [("invalid-field", "/name", "1")]


@pytest.mark.parametrize(("content", "is_violation"), [(b"", False), (b" {}\n", False), (b"[]", True), (b"a=1", True)])
def test_an_operation_without_a_body_accepts_an_empty_object(content: bytes, is_violation: bool) -> None:  # noqa: FBT001 - the same
    found = check_unexpected_body(RequestedOperation("GET /audience"), content, None)
    assert [(each.kind, each.value) for each in found] == (
        [("unexpected-body", content.decode())] if is_violation else []
    )


@pytest.mark.parametrize(("page", "pages", "last"), [(1, 0, None), (2, 2, None), (2, 0, 1), (3, 2, 2)])
def test_a_page_beyond_the_end_is_a_violation(page: int, pages: int, last: int | None) -> None:
    expected = [] if last is None else [("page-beyond-end", str(page), f"the last page is {last}")]
    assert [(each.kind, each.value, each.expected) for each in page_beyond_end(page, pages)] == expected


def test_the_memory_of_violations_grows_with_what_clients_choose() -> None:
    small, large = (Violation(next(iter(KINDS)), "a" * size, None, "", "D") for size in (1, 101))
    assert violations_bytes((large,)) - violations_bytes((small,)) == 400
    assert violations_bytes(()) == 0
