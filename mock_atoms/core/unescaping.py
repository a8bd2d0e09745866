"""Escapes in text: the percent-encoding of URLs and forms, the backslashes of JSON and cookies, the NULs of UTF-16."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mock_atoms.core.slices import Steps

MAX_LAYERS = 8
"""Text that is escaped more often is not decoded completely."""

ESCAPE = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2}){0,50})|\\u(?P<unicode>[0-9A-Fa-f]{4})|\\x(?P<byte>[0-9A-Fa-f]{2})"
    r"|\\(?P<octal>[0-3][0-7]{2})|\\(?P<backslash>.(?:\\[^ux0-3]){0,50})|\0",
    re.DOTALL,
)
"""Escaped characters: in hexadecimal, in octal or behind a backslash; or a NUL. A literal starts each, and
a match has up to 51 of a kind, for speed."""
_NOT_NULS = re.compile(r"[^\0]+")
_MATCHES_PER_STEP = 500
_CONTROLS = str.maketrans("bfnrt", "\b\f\n\r\t")


class Layer(NamedTuple):
    """A text after some rounds of decoding.

    Attributes:
        text: the decoded text.
        offsets: where each of its characters starts in the original text; at the end, the length of the original.
    """

    text: str
    offsets: Sequence[int]


def has_escapes(text: str) -> bool:
    """Return whether `text` may contain escapes."""
    return "%" in text or "\\" in text or "\0" in text


def layer_steps(text: str) -> Steps[list[Layer]]:
    """Return `text` as it is, decoded once, decoded twice and so on, until nothing is escaped or `MAX_LAYERS`."""
    layers = [Layer(text, range(len(text) + 1))]
    for _ in range(MAX_LAYERS):
        decoded = (yield from _decode(layers[-1])) if has_escapes(layers[-1].text) else None
        if decoded is None:
            break
        layers.append(decoded)
    return layers


def _decode(layer: Layer) -> Steps[Layer | None]:
    """Return the next layer, or `None` if nothing is escaped."""
    text, offsets = layer
    parts: list[str] = []
    decoded_offsets: list[int] = []
    if "\0" in text:  # UTF-16 without its NULs reads like ASCII
        for number, match in enumerate(_NOT_NULS.finditer(text), 1):
            decoded_offsets += offsets[match.start() : match.end()]
            if number % _MATCHES_PER_STEP == 0:
                yield
        return Layer(text.replace("\0", ""), [*decoded_offsets, offsets[-1]])
    end = 0
    for number, match in enumerate(ESCAPE.finditer(text), 1):
        start = match.start()
        parts.append(text[end:start])
        decoded_offsets += offsets[end:start]
        end = match.end()
        characters = _characters(match)
        parts.append(characters)
        decoded_offsets += offsets[start : end : (end - start) // len(characters)]
        if number % _MATCHES_PER_STEP == 0:
            yield
    if not end:
        return None
    parts.append(text[end:])
    decoded_offsets += offsets[end:]
    return Layer("".join(parts), decoded_offsets)


def _characters(match: re.Match[str]) -> str:
    """Return the characters of an escape, or of several in a row."""
    kind = str(match.lastgroup)
    text = match[kind]
    if kind == "percent":
        return bytes.fromhex(text.replace("%", "")).decode("latin-1")
    if kind == "backslash":
        return text[::2].translate(_CONTROLS)
    return chr(int(text, 8 if kind == "octal" else 16))
