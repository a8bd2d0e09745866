import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.json_pointer import format_pointer, parse_pointer


@pytest.mark.parametrize(
    ("keys", "pointer"),
    [
        (["data", 0, "name"], "/data/0/name"),
        (["a/b", "c~d", "~1"], "/a~1b/c~0d/~01"),
        ([""], "/"),
        ([], ""),
    ],
)
def test_pointer_escapes_slash_and_tilde(keys: list[object], pointer: str) -> None:
    assert format_pointer(keys) == pointer


@given(st.lists(st.text(), min_size=1))
def test_parsing_inverts_formatting(keys: list[str]) -> None:
    assert parse_pointer(format_pointer(keys)) == keys
