"""Who is calling: from headers to a token, from a token to a tenant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from urllib.parse import unquote

from mock_atoms.core.http_text import decode_text, parse_cookies
from mock_atoms.core.masking import MAGIC_PREFIX, TOKEN_PATTERN, mask_text, mask_token

REVOKED = "revoked"
TEST_ID_HEADER = b"x-test-id"
_MAX_TEST_ID_LENGTH = 200

_TOKEN = re.compile(TOKEN_PATTERN)
_BEARER = re.compile(rf"bearer +({TOKEN_PATTERN})".encode(), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whom something belongs to: a token, or a token and a test.

    Attributes:
        key: 16 bytes that stand for both wherever something is kept.
        owner: 16 bytes that stand for the token alone.
        label: the token as people may see it, see `tokens.mask_token`.
        test_id: what the request says in `X-Test-Id`, as people may see it; `None` where it says nothing.
        test: 16 bytes that stand for it.
    """

    key: bytes
    token_digest: bytes
    label: str
    test_id: str | None = None
    test_digest: bytes | None = None

    def belongs_to(self, token_digest: bytes | None, test_digest: bytes | None) -> bool:
        """Tell whether it belongs to a token and a test, each by what stands for it, or `None` for any."""
        return token_digest in (None, self.token_digest) and test_digest in (None, self.test_digest)


UNAUTHENTICATED_TENANT = Tenant(b"", b"", "-")
"""To whom belongs what nobody sent."""


@dataclass(frozen=True, slots=True)
class AuthenticatedCaller:
    """An authenticated caller.

    Attributes:
        token: the bearer token, whole; left out of `repr`, never to be logged or stored.
        tenant: whom it acts for.
    """

    token: str = field(repr=False)
    tenant: Tenant


@dataclass(frozen=True, slots=True)
class UnauthenticatedCaller:
    """A caller who gets a 401.

    Attributes:
        reason: a slug such as `missing-credentials`.
        token: the token that is not valid, where there is one; as secret as a valid one.
        tenant: whose counters and journal entries its requests are: all of nobody's are one.
    """

    reason: str
    token: str | None = field(default=None, repr=False, compare=False)
    tenant: Tenant = field(default=UNAUTHENTICATED_TENANT, compare=False)


def digest_token(token: str) -> bytes:
    """Return the 16 bytes that stand for `token`."""
    return blake2b(token.encode(), digest_size=16, person=b"tenant").digest()


def digest_test_id(test_id: str) -> bytes:
    """Return the 16 bytes that stand for the id of a test, spaces around it aside."""
    return blake2b(test_id.strip().encode("utf-8", "surrogatepass"), digest_size=16, person=b"test id").digest()


def caller_for(token: str, test_id: str | None = None) -> AuthenticatedCaller:
    """Return the caller who holds `token`, in the test `test_id` where it is there and not empty."""
    return AuthenticatedCaller(token, tenant_for(digest_token(token), mask_token(token), test_id, token))


def tenant_for(token_digest: bytes, label: str, test_id: str | None, token: str | None = None) -> Tenant:
    """Return the tenant of a token, in the test `test_id` if that is given and not blank."""
    shown = None if test_id is None else mask_test_id(test_id, token)
    if test_id is None or shown is None:
        return Tenant(token_digest, token_digest, label)
    return restore_tenant(token_digest, label, shown, digest_test_id(test_id))


def restore_tenant(token_digest: bytes, label: str, shown: str, test_digest: bytes) -> Tenant:
    """Return the tenant of a token and a test, each known by what stands for it and by how it is shown."""
    key = blake2b(token_digest + test_digest, digest_size=16, person=b"test").digest()
    return Tenant(key, token_digest, label, shown, test_digest)


def mask_test_id(test_id: str, token: str | None = None) -> str | None:
    """Return the id of a test as it may be shown: without keys, and where it is very long, cut, a digest at the end.

    Returns:
        `None` where it has nothing but spaces.
    """
    shown = mask_text(test_id.strip(), token)
    if len(shown) > _MAX_TEST_ID_LENGTH:
        shown = f"{shown[:_MAX_TEST_ID_LENGTH]}…#{digest_test_id(shown).hex()[:16]}"
    return shown or None


def is_digest_of_test_id(digest: str, test_id: str | None) -> bool:
    """Tell whether hexadecimal `digest` may stand for the test that is kept as `test_id`: any may where that is cut."""
    return test_id is not None and ("…#" in test_id or digest == digest_test_id(test_id).hex())


def magic_word(token: str) -> str | None:
    """Return what a magic key asks for: `500x2` of `sk_mock_500x2.test-42`; `None` for an ordinary key."""
    if not token.startswith(MAGIC_PREFIX):
        return None
    return token[len(MAGIC_PREFIX) :].partition(".")[0]


def identify(
    headers: Sequence[tuple[bytes, bytes]], session_cookie: str, allowed: frozenset[str] | None
) -> AuthenticatedCaller | UnauthenticatedCaller:
    """Tell who sends `headers`.

    The Authorization header decides where there is one; else the session cookie counts (S). The scheme is
    case-insensitive. A token is one word of visible ASCII; the comma, which separates values, is not part of it.
    `X-Test-Id` makes the caller a tenant apart.

    Args:
        headers: pairs of lower-case name and value, as ASGI has them.
        session_cookie: name of the cookie whose value is a token.
        allowed: the only valid tokens, or `None` for any.
    """
    token, reason = _credentials(headers, session_cookie)
    if reason is None and token is not None:
        if allowed is not None and token not in allowed:
            reason = "unknown-token"
        elif magic_word(token) == REVOKED:
            reason = "revoked-token"
        else:
            return caller_for(token, _test_id(headers))
    tenant = tenant_for(UNAUTHENTICATED_TENANT.token_digest, UNAUTHENTICATED_TENANT.label, _test_id(headers), token)
    return UnauthenticatedCaller(reason or "missing-credentials", token, tenant)


def _credentials(headers: Sequence[tuple[bytes, bytes]], session_cookie: str) -> tuple[str | None, str | None]:
    """Return the token that is sent, and what is wrong where it cannot be told."""
    authorizations = [value for name, value in headers if name == b"authorization"]
    if not authorizations:
        return _cookie(headers, session_cookie), None
    match = _BEARER.fullmatch(authorizations[0].strip(b" \t"))
    if len(authorizations) > 1 or match is None:
        return None, "malformed-authorization"
    return match[1].decode("ascii"), None


def _test_id(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    return next((decode_text(value) for name, value in headers if name == TEST_ID_HEADER), None)


def _cookie(headers: Sequence[tuple[bytes, bytes]], wanted: str) -> str | None:
    """Return the first valid token in a cookie named `wanted`, percent-decoded as Express does."""
    for header_name, header in headers:
        if header_name == b"cookie":
            for name, value in parse_cookies(header.decode("latin-1")):
                token = unquote(value)
                if name == wanted and _TOKEN.fullmatch(token):
                    return token
    return None
