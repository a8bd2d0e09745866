"""Who is calling: from headers to a token, from a token to a tenant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from urllib.parse import unquote

from mock_atoms.tokens import TOKEN_PATTERN, mask

MAGIC_PREFIX = "sk_mock_"
REVOKED = "revoked"

_TOKEN = re.compile(TOKEN_PATTERN)
_BEARER = re.compile(rf"bearer +({TOKEN_PATTERN})".encode(), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    Attributes:
        token: the bearer token, whole; left out of `repr`, never to be logged or stored.
        tenant: 16 bytes that stand for the token wherever something is kept.
        label: the token as people may see it, see `tokens.mask`.
    """

    token: str = field(repr=False)
    tenant: bytes
    label: str


@dataclass(frozen=True, slots=True)
class Nobody:
    """A caller who gets a 401.

    Attributes:
        reason: a slug such as `missing-credentials`.
        token: the token that is not valid, where there is one; as secret as a valid one.
    """

    reason: str
    token: str | None = field(default=None, repr=False, compare=False)


def caller_of(token: str) -> Caller:
    """Return the caller who holds `token`."""
    tenant = blake2b(token.encode(), digest_size=16, person=b"tenant").digest()
    return Caller(token, tenant, mask(token))


def magic_word(token: str) -> str | None:
    """Return what a magic key asks for: `500x2` of `sk_mock_500x2.test-42`; `None` for an ordinary key."""
    if not token.startswith(MAGIC_PREFIX):
        return None
    return token[len(MAGIC_PREFIX) :].partition(".")[0]


def identify(
    headers: Sequence[tuple[bytes, bytes]], session_cookie: str, allowed: frozenset[str] | None
) -> Caller | Nobody:
    """Tell who sends `headers`.

    The Authorization header decides where there is one; else the session cookie counts (S). The scheme is
    case-insensitive. A token is one word of visible ASCII; the comma, which separates values, is not part of it.

    Args:
        headers: pairs of lower-case name and value, as ASGI has them.
        session_cookie: name of the cookie whose value is a token.
        allowed: the only valid tokens, or `None` for any.
    """
    authorizations = [value for name, value in headers if name == b"authorization"]
    if authorizations:
        match = _BEARER.fullmatch(authorizations[0].strip(b" \t"))
        if len(authorizations) > 1 or match is None:
            return Nobody("malformed-authorization")
        token = match[1].decode("ascii")
    else:
        cookie = _cookie(headers, session_cookie)
        if cookie is None:
            return Nobody("missing-credentials")
        token = cookie
    if allowed is not None and token not in allowed:
        return Nobody("unknown-token", token)
    if magic_word(token) == REVOKED:
        return Nobody("revoked-token", token)
    return caller_of(token)


def _cookie(headers: Sequence[tuple[bytes, bytes]], wanted: str) -> str | None:
    """Return the first usable value of cookie `wanted`, percent-decoded as Express does."""
    for name, value in headers:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, text = pair.partition("=")
                token = unquote(text.strip().strip('"'))
                if key.strip() == wanted and _TOKEN.fullmatch(token):
                    return token
    return None
