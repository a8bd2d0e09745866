"""The fast path: responds as soon as a head has been read, without an ASGI scope, a task or a route.

It calls the same functions as the middleware, so it sends the same response and records the same exchange. It counts a
request and its faults only if it responds completely. All other requests go to the application unchanged.
"""

import secrets
from collections.abc import Sequence
from hashlib import blake2b
from http import HTTPStatus
from typing import NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from mock_atoms.caching.eligibility import is_cacheable
from mock_atoms.caching.response_cache import CachedResponse, CacheHit, RepeatedRequest, content_key
from mock_atoms.core.http_text import Headers
from mock_atoms.core.lru import next_use
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.faults.effects import STATUSES_WITHOUT_BODY
from mock_atoms.faults.engine import Evaluation, FaultDecision
from mock_atoms.faults.expressions import ExpressionError
from mock_atoms.journal.exchange import Exchange, RequestContext
from mock_atoms.journal.recorded_body import NO_BODY, RecordedBody, record_body
from mock_atoms.journal.request_reader import SIGNIFICANT_HEADERS
from mock_atoms.middleware.cors import CorsHeaders
from mock_atoms.middleware.faults import fault_evaluator
from mock_atoms.middleware.marks import ResponseMarker
from mock_atoms.middleware.responses import CompleteResponse, bad_prefer, fault_response
from mock_atoms.middleware.stubs import candidate_stubs
from mock_atoms.middleware.unrouted import UnroutedRequests
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.response_cycle import CLOSE
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.store import TenantState
from mock_atoms.wiremock.stub_matching import select_by_head

_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
"""Methods whose responses need no special treatment: HEAD has no body, OPTIONS may be a preflight request."""
MAX_COMPARED_STUBS = 20
"""Number of stubs that a request is compared with on the fast path."""
_OK = STATUS_LINE[HTTPStatus.OK]


class _Outcome(NamedTuple):
    """A response without marks.

    Attributes:
        response: the response.
        evaluation: the evaluated fault rules, which have not been counted yet; `None` if there are none.
        cached: the cached response, if it is one.
    """

    response: CompleteResponse
    evaluation: Evaluation | None = None
    cached: CachedResponse | None = None


