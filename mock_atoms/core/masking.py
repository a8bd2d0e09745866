"""Masking: hide tokens in everything that is logged, recorded, reported or exported."""

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

from mock_atoms.core.printable import show_invisible
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.core.unescaping import ESCAPE, MAX_LAYERS, Layer, has_escapes, layer_steps

TOKEN_PATTERN = r"[\x21-\x2b\x2d-\x7e]+"  # noqa: S105 - a pattern
"""A bearer token: visible ASCII without the comma, which separates header values."""
MAGIC_PREFIX = "sk_mock_"
"""Prefix of magic keys, which exist only in this mock and are not secret."""
MAX_MAGIC_KEY_LENGTH = 200
"""Longer magic keys are masked, so a client cannot fill the log with one."""
MIN_SECRET_LENGTH = 6
"""Shorter tokens are not searched for in texts: they would be found in ordinary words."""
MAX_QUOTED_LENGTH = 500
"""Longer values are cut in messages."""
MAX_MESSAGE_LENGTH = 5_000
"""Longer messages of a response are cut."""
_MAX_KEY_LENGTH = 1_000
"""A key across the cut of a message is masked as a whole, with at most this number of characters behind the cut."""
MAX_VISIBLE_CHARACTERS = 10
"""Maximum number of characters of a masked token before its digest."""
_SECRETS_PER_STEP = 200

_WORD = r"(?:[a-z]{1,12}+(?:[A-Z][a-z]{1,11}+){0,2}+\d{0,3}+|\d{1,12}+)"
_WORDS = rf"(?!live_)(?:{_WORD}(?:[_-]{_WORD}){{0,7}}+)?+(?![A-Za-z0-9_-])"
# A key starts anywhere, except in the middle of words such as `task_1` and `risk_level`.
_LOCALE = r"SK(?![A-Za-z0-9_-])"  # the faker locale `sk_SK`
_KEY_START = rf"sk_(?!{_LOCALE})(?:(?<![A-Za-z]sk_)|(?!{_WORDS}))"
_KEY = re.compile(rf"({_KEY_START}[^\s'\"`,/\\?&#;<>{{}}()\[\]…]++)(…#[0-9a-f]{{6}})?")
_OTHER_KEY = re.compile(_KEY_START)
_MAGIC_KEY = re.compile(rf"{MAGIC_PREFIX}[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]*")
_UNSAFE = re.compile(r"(?:[^!-~]|[\"\\&;,<>]).*", re.DOTALL)
_UNDECODED_WORD = re.compile(r"[^\s'\"&=,;<>{}()\[\]]+")

_Span = tuple[int, int, str]
"""Start and end of a secret, and its mask."""


def is_magic_key(token: str) -> bool:
    """Return whether `token` is a magic key such as `sk_mock_500x2.me`, with no other key in it, escaped or not."""
    if not token.startswith(MAGIC_PREFIX) or len(token) > MAX_MAGIC_KEY_LENGTH or _MAGIC_KEY.fullmatch(token) is None:
        return False
    *_, (decoded, _) = run_without_pauses(layer_steps(token))
    return not _OTHER_KEY.search(decoded, len("sk_")) and not ESCAPE.search(decoded)


def mask_token(token: str) -> str:
    """Return `token` masked, with a digest that distinguishes tokens: `sk_live_ab…#1f3a9c`. Magic keys stay."""
    return token if is_magic_key(token) else _mask(token)


def has_no_secret(text: str, token: str | None) -> bool:
    """Return whether `text` cannot contain `token` or a key, escaped or not. Nothing is masked in it then."""
    return "sk_" not in text and (token is None or token not in text) and not has_escapes(text)


def mask_text(text: str, token: str | None = None, limit: int | None = None) -> str:
    """Return `text` with `token`, valid or not, and everything that looks like a key (G: `sk_…`) masked.

    Keys are found as they are, and behind up to `MAX_LAYERS` layers of escapes. Text with more layers is masked.

    Args:
        text: any text.
        token: the caller's token.
        limit: number of characters of `text` to return. A key across the limit is masked as a whole.
    """
    if has_no_secret(text, token):  # faster than a generator: each request masks its URL
        return text[:limit]
    return run_without_pauses(mask_text_steps(text, token, limit))


