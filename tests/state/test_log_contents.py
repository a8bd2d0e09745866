"""Requests and their outcomes as the contents of log entries."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from mock_atoms.contract.schemas import Member
from mock_atoms.contract.violations import Violation
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.fixture_files import parse_fixture
from mock_atoms.data.models import CampaignRecord, InitialData
from mock_atoms.journal.exchange import Exchange, RequestHead, ResponseHead
from mock_atoms.journal.recorded_body import RecordedBody
from mock_atoms.state.log_contents import (
    operation_json,
    outcome_json,
    parse_operation,
    parse_request,
    request_json,
    update_outcome,
)
from mock_atoms.state.member_list import MemberList
from mock_atoms.state.operations import AddMembers, SetCampaigns, SetInitialData
from tests.helpers.shared_log import MemoryLog
from tests.state.test_replica import Counter, run

TENANT = Tenant(b"k" * 16, b"t" * 16, "sk_…#1", "t1", b"x" * 16)


def make_exchange(path: str = "/audience", index_keys: tuple[bytes, ...] = (b"i" * 16, b"j" * 16)) -> Exchange:
    head = RequestHead(
        TENANT,
        (b"c" * 16,),
        "GET",
        path,
        "http",
        "1.1",
        "localhost",
        (("a", "b"), ("c", "d")),
        index_keys,
        "GET /audience",
    )
    return Exchange(head, datetime(2026, 1, 31, 12, tzinfo=UTC), 5.0, "127.0.0.1", 80)


def through_json(content: list[object]) -> list[object]:
    parsed: list[object] = json.loads(json.dumps(content))
    return parsed


@pytest.mark.parametrize("exchange", [make_exchange(), make_exchange("/" + 3_000 * "a"), make_exchange(index_keys=())])
def test_a_request_to_another_server_has_all_fields(exchange: Exchange) -> None:
    parsed = parse_request(through_json(request_json(exchange)))
    for field in reversed(fields(RequestHead)):
        assert getattr(parsed.head, field.name) == getattr(exchange.head, field.name)
    assert (parsed.arrived_at, parsed.started_at) == (exchange.arrived_at, 5.0)
    assert (parsed.client_address, parsed.client_port) == ("127.0.0.1", 80)


def test_repeated_requests_to_another_server_share_a_head() -> None:
    one, two = (parse_request(through_json(request_json(make_exchange()))) for _ in range(2))
    assert one.head is two.head


@pytest.mark.parametrize("value", [b"v", 3_000 * b"v"])
def test_a_response_of_another_server_has_its_headers(value: bytes) -> None:
    ended, parsed = make_exchange(), make_exchange()
    ended.response_head = ResponseHead(((b"name", value), (b"other", b"\xff")))
    ended.ended_at, ended.ended, ended.body, ended.faults = 5.5, "responded", b"\x00\xff", ("key",)
    update_outcome(parsed, through_json(outcome_json(ended)))
    assert parsed.response_head.headers == ended.response_head.headers
    assert (parsed.ended_at, parsed.ended, parsed.body, parsed.faults) == (5.5, "responded", b"\x00\xff", ("key",))


def count_steps(steps: Steps[Any]) -> tuple[int, Any]:
    number = 0
    try:
        while True:
            next(steps)
            number += 1
    except StopIteration as stop:
        return number, stop.value


def test_listed_members_are_written_and_parsed_in_steps() -> None:
    members = [{"phoneNumber": f"1415555{number:04}", "name": "Ada"} for number in range(1_000)]
    audiences = [{"_id": f"{number:024x}", "members": members} for number in range(3)]
    parsed = run_without_pauses(parse_fixture({"tokens": ["sk_a"], "audiences": audiences})).audiences
    written, content = count_steps(operation_json(SetInitialData(InitialData(parsed or []))))
    assert written > 3_000
    read, operation = count_steps(parse_operation(json.loads(json.dumps(content))))
    assert read > 3_000
    assert run_without_pauses(operation_json(operation)) == content
    assert len(content[1]) > 100_000


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"x" * 3_000])
def test_a_response_of_another_server_has_its_body(content: bytes) -> None:
    ended, parsed = make_exchange(), make_exchange()
    ended.response_body = RecordedBody(content)
    update_outcome(parsed, through_json(outcome_json(ended)))
    assert parsed.response_body.content == content


def test_violations_reach_other_servers() -> None:
    exchange = make_exchange()
    exchange.head.violations = (Violation("unknown-parameter", "limit", "10", "none", "S"),)
    exchange.later_violations = (Violation("missing-field", "/name", None, "is required", "D"),)
    parsed = parse_request(through_json(request_json(exchange)))
    assert parsed.violations == exchange.head.violations
    update_outcome(parsed, through_json(outcome_json(exchange)))
    assert parsed.violations == exchange.violations
    assert {type(violation) for violation in parsed.violations} == {Violation}


MEMBER: Member = {"_id": "1" * 24, "data": {"phone": "14155550100"}}
CAMPAIGN: CampaignRecord = {
    "_id": "2" * 24,
    "name": "Sale",
    "status": "active",
    "createdAt": "2026-01-31T12:00:00.000Z",
}


def members_of_one() -> MemberList:
    members = MemberList()
    members.append(MEMBER, "14155550100")
    return members


@pytest.mark.parametrize(
    "operation",
    [
        AddMembers("3" * 24, "phone", members_of_one(), "2026-01-31T12:00:00.000Z"),
        SetCampaigns("3" * 24, "phone", [CAMPAIGN]),
    ],
)
def test_a_change_of_another_server_is_complete(operation: AddMembers | SetCampaigns) -> None:
    content = run_without_pauses(operation_json(operation))
    parsed = run_without_pauses(parse_operation(through_json(content)))
    assert type(parsed) is type(operation)
    assert run_without_pauses(operation_json(parsed)) == content


@pytest.mark.parametrize("text", ["é😀", "\ud800"])
def test_requests_with_any_text_reach_other_servers(text: str) -> None:
    async def test(_log: MemoryLog, one: Counter, two: Counter) -> None:
        received = []

        async def begin(_entry_id: str, content: object) -> None:
            received.append(content)

        async def do_nothing() -> None:
            """Do nothing."""

        two.replica.handle("begin", begin)
        await one.replica.change("begin", [text, 1e-7], do_nothing)
        await two.replica.synchronize()
        assert received == [[text, 1e-7]]

    run(test)
