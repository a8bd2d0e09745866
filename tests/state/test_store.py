"""Tests that every store passes: the memory store, and one whose changes go through a shared log."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import pytest

from mock_atoms.core import slices
from mock_atoms.core.errors import CapacityError
from mock_atoms.core.slices import Slices, Steps, free
from mock_atoms.core.tenancy import Tenant, caller_for
from mock_atoms.data.fixtures import FixtureData, Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import InitialData
from mock_atoms.faults import rulebook
from mock_atoms.faults.engine import Counters, Evaluation, RuleCounter
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook, RuleSet
from mock_atoms.faults.rules import Rule
from mock_atoms.state import memory_store as memory_store_module
from mock_atoms.state.audiences import AudienceRepository
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.operations import SetInitialData
from mock_atoms.state.repositories import Repositories
from mock_atoms.state.start_point import StartPoint
from mock_atoms.state.store import ConflictError, Store, StoreContent, TenantState
from mock_atoms.wiremock import stub_book
from mock_atoms.wiremock.stub_book import StubBook
from mock_atoms.wiremock.stubs import Stub
from tests.helpers.exchanges import exchange
from tests.helpers.stores import RULE, content_of, count_request, make_store, memory_store, replicated_store
from tests.wiremock.test_stubs import parse

if TYPE_CHECKING:
    from mock_atoms.state.tenant_data import Change, TenantData


class MakeStore(Protocol):
    def __call__(
        self,
        *,
        rules: RuleBook | None = None,
        fixtures: Fixtures | None = None,
        max_tenants: int = 10,
        max_bytes: int = 10**9,
    ) -> Store: ...


@pytest.fixture(name="make_store", params=[MemoryStore, replicated_store])
def make_store_fixture(request: pytest.FixtureRequest) -> MakeStore:
    return partial(make_store, request.param)


TRIGGERED = {"r": RuleCounter(1, 1, 2.5, 1), "s": RuleCounter(1, 1, 2.5, 1)}


def tenant_of(token: str) -> Tenant:
    return caller_for(token).tenant


def rule_for(token: str | None, test_id: str | None = None) -> Rule:
    match = {key: value for key, value in (("token", token), ("testId", test_id)) if value is not None}
    return parse_fault({"fault": "500", "match": match})


def with_audiences(number: int) -> SetInitialData:
    return SetInitialData(InitialData([{"name": "sample"} for _ in range(number)]))


def _plain(fixtures: dict[bytes, FixtureData]) -> list[tuple[bytes, str, list[Any], str | None]]:
    """Return fixtures as values that can be compared."""
    return [
        (digest, data.label, data.initial_data.audiences, data.initial_data.organization)
        for digest, data in fixtures.items()
    ]


def size_of(number: int) -> int:
    """Return the size of a tenant with so many audiences."""
    state = TenantState(tenant_of("a"))
    state.apply(with_audiences(number))
    return state.size_bytes


def audience_count(state: TenantState) -> int | None:
    return None if state.initial_data is None else len(state.initial_data.audiences)


def test_version_grows_with_each_change_of_the_data_and_after_a_reset() -> None:
    async def run() -> list[int]:
        store = memory_store(max_tenants=1)
        versions = [(await store.load(tenant_of("a"))).version]
        await store.commit(tenant_of("a"), with_audiences(1))
        versions.append((await store.load(tenant_of("a"))).version)
        await store.reset()
        versions.append((await store.load(tenant_of("a"))).version)
        await count_request(store, tenant_of("b"))  # evicts a
        versions.append((await store.load(tenant_of("a"))).version)
        return versions

    versions = asyncio.run(run())
    assert versions == sorted(set(versions))


def test_version_stays_if_only_counters_change() -> None:
    async def run() -> None:
        store = memory_store()
        version = (await store.load(tenant_of("a"))).version
        assert await count_request(store, tenant_of("a"), TRIGGERED) == 1
        assert (await store.load(tenant_of("a"))).version == version

    asyncio.run(run())


def test_unknown_tenant_has_an_empty_state(make_store: MakeStore) -> None:
    async def run() -> None:
        assert await make_store().load(tenant_of("a")) == TenantState(tenant_of("a"))

    asyncio.run(run())


def test_changes_are_saved_by_tenant(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store()
        assert [await count_request(store, tenant_of(name)) for name in "aaba"] == [1, 2, 1, 3]
        assert (await store.load(tenant_of("a"))).requests == 3

    asyncio.run(run())


def test_token_and_its_tests_are_separate_tenants(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store()
        tenants = [tenant_of("a"), caller_for("a", "t").tenant, caller_for("a", "u").tenant]
        assert [await count_request(store, tenant) for tenant in tenants] == [1, 1, 1]

    asyncio.run(run())


def test_tenants_and_their_fault_counters_have_a_size(make_store: MakeStore) -> None:
    counters = {f"rule-{number}": RuleCounter(1) for number in range(100)}

    async def run() -> None:
        empty, counted = TenantState(tenant_of("a")), TenantState(tenant_of("a"), counters=counters)
        store = make_store(max_bytes=counted.size_bytes + 2 * empty.size_bytes)
        for name in "abc":
            await count_request(store, tenant_of(name))
        await count_request(store, tenant_of("d"), counters)
        assert [state.tenant for state in await store.tenants()] == [tenant_of(name) for name in "bcd"]
        await count_request(store, tenant_of("e"), counters)
        assert [state.tenant for state in await store.tenants()] == [tenant_of("e")]

    asyncio.run(run())


def test_rules_are_kept_and_applied_in_order_of_precedence(make_store: MakeStore) -> None:
    async def run() -> None:
        book = RuleBook({"fault-1": RULE})
        store = make_store(rules=book)
        ids = [(await store.add_rule(rule_for(token))).id for token in ("a", None, "a")]
        assert [rule.id for rule in await store.rules()] == [*ids, "fault-1"]
        assert [rule.id for rule in book.matching(tenant_of("b"), "GET", "/audience")] == [ids[1], "fault-1"]
        rule = await store.rule(ids[2])
        assert rule is not None
        assert (rule.id, rule.rule, rule.is_startup_rule) == (ids[2], rule_for("a"), False)
        assert await store.rule("unknown") is None

    asyncio.run(run())


def test_rules_beyond_the_limit_change_nothing(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_RULES", 1)

    async def run() -> None:
        store = make_store()
        added = await store.add_rule(RULE)
        with pytest.raises(CapacityError):
            await store.add_rule(RULE)
        assert [rule.id for rule in await store.rules()] == [added.id]

    asyncio.run(run())


def test_rules_count_their_requests(make_store: MakeStore) -> None:
    async def run() -> None:
        book = RuleBook({})
        store = make_store(rules=book)
        rule_id = (await store.add_rule(RULE)).id

        def evaluate(_counters: Counters) -> Evaluation:
            (active_rule,) = book.matching(tenant_of("a"), "GET", "/audience")
            return Evaluation(None, [(active_rule, RuleCounter(), True)])

        await store.begin(tenant_of("a"), exchange(0, None, tenant=tenant_of("a")), evaluate)
        rule = await store.rule(rule_id)
        assert rule is not None
        assert (rule.evaluated, rule.triggered) == (1, 1)

    asyncio.run(run())


def test_a_removed_rule_leaves_no_counters(make_store: MakeStore) -> None:
    async def run() -> None:
        book = RuleBook({"fault-1": RULE})
        store = make_store(rules=book)
        first, second = [(await store.add_rule(RULE)).id for _ in range(2)]
        await count_request(store, tenant_of("a"), dict.fromkeys([first, second, "fault-1"], RuleCounter(1)))
        await count_request(store, tenant_of("b"))
        await store.remove_rules([first, "unknown"])
        assert [rule.id for rule in await store.rules()] == [second, "fault-1"]
        assert (await store.load(tenant_of("a"))).counters.keys() == {second, "fault-1"}
        await store.remove_rules()
        assert [rule.id for rule in await store.rules()] == ["fault-1"]
        assert (await store.load(tenant_of("a"))).counters.keys() == {"fault-1"}
        assert [rule.id for rule in book] == ["fault-1"]

    asyncio.run(run())


def test_least_recently_used_tenant_is_evicted(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store(max_tenants=2)
        assert [await count_request(store, tenant_of(name)) for name in "abacab"] == [1, 1, 2, 1, 3, 1]

    asyncio.run(run())


def test_reading_counts_as_use() -> None:
    async def run() -> None:
        store = memory_store(max_tenants=2)
        await count_request(store, tenant_of("a"))
        await count_request(store, tenant_of("b"))
        await store.load(tenant_of("a"))
        await count_request(store, tenant_of("c"))
        assert [state.tenant for state in await store.tenants()] == [tenant_of("a"), tenant_of("c")]

    asyncio.run(run())


def test_least_recently_used_tenants_are_evicted_if_data_is_too_large(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store(max_bytes=2 * size_of(100) + 5 * size_of(0))
        for name in "abc":
            await store.commit(tenant_of(name), with_audiences(100))
        assert [audience_count(await store.load(tenant_of(name))) for name in "abc"] == [None, 100, 100]
        await store.commit(tenant_of("d"), with_audiences(200))
        assert [audience_count(await store.load(tenant_of(name))) for name in "abcd"] == [None, None, None, 200]

    asyncio.run(run())


def test_tenant_in_use_is_never_evicted(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store(max_bytes=size_of(2))
        await store.commit(tenant_of("a"), with_audiences(50))
        assert audience_count(await store.load(tenant_of("a"))) == 50

    asyncio.run(run())


def test_reset_and_smaller_data_make_room(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store(max_bytes=size_of(1) + size_of(4))
        for name in "abcdef":
            await store.commit(tenant_of(name), with_audiences(4))
            await store.reset(tenant_of(name).token_digest)
        await store.commit(tenant_of("g"), with_audiences(4))
        await store.commit(tenant_of("g"), with_audiences(1))
        await store.commit(tenant_of("h"), with_audiences(4))
        assert [audience_count(await store.load(tenant_of(name))) for name in "gh"] == [1, 4]

    asyncio.run(run())


def test_a_reset_tenant_leaves_its_memory_to_others(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store(max_bytes=2 * size_of(4))
        for _ in range(3):
            await store.commit(tenant_of("a"), with_audiences(4))
            await store.reset(tenant_of("a").token_digest)
        for name in "bc":
            await store.commit(tenant_of(name), with_audiences(4))
        assert [audience_count(await store.load(tenant_of(name))) for name in "bc"] == [4, 4]

    asyncio.run(run())


def test_reset_selects_by_token_and_test(make_store: MakeStore) -> None:
    async def labels_after_reset(token_digest: bytes | None, test_digest: bytes | None) -> list[str]:
        store = make_store()
        for token, test_id in (("a", None), ("a", "t"), ("b", "t"), ("b", None)):
            await count_request(store, caller_for(token, test_id).tenant)
        await store.reset(token_digest, test_digest)
        return [f"{state.tenant.label[-2:]}{state.tenant.test_id or ''}" for state in await store.tenants()]

    async def run() -> None:
        a, t = tenant_of("a").token_digest, caller_for("a", "t").tenant.test_digest
        label_a, label_b = tenant_of("a").label[-2:], tenant_of("b").label[-2:]
        assert await labels_after_reset(None, None) == []
        assert await labels_after_reset(a, None) == [f"{label_b}t", label_b]
        assert await labels_after_reset(None, t) == [label_a, label_b]
        assert await labels_after_reset(a, t) == [label_a, f"{label_b}t", label_b]

    asyncio.run(run())


def test_reset_removes_the_rules_of_a_token_and_a_test(make_store: MakeStore) -> None:
    async def rules_after_reset(token_digest: bytes | None, test_digest: bytes | None) -> list[str]:
        book = RuleBook({"fault-1": RULE})
        store = make_store(rules=book)
        rules = [rule_for(None), rule_for("a"), rule_for("a", "t"), rule_for("b", "t")]
        ids = [(await store.add_rule(rule)).id for rule in rules]
        await count_request(store, tenant_of("a"), {"fault-1": RuleCounter(1)})
        await store.reset(token_digest, test_digest)
        assert [rule.id for rule in book] == [rule.id for rule in await store.rules()]
        names = dict(zip(ids, ("any", "a", "at", "bt"), strict=True))
        return [names.get(rule.id, rule.id) for rule in await store.rules()]

    async def run() -> None:
        a, t = tenant_of("a").token_digest, caller_for("a", "t").tenant.test_digest
        assert await rules_after_reset(None, None) == ["fault-1"]
        assert await rules_after_reset(a, None) == ["any", "bt", "fault-1"]
        assert await rules_after_reset(None, t) == ["any", "a", "fault-1"]
        assert await rules_after_reset(a, t) == ["any", "a", "bt", "fault-1"]

    asyncio.run(run())


def test_content_can_be_moved_to_another_store_until_a_reset(make_store: MakeStore) -> None:
    async def run() -> None:
        fixtures, caller = Fixtures(GENERATOR, "en_US"), caller_for("a")
        initial = fixtures.initial_data(caller).audiences
        first = make_store(rules=RuleBook({"fault-1": RULE}))
        second = make_store(rules=RuleBook({"fault-1": RULE, "fault-2": RULE}), fixtures=fixtures)
        await first.add_rule(RULE)
        removed = (await second.add_rule(rule_for("a"))).id
        rules, _, tenants, *_ = await first.export()
        data = {caller.tenant.token_digest: FixtureData(caller.tenant.label, InitialData([{"name": "mine"}]))}
        await second.replace_all(StoreContent(rules, data, tenants))
        content = await second.export()
        assert [(rule.id, rule.rule) for rule in content.rules] == [(rule.id, rule.rule) for rule in rules]
        assert await second.rule(removed) is None
        assert _plain(content.fixtures) == _plain(data)
        assert fixtures.initial_data(caller).audiences == [{"name": "mine"}]
        await second.reset()
        assert [rule.id for rule in await second.rules()] == ["fault-1", "fault-2"]
        assert fixtures.initial_data(caller).audiences == initial
        assert (await second.export()).fixtures == {}

    asyncio.run(run())


def test_content_that_is_refused_changes_nothing(make_store: MakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_RULES", 1)

    async def run() -> None:
        fixtures, caller = Fixtures(GENERATOR, "en_US"), caller_for("a")
        initial = fixtures.initial_data(caller).audiences
        book = RuleBook({})
        store = make_store(rules=book, fixtures=fixtures, max_bytes=size_of(5))
        kept = (await store.add_rule(rule_for("a"))).id
        await count_request(store, tenant_of("a"))
        data = {caller.tenant.token_digest: FixtureData(caller.tenant.label, InitialData([]))}
        too_large = TenantState(tenant_of("b"))
        too_large.apply(with_audiences(6))
        rules = [ActiveRule(name, RULE, (False, 0)) for name in "xy"]
        mark = store.mark()
        for refused in (StoreContent(rules, data, []), StoreContent(rules[:1], data, [too_large])):
            with pytest.raises(CapacityError):
                await store.replace_all(refused)
            assert [rule.id for rule in await store.rules()] == [kept]
            assert [rule.id for rule in book] == [kept]
            assert [state.tenant for state in await store.tenants()] == [tenant_of("a")]
            assert fixtures.initial_data(caller).audiences == initial
        assert await store.commit(tenant_of("a"), with_audiences(1), mark)

    asyncio.run(run())


def test_replaced_rules_are_freed_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    is_kept: list[bool] = []
    book, previous_rules = RuleBook({}), RuleSet()
    book.replace_all(previous_rules)
    previous = weakref.ref(previous_rules)
    del previous_rules

    def freed(objects: list[Any]) -> Steps[None]:
        yield from free(objects)
        is_kept.append(previous() is not None)

    monkeypatch.setattr(memory_store_module, "free", freed)
    asyncio.run(memory_store(rules=book).replace_all(content_of([])))
    assert is_kept == [False]


def test_states_can_be_moved_to_another_store(make_store: MakeStore) -> None:
    async def run() -> None:
        first, second = make_store(), make_store()
        await count_request(first, tenant_of("a"))
        await first.commit(tenant_of("b"), with_audiences(2))
        await count_request(second, tenant_of("c"))
        await second.replace_all(content_of(await first.tenants()))
        assert [state.tenant for state in await second.tenants()] == [tenant_of("a"), tenant_of("b")]
        assert await count_request(second, tenant_of("a")) == 2
        assert audience_count(await second.load(tenant_of("b"))) == 2
        assert await count_request(second, tenant_of("c")) == 1

    asyncio.run(run())


def test_states_that_are_too_large_change_nothing(make_store: MakeStore) -> None:
    async def run() -> None:
        first, second = make_store(), make_store(max_bytes=size_of(5))
        await first.commit(tenant_of("a"), with_audiences(6))
        await second.commit(tenant_of("b"), with_audiences(1))
        with pytest.raises(CapacityError):
            await second.replace_all(content_of(await first.tenants()))
        assert audience_count(await second.load(tenant_of("b"))) == 1
        await first.commit(tenant_of("a"), with_audiences(5))
        await second.replace_all(content_of(await first.tenants()))
        assert audience_count(await second.load(tenant_of("a"))) == 5
        await second.commit(tenant_of("b"), with_audiences(1))
        assert [state.tenant for state in await second.tenants()] == [tenant_of("b")]

    asyncio.run(run())


def test_replacing_keeps_the_most_recently_used_tenants(make_store: MakeStore) -> None:
    async def run() -> None:
        first, second = make_store(), make_store(max_tenants=2)
        for name in "abc":
            await count_request(first, tenant_of(name))
        await second.replace_all(content_of(await first.tenants()))
        assert [state.tenant for state in await second.tenants()] == [tenant_of("b"), tenant_of("c")]

    asyncio.run(run())


GENERATOR = Generator("atoms")
FIXTURES = Fixtures(GENERATOR, "en_US")
SLICES = Slices(monotonic)


def repositories(store: Store) -> Repositories:
    return Repositories(store, FIXTURES, GENERATOR, lambda: datetime(2026, 1, 31, tzinfo=UTC), SLICES)


def test_a_change_to_an_old_version_has_no_effect(make_store: MakeStore) -> None:
    async def run() -> None:
        store = make_store(max_tenants=1)
        tenant = tenant_of("a")

        async def has_changed(audiences: int, mark: int) -> bool:
            try:
                return await store.commit(tenant, with_audiences(audiences), mark)
            except ConflictError:
                return False

        mark = store.mark()
        await store.reset()
        await count_request(store, tenant)
        assert not await has_changed(1, mark)
        assert (await store.load(tenant)).initial_data is None
        mark = store.mark()
        assert await has_changed(1, mark)
        assert not await has_changed(2, mark)
        assert audience_count(await store.load(tenant)) == 1
        mark = store.mark()
        await count_request(store, tenant_of("b"))  # evicts the tenant
        assert not await has_changed(2, mark)
        assert await store.commit(tenant, with_audiences(2))
        assert audience_count(await store.load(tenant)) == 2

    asyncio.run(run())


def test_changes_to_audiences_are_saved(make_store: MakeStore) -> None:
    """Changes one generated and one created audience, and reads each change back from the store."""

    async def run() -> None:
        store = make_store()
        audiences, caller = repositories(store), caller_for("sk_mock_one.store")
        (initial,) = await audiences.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences())
        initial_id, before = initial["_id"], initial["memberCount"]
        column = initial["phoneNumberColumnName"]
        await audiences.update(
            caller, lambda data: AudienceRepository(data).set_campaigns(initial_id, [{"name": "Mine"}])
        )
        first_page = await audiences.read_in_steps(
            caller, lambda data: AudienceRepository(data).get_members(initial_id, 1, 1)
        )
        first = first_page["members"][0]
        await audiences.update(caller, lambda data: AudienceRepository(data).delete_members(initial_id, [first["_id"]]))
        await audiences.update(
            caller,
            lambda data: AudienceRepository(data).add_members(initial_id, [{column: "+15550100999", "vip": True}]),
        )
        created = await audiences.update(
            caller,
            lambda data: AudienceRepository(data).create_audience(
                {"name": "New", "phoneNumberColumnName": "p"}, [{"p": "15550100998"}]
            ),
        )
        listed = {
            audience["_id"]: audience
            for audience in await audiences.read_in_steps(
                caller, lambda data: AudienceRepository(data).list_audiences()
            )
        }
        assert listed[initial_id]["memberCount"] == before
        assert [campaign["name"] for campaign in listed[initial_id]["campaigns"]] == ["Mine"]
        assert listed[created["_id"]]["memberCount"] == 1
        found = await audiences.read_in_steps(
            caller, lambda data: AudienceRepository(data).search_members(initial_id, "true", {})
        )
        assert [member["data"] for member in found["members"]] == [{column: "+15550100999", "vip": True}]
        page = await audiences.read_in_steps(
            caller, lambda data: AudienceRepository(data).get_members(initial_id, 1, 10_000)
        )
        assert first["_id"] not in [member["_id"] for member in page["members"]]
        await audiences.update(caller, lambda data: AudienceRepository(data).set_campaigns(initial_id, []))
        await audiences.update(caller, lambda data: AudienceRepository(data).delete_audience(initial_id))
        remaining = await audiences.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences())
        assert [audience["_id"] for audience in remaining] == [created["_id"]]
        await store.reset()
        assert await audiences.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences()) == [
            initial
        ]

    asyncio.run(run())


def test_failed_change_has_no_effect(make_store: MakeStore) -> None:
    """A broken clock makes the operations fail late."""

    def broken_clock() -> datetime:
        raise RuntimeError("clock")

    async def run() -> None:
        store, caller = make_store(), caller_for("sk_mock_one.store")
        audiences = repositories(store)
        (initial,) = await audiences.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences())
        audience_id, column = initial["_id"], initial["phoneNumberColumnName"]
        await audiences.update(
            caller, lambda data: AudienceRepository(data).add_members(audience_id, [{column: "+15550100001"}])
        )
        before = await audiences.read_in_steps(
            caller, lambda data: AudienceRepository(data).get_members(audience_id, 1, 10_000)
        )
        ids = [member["_id"] for member in before["members"][-2:]]
        listed = await audiences.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences())
        failing = Repositories(store, FIXTURES, GENERATOR, broken_clock, SLICES)
        changes: list[Callable[[TenantData], Change[Any]]] = [
            lambda data: AudienceRepository(data).add_members(audience_id, [{column: "+15550100002"}]),
            lambda data: AudienceRepository(data).delete_members(audience_id, ids),
            lambda data: AudienceRepository(data).create_audience(
                {"name": "x", "phoneNumberColumnName": "p"}, [{"p": "+15550100003"}]
            ),
            lambda data: AudienceRepository(data).set_campaigns(audience_id, [{}]),
        ]
        for change in changes:
            with pytest.raises(RuntimeError, match="clock"):
                await failing.update(caller, change)
        assert (
            await audiences.read_in_steps(
                caller, lambda data: AudienceRepository(data).get_members(audience_id, 1, 10_000)
            )
            == before
        )
        assert await audiences.read_in_steps(caller, lambda data: AudienceRepository(data).list_audiences()) == listed

    asyncio.run(run())


def many_stubs(first: int, number: int) -> list[Stub]:
    return [parse({"id": str(UUID(int=index)), "request": {"urlPath": f"/{index}"}}) for index in range(first, number)]


def make_changes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a change of more than ten stubs take several slices."""
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 10)
    monkeypatch.setattr(slices, "SLICE_SECONDS", 1e-5)