def mask_text_steps(text: str, token: str | None = None, limit: int | None = None) -> Steps[str]:
    """Return the same as `mask_text`."""
    if has_no_secret(text, token):
        return text[:limit]
    if token is not None and (len(token) < MIN_SECRET_LENGTH or is_magic_key(token)):
        token = None
    spans = yield from _find_secrets(text, token)
    return (yield from _replace(text, spans, len(text) if limit is None else limit))


def mask_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value with everything that looks like a key masked in its texts and names."""
    return run_without_pauses(mask_json_steps(value))


def mask_json_steps(value: Any) -> Steps[Any]:  # noqa: ANN401 - any JSON
    """Return the same as `mask_json`."""
    if isinstance(value, str):
        return (yield from mask_text_steps(value))
    if isinstance(value, dict):
        masked = {}
        for name, item in value.items():
            masked[(yield from mask_text_steps(name))] = yield from mask_json_steps(item)
            yield
        return masked
    if isinstance(value, list):
        items = []
        for item in value:
            items.append((yield from mask_json_steps(item)))
            yield
        return items
    return value


def quote_value(value: object) -> str:
    """Return `value` in backticks for a message; see `show_text`."""
    text = show_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return f"`{text}`" if text else "an empty text"


def show_text(text: str, limit: int = MAX_QUOTED_LENGTH, token: str | None = None) -> str:
    """Return `text` for a message: `token` and keys masked, invisible characters as `U+202A`, at most `limit` long."""
    masked = show_invisible(mask_text(text[: limit + _MAX_KEY_LENGTH], token, limit))
    return masked if len(text) <= limit else f"{masked}…"


def _mask(secret: str) -> str:
    digest = blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=3, person=b"mask").hexdigest()
    visible = secret[: min(MAX_VISIBLE_CHARACTERS, len(secret) // 2)]
    # What could end a JSON string, a query parameter or a log line is not shown.
    return f"{_UNSAFE.sub('', visible)}…#{digest}"


def _find_secrets(text: str, token: str | None) -> Steps[list[_Span]]:
    decoded = yield from layer_steps(text)
    spans = yield from _collect(_find_keys(decoded[-1]))
    if token is not None:
        for layer in decoded:
            spans += yield from _collect(_find_token(layer, token))
    if len(decoded) > MAX_LAYERS:
        spans += yield from _collect(_find_undecoded(decoded[-1]))
    return sorted(spans)


def _collect(found: Iterable[_Span | None]) -> Steps[list[_Span]]:
    """Return the secrets in `found`; `None` is text that resembles one."""
    spans: list[_Span] = []
    for number, span in enumerate(found, 1):
        if span is not None:
            spans.append(span)
        if number % _SECRETS_PER_STEP == 0:
            yield
    return spans


def _find_token(layer: Layer, token: str) -> Iterator[_Span]:
    text, offsets = layer
    start = text.find(token)
    while start >= 0:
        end = start + len(token)
        yield offsets[start], offsets[end], _mask(token)
        start = text.find(token, end)


def _find_keys(layer: Layer) -> Iterator[_Span | None]:
    text, offsets = layer
    for match in _KEY.finditer(text):
        key, mask = match.groups()
        is_masked_already = mask is not None and len(key) <= MAX_VISIBLE_CHARACTERS
        is_secret = not is_masked_already and not is_magic_key(key)
        yield (offsets[match.start()], offsets[match.end()], _mask(key)) if is_secret else None


def _find_undecoded(layer: Layer) -> Iterator[_Span | None]:
    text, offsets = layer
    for match in _UNDECODED_WORD.finditer(text):
        is_escaped = ESCAPE.search(match[0]) is not None
        yield (offsets[match.start()], offsets[match.end()], _mask(match[0])) if is_escaped else None


def _replace(text: str, spans: list[_Span], limit: int) -> Steps[str]:
    """Return the first `limit` characters of `text` with a mask in place of each span. Overlapping spans are one."""
    parts: list[str] = []
    end = 0
    for number, (start, span_end, mask) in enumerate(spans, 1):
        if start >= limit:
            break
        if start >= end:
            parts += (text[end:start], mask)
        end = max(end, span_end)
        if number % _SECRETS_PER_STEP == 0:
            yield
    parts.append(text[end:limit])
    return "".join(parts)
