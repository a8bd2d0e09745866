from mock_atoms.faults import Count
from mock_atoms.fixtures import Fixtures
from mock_atoms.generator import Generator
from mock_atoms.store import MemoryStore
from mock_atoms.tenancy import caller_of


def store(max_tenants: int = 10, max_audiences: int = 1000) -> MemoryStore:
    return MemoryStore(Fixtures(Generator("atoms"), "en_US"), max_tenants, max_audiences)


def test_a_tenant_is_remembered() -> None:
    tenants = store()
    tenants.tenant(b"a").counters["r"] = Count(2, 1)
    assert tenants.tenant(b"a").counters == {"r": (2, 1)}
    assert tenants.tenant(b"b").counters == {}


def test_the_least_recently_used_tenant_is_forgotten() -> None:
    tenants = store(max_tenants=2)
    tenants.tenant(b"a").requests = 1
    tenants.tenant(b"b").requests = 1
    tenants.tenant(b"a")
    tenants.tenant(b"c")
    assert tenants.tenant(b"a").requests == 1
    assert tenants.tenant(b"b").requests == 0


def test_audiences_are_made_once_and_again_when_dropped() -> None:
    tenants = store(max_audiences=3)
    one, other = caller_of("sk_mock_one"), caller_of("sk_acme")
    first = tenants.audiences(one)
    assert tenants.audiences(one) is first
    assert len(tenants.audiences(other)) > 3
    assert tenants.tenant(one.tenant).audiences is None
    again = tenants.audiences(one)
    assert again == first
    assert again is not first


def test_a_forgotten_tenant_frees_its_audiences() -> None:
    tenants = store(max_tenants=1, max_audiences=12)
    first = tenants.audiences(caller_of("sk_acme"))
    for number in range(20):
        tenants.audiences(caller_of(f"sk_team_{number}"))
        assert tenants.tenant(caller_of(f"sk_team_{number}").tenant).audiences is not None
    assert tenants.audiences(caller_of("sk_acme")) == first
