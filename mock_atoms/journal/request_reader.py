"""Reading of request heads: who sent a request, which operation it calls, and what the journal records of it."""

import re
from collections.abc import Iterable
from hashlib import blake2b
from sys import intern
from typing import NamedTuple
from urllib.parse import quote

from mock_atoms.contract.checking import METHODS_WITH_BODY, check_credentials, check_head
from mock_atoms.contract.operations import RequestedOperation, find_operation
from mock_atoms.contract.violations import violations_bytes
from mock_atoms.core.http_text import METHODS, Headers
from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.core.masking import has_no_secret, mask_text, mask_text_steps
from mock_atoms.core.settings import Settings
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.core.tenancy import (
    TEST_ID_HEADER,
    AuthenticatedCaller,
    Tenant,
    UnauthenticatedCaller,
    find_token,
    identify_steps,
)
from mock_atoms.core.timestamps import MonotonicClock, WallClock
from mock_atoms.journal.credentials import CREDENTIAL_HEADERS, Credentials
from mock_atoms.journal.exchange import Exchange, ReadHead, RequestContext, RequestHead, headers_size
from mock_atoms.journal.index_keys import index_keys

MAX_IDENTITIES = 2_000
"""Number of callers in the cache."""
MAX_IDENTITY_BYTES = 2_000
"""Callers with larger identity headers are not cached."""
_DIGEST_BYTES = 100  # memory of the digest of a credential or a test id, as the journal sees it
Caller = AuthenticatedCaller | UnauthenticatedCaller
_IDENTITY_HEADERS = {b"cookie", TEST_ID_HEADER, *(name.encode() for name in CREDENTIAL_HEADERS)}
"""Lower-case names of the headers that identify the caller. A client sends the same ones in all its requests."""
_IDENTITY_NAMES = {name.decode() for name in _IDENTITY_HEADERS}
SIGNIFICANT_HEADERS = {
    *(*_IDENTITY_HEADERS, b"host", b"origin", b"prefer", b"content-length", b"content-type", b"transfer-encoding"),
    *(b"connection", b"expect", b"proxy-connection", b"upgrade"),
}
"""Lower-case names of the headers that change how a request is read or responded to. Only stubs look at others."""
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9/_.~-]*")


class RawRequest(NamedTuple):
    """The head of a request as received.

    Attributes:
        method: HTTP method.
        raw_path: path, percent-encoded.
        query: query string.
        headers: lower-case names and values.
        scheme: `http` or `https`.
        http_version: such as `1.1`.
        server: address and port of the server; the port of a Unix socket is `None`.
        client: address and port of the client.
    """

    method: str
    raw_path: bytes
    query: bytes
    headers: Headers
    scheme: str
    http_version: str
    server: tuple[str, int | None] | None
    client: tuple[str, int] | None


class _Identity:
    """What follows from the identity headers of a request. It holds no token.

    Attributes:
        tenant: the tenant.
        shown_tenant: the same, with an invalid token as its label.
        reason: why the caller is unauthenticated; `None` of an authenticated one.
        headers: the identity headers, masked.
        credential_digests: digests of the credentials in them.
        index_keys: keys of its requests in the index of the journal.
        violations: contract violations of the identity headers.
        used: time of the last use, see `lru.next_use`.
        is_live: whether the cache still holds it.
    """

    __slots__ = (
        "credential_digests",
        "headers",
        "index_keys",
        "is_live",
        "reason",
        "shown_tenant",
        "tenant",
        "used",
        "violations",
    )

    def __init__(
        self,
        caller: Caller,
        headers: tuple[tuple[str, str], ...],
        credential_digests: tuple[bytes, ...],
    ) -> None:
        self.tenant = self.shown_tenant = caller.tenant
        self.reason = None
        if isinstance(caller, UnauthenticatedCaller):
            self.shown_tenant = caller.shown_tenant
            self.reason = caller.reason
        self.headers = headers
        self.credential_digests = credential_digests
        self.index_keys = index_keys(caller.tenant, credential_digests, headers)
        self.violations = check_credentials(dict(headers), caller.token)
        self.used = 0.0
        self.is_live = False


