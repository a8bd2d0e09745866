import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.printable import escape_invisible, find_lookalike, show_invisible, unicode_form


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Grüße, 東京 👍", "Grüße, 東京 👍"),
        ("a\nb\x1b[31m\x7f", "aU+000AbU+001B[31mU+007F"),
        ("+1\u202a555", "+1U+202A555"),
        ("a\u2028b\xa0c\u200bd", "aU+2028bU+00A0cU+200Bd"),
        ("\ud83d\U000e0041", "U+D83DU+E0041"),
        ("a\u3164b\u2800c\ufe0fd\U000e0100", "aU+3164bU+2800cU+FE0FdU+E0100"),
        ("Te\u0301le\u0301phone", "Te\u0301le\u0301phone"),
        ("\u0301a \u0301b\u200b\u0301", "U+0301a U+0301bU+200BU+0301"),
        ("Ha\u0300\u0301", "Ha\u0300\u0301"),
    ],
)
def test_invisible_characters_are_shown_as_code_points(text: str, shown: str) -> None:
    assert show_invisible(text) == shown


@given(st.text())
def test_escaped_json_is_printable_and_has_the_same_value(text: str) -> None:
    escaped = escape_invisible(json.dumps(text, ensure_ascii=False))
    assert escaped.isprintable()
    assert json.loads(escaped) == text


@pytest.mark.parametrize(
    ("name", "others", "lookalike", "form"),
    [
        ("é", ["e", "e\u0301"], "e\u0301", "NFD"),
        ("e\u0301", ["é"], "é", "NFC"),
        ("é\u1e69", ["e\u0301\u1e69"], "e\u0301\u1e69", "a mix of NFC and NFD"),
    ],
)
def test_a_lookalike_differs_in_its_unicode_form(name: str, others: list[str], lookalike: str, form: str) -> None:
    assert find_lookalike(name, others) == lookalike
    assert unicode_form(lookalike) == form


@pytest.mark.parametrize(
    ("name", "others"), [("é", ["é", "É"]), ("é" * 201, ["e\u0301" * 201]), ("é", ["e\u0301\u0316" * 100])]
)
def test_other_names_are_no_lookalikes(name: str, others: list[str]) -> None:
    assert find_lookalike(name, others) is None
