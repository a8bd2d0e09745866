from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.lru import LruCache, next_use


@dataclass(eq=False)
class Item:
    key: int
    used: float = 0.0
    is_live: bool = False


@given(st.lists(st.tuples(st.sampled_from(["put", "use", "remove", "evict", "clear"]), st.integers(0, 5))))
def test_the_cache_behaves_like_a_list_in_order_of_use(steps: list[tuple[str, int]]) -> None:
    cache: LruCache[int, Item] = LruCache()
    expected: list[Item] = []
    removed: list[Item] = []
    for action, key in steps:
        item = cache.get(key)
        assert item is next((item for item in expected if item.key == key), None)
        others = [other for other in expected if other is not item]
        if action == "put":
            removed += [item] if item else []
            expected = [*others, Item(key)]
            cache.put(key, expected[-1])
        elif action == "use" and item is not None:
            expected = [*others, item]
            item.used = next_use()
        elif action == "remove":
            assert cache.remove(key) is item
            removed += [item] if item else []
            expected = others
        elif action == "evict" and expected:
            removed.append(expected.pop(0))
            assert cache.evict() is removed[-1]
        elif action == "clear":
            removed += expected
            expected = []
            cache.clear()
        assert [*cache] == expected
        assert len(cache) == len(expected)
        assert all(item.is_live for item in expected)
        assert not any(item.is_live for item in removed)


def test_eviction_skips_items_used_since_the_last_eviction() -> None:
    cache: LruCache[int, Item] = LruCache()
    items = [Item(key) for key in range(4)]
    for item in items:
        cache.put(item.key, item)
    assert cache.evict() is items[0]
    items[1].used = next_use()
    cache.remove(2)
    assert [cache.evict(), cache.evict()] == [items[3], items[1]]
