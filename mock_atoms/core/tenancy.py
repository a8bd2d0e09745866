"""Callers and tenants: from headers to a token, from a token to a tenant."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from mock_atoms.core.http_text import cookie_values, decode_text, unquote
from mock_atoms.core.masking import MAGIC_PREFIX, TOKEN_PATTERN, mask_text_steps, mask_token
from mock_atoms.core.slices import Steps, run_without_pauses

REVOKED = "revoked"
REVOKED_TOKEN = "revoked-token"  # noqa: S105 - a reason
UNKNOWN_TOKEN = "unknown-token"  # noqa: S105 - a reason
TEST_ID_HEADER = b"x-test-id"
MAX_TEST_ID_LENGTH = 200
_CUT_TEST_ID = re.compile(rf".{{{MAX_TEST_ID_LENGTH}}}…#[0-9a-f]{{16}}", re.DOTALL)
"""A test id that was cut already. An exported one is not cut again."""

_TOKEN = re.compile(TOKEN_PATTERN)
_BEARER = re.compile(rf"bearer +({TOKEN_PATTERN})".encode(), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A token, or a token and a test id, with separate data, counters and journal entries.

    Attributes:
        key: 16 bytes that identify the tenant.
        token_digest: 16 bytes that identify the token.
        label: the masked token, see `masking.mask_token`.
        test_id: the masked `X-Test-Id`, or `None`.
        test_digest: 16 bytes that identify the test id, or `None`.
    """

    key: bytes
    token_digest: bytes
    label: str
    test_id: str | None = None
    test_digest: bytes | None = None


UNAUTHENTICATED_TENANT = Tenant(b"", b"", "-")
"""The tenant of unauthenticated requests without a test id."""


@dataclass(frozen=True, slots=True)
class AuthenticatedCaller:
    """An authenticated caller.

    Attributes:
        token: the unmasked bearer token, absent from `repr`; never log or store it.
        tenant: the tenant of the request.
    """

    token: str = field(repr=False)
    tenant: Tenant


@dataclass(frozen=True, slots=True)
class UnauthenticatedCaller:
    """A caller who gets a 401.

    Attributes:
        reason: a slug such as `missing-credentials`.
        token: the invalid token, as secret as a valid one, or `None`.
        tenant: the tenant of the request; all unauthenticated requests with the same test id share one.
    """

    reason: str
    token: str | None = field(default=None, repr=False, compare=False)
    tenant: Tenant = field(default=UNAUTHENTICATED_TENANT, compare=False)

    @property
    def shown_tenant(self) -> Tenant:
        """The tenant with the invalid token, masked, as its label: for the log, the journal and the retry report."""
        return self.tenant if self.token is None else replace(self.tenant, label=mask_token(self.token))


def digest_token(token: str) -> bytes:
    """Return the 16 bytes that identify `token`."""
    return blake2b(token.encode(), digest_size=16, person=b"tenant").digest()


def digest_test_id(test_id: str) -> bytes:
    """Return the 16 bytes that identify a test id; surrounding spaces do not count."""
    return blake2b(test_id.strip().encode("utf-8", "surrogatepass"), digest_size=16, person=b"test id").digest()


def caller_for(token: str, test_id: str | None = None) -> AuthenticatedCaller:
    """Return the caller with a token and, unless it is blank, a test id."""
    return AuthenticatedCaller(token, tenant_for(digest_token(token), mask_token(token), test_id, token))


def tenant_for(token_digest: bytes, label: str, test_id: str | None, token: str | None = None) -> Tenant:
    """Return the tenant of a token and, unless it is blank, a test id.

    Args:
        token_digest: the digest of the token.
        label: the masked token.
        test_id: the test id, or `None`.
        token: the unmasked token, to be masked in the test id.
    """
    return _tenant(token_digest, label, test_id, mask_test_id(test_id or "", token))


def _tenant(token_digest: bytes, label: str, test_id: str | None, masked_test_id: str | None) -> Tenant:
    if test_id is None or masked_test_id is None:
        return Tenant(token_digest, token_digest, label)
    return restore_tenant(token_digest, label, masked_test_id, digest_test_id(test_id))


