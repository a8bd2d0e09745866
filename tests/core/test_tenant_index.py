"""The index of tenants: it finds what a scan finds."""

from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.tenant_index import TenantIndex

DIGESTS = st.sampled_from([None, b"1", b"2"])
ITEMS = st.dictionaries(st.integers(0, 9), st.tuples(DIGESTS, DIGESTS))


@given(ITEMS, st.sets(st.integers(0, 9)), DIGESTS, DIGESTS)
def test_the_items_of_a_tenant_are_found(
    items: dict[int, tuple[bytes | None, bytes | None]], removed: set[int], token: bytes | None, test: bytes | None
) -> None:
    index: TenantIndex[int] = TenantIndex()
    for item, tenant in items.items():
        index.add(item, *tenant)
    for item in removed & items.keys():
        index.remove(item, *items.pop(item))
    found = [*index.find(token, test)]
    if token is None and test is None:
        assert found == []
    else:
        assert sorted(found) == sorted(
            item for item, tenant in items.items() if token in (None, tenant[0]) and test in (None, tenant[1])
        )
    index.clear()
    assert [*index.find(token, test)] == []


def test_an_index_without_items_keeps_no_digests() -> None:
    index: TenantIndex[str] = TenantIndex()
    index.add("a", b"1", b"2")
    index.remove("a", b"1", b"2")
    assert index._by_token == index._by_test == {}  # noqa: SLF001 - what would grow
