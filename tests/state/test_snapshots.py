"""Every exported state can be imported, and is exported again unchanged."""

import asyncio
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core import json_parsing
from mock_atoms.core.errors import CapacityError
from mock_atoms.core.json_parsing import JsonParser
from mock_atoms.core.json_stream import json_pieces
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import AuthenticatedCaller, caller_for, identify
from mock_atoms.data.member_rows import MemberRows
from mock_atoms.data.models import AudienceRecord, InitialData
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.mock import MockAtoms
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.operations import SetInitialData
from mock_atoms.state.snapshot import export_state, export_tenant, import_state
from mock_atoms.state.snapshot_parsing import SnapshotConverter, parse_snapshot
from mock_atoms.state.store import TenantState
from tests.helpers.stores import count_request

COUNTS = st.integers(0, 3) | st.sampled_from([2**53, 2**53 + 1, 2**64, 10**100])
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["\0", "\x1f", "\u2028", "\x85", "sk_live_0123456789", "…#0123ab", "😀" * 300]
)
TOKENS = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=300
)
HEADERS = st.binary(max_size=20).map(lambda value: value.replace(b"\n", b"").replace(b"\r", b""))
TEST_IDS = (
    st.none() | HEADERS | st.sampled_from([b"\x1c", b"\xc2\x85", b"\xff", b"a" * 300, b"sk_live_0123456789", b"a\x00b"])
)
COUNTERS = st.builds(RuleCounter, COUNTS, COUNTS, st.floats(0, 1e300), COUNTS)
CELLS = st.recursive(st.none() | TEXTS | st.integers() | st.booleans(), lambda cells: st.lists(cells, max_size=3))
ROWS = st.dictionaries(TEXTS, CELLS, max_size=3)


def with_members(name: str, rows: list[dict[str, Any]]) -> AudienceRecord:
    """Return an audience that lists these members."""
    members = [{**row, "phoneNumber": f"+1415555{number:04}"} for number, row in enumerate(rows)]
    parsed = run_without_pauses(MemberRows.parse(members, "phoneNumber", None, ""))
    return AudienceRecord(name=name, phoneNumberColumnName="phoneNumber", memberCount=len(rows), members=parsed)


RECORDS = st.builds(lambda name, count: AudienceRecord(name=name, memberCount=count), TEXTS, st.integers(0, 10_000))
RECORDS |= st.builds(with_members, TEXTS, st.lists(ROWS, max_size=3))


@st.composite
def tenants(draw: st.DrawFn) -> tuple[Any, ...]:
    """Draw a token, a test id and what the tenant does."""
    token = draw(TOKENS | st.sampled_from(["sk_mock_test", "sk_mock_" + "x" * 300, "sk_live_a.b", "x"]))
    rows = draw(st.lists(ROWS, max_size=4))
    return (
        token,
        draw(TEST_IDS),
        draw(COUNTS),
        draw(st.dictionaries(st.sampled_from(["fault-1", "rule-1", "any"]), COUNTERS)),
        draw(st.none() | st.lists(RECORDS, max_size=3)),
        draw(st.none() | TEXTS.filter(str.strip)),
        rows,
        draw(st.booleans()),
    )


def caller_of(token: str, test_id: bytes | None) -> AuthenticatedCaller:
    headers = [(b"authorization", f"Bearer {token}".encode())]
    caller = identify(headers if test_id is None else [*headers, (b"x-test-id", test_id)], "session", None)
    return caller if isinstance(caller, AuthenticatedCaller) else caller_for("sk_other")


async def fill(mock: MockAtoms, drawn: tuple[Any, ...]) -> None:
    """Give a tenant counters, initial data set by a test, and changes by clients."""
    token, test_id, requests, counters, records, column, rows, deletes = drawn
    caller = caller_of(token, test_id)

    await count_request(mock.store, caller.tenant, counters)
    (await mock.store.load(caller.tenant)).requests = requests
    if records is not None:
        await mock.store.commit(caller.tenant, SetInitialData(InitialData(records)))
    if column is not None:
        numbered = [{**row, column: f"+1415555{number:04}"} for number, row in enumerate(rows)]
        fields: Any = {"name": column, "phoneNumberColumnName": column}
        created = await mock.repositories.update(
            caller, lambda data: AudienceRepository(data).create_audience(fields, numbered)
        )
        listed = await mock.repositories.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences())
        campaigns: Any = [{"name": column}]
        await mock.repositories.update(
            caller, lambda data: AudienceRepository(data).set_campaigns(created["_id"], campaigns)
        )
        if deletes and "_id" in listed[0]:
            audience_id = listed[0]["_id"]
            page = await mock.repositories.read_in_steps(
                caller, lambda data: AudienceRepository(data).get_members(audience_id, 1, 3)
            )
            ids = [member["_id"] for member in page["members"]]
            await mock.repositories.update(
                caller, lambda data: AudienceRepository(data).delete_members(audience_id, ids)
            )


