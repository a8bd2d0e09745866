"""A tenant counts at least the memory that its data uses."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import Field, TypeAdapter

from mock_atoms.core.sizes import json_bytes
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import caller_for
from mock_atoms.data.fixture_files import parse_fixture
from mock_atoms.data.models import InitialData
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.state.changes import AgentChanges, AudienceChanges, TenantChanges, campaign_bytes
from mock_atoms.state.member_list import MemberList
from tests.helpers.memory import TOLERANCE, allocated_bytes
from tests.helpers.stores import count_request, memory_store

if TYPE_CHECKING:
    from mock_atoms.contract.agents import Agent
    from mock_atoms.contract.schemas import Member

COPIES = 300
EMOJI = "\U0001f600"


def added(data: dict[str, Any]) -> list[str]:
    """Return members as JSON, which differ in everything."""
    return [json.dumps({**data, "phone": f"+1415555{n:04}", f"column {n}": str(n)}) for n in range(COPIES)]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": "a" * 3_000},
        {"text": EMOJI + "a" * 3_000},
        {"nested": [[]] * 300},
        {"nested": [{}] * 300},
        {"numbers": list(range(1_000, 1_300))},
        {f"c{number}": "" for number in range(300)},
        {f"c{number}": EMOJI for number in range(300)},
    ],
)
def test_added_members_are_counted(data: dict[str, Any]) -> None:
    changes = AudienceChanges("phone")
    texts = added(data)

    def add() -> None:
        for n, text in enumerate(texts):
            changes.add_member({"_id": f"{n:024x}", "data": json.loads(text)})

    allocated = allocated_bytes(add)
    changes.update_size()
    assert allocated <= changes.size_bytes * TOLERANCE


def test_removed_members_are_no_longer_counted() -> None:
    members: list[Member] = [{"_id": f"{n:024x}", "data": {"phone": str(n)}} for n in range(3)]
    one, other = MemberList(), MemberList()
    for member in members:
        one.append(member, member["data"]["phone"])
    other.append(members[1], "1")
    assert one.size_bytes == 3 * other.size_bytes
    rest = run_without_pauses(one.without([b"%024x" % 0, b"%024x" % 2, b"f" * 24]))
    assert (rest, rest.size_bytes) == (other, other.size_bytes)
    assert rest != [members[1]]


def test_replaced_and_removed_campaigns_are_no_longer_counted() -> None:
    changes = TenantChanges()
    for name in ("a" * 1_000, "b"):
        changes.put_campaign({"_id": "f" * 24, "name": name})
    assert changes.campaign_bytes == campaign_bytes(changes.campaigns["f" * 24])
    changes.remove_campaign("f" * 24)
    assert changes.campaign_bytes == 0


@pytest.mark.parametrize("row", [{}, {"name": EMOJI + "a" * 3_000}, {f"column {n}": n for n in range(100)}])
def test_listed_members_are_counted(row: dict[str, Any]) -> None:
    members = [{"phoneNumber": f"+1415555{n:04}", **row} for n in range(COPIES)]
    text = json.dumps({"tokens": ["sk_a"], "audiences": [{"members": members}]})
    run_without_pauses(parse_fixture(json.loads(text)))
    data: list[InitialData] = []

    def parse() -> None:
        audiences = run_without_pauses(parse_fixture(json.loads(text))).audiences
        assert audiences is not None
        data.append(InitialData(audiences))

    allocated = allocated_bytes(parse)
    assert allocated <= data[0].size_bytes * TOLERANCE
    assert data[0].size_bytes <= 2 * allocated


@pytest.mark.parametrize(
    "audience",
    [
        {},
        {"name": EMOJI + "a" * 3_000},
        {"campaigns": [{} for _ in range(100)]},
        {"campaigns": [{"name": EMOJI, "_id": "6" * 24} for _ in range(100)]},
    ],
)
def test_initial_data_is_counted(audience: dict[str, Any]) -> None:
    audiences = [audience | {"description": str(n)} for n in range(100)]
    for number, one in enumerate(audiences):
        one["campaigns"] = [
            campaign | {"_id": f"{number:012x}{index:012x}"} if "_id" in campaign else campaign
            for index, campaign in enumerate(one.get("campaigns", []))
        ]
    text = json.dumps({"tokens": ["sk_a"], "audiences": audiences})
    run_without_pauses(parse_fixture(json.loads(text)))
    data: list[InitialData] = []

    def parse() -> None:
        audiences = run_without_pauses(parse_fixture(json.loads(text))).audiences
        assert audiences is not None
        data.append(InitialData(audiences, "6" * 24))
        assert data[0].by_id == {}

    allocated = allocated_bytes(parse)
    assert allocated <= data[0].size_bytes * TOLERANCE


def test_tenants_and_fault_counters_are_counted() -> None:
    store = memory_store()

    def counters() -> dict[str, RuleCounter]:
        return {f"rule-{n}": RuleCounter(n + 1_000, n + 2_000, n / 7, n + 3_000) for n in range(20)}

    async def fill() -> None:
        for number in range(COPIES):
            await count_request(store, caller_for(f"sk_{number}", EMOJI + f"{number}" * 100).tenant, counters())

    allocated = allocated_bytes(lambda: asyncio.run(fill()))
    states = asyncio.run(store.tenants())
    assert allocated <= sum(state.size_bytes for state in states) * TOLERANCE


RULES: list[Any] = [
    {"delay": {"ms": 1}},
    {"match": {"testId": "t", "method": "GET", "path": "/audience/{id}"}, "fault": "limit5"},
    {"respond": {"status": 503, "headers": {f"x-{n}": "v" for n in range(100)}}},
    {"respond": {"status": 503, "errors": [EMOJI] * 100}},
    {"respond": {"status": 503, "body": [[[] for _ in range(20)] for _ in range(20)]}},
    {"respond": {"status": 503, "text": EMOJI + "a" * 3_000}},
    {"alter": {"values": {f"/a{n}/*": [n] for n in range(100)}}},
]


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_rules_are_counted(rule: dict[str, Any]) -> None:
    book = RuleBook({})
    texts = [json.dumps(rule | {"match": {"token": f"sk_{n}", **rule.get("match", {})}}) for n in range(100)]
    parse_fault(json.loads(texts[0]))

    allocated = allocated_bytes(lambda: [book.add(parse_fault(json.loads(text))) for text in texts])
    assert allocated <= sum(active.rule.size_bytes for active in book) * TOLERANCE


def test_size_of_a_json_value_includes_what_it_contains() -> None:
    texts = [json.dumps({"a": [[], {}, None, True, 1.5, 10**20], EMOJI * n: "b" * n}) for n in range(100)]
    values: list[object] = []
    allocated = allocated_bytes(lambda: values.extend(map(json.loads, texts)))
    assert allocated <= sum(map(json_bytes, values)) <= 1.5 * allocated


def test_equal_json_values_have_equal_sizes() -> None:
    one_text, other_text = (EMOJI.join("ab") for _ in range(2))
    TypeAdapter(Annotated[str, Field(min_length=1)]).validate_python(other_text)  # Python keeps its UTF-8 form
    one_list, other_list = list[str](), [*"abcde"]
    for letter in other_list:
        one_list.append(letter)
    one_dict, other_dict = dict.fromkeys("abcde"), dict.fromkeys("abcdefghijkl")
    for letter in "fghijkl":
        del other_dict[letter]
    pairs: list[tuple[object, object]] = [(one_text, other_text), (one_list, other_list), (one_dict, other_dict)]
    for one, other in pairs:
        assert one == other
        assert sys.getsizeof(one) != sys.getsizeof(other)
        assert json_bytes(one) == json_bytes(other)


@pytest.mark.parametrize("name", ["", "n" * 1_000, EMOJI * 1_000])
def test_created_agents_are_counted(name: str) -> None:
    changes = TenantChanges()

    def create() -> None:
        for n in range(COPIES):
            agent: Agent = {"_id": f"{n:024x}", "name": f"{n}{name}", "workflowType": "single_prompt"}
            changes.agents[agent["_id"]] = AgentChanges(agent)

    allocated = allocated_bytes(create)
    changes.update_size()
    assert allocated <= changes.size_bytes * TOLERANCE
