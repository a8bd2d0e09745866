"""JSON that is rendered in steps."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.contract.schemas import render_json, render_json_steps
from mock_atoms.core.slices import run_without_pauses

LEAVES = st.none() | st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    LEAVES, lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4)
)


@given(VALUES)
def test_json_rendered_in_steps_has_the_same_bytes(value: Any) -> None:  # noqa: ANN401 - any JSON
    assert run_without_pauses(render_json_steps(value)) == render_json(value)


def test_each_item_of_a_list_is_one_step() -> None:
    assert sum(1 for _ in render_json_steps({"data": {"members": [{}] * 1000}})) == 1000
