"""The least recently used goes first, to the letter, whatever the order of uses."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.lru import LruCache, next_use


@dataclass(eq=False)
class Value:
    key: int
    used: float = 0.0
    is_live: bool = False


@given(st.lists(st.tuples(st.sampled_from(["put", "use", "remove", "evict", "clear"]), st.integers(0, 5))))
def test_it_forgets_what_a_list_in_order_of_use_has_first(steps: list[tuple[str, int]]) -> None:
    recent: LruCache[int, Value] = LruCache()
    order: list[Value] = []
    gone: list[Value] = []
    for what, key in steps:
        known = recent.get(key)
        assert known is next((value for value in order if value.key == key), None)
        if what == "put":
            gone += [known] if known else []
            order = [value for value in order if value is not known] + [Value(key)]
            recent.put(key, order[-1])
        elif what == "use" and known is not None:
            order = [value for value in order if value is not known] + [known]
            known.used = next_use()
        elif what == "remove":
            assert recent.remove(key) is known
            gone += [known] if known else []
            order = [value for value in order if value is not known]
        elif what == "evict" and order:
            gone.append(order.pop(0))
            assert recent.evict() is gone[-1]
        elif what == "clear":
            gone += order
            order = []
            recent.clear()
        assert [*recent] == order
        assert len(recent) == len(order)
        assert all(value.is_live for value in order)
        assert not any(value.is_live for value in gone)
