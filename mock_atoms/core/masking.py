"""What a bearer token looks like, and how it may be shown: never whole."""

import re
from hashlib import blake2b
from urllib.parse import quote, unquote

TOKEN_PATTERN = r"[\x21-\x2b\x2d-\x7e]+"  # noqa: S105 - a pattern
"""A bearer token: visible ASCII without the comma, which separates header values."""
_LOOKS_LIKE_A_KEY = re.compile(
    # Where a word begins, behind what is percent-encoded or escaped too: not in task_1.
    r"(?:(?<![A-Za-z0-9_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4}))"
    r"(sk_[^\s'\",/\\?&#;<>{}()\[\]…]++)(…#[0-9a-f]{6})?"
)
MAGIC_PREFIX = "sk_mock_"
"""What a magic key begins with. Such a key is this mock's alone, so that more of it may be shown."""
_SHOWN_CHARACTERS = 10
_SHOWN_OF_MAGIC_KEY = 64
_HIDDEN_OF_MAGIC_KEY = 6
MIN_SECRET_LENGTH = 6
"""A shorter token is no secret, and would be found in words that have nothing to do with it."""


def mask_token(token: str) -> str:
    """Return a form of `token` that is safe to show and still tells tokens apart: `sk_live_ab…#1f3a9c`.

    Of a magic key all but the end is shown, so that a test is known by it: `sk_mock_test.my_te…#1f3a9c`.
    """
    digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=3, person=b"mask").hexdigest()
    shown = min(_SHOWN_CHARACTERS, len(token) // 2)
    if token.startswith(MAGIC_PREFIX):
        shown = max(shown, min(_SHOWN_OF_MAGIC_KEY, len(token) - _HIDDEN_OF_MAGIC_KEY))
    return f"{token[:shown]}…#{digest}"


def _masked(match: re.Match[str]) -> str:
    longest = _SHOWN_OF_MAGIC_KEY if match[1].startswith(MAGIC_PREFIX) else _SHOWN_CHARACTERS
    is_masked_already = match[2] is not None and len(match[1]) <= longest
    return match[0] if is_masked_already else mask_token(match[1])


def mask_text(text: str, token: str | None = None) -> str:
    """Return `text` with `token`, valid or not, and everything that looks like a key (G: `sk_…`) masked."""
    text = _without(text, token)
    return _LOOKS_LIKE_A_KEY.sub(_masked, text) if "sk_" in text else text


def mask_url(url: str, token: str | None) -> str:
    """Return `url` with `token` and all that looks like a key masked, even where they are percent-encoded.

    Path and query parameters are looked at one by one, so that each of them can be told from what is left.
    """
    path, mark, query = _without(url, token).partition("?")
    pieces = [_mask_url_part(piece, token) for piece in query.split("&")]
    return _mask_url_part(path, token) + mark + "&".join(pieces)


def _without(text: str, token: str | None) -> str:
    if token is None or len(token) < MIN_SECRET_LENGTH:
        return text
    if token in text:
        text = text.replace(token, mask_token(token))
    if "%" in text and (encoded := quote(token, safe="")) != token:
        text = re.sub(re.escape(encoded), lambda _match: mask_token(token), text, flags=re.IGNORECASE)
    return text


def _mask_url_part(piece: str, token: str | None) -> str:
    shown = mask_text(piece, token)
    if "%" in shown:
        decoded = unquote(shown)
        concealed = mask_text(decoded, token)
        if concealed != decoded:
            return re.sub("[^!-~…]", lambda match: quote(match[0]), concealed)
    return shown
