"""Escapes in text: the percent-encoding of URLs and forms, the backslashes of JSON and cookies, the NULs of UTF-16."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_LAYERS = 8
"""Text that is escaped more often is not decoded completely."""

ESCAPE = re.compile(
    r"%(?P<percent>[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*)|\\u(?P<unicode>[0-9A-Fa-f]{4})|\\x(?P<byte>[0-9A-Fa-f]{2})"
    r"|\\(?P<octal>[0-3][0-7]{2})|\\(?P<backslash>.(?:\\[^ux0-3])*)|\0",
    re.DOTALL,
)
"""Escaped characters: in hexadecimal, in octal or behind a backslash; or a NUL. A literal starts each, for speed."""
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


def layers(text: str) -> Iterator[Layer]:
    """Yield `text` as it is, decoded once, decoded twice and so on, until nothing is escaped or `MAX_LAYERS`."""
    layer = Layer(text, range(len(text) + 1))
    yield layer
    for _ in range(MAX_LAYERS):
        if not has_escapes(layer.text):
            return
        decoded = _decode(layer)
        if decoded is None:
            return
        layer = decoded
        yield layer


def _decode(layer: Layer) -> Layer | None:
    """Return the next layer, or `None` if nothing is escaped."""
    text, offsets = layer
    if "\0" in text:  # UTF-16 without its NULs reads like ASCII
        kept = [offset for offset, character in zip(offsets, text, strict=False) if character != "\0"]
        return Layer(text.replace("\0", ""), [*kept, offsets[-1]])
    parts: list[str] = []
    decoded_offsets: list[int] = []
    end = 0
    for match in ESCAPE.finditer(text):
        start = match.start()
        parts.append(text[end:start])
        decoded_offsets += offsets[end:start]
        end = match.end()
        characters = _characters(match)
        parts.append(characters)
        decoded_offsets += offsets[start : end : (end - start) // len(characters)]
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
