"""The index of owners: it finds what a scan finds."""

from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.owner_index import OwnerIndex

DIGESTS = st.sampled_from([None, b"1", b"2"])
ITEMS = st.dictionaries(st.integers(0, 9), st.tuples(DIGESTS, DIGESTS))


@given(ITEMS, st.sets(st.integers(0, 9)), DIGESTS, DIGESTS)
def test_the_items_of_an_owner_are_found(
    items: dict[int, tuple[bytes | None, bytes | None]], removed: set[int], token: bytes | None, test: bytes | None
) -> None:
    index: OwnerIndex[int] = OwnerIndex()
    for item, owner in items.items():
        index.add(item, *owner)
    for item in removed & items.keys():
        index.remove(item, *items.pop(item))
    found = [*index.find(token, test)]
    if token is None and test is None:
        assert found == []
    else:
        assert sorted(found) == sorted(
            item for item, owner in items.items() if token in (None, owner[0]) and test in (None, owner[1])
        )
    index.clear()
    assert [*index.find(token, test)] == []


def test_an_index_without_items_keeps_no_owners() -> None:
    index: OwnerIndex[str] = OwnerIndex()
    index.add("a", b"1", b"2")
    index.remove("a", b"1", b"2")
    assert index._by_token == index._by_test == {}  # noqa: SLF001 - what would grow