class RequestReader:
    """Reads the heads of requests to the vendor's API.

    Args:
        settings: name of the session cookie, valid tokens and base path.
        credentials: masks and digests credentials.
        clock: monotonic clock.
        now: wall clock.
        key: secret key of the digests by which callers are cached, at most 64 bytes.
    """

    def __init__(
        self, settings: Settings, credentials: Credentials, *, clock: MonotonicClock, now: WallClock, key: bytes
    ) -> None:
        self._session_cookie = settings.session_cookie
        self._tokens = settings.tokens
        self._base_path = settings.base_path
        self._credentials = credentials
        self._clock = clock
        self._now = now
        self._key = key
        self._identities: LruCache[bytes, _Identity] = LruCache()

    def read(self, request: RawRequest) -> RequestContext:
        """Return the context of a request, with an exchange that starts now."""
        return run_without_pauses(self.read_steps(request))

    def similar_head(self, head: RequestHead, headers: Headers) -> RequestHead | None:
        """Return the head of a request that differs from an earlier one in no `SIGNIFICANT_HEADERS`.

        Args:
            head: that of the earlier one.
            headers: lower-case names and values.

        Returns:
            `None` if something in these headers may have to be masked.
        """
        token, _ = find_token(headers, self._session_cookie)
        other_texts = [text for header in headers if header[0] not in _IDENTITY_HEADERS for text in header]
        identity_headers = [header for header in head.headers if header[0] in _IDENTITY_NAMES]
        masked = _without_secrets(headers, identity_headers, other_texts, token)
        return None if masked is None else head.with_headers(masked)

    def read_again(
        self, head: RequestHead, read: ReadHead, headers: Headers, client: tuple[str, int] | None
    ) -> RequestContext:
        """Return what `read` returns for a request like an earlier one.

        Args:
            head: its head.
            read: what was read of the earlier one.
            headers: lower-case names and values.
            client: address and port of the client.
        """
        tenant, reason, path, query, api_path, operation = read
        arrived_at, started_at = self._now(), self._clock()
        token, _ = find_token(headers, self._session_cookie)
        address, port = client or ("", 0)
        exchange = Exchange(head, arrived_at, started_at, address, port)
        caller = _caller(token, reason, tenant)
        return RequestContext(
            exchange, caller, path, query, api_path, operation=operation, headers=headers, has_credential_in_url=False
        )

    def read_steps(self, request: RawRequest) -> Steps[RequestContext]:
        """Return the same as `read`, in steps: masking a long head takes long."""
        arrived_at, started_at = self._now(), self._clock()
        identity_headers: list[tuple[bytes, bytes]] = []
        other_texts: list[bytes] = []
        for header in request.headers:
            name, value = header
            if name in _IDENTITY_HEADERS:
                identity_headers.append(header)
            else:
                other_texts += (name, value)
        digest = blake2b(repr(identity_headers).encode(), digest_size=16, key=self._key).digest()
        identity = self._identities.get(digest)
        if identity is None:
            identity = yield from self._identify(identity_headers, digest)
        identity.used = next_use()
        token, _ = find_token(identity_headers, self._session_cookie)
        caller = _caller(token, identity.reason, identity.tenant)
        headers, digests = yield from self._mask_headers(request.headers, token, identity, other_texts)
        # Express matches the path as sent: an encoded slash is not a separator.
        path = _encoded(request.raw_path)
        base = self._base_path
        is_in_base_path = path == base or path.startswith(f"{base}/")
        api_path = path[len(base) :] or "/" if is_in_base_path else None
        url = f"{path}?{request.query.decode('latin-1')}" if request.query else path
        masked_url = url if has_no_secret(url, token) else (yield from mask_text_steps(url, token))
        operation = find_operation(request.method, api_path or "")
        if masked_url != url:
            masked_path = masked_url.partition("?")[0].removeprefix(base) if api_path else ""
            operation = RequestedOperation(operation.name, find_operation(request.method, masked_path).resource_id)
        violations = identity.violations if operation.name else ()
        if api_path is not None and (request.query or not operation.name or request.method in METHODS_WITH_BODY):
            violations += check_head(operation, request.method, api_path, request.query, request.headers, token)
        head = RequestHead(
            tenant=identity.shown_tenant,
            credential_digests=digests,
            method=request.method if request.method in METHODS else mask_text(request.method, token),
            url=masked_url,
            scheme=request.scheme,
            http_version=request.http_version,
            host=_host(request.server, headers),
            headers=headers,
            index_keys=identity.index_keys,
            operation=operation.name,
            violations=violations,
        )
        address, port = request.client or ("", 0)
        exchange = Exchange(head, arrived_at, started_at, address, port)
        return RequestContext(
            exchange, caller, path, request.query, api_path, masked_url != url, operation, request.headers
        )

    def _mask_headers(
        self, headers: Headers, token: str | None, identity: _Identity, other_texts: list[bytes]
    ) -> Steps[tuple[tuple[tuple[str, str], ...], tuple[bytes, ...]]]:
        """Return the masked headers and the digests of the credentials in them, as `Credentials.mask_headers`."""
        masked = _without_secrets(headers, identity.headers, other_texts, token)
        if masked is None:
            return (yield from self._credentials.mask_headers_steps(headers, token))
        return masked, identity.credential_digests

    def _identify(self, headers: Headers, digest: bytes) -> Steps[_Identity]:
        """Return what follows from the identity headers. They are the same in many requests, so it is cached."""
        caller = yield from identify_steps(headers, self._session_cookie, self._tokens)
        identity = _Identity(caller, *(yield from self._credentials.mask_headers_steps(headers, caller.token)))
        size = headers_size(identity.headers) + _DIGEST_BYTES * len(identity.index_keys)
        size += violations_bytes(identity.violations)
        if size <= MAX_IDENTITY_BYTES:
            self._identities.put(digest, identity)
        if len(self._identities) > MAX_IDENTITIES:
            self._identities.evict()
        return identity

    def clear(self) -> list[_Identity]:
        """Remove and return the cached callers."""
        return self._identities.clear()


