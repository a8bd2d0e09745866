"""Text for readers: counts, and characters that one cannot see or tell apart.

These are control characters, bidi marks, unusual spaces and Unicode forms.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable

_MAX_COMPARED = 200
"""Maximum number of characters to normalize, which takes quadratic time for marks in a bad order."""
# Python calls these printable: fillers and blanks that look like a space, joiners and variation selectors.
_BLANKS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)


def show_invisible(text: str) -> str:
    """Return `text` with each invisible character as its code point, such as `U+202A`.

    A combining mark is invisible too if there is no character before it to combine with.
    """
    return _replace_invisible(text, lambda character: f"U+{ord(character):04X}")


def escape_invisible(text: str) -> str:
    r"""Return the JSON `text` with each invisible character as an escape, such as `\u202a`, with the same value."""
    return _replace_invisible(text, lambda character: json.dumps(character)[1:-1])


def find_lookalike(name: str, others: Iterable[str]) -> str | None:
    """Return one of `others` that differs from `name` in its Unicode form only; `None` without one."""
    if len(name) > _MAX_COMPARED:
        return None
    normal = unicodedata.normalize("NFC", name)
    short = (other for other in others if len(other) <= _MAX_COMPARED)
    return next((other for other in short if other != name and unicodedata.normalize("NFC", other) == normal), None)


def unicode_form(text: str) -> str:
    """Return `NFC` or `NFD`, the Unicode form of `text`, or that it mixes them."""
    forms = [form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, text)]
    return forms[0] if forms else "a mix of NFC and NFD"


def _replace_invisible(text: str, show: Callable[[str], str]) -> str:
    if text.isascii() and text.isprintable():
        return text
    characters: list[str] = []
    has_base = False
    for character in text:
        is_mark = unicodedata.category(character) in ("Mn", "Me")
        is_visible = character.isprintable() and not _BLANKS.match(character) and (has_base or not is_mark)
        characters.append(character if is_visible else show(character))
        has_base = is_visible and not character.isspace()
    return "".join(characters)


def count_of(number: int, noun: str) -> str:
    """Return a number and its noun, such as `1 request` or `2 requests`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