def copied_books(monkeypatch: pytest.MonkeyPatch) -> list[StubBook]:
    """Return a list that gets the book of each long change, which starts with a copy."""
    copied: list[StubBook] = []
    copy = StubBook._copy  # noqa: SLF001 - only long changes call it

    def note_copy(book: StubBook) -> Steps[StubBook]:
        copied.append(book)
        return copy(book)

    monkeypatch.setattr(StubBook, "_copy", note_copy)
    return copied


async def stub_numbers(store: Store) -> list[int]:
    return [UUID(stub.id).int for stub in (await store.export()).stubs]


@pytest.mark.slow
def test_a_long_change_of_stubs_is_made_although_others_are_made_all_the_time(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_changes_long(monkeypatch)
    copied = copied_books(monkeypatch)

    async def run() -> None:
        store = make_store()
        long = asyncio.ensure_future(store.put_stubs(many_stubs(100, 1_000)))
        await asyncio.sleep(0)
        for stub in many_stubs(0, 10):
            await store.put_stubs([stub])
        await long
        assert sorted(await stub_numbers(store)) == [*range(10), *range(100, 1_000)]

    asyncio.run(run())
    assert len(copied) == 1


@pytest.mark.parametrize("change", [MemoryStore.reset_stubs, MemoryStore.reset, MemoryStore.save_stubs])
def test_a_change_that_becomes_long_while_it_waits_is_made_in_steps(
    change: Callable[[MemoryStore], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_changes_long(monkeypatch)
    copied = copied_books(monkeypatch)

    async def run() -> None:
        store = memory_store()
        importing = asyncio.ensure_future(store.put_stubs(many_stubs(0, 500)))
        await asyncio.sleep(0)
        await change(store)
        await importing

    asyncio.run(run())
    assert len(copied) == 2


@pytest.mark.slow
def test_a_stub_that_is_deleted_while_all_are_saved_stays_deleted(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_changes_long(monkeypatch)

    async def run() -> None:
        store = make_store()
        await store.put_stubs(many_stubs(0, 500))
        saving = asyncio.ensure_future(store.save_stubs())
        await asyncio.sleep(0)
        await store.remove_stubs([str(UUID(int=0))])
        await saving
        assert await stub_numbers(store) == [*range(1, 500)]
        await store.reset_stubs()
        assert await stub_numbers(store) == [*range(1, 500)]

    asyncio.run(run())


def test_a_persistent_stub_that_is_deleted_while_a_return_to_the_start_state_waits_stays_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_changes_long(monkeypatch)

    def start_state() -> Steps[StoreContent]:
        yield
        return content_of([])

    async def run() -> None:
        store = make_store(partial(MemoryStore, start=StartPoint(start_state)))
        kept, deleted = (parse({"id": str(UUID(int=number)), "persistent": True}) for number in (1, 2))
        await store.put_stubs([kept, deleted])
        importing = asyncio.ensure_future(store.put_stubs(many_stubs(10, 500)))
        await asyncio.sleep(0)
        deletion = asyncio.ensure_future(store.remove_stubs([deleted.id]))
        await store.reset()
        await asyncio.gather(importing, deletion)
        assert await stub_numbers(store) == [1]

    asyncio.run(run())


def test_a_scenario_that_is_set_during_a_long_change_of_stubs_stays_set(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_changes_long(monkeypatch)

    async def run() -> None:
        store = make_store()
        await store.put_stubs([parse({"scenarioName": "s", "requiredScenarioState": "two"})])
        long = asyncio.ensure_future(store.put_stubs(many_stubs(0, 500)))
        await asyncio.sleep(0)
        await store.set_scenarios("two", "s")
        await long
        assert (await store.export()).scenarios == [("s", "two")]

    asyncio.run(run())


def test_one_scenario_of_a_tenant_is_set() -> None:
    async def test() -> None:
        store, tenant = memory_store(), caller_for("sk_a").tenant
        stubs = [
            parse({"scenarioName": name, "requiredScenarioState": "two", "response": {"status": 200}})
            for name in ("one", "other")
        ]
        await store.put_stubs(stubs)
        await store.set_scenarios("two", "one", tenant)
        one, other = (stub.id for stub in stubs)
        assert await store.choose_stub(tenant, [other]) is None
        chosen = await store.choose_stub(tenant, [other, one])
        assert chosen is not None
        assert chosen.id == one

    asyncio.run(test())