class FastPath:
    """Responds to requests without a body whose response needs neither waiting nor a route.

    Args:
        mock: the server.
        store: its store, which holds the tenants in this process.
        key: secret key of the digests of requests, at most 64 bytes.

    Attributes:
        reader: reads the heads of requests.
        requests: the requests that may be repeated, by digest.
    """

    def __init__(self, mock: MockAtoms, store: MemoryStore, key: bytes) -> None:
        self._cache = mock.response_cache
        self.requests = mock.response_cache.requests
        self.reader = mock.request_reader
        self._engine = mock.fault_engine
        self._stubs = mock.stubs
        self._unrouted = UnroutedRequests(mock)
        self._recorder = mock.recorder
        self._generator = mock.generator
        self._clock = mock.clock
        self._now = mock.now
        self._store = store
        self._marker = ResponseMarker(mock.fault_engine, mock.fixtures, mock.journal.credentials)
        self._cors = CorsHeaders(mock.settings.cors_origin)
        self._max_body = mock.max_recorded_body
        self._is_strict = mock.settings.strict
        self._key = key

    def connection_hash(self, kind: bytes, scheme: str | None, server: tuple[str, int | None] | None) -> blake2b:
        """Return the hash that all digests of one kind on connections to one address start with."""
        return blake2b(f"{scheme}\0{server}\0".encode(), digest_size=16, key=self._key, person=kind)

    def find_similar(self, digest: bytes, similar_digest: bytes, headers: Headers) -> RepeatedRequest | None:
        """Return a request that differs from an earlier one in headers that are only recorded.

        Args:
            digest: digest of its complete head.
            similar_digest: digest of the significant part of its head.
            headers: lower-case names and values.

        Returns:
            `None` if no earlier request is known, or if something in its headers may have to be masked.
        """
        similar = self.requests.get(similar_digest)
        head = None if similar is None else self.reader.similar_head(similar.head, headers)
        if similar is None or head is None:
            return None
        similar.used = next_use()
        # A stub may look at any header.
        request = RepeatedRequest(head, similar.read, similar.hit if self._stubs.is_empty else None)
        if self._cache.is_repeated(digest):
            self._cache.put_request(digest, request)
        return request

    def respond_again(
        self,
        repeated: RepeatedRequest,
        digest: bytes,
        headers: Headers,
        client: tuple[str, int] | None,
        header_lines: bytes,
    ) -> bytes | None:
        """Return the complete response to a repeated request, or one like it, and record the exchange.

        Args:
            repeated: the request.
            digest: the digest by which it was found.
            headers: lower-case names and values.
            client: address and port of the client.
            header_lines: the header lines that the server adds to every response.

        Returns:
            `None` if the application must respond.
        """
        response = None if repeated.hit is None else self._respond_to_hit(repeated, repeated.hit, client, header_lines)
        if response is None:
            repeated.used = next_use()
            context = self.reader.read_again(repeated.head, repeated.read, headers, client)
            response = self.respond(context, (digest,), header_lines, is_known=True)
        return response

    def _respond_to_hit(
        self, repeated: RepeatedRequest, hit: CacheHit, client: tuple[str, int] | None, header_lines: bytes
    ) -> bytes | None:
        """Return the cached response; `None` if something has changed that it depends on."""
        head, state, response = repeated.head, hit.state(), hit.response()
        tenant = head.tenant
        if (
            state is None
            or response is None
            or not (state.is_live and response.is_live)
            or state.version != hit.version
            or hit.stubs_version != self._stubs.version
            or not self._engine.has_no_matching_rule(tenant, head.method, repeated.read.api_path or "")
        ):
            return None
        recorded = (response.recorded or response.masked_or_cut()) if self._max_body else NO_BODY
        if recorded is None:  # only `respond` knows the token, to mask it
            return None
        repeated.used = state.used = response.used = next_use()
        state.requests += 1
        request_id = self._generator.request_id(tenant.key, state.requests)
        address, port = client or ("", 0)
        started_at = self._clock()
        exchange = Exchange(
            head,
            self._now(),
            started_at,
            address,
            port,
            request_id,
            is_body_complete=True,
            response_started_at=started_at,
            status=200,
            response_head=response.head,
            response_body=recorded,
            bytes_sent=len(response.body),
        )
        self._recorder.record_complete(exchange)
        return b"%b%bx-request-id: %b\r\n%b%b" % (
            _OK,
            header_lines,
            request_id.encode(),
            response.header_lines,
            response.body,
        )

    def respond(
        self, context: RequestContext, digests: Sequence[bytes], header_lines: bytes, *, is_known: bool = False
    ) -> bytes | None:
        """Return the complete response to any request and record the exchange.

        Args:
            context: the request, as `RequestReader.read` returned it.
            digests: the digests of the request. It is cached under the first of them that has been seen before.
            header_lines: the header lines that the server adds to every response.
            is_known: whether it was found by its digest.

        Returns:
            `None` if the application must respond. Then nothing has been counted or recorded.
        """
        exchange = context.exchange
        head = exchange.head
        if head.method not in _METHODS or context.has_body or (head.violations and self._is_strict):
            return None
        state = self._store.state_of(context.caller.tenant)
        outcome = self._outcome(context, state)
        if outcome is None:
            return None
        response, evaluation, cached = outcome
        self._store.count(state, exchange, evaluation)
        exchange.is_body_complete = True
        exchange.response_started_at = exchange.started_at
        headers = self._cors.add(response.headers, context)
        is_plain = headers is response.headers and evaluation is None
        headers = self._marker.mark(context, response.status, headers)
        exchange.bytes_sent = len(response.body)
        if self._max_body:
            exchange.response_body = self._recorded_body(response, cached, context.caller.token)
        self._recorder.record_complete(exchange)
        hit = cached if is_plain and exchange.reason is None else None
        if (hit is not None or not is_known) and not context.has_credential_in_url:
            digest = next(filter(self._cache.is_repeated, digests), None)
            if digest is not None:
                cache_hit = None if hit is None else CacheHit.of(hit, state, self._stubs.version)
                self._cache.put_request(digest, RepeatedRequest(head, context.read_head(), cache_hit))
        own_lines = [b"%b: %b\r\n" % header for header in headers]
        return b"".join([STATUS_LINE[response.status], header_lines, *own_lines, b"\r\n", response.body])

    def _recorded_body(
        self, response: CompleteResponse, cached: CachedResponse | None, token: str | None
    ) -> RecordedBody:
        if cached is not None:
            return cached.recorded_body(self._max_body, token)
        return record_body(response.body, self._max_body, token)

    def _outcome(self, context: RequestContext, state: TenantState) -> _Outcome | None:
        """Return the response to a request, or `None` if the application must respond."""
        try:
            evaluate = fault_evaluator(context, self._engine)
        except ExpressionError as error:
            return _Outcome(bad_prefer(context, str(error)))
        evaluation = None if evaluate is None else evaluate(state.counters)
        if evaluation is not None and evaluation.decision is not None:
            response = _immediate(context, evaluation.decision)
            return None if response is None else _Outcome(response, evaluation)
        if not self._stubs.is_empty and self._may_match_stub(context):
            return None
        response = self._unrouted.respond(context)
        if response is not None:
            return _Outcome(response, evaluation)
        cached = None
        if is_cacheable(context):
            cached = self._cache.get(content_key(state, context.api_path, context.query))
        if cached is None:
            return None
        return _Outcome(CompleteResponse(HTTPStatus.OK, cached.head.headers, cached.body), evaluation, cached)

    def _may_match_stub(self, context: RequestContext) -> bool:
        """Return whether a stub may match a request, which then gets to the application."""
        candidates = candidate_stubs(self._stubs, context)
        if len(candidates) > MAX_COMPARED_STUBS:
            return True
        return bool(candidates) and bool(run_without_pauses(select_by_head(candidates, context.exchange)))


