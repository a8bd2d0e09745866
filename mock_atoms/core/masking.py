"""Masking: hide tokens in everything that is logged, recorded, reported or exported."""

import json
import re
from hashlib import blake2b
from urllib.parse import quote, unquote

from mock_atoms.core.printable import show_invisible

TOKEN_PATTERN = r"[\x21-\x2b\x2d-\x7e]+"  # noqa: S105 - a pattern
"""A bearer token: visible ASCII without the comma, which separates header values."""
MAGIC_PREFIX = "sk_mock_"
"""Prefix of magic keys, which exist only in this mock and are not secret."""
MAX_MAGIC_KEY_LENGTH = 200
"""Longer magic keys are masked, so a client cannot fill the log with one."""
MIN_SECRET_LENGTH = 6
"""Shorter tokens are not searched for in texts: they would be found in ordinary words."""
_MAX_VISIBLE_CHARACTERS = 10

# A key starts where a word starts, also behind a percent-encoded or escaped character: not in `task_1`.
_KEY_START = r"(?:(?<![A-Za-z0-9_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))sk_"
_KEY = re.compile(rf"({_KEY_START}[^\s'\"`,/\\?&#;<>{{}}()\[\]…]++)(…#[0-9a-f]{{6}})?")
_MAGIC_KEY = re.compile(rf"{MAGIC_PREFIX}[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]*")
_OTHER_KEY = re.compile(r"(?<![A-Za-z])sk_(?!mock_)")


def is_magic_key(token: str) -> bool:
    """Return whether `token` is a magic key such as `sk_mock_500x2.me`, with no other key in it."""
    return (
        len(token) <= MAX_MAGIC_KEY_LENGTH
        and _MAGIC_KEY.fullmatch(token) is not None
        and not _OTHER_KEY.search(unquote(token))
    )


def mask_token(token: str) -> str:
    """Return `token` masked, with a digest that distinguishes tokens: `sk_live_ab…#1f3a9c`. Magic keys stay."""
    if is_magic_key(token):
        return token
    digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=3, person=b"mask").hexdigest()
    return f"{token[: min(_MAX_VISIBLE_CHARACTERS, len(token) // 2)]}…#{digest}"


def mask_text(text: str, token: str | None = None) -> str:
    """Return `text` with `token`, valid or not, and everything that looks like a key (G: `sk_…`) masked."""
    text = _mask_one(text, token)
    return _KEY.sub(_mask_match, text) if "sk_" in text else text


def quote_value(value: object) -> str:
    """Return `value` in backticks for a message, with keys masked and invisible characters as `U+202A`."""
    text = mask_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return f"`{show_invisible(text)}`" if text else "an empty text"


def mask_url(url: str, token: str | None) -> str:
    """Return `url` with `token` and everything that looks like a key masked, percent-encoded or not.

    The path and each query parameter are masked separately, so the others stay readable.
    """
    path, question_mark, query = _mask_one(url, token).partition("?")
    parameters = [_mask_url_part(parameter, token) for parameter in query.split("&")]
    return _mask_url_part(path, token) + question_mark + "&".join(parameters)


def _mask_match(match: re.Match[str]) -> str:
    is_masked_already = match[2] is not None and len(match[1]) <= _MAX_VISIBLE_CHARACTERS
    return match[0] if is_masked_already or is_magic_key(match[1]) else mask_token(match[1])


def _mask_one(text: str, token: str | None) -> str:
    if token is None or len(token) < MIN_SECRET_LENGTH or is_magic_key(token):
        return text
    if token in text:
        text = text.replace(token, mask_token(token))
    if "%" in text and (encoded := quote(token, safe="")) != token:
        text = re.sub(re.escape(encoded), lambda _match: mask_token(token), text, flags=re.IGNORECASE)
    return text


def _mask_url_part(part: str, token: str | None) -> str:
    masked = mask_text(part, token)
    if "%" in masked:
        decoded = unquote(masked)
        decoded_masked = mask_text(decoded, token)
        if decoded_masked != decoded:
            return re.sub("[^!-~…]", lambda match: quote(match[0]), decoded_masked)
    return masked