def restore_tenant(token_digest: bytes, label: str, masked_test_id: str, test_digest: bytes) -> Tenant:
    """Return the tenant of a token and a test id, each known by its digest and its masked form."""
    key = blake2b(token_digest + test_digest, digest_size=16, person=b"test").digest()
    return Tenant(key, token_digest, label, masked_test_id, test_digest)


def mask_test_id(test_id: str, token: str | None = None) -> str | None:
    """Return a test id with keys masked, cut to 200 characters and a digest; `None` if it is blank."""
    return run_without_pauses(_mask_test_id_steps(test_id, token))


def _mask_test_id_steps(test_id: str, token: str | None) -> Steps[str | None]:
    masked = yield from mask_text_steps(test_id.strip(), token)
    if len(masked) > MAX_TEST_ID_LENGTH and not _CUT_TEST_ID.fullmatch(masked):
        masked = f"{masked[:MAX_TEST_ID_LENGTH]}…#{digest_test_id(masked).hex()[:16]}"
    return masked or None


def is_digest_of_test_id(digest: str, masked_test_id: str | None) -> bool:
    """Return whether a hexadecimal digest fits a masked test id. Any digest fits one that is cut or has a mask."""
    return masked_test_id is not None and ("…#" in masked_test_id or digest == digest_test_id(masked_test_id).hex())


def magic_word(token: str) -> str | None:
    """Return the word of a magic key, `500x2` of `sk_mock_500x2.test-42`, or `None` for other tokens."""
    if not token.startswith(MAGIC_PREFIX):
        return None
    return token[len(MAGIC_PREFIX) :].partition(".")[0]


def identify(
    headers: Sequence[tuple[bytes, bytes]], session_cookie: str, allowed: frozenset[str] | None
) -> AuthenticatedCaller | UnauthenticatedCaller:
    """Return the caller who sent `headers`.

    The `Authorization` header takes precedence over the session cookie (S). Its scheme is case-insensitive. A token
    is one word of visible ASCII without commas, which separate values. `X-Test-Id` makes a separate tenant.

    Args:
        headers: pairs of lower-case name and value, as in ASGI.
        session_cookie: name of the cookie whose value is a token.
        allowed: the only valid tokens, or `None` if all are valid.
    """
    return run_without_pauses(identify_steps(headers, session_cookie, allowed))


def identify_steps(
    headers: Sequence[tuple[bytes, bytes]], session_cookie: str, allowed: frozenset[str] | None
) -> Steps[AuthenticatedCaller | UnauthenticatedCaller]:
    """Return the same as `identify`, in steps: masking a long test id takes long."""
    token, reason = find_token(headers, session_cookie)
    test_id = _test_id(headers)
    masked_test_id = yield from _mask_test_id_steps(test_id or "", token)
    if reason is None and token is not None:
        if allowed is not None and token not in allowed:
            reason = UNKNOWN_TOKEN
        elif magic_word(token) == REVOKED:
            reason = REVOKED_TOKEN
        else:
            return AuthenticatedCaller(token, _tenant(digest_token(token), mask_token(token), test_id, masked_test_id))
    tenant = _tenant(UNAUTHENTICATED_TENANT.token_digest, UNAUTHENTICATED_TENANT.label, test_id, masked_test_id)
    return UnauthenticatedCaller(reason or "missing-credentials", token, tenant)


def find_token(headers: Sequence[tuple[bytes, bytes]], session_cookie: str) -> tuple[str | None, str | None]:
    """Return the token, and the reason if `Authorization` is malformed; see `identify`."""
    authorizations = [value for name, value in headers if name == b"authorization"]
    if not authorizations:
        return _cookie(headers, session_cookie), None
    match = _BEARER.fullmatch(authorizations[0].strip(b" \t"))
    if len(authorizations) > 1 or match is None:
        return None, "malformed-authorization"
    return match[1].decode("ascii"), None


def _test_id(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    return next((decode_text(value) for name, value in headers if name == TEST_ID_HEADER), None)


def _cookie(headers: Sequence[tuple[bytes, bytes]], session_cookie: str) -> str | None:
    """Return the first valid token in the session cookie, percent-decoded as Express does."""
    for header_name, header in headers:
        if header_name == b"cookie":
            for value in cookie_values(header.decode("latin-1"), session_cookie):
                token = unquote(value)
                if _TOKEN.fullmatch(token):
                    return token
    return None
