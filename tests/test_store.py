import asyncio

import pytest

from mock_atoms.faults import Count, Counters
from mock_atoms.fixtures import Fixtures
from mock_atoms.generator import Generator
from mock_atoms.rulebook import FullError
from mock_atoms.store import MemoryStore, Store
from mock_atoms.tenancy import Tenant, caller_of


def store(max_tenants: int = 10, max_audiences: int = 1000) -> Store:
    return MemoryStore(Fixtures(Generator("atoms"), "en_US"), max_tenants, max_audiences)


def of(name: str) -> Tenant:
    return caller_of(name).tenant


def test_requests_are_counted_by_tenant() -> None:
    async def run(tenants: Store) -> list[int]:
        return [await tenants.count_request(of(name)) for name in "aaba"]

    assert asyncio.run(run(store())) == [1, 2, 1, 3]


def test_counters_are_kept_by_tenant() -> None:
    def strike(counters: Counters) -> Count:
        counters["r"] = Count(counters.get("r", Count()).asked + 1, 0)
        return counters["r"]

    async def run(tenants: Store) -> list[int]:
        return [(await tenants.with_counters(of(name), strike)).asked for name in "aab"]

    assert asyncio.run(run(store())) == [1, 2, 1]


def test_the_least_recently_used_tenant_is_forgotten() -> None:
    async def run(tenants: Store) -> list[int]:
        return [await tenants.count_request(of(name)) for name in "abacab"]

    assert asyncio.run(run(store(max_tenants=2))) == [1, 1, 2, 1, 3, 1]


def test_audiences_are_made_once_and_again_when_dropped() -> None:
    async def run(tenants: Store) -> None:
        one, other = caller_of("sk_mock_one"), caller_of("sk_acme")
        first = await tenants.audiences(one)
        assert await tenants.audiences(one) is first
        assert len(await tenants.audiences(other)) > 3
        again = await tenants.audiences(one)
        assert again == first
        assert again is not first

    asyncio.run(run(store(max_audiences=3)))


def test_a_forgotten_tenant_frees_its_audiences() -> None:
    async def run(tenants: Store) -> None:
        first = await tenants.audiences(caller_of("sk_acme"))
        for number in range(20):
            team = caller_of(f"sk_team_{number}")
            held = await tenants.audiences(team)
            assert await tenants.audiences(team) is held
        assert await tenants.audiences(caller_of("sk_acme")) == first

    asyncio.run(run(store(max_tenants=1, max_audiences=12)))


def test_chosen_audiences_stay_until_they_are_forgotten() -> None:
    async def run() -> None:
        tenants = MemoryStore(Fixtures(Generator("atoms"), "en_US"), 10, max_audiences=1, max_chosen=3)
        one, test, other = caller_of("sk_a"), caller_of("sk_a", "t"), caller_of("sk_b")
        generated = await tenants.audiences(one)
        await tenants.choose_audiences(one.tenant, [{"name": "mine"}])
        await tenants.choose_audiences(test.tenant, [{"name": "the test's"}])
        await tenants.audiences(other)
        assert await tenants.audiences(one) == [{"name": "mine"}]
        with pytest.raises(FullError, match="at most 3 audiences may be chosen"):
            await tenants.choose_audiences(other.tenant, [{}, {}])
        await tenants.choose_audiences(one.tenant, [{}, {}])
        await tenants.forget(one.tenant.owner, test.tenant.test)
        assert await tenants.audiences(test) == generated
        assert await tenants.audiences(one) == [{}, {}]
        await tenants.forget(one.tenant.owner)
        assert await tenants.audiences(one) == generated
        await tenants.choose_audiences(other.tenant, [{}, {}, {}])
        await tenants.forget()
        assert await tenants.states() == []
        await tenants.choose_audiences(other.tenant, [{}, {}, {}])

    asyncio.run(run())


def test_the_counters_of_a_rule_can_be_forgotten() -> None:
    def strike(counters: Counters) -> int:
        counters["r"] = counters["s"] = Count(1)
        return len(counters)

    async def run(tenants: Store) -> None:
        await tenants.with_counters(of("a"), strike)
        await tenants.forget_rules(["r", "unknown"])
        assert await tenants.with_counters(of("a"), dict) == {"s": Count(1)}

    asyncio.run(run(store()))


def test_all_states_can_be_carried_to_another_store() -> None:
    async def run() -> None:
        first, second = store(), store()
        await first.count_request(of("a"))
        await first.choose_audiences(of("b"), [{"name": "b"}])
        await second.count_request(of("c"))
        await second.replace(await first.states())
        assert await second.states() == await first.states()
        assert [state.tenant for state in await second.states()] == [of("a"), of("b")]
        assert await second.count_request(of("a")) == 2
        assert await second.count_request(of("c")) == 1

    asyncio.run(run())
