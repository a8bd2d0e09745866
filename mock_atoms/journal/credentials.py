"""Credentials in request headers: masked text to show, keyed digests to compare."""

import re
from collections.abc import Sequence
from hashlib import blake2b

from mock_atoms.core.http_text import cookie_values, decode_text, parse_cookies, unquote
from mock_atoms.core.masking import mask_text_steps, mask_token
from mock_atoms.core.slices import Steps, run_without_pauses

CREDENTIAL_HEADERS = {"authorization", "proxy-authorization", "x-api-key", "api-key"}
"""Lower-case names of headers whose value is a credential."""
_SCHEME = re.compile(r"(basic|bearer|digest|token|apikey) +(\S.*)", re.IGNORECASE | re.DOTALL)


def mask_credentials(value: str) -> str:
    """Return the masked value of a credential header, such as `Bearer sk_acm…#1f3a9c`."""
    match = _SCHEME.fullmatch(value.strip())
    return f"{match[1]} {mask_token(match[2])}" if match else value.strip() and mask_token(value.strip())


def _secret_of(value: str) -> str:
    match = _SCHEME.fullmatch(value.strip())
    return match[2] if match else value.strip()


class Credentials:
    """Finds, masks and digests the credentials in headers.

    Args:
        key: secret key of the digests, at most 64 bytes.
        session_cookie: name of the cookie whose value is a credential.
    """

    def __init__(self, key: bytes, session_cookie: str = "session") -> None:
        self._key = key
        self._session_cookie = session_cookie

    def digest(self, secret: str) -> bytes:
        """Return the keyed digest of a credential."""
        return blake2b(secret.encode("utf-8", "surrogatepass"), digest_size=16, key=self._key).digest()

    def mask_headers(
        self, headers: Sequence[tuple[bytes, bytes]], token: str | None
    ) -> tuple[tuple[tuple[str, str], ...], tuple[bytes, ...]]:
        """Return `headers` with credentials masked, and the digests of these credentials, that of `token` first."""
        return run_without_pauses(self.mask_headers_steps(headers, token))

    def mask_headers_steps(
        self, headers: Sequence[tuple[bytes, bytes]], token: str | None
    ) -> Steps[tuple[tuple[tuple[str, str], ...], tuple[bytes, ...]]]:
        """Return the same as `mask_headers`."""
        digests = {} if token is None else {self.digest(token): None}
        masked = []
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1"), decode_text(raw_value).strip(" \t")
            digests |= dict.fromkeys((yield from self._digest_steps(name, value)))
            yield
            masked_name = yield from mask_text_steps(name, token)
            masked.append((masked_name, (yield from self.mask_header_steps(name, value, token))))
        return tuple(masked), tuple(digests)

    def digests_in(self, name: str, value: str) -> frozenset[bytes]:
        """Return the digests of the credentials in a header value."""
        return run_without_pauses(self._digest_steps(name, value))

    def _digest_steps(self, name: str, value: str) -> Steps[frozenset[bytes]]:
        if name.lower() in CREDENTIAL_HEADERS:
            return frozenset({self.digest(_secret_of(value))})
        digests = set()
        if name.lower() == "cookie":
            for secret in cookie_values(value, self._session_cookie):
                digests.add(self.digest(unquote(secret)))
                yield
        return frozenset(digests)

    def mask_header(self, name: str, value: str, token: str | None = None) -> str:
        """Return a header value with credentials masked."""
        return run_without_pauses(self.mask_header_steps(name, value, token))

    def mask_header_steps(self, name: str, value: str, token: str | None = None) -> Steps[str]:
        """Return the same as `mask_header`."""
        if name.lower() in CREDENTIAL_HEADERS:
            value = mask_credentials(value)
        if name.lower() == "set-cookie":
            pair, semicolon, attributes = value.partition(";")
            value = f"{self._mask_session(pair)}{semicolon}{attributes}"
        if name.lower() == "cookie":
            pairs = []
            for pair in value.split(";"):
                pairs.append(self._mask_session(pair))
                yield
            value = ";".join(pairs)
        return (yield from mask_text_steps(value, token))

    def is_session_cookie(self, name: str) -> bool:
        """Return whether the cookie `name` holds a credential."""
        return name == self._session_cookie

    def _mask_session(self, pair: str) -> str:
        for name, secret in parse_cookies(pair):
            if self.is_session_cookie(name) and secret:
                prefix, equals, _ = pair.partition("=")
                return f"{prefix}{equals}{mask_token(unquote(secret))}"
        return pair
