import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.printable import escape_invisible, show_invisible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Grüße, 東京 👍", "Grüße, 東京 👍"),
        ("a\nb\x1b[31m\x7f", "aU+000AbU+001B[31mU+007F"),
        ("+1\u202a555", "+1U+202A555"),
        ("a\u2028b\xa0c\u200bd", "aU+2028bU+00A0cU+200Bd"),
        ("\ud83d\U000e0041", "U+D83DU+E0041"),
    ],
)
def test_invisible_characters_are_shown_as_code_points(text: str, shown: str) -> None:
    assert show_invisible(text) == shown


@given(st.text())
def test_escaped_json_is_printable_and_has_the_same_value(text: str) -> None:
    escaped = escape_invisible(json.dumps(text, ensure_ascii=False))
    assert escaped.isprintable()
    assert json.loads(escaped) == text