def _without_secrets(
    headers: Headers, identity_headers: Iterable[tuple[str, str]], other_texts: list[bytes], token: str | None
) -> tuple[tuple[str, str], ...] | None:
    """Return headers as the journal records them; `None` if one besides the identity headers may have a secret.

    Args:
        headers: lower-case names and values.
        identity_headers: the identity headers among them, masked.
        other_texts: names and values of the others.
        token: the caller's token.
    """
    text = b"\n".join(other_texts).decode("latin-1")
    texts = text.split("\n")
    if not text.isascii() or len(texts) != len(other_texts) or not has_no_secret(text, token):
        return None
    masked = iter(identity_headers)
    # Requests share the names of their headers.
    others = zip(map(intern, texts[::2]), [value.strip(" \t") for value in texts[1::2]], strict=True)
    return tuple([next(masked if name in _IDENTITY_HEADERS else others) for name, _ in headers])


def _caller(token: str | None, reason: str | None, tenant: Tenant) -> Caller:
    """Return the caller with a token, who is unauthenticated if there is a reason."""
    if token is not None and reason is None:
        return AuthenticatedCaller(token, tenant)
    return UnauthenticatedCaller(reason or "", token, tenant)


def _encoded(raw_path: bytes) -> str:
    """Return a path with everything percent-encoded that a URL must not contain."""
    if _PLAIN_PATH.fullmatch(raw_path):
        return raw_path.decode("ascii")
    return quote(raw_path, safe="/%:@!$&'()*+,;=-._~")


def _host(server: tuple[str, int | None] | None, headers: Iterable[tuple[str, str]]) -> str:
    """Return the `Host` header or, if there is none, the server's address."""
    for name, value in headers:
        if name == "host":
            return value
    host, port = server or ("", None)
    return host if port is None else f"{host}:{port}"
