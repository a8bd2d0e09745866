"""Invisible characters in text for readers: control characters, bidi marks, unusual spaces, halves of pairs."""

import json
from collections.abc import Callable


def show_invisible(text: str) -> str:
    """Return `text` with each invisible character as its code point, such as `U+202A`."""
    return _replace_invisible(text, lambda character: f"U+{ord(character):04X}")


def escape_invisible(text: str) -> str:
    r"""Return the JSON `text` with each invisible character as an escape, such as `\u202a`, with the same value."""
    return _replace_invisible(text, lambda character: json.dumps(character)[1:-1])


def _replace_invisible(text: str, show: Callable[[str], str]) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else show(character) for character in text)
