"""JSON that is rendered in pieces."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.json_stream import CHUNK_CHARACTERS, PAUSE, dump_json, json_pieces, next_chunk, render_json
from mock_atoms.core.slices import run_without_pauses

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def items(*values: object) -> Iterator[object]:
    yield from values


def lazy(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a function of `value`, with generators for its lists."""
    if isinstance(value, dict):
        return lambda: {key: lazy(item) for key, item in value.items()}
    return items(PAUSE, *map(lazy, value)) if isinstance(value, list) else lambda: value


@given(JSON)
def test_both_renderers_make_the_same_json(value: object) -> None:
    assert render_json(value) == dump_json(value).encode()


@pytest.mark.parametrize("depth", [100, 254, 255, 900])
def test_json_of_any_depth_is_rendered(depth: int) -> None:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    assert render_json(value) == b"[" * depth + b"]" * depth


def test_half_of_a_surrogate_pair_is_not_rendered() -> None:
    with pytest.raises(UnicodeEncodeError):
        render_json(["\ud800"])


@given(JSON)
def test_pieces_make_the_same_json(value: object) -> None:
    assert "".join(json_pieces(value)) == dump_json(value)
    assert "".join(json_pieces({"a": items(), "b": lazy(value)})) == dump_json({"a": [], "b": value})


def test_a_generator_is_rendered_item_by_item() -> None:
    log: list[str] = []

    def numbers() -> Iterator[object]:
        for number in (1, 2):
            log.append(f"item {number}")
            yield number
            yield PAUSE

    log.extend(json_pieces({"numbers": numbers(), "last": lambda: log[-2]}))
    assert log == ['{"numbers":', "item 1", "[", "1", "", "item 2", ",", "2", "", "]", ',"last":', '"]"', "}"]


@pytest.mark.parametrize(
    ("pieces", "chunks"),
    [
        ([], [0]),
        (["a"], [1]),
        (["a" * CHUNK_CHARACTERS], [CHUNK_CHARACTERS, 0]),
        (["a"] * (CHUNK_CHARACTERS + 5), [CHUNK_CHARACTERS, 5]),
        (["a", "b" * 2 * CHUNK_CHARACTERS, "c"], [2 * CHUNK_CHARACTERS + 1, 1]),
    ],
)
def test_a_chunk_has_as_many_pieces_as_fit(pieces: list[str], chunks: list[int]) -> None:
    remaining, sizes, more = iter(pieces), [], True
    while more:
        chunk, more = run_without_pauses(next_chunk(remaining))
        sizes.append(len(chunk))
    assert sizes == chunks
