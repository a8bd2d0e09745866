"""What a bearer token looks like, and how it may be shown: never whole."""

import re
from hashlib import blake2b

TOKEN_PATTERN = r"[\x21-\x2b\x2d-\x7e]+"  # noqa: S105 - a pattern
"""A bearer token: visible ASCII without the comma, which separates header values."""
_LOOKS_LIKE_A_KEY = re.compile(r"sk_[^\s'\",/…]++(?!…)")  # what is masked already stays
_SHOWN_CHARACTERS = 10


def mask(token: str) -> str:
    """Return a form of `token` that is safe to show and still tells tokens apart: `sk_live_ab…#1f3a9c`."""
    digest = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=3, person=b"mask").hexdigest()
    return f"{token[: min(_SHOWN_CHARACTERS, len(token) // 2)]}…#{digest}"


def redact(text: str) -> str:
    """Return `text` with all that looks like a key of the vendor's (G: they begin with `sk_`) masked."""
    return _LOOKS_LIKE_A_KEY.sub(lambda match: mask(match[0]), text)