def fast_path_of(mock: MockAtoms) -> FastPath | None:
    """Return the fast path of a server; `None` if the response cache is off or the store is in another process."""
    if mock.settings.response_cache and isinstance(mock.store, MemoryStore) and not mock.is_shared:
        return FastPath(mock, mock.store, secrets.token_bytes(32))
    return None


def _immediate(context: RequestContext, decision: FaultDecision) -> CompleteResponse | None:
    """Return the response of a fault decision, or `None` unless it is complete and due now."""
    respond = decision.respond
    if respond is None or decision.delay_ms or respond.status in STATUSES_WITHOUT_BODY:
        return None
    context.exchange.faults = decision.rule_ids
    return fault_response(context, decision, respond)


class FastConnection:
    """The fast path of one connection.

    Args:
        fast_path: the fast path of the server.
        scheme: `http` or `https`.
        server: address and port of the server.
        client: address and port of the client.
        keep_alive_headers: the headers of a response that keeps the connection.

    Attributes:
        reader: reads the heads of requests.
    """

    def __init__(
        self,
        fast_path: FastPath,
        scheme: str,
        server: tuple[str, int | None] | None,
        client: tuple[str, int] | None,
        keep_alive_headers: Headers,
    ) -> None:
        self.reader = fast_path.reader
        self._fast_path = fast_path
        self._hash = fast_path.connection_hash(b"complete head", scheme, server)
        self._similar_hash = fast_path.connection_hash(b"significant", scheme, server)
        self._digests: tuple[bytes, ...] = ()
        self._client = client
        self._keep_alive_headers = keep_alive_headers
        self._default_headers: Headers = ()
        self._keeping_lines = self._closing_lines = self._header_lines = b""

    def respond_again(
        self,
        parser: httptools.HttpRequestParser,
        url: bytes,
        headers: Headers,
        default_headers: Headers,
        *,
        is_kept: bool,
    ) -> bytes | None:
        """Return the complete response to a request like an earlier one; see `FastPath.respond_again`.

        Args:
            parser: the parser, which knows its method.
            url: its request target.
            headers: lower-case names and values.
            default_headers: the headers that uvicorn adds to every response.
            is_kept: whether the connection is kept after the response.

        Returns:
            `None` if there was no such request, or if the application must respond.
        """
        if default_headers is not self._default_headers:  # uvicorn replaces them every second
            self._default_headers = default_headers
            self._keeping_lines = _lines((*default_headers, *self._keep_alive_headers))
            self._closing_lines = _lines((*default_headers, CLOSE))
        self._header_lines = self._keeping_lines if is_kept else self._closing_lines
        fast_path = self._fast_path
        line = (parser.get_method(), parser.get_http_version().encode(), url)
        digest = _digest(self._hash, line, headers)
        repeated = fast_path.requests.get(digest)
        self._digests = (digest,)
        if repeated is None:
            significant = [header for header in headers if header[0] in SIGNIFICANT_HEADERS]
            similar_digest = _digest(self._similar_hash, line, significant)
            self._digests = (digest, similar_digest)
            repeated = fast_path.find_similar(digest, similar_digest, headers)
            digest = similar_digest
        if repeated is None:
            return None
        return fast_path.respond_again(repeated, digest, headers, self._client, self._header_lines)

    def respond(self, context: RequestContext) -> bytes | None:
        """Return the complete response to a request after `respond_again` returned none; see `FastPath.respond`."""
        return self._fast_path.respond(context, self._digests, self._header_lines)


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _digest(connection_hash: blake2b, line: tuple[bytes, ...], headers: Headers) -> bytes:
    """Return the digest of a request line and headers, and of what an exchange records about the connection."""
    request_hash = connection_hash.copy()
    # NUL is a safe separator: the parser refuses it in a head.
    request_hash.update(b"\0".join([*line, *[part for header in headers for part in header]]))
    return request_hash.digest()
