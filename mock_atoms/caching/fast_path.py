"""The fast path: serves a repeated request from the response cache, without the application.

The middleware stays the only source of truth. The fast path serves only responses that the middleware sent
from `ResponseCache` without additions, and only while the middleware would send the same again.
"""

from collections.abc import Sequence
from hashlib import blake2b

from mock_atoms.caching.response_cache import ResponseCache
from mock_atoms.core.lru import next_use
from mock_atoms.core.timestamps import MonotonicClock, WallClock
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import FaultEngine
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.recorder import ExchangeRecorder


class FastPath:
    """Serves repeated requests, which it recognizes by a keyed digest.

    Args:
        response_cache: holds the repeated requests and their responses.
        engine: decides whether a fault rule may match.
        recorder: records each exchange.
        generator: creates request ids.
        clock: monotonic clock.
        now: wall clock.
        key: secret key of the digests, at most 64 bytes.
    """

    def __init__(  # noqa: PLR0913 - everything that a response depends on
        self,
        response_cache: ResponseCache,
        engine: FaultEngine,
        recorder: ExchangeRecorder,
        generator: Generator,
        *,
        clock: MonotonicClock,
        now: WallClock,
        key: bytes,
    ) -> None:
        self._requests = response_cache.requests
        self._engine = engine
        self._recorder = recorder
        self._generator = generator
        self._clock = clock
        self._now = now
        self._key = key

    def connection_hash(self, scheme: str | None, server: tuple[str, int | None] | None) -> blake2b:
        """Return the common part of the digests of all requests to one address."""
        return blake2b(f"{scheme}\0{server}\0".encode(), digest_size=16, key=self._key)

    def digest(
        self, connection_hash: blake2b, method: bytes, version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> bytes:
        """Return the digest of a complete request head."""
        request_hash = connection_hash.copy()
        # NUL is a safe separator: the parser refuses it in a head.
        request_hash.update(
            b"\0".join([method, version.encode(), url, *[part for header in headers for part in header]])
        )
        return request_hash.digest()

    def respond(self, digest: bytes, client: tuple[str, int] | None, response_prefix: bytes) -> bytes | None:
        """Return the complete response to a repeated request and record the exchange.

        Args:
            digest: digest of the request.
            client: address and port of the client.
            response_prefix: status line and the server's own headers.

        Returns:
            `None` if the application must respond.
        """
        repeated = self._requests.get(digest)
        if repeated is None:
            return None
        head, state, response = repeated.head, repeated.state(), repeated.response()
        tenant = head.tenant
        if (
            state is None
            or response is None
            or not (state.is_live and response.is_live)
            or state.version != repeated.version
            or not self._engine.has_no_matching_rule(tenant, head.method, repeated.api_path)
        ):
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
            bytes_sent=response.length,
        )
        self._recorder.record_complete(exchange)
        return b"%bx-request-id: %b\r\n%b" % (response_prefix, request_id.encode(), response.tail)