async def exported(mock: MockAtoms) -> str:
    return "".join(json_pieces(export_state(mock.settings, await mock.store.export())))


def test_counters_are_exported_in_steps() -> None:
    state = TenantState(caller_for("sk_acme").tenant, counters=dict.fromkeys(map(str, range(1_000)), RuleCounter()))
    pieces = list(json_pieces(export_tenant(state)))
    assert max(map(len, pieces)) < 100
    assert len(json.loads("".join(pieces))["counters"]) == 1_000


def test_a_refused_state_is_freed_in_steps() -> None:
    rules = [{"id": str(number), "respond": {"status": 500}} for number in range(100)]
    audiences = [{"name": "n"} for _ in range(100)]
    fixtures = [{"token": "-", "tokenDigest": "0" * 32, "audiences": audiences}]
    parts = {"rules": rules, "fixtures": fixtures, "tenants": []}
    steps = parsing_steps(parts)
    assert steps == 100 + 100 + 1
    assert parsing_steps(parts | {"rules": [*rules, {}]}) == 100 + 100
    assert parsing_steps(parts | {"fixtures": fixtures * 2}) >= 2 * steps


def parsing_steps(parts: dict[str, Any]) -> int:
    steps = 0
    with contextlib.suppress(ConfigError):
        for _ in parse_snapshot({"version": "1", "seed": "s", "locale": "en_US"} | parts):
            steps += 1
    return steps


async def import_text(mock: MockAtoms, text: str) -> None:
    parser = JsonParser(SnapshotConverter().convert)
    await mock.slices.run(parser.feed(text.encode()))
    state = await mock.slices.run(parser.finish())
    await import_state(state, mock.settings, mock.store, mock.slices, mock.journal.credentials)


@pytest.mark.slow
@pytest.mark.parametrize("piece_bytes", [20, json_parsing.JSON_PIECE_BYTES])
@settings(deadline=None, max_examples=60)
@given(drawn=st.lists(tenants(), max_size=3))
def test_an_exported_state_can_be_imported_and_exported_again(piece_bytes: int, drawn: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        first, second = MockAtoms(Settings(fault=("500",))), MockAtoms(Settings())
        for tenant in drawn:
            await fill(first, tenant)
        text = await exported(first)
        await import_text(second, text)
        assert await exported(second) == text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_parsing, "JSON_PIECE_BYTES", piece_bytes)
        asyncio.run(run())


def converted(state: dict[str, Any], max_bytes: int) -> Any:  # noqa: ANN401 - a value with converted parts
    parser = JsonParser(SnapshotConverter(max_bytes).convert)
    run_without_pauses(parser.feed(json.dumps(state).encode()))
    return run_without_pauses(parser.finish())


TENANT = {"token": "sk_…#abcdef", "tokenDigest": "0" * 32}
MEMBERS = [{"_id": f"{number:024x}", "data": {"p": f"1415555{number:04}"}} for number in range(3000)]
LISTED = {"phoneNumberColumnName": "p", "members": [member["data"] for member in MEMBERS]}
CHANGES = {"audience": "1" * 24, "phoneNumberColumnName": "p"}


def state_of(*audiences: dict[str, Any], tenants: int = 1) -> dict[str, Any]:
    changes = {"ids": 10**6, "audiences": list(audiences)}
    return {"tenants": [TENANT | {"testId": f"{number}", "changes": changes} for number in range(tenants)]}


@pytest.mark.parametrize(
    "state",
    [
        state_of(CHANGES | {"added": MEMBERS}),
        {"tenants": [TENANT | {"audiences": [LISTED]}]},
        state_of(*(CHANGES | {"audience": f"{number:024x}"} for number in range(2000))),
        state_of(tenants=2000),
    ],
    ids=["members", "listed members", "audiences", "tenants"],
)
def test_data_that_is_too_large_is_refused_before_its_end(state: dict[str, Any]) -> None:
    with pytest.raises(CapacityError):
        converted(state, 100_000)
    assert converted(state, 10**9)["tenants"]


def test_an_invalid_member_is_named_while_the_text_arrives() -> None:
    members = [*MEMBERS, {"_id": "x"}, *MEMBERS]
    with pytest.raises(ConfigError) as error:
        converted(state_of(CHANGES | {"added": members}), 10**9)
    assert error.value.pointer == "/tenants/0/changes/audiences/0/added/3000/_id"


def test_too_many_members_are_refused_while_the_text_arrives() -> None:
    with pytest.raises(ConfigError) as error:
        converted(state_of(CHANGES | {"added": [MEMBERS[0]] * 12_000}), 10**9)
    assert str(error.value) == "/tenants/0/changes/audiences/0/added: must have at most 10000 items"
