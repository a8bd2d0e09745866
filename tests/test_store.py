import asyncio

from mock_atoms.faults import Count, Counters
from mock_atoms.fixtures import Fixtures
from mock_atoms.generator import Generator
from mock_atoms.store import MemoryStore, Store
from mock_atoms.tenancy import caller_of


def store(max_tenants: int = 10, max_audiences: int = 1000) -> Store:
    return MemoryStore(Fixtures(Generator("atoms"), "en_US"), max_tenants, max_audiences)


def test_requests_are_counted_by_tenant() -> None:
    async def run(tenants: Store) -> list[int]:
        return [await tenants.count_request(key) for key in (b"a", b"a", b"b", b"a")]

    assert asyncio.run(run(store())) == [1, 2, 1, 3]


def test_counters_are_kept_by_tenant() -> None:
    def strike(counters: Counters) -> Count:
        counters["r"] = Count(counters.get("r", Count()).asked + 1, 0)
        return counters["r"]

    async def run(tenants: Store) -> list[int]:
        return [(await tenants.with_counters(key, strike)).asked for key in (b"a", b"a", b"b")]

    assert asyncio.run(run(store())) == [1, 2, 1]


def test_the_least_recently_used_tenant_is_forgotten() -> None:
    async def run(tenants: Store) -> list[int]:
        return [await tenants.count_request(key) for key in (b"a", b"b", b"a", b"c", b"a", b"b")]

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
