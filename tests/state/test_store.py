"""What every store has to do: the one in memory, and one that keeps bytes, as a database would."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import pytest

from mock_atoms.core.tenancy import Tenant, caller_for
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.data.models import InitialData
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.faults.rulebook import CapacityError
from mock_atoms.state.audiences import AudienceRepositories, AudienceRepository
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.store import Store, TenantState
from tests.state.bytes_store import BytesStore


class Make(Protocol):
    def __call__(self, max_tenants: int = 10, max_bytes: int = 10**9) -> Store: ...


@pytest.fixture(params=[MemoryStore, BytesStore])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def of(name: str) -> Tenant:
    return caller_for(name).tenant


def count(state: TenantState) -> int:
    state.requests += 1
    return state.requests


def choose(number: int) -> Callable[[TenantState], None]:
    def do(state: TenantState) -> None:
        state.set_data(InitialData([{"name": "chosen"} for _ in range(number)]), None)

    return do


def initial_data(state: TenantState) -> int | None:
    return None if state.initial_data is None else len(state.initial_data.audiences)


def test_version_grows_with_each_change_of_the_data_and_after_a_reset() -> None:
    async def run() -> list[int]:
        store = MemoryStore(max_tenants=1)
        versions = [await store.read(of("a"), lambda state: state.version)]
        await store.update(of("a"), choose(1))
        versions.append(await store.read(of("a"), lambda state: state.version))
        await store.reset()
        versions.append(await store.read(of("a"), lambda state: state.version))
        await store.update(of("b"), count)  # evicts a
        versions.append(await store.read(of("a"), lambda state: state.version))
        return versions

    versions = asyncio.run(run())
    assert versions == sorted(set(versions))


def test_version_stays_if_only_counters_change() -> None:
    state = TenantState(of("a"))
    version = state.version
    count(state)
    assert state.version == version


def test_a_tenant_that_is_not_known_begins_with_nothing(make: Make) -> None:
    async def run() -> None:
        assert await make().read(of("a"), lambda state: state) == TenantState(of("a"))

    asyncio.run(run())


def test_changes_are_kept_by_tenant(make: Make) -> None:
    async def run() -> None:
        store = make()
        assert [await store.update(of(name), count) for name in "aaba"] == [1, 2, 1, 3]
        assert await store.read(of("a"), lambda state: state.requests) == 3

    asyncio.run(run())


def test_a_token_and_its_tests_are_tenants_apart(make: Make) -> None:
    async def run() -> None:
        store = make()
        tenants = [of("a"), caller_for("a", "t").tenant, caller_for("a", "u").tenant]
        assert [await store.update(tenant, count) for tenant in tenants] == [1, 1, 1]

    asyncio.run(run())


def test_counters_are_kept_and_can_be_forgotten_everywhere(make: Make) -> None:
    def strike(state: TenantState) -> None:
        state.counters["r"] = state.counters["s"] = RuleCounter(1, 1, 2.5, 1)

    def forget(state: TenantState) -> None:
        state.counters.pop("r", None)

    async def run() -> None:
        store = make()
        await store.update(of("a"), strike)
        await store.update(of("b"), count)
        await store.update_all(forget)
        assert await store.read(of("a"), lambda state: state.counters) == {"s": RuleCounter(1, 1, 2.5, 1)}
        assert await store.read(of("b"), lambda state: state.counters) == {}

    asyncio.run(run())


def test_the_least_recently_used_tenant_is_forgotten(make: Make) -> None:
    async def run() -> None:
        store = make(max_tenants=2)
        assert [await store.update(of(name), count) for name in "abacab"] == [1, 1, 2, 1, 3, 1]

    asyncio.run(run())


def test_to_look_is_to_use(make: Make) -> None:
    async def run() -> None:
        store = make(max_tenants=2)
        await store.update(of("a"), count)
        await store.update(of("b"), count)
        await store.read(of("a"), lambda _: None)
        await store.update(of("c"), count)
        assert [state.tenant for state in await store.tenants()] == [of("a"), of("c")]

    asyncio.run(run())


def test_where_memory_is_short_the_least_recently_used_are_forgotten(make: Make) -> None:
    async def run() -> None:
        store = make(max_bytes=11_000)
        for name in "abc":
            await store.update(of(name), choose(2))
        assert [await store.read(of(name), initial_data) for name in "abc"] == [None, 2, 2]
        await store.update(of("d"), choose(5))
        assert [await store.read(of(name), initial_data) for name in "abcd"] == [None, None, None, 5]

    asyncio.run(run())


def test_the_tenant_that_is_in_use_is_never_forgotten(make: Make) -> None:
    async def run() -> None:
        store = make(max_bytes=11_000)
        await store.update(of("a"), choose(50))
        assert await store.read(of("a"), initial_data) == 50

    asyncio.run(run())


def test_what_is_forgotten_makes_room(make: Make) -> None:
    async def run() -> None:
        store = make(max_bytes=11_000)
        for name in "abcdef":
            await store.update(of(name), choose(4))
            await store.reset(of(name).token_digest)
        await store.update(of("g"), choose(4))
        await store.update_all(choose(1))
        await store.update(of("h"), choose(4))
        assert [await store.read(of(name), initial_data) for name in "gh"] == [1, 4]

    asyncio.run(run())


def test_all_of_a_token_or_of_a_test_or_one_can_be_forgotten(make: Make) -> None:
    async def known(token_digest: bytes | None, test_digest: bytes | None) -> list[str]:
        store = make()
        for token, test_id in (("a", None), ("a", "t"), ("b", "t"), ("b", None)):
            await store.update(caller_for(token, test_id).tenant, count)
        await store.reset(token_digest, test_digest)
        return [f"{state.tenant.label[-2:]}{state.tenant.test_id or ''}" for state in await store.tenants()]

    async def run() -> None:
        a, t = of("a").token_digest, caller_for("a", "t").tenant.test_digest
        label_a, label_b = of("a").label[-2:], of("b").label[-2:]
        assert await known(None, None) == []
        assert await known(a, None) == [f"{label_b}t", label_b]
        assert await known(None, t) == [label_a, label_b]
        assert await known(a, t) == [label_a, f"{label_b}t", label_b]

    asyncio.run(run())


def test_all_states_can_be_carried_to_another_store(make: Make) -> None:
    async def run() -> None:
        first, second = make(), make()
        await first.update(of("a"), count)
        await first.update(of("b"), choose(2))
        await second.update(of("c"), count)
        await second.replace_all(await first.tenants())
        assert [state.tenant for state in await second.tenants()] == [of("a"), of("b")]
        assert await second.update(of("a"), count) == 2
        assert await second.read(of("b"), initial_data) == 2
        assert await second.update(of("c"), count) == 1

    asyncio.run(run())


def test_states_that_are_too_large_change_nothing(make: Make) -> None:
    async def run() -> None:
        first, second = make(), make(max_bytes=11_000)
        await first.update(of("a"), choose(6))
        await second.update(of("b"), choose(1))
        with pytest.raises(CapacityError):
            await second.replace_all(await first.tenants())
        assert await second.read(of("b"), initial_data) == 1
        await first.update(of("a"), choose(5))
        await second.replace_all(await first.tenants())
        assert await second.read(of("a"), initial_data) == 5
        await second.update(of("b"), choose(1))
        assert [state.tenant for state in await second.tenants()] == [of("b")]

    asyncio.run(run())


def test_more_tenants_than_there_is_room_for_lose_the_oldest(make: Make) -> None:
    async def run() -> None:
        first, second = make(), make(max_tenants=2)
        for name in "abc":
            await first.update(of(name), count)
        await second.replace_all(await first.tenants())
        assert [state.tenant for state in await second.tenants()] == [of("b"), of("c")]

    asyncio.run(run())


GENERATOR = Generator("atoms")
FIXTURES = Fixtures(GENERATOR, "en_US")


def repositories(store: Store) -> AudienceRepositories:
    return AudienceRepositories(store, FIXTURES, GENERATOR, lambda: datetime(2026, 1, 31, tzinfo=UTC))


def test_what_a_client_changes_survives_in_any_store(make: Make) -> None:
    """The life of an audience, generated and created; every change is read back from what the store kept."""

    async def run() -> None:
        store = make()
        kept, caller = repositories(store), caller_for("sk_mock_one.store")
        (begun,) = await kept.read(caller, AudienceRepository.list_audiences)
        begun_id, before = begun["_id"], begun["memberCount"]
        column = begun["phoneNumberColumnName"]
        await kept.update(caller, lambda mine: mine.set_campaigns(begun_id, [{"name": "Mine"}]))
        first = (await kept.read(caller, lambda mine: mine.get_members(begun_id, 1, 1)))["members"][0]
        await kept.update(caller, lambda mine: mine.delete_members(begun_id, [first["_id"]]))
        await kept.update(caller, lambda mine: mine.add_members(begun_id, [{column: "+15550100999", "vip": True}]))
        made = await kept.update(
            caller,
            lambda mine: mine.create_audience({"name": "New", "phoneNumberColumnName": "p"}, [{"p": "15550100998"}]),
        )
        shown = {audience["_id"]: audience for audience in await kept.read(caller, AudienceRepository.list_audiences)}
        assert shown[begun_id]["memberCount"] == before
        assert [campaign["name"] for campaign in shown[begun_id]["campaigns"]] == ["Mine"]
        assert shown[made["_id"]]["memberCount"] == 1
        found = await kept.read(caller, lambda mine: mine.search_members(begun_id, "true", {}))
        assert [member["data"] for member in found["members"]] == [{column: "+15550100999", "vip": True}]
        everybody = await kept.read(caller, lambda mine: mine.get_members(begun_id, 1, 10_000))
        assert first["_id"] not in [member["_id"] for member in everybody["members"]]
        await kept.update(caller, lambda mine: mine.set_campaigns(begun_id, []))
        await kept.update(caller, lambda mine: mine.delete_audience(begun_id))
        assert [audience["_id"] for audience in await kept.read(caller, AudienceRepository.list_audiences)] == [
            made["_id"]
        ]
        await store.reset()
        assert await kept.read(caller, AudienceRepository.list_audiences) == [begun]

    asyncio.run(run())


def test_a_change_that_fails_changes_nothing(make: Make) -> None:
    """A clock that breaks stands for whatever may go wrong late."""

    def broken() -> datetime:
        raise RuntimeError("clock")

    async def run() -> None:
        store, caller = make(), caller_for("sk_mock_one.store")
        kept = repositories(store)
        (begun,) = await kept.read(caller, AudienceRepository.list_audiences)
        audience_id, column = begun["_id"], begun["phoneNumberColumnName"]
        await kept.update(caller, lambda mine: mine.add_members(audience_id, [{column: "+15550100001"}]))
        before = await kept.read(caller, lambda mine: mine.get_members(audience_id, 1, 10_000))
        ids = [member["_id"] for member in before["members"][-2:]]
        listed = await kept.read(caller, AudienceRepository.list_audiences)
        failing = AudienceRepositories(store, FIXTURES, GENERATOR, broken)
        changes: list[Callable[[AudienceRepository], object]] = [
            lambda mine: mine.add_members(audience_id, [{column: "+15550100002"}]),
            lambda mine: mine.delete_members(audience_id, ids),
            lambda mine: mine.create_audience({"name": "x", "phoneNumberColumnName": "p"}, [{"p": "+15550100003"}]),
            lambda mine: mine.set_campaigns(audience_id, [{}]),
        ]
        for change in changes:
            with pytest.raises(RuntimeError, match="clock"):
                await failing.update(caller, change)
        assert await kept.read(caller, lambda mine: mine.get_members(audience_id, 1, 10_000)) == before
        assert await kept.read(caller, AudienceRepository.list_audiences) == listed

    asyncio.run(run())
