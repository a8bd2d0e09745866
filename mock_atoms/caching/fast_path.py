"""Shortcuts: a request that came before, to the byte, is answered at once where nothing but its number is new.

There is one source of truth, the layers around the routes: a shortcut is kept only of what they have just answered out
of `ResponseCache` with nothing of their own to add, and followed only as long as they would do the same again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from sys import intern
from weakref import ReferenceType, ref

from mock_atoms.caching.response_cache import CachedResponse
from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.core.timestamps import MonotonicClock, WallClock
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import FaultEngine
from mock_atoms.journal.exchange import WEIGHT_UNIT, Exchange, RequestHead
from mock_atoms.journal.recorder import ExchangeRecorder
from mock_atoms.state.store import TenantState

FAST_PATH_KEY = "mock_atoms.shortcut"
"""Under which extension of the scope a server puts the key of a request that may be answered at once next time."""
MAX_FAST_PATH_ENTRIES = 20_000
MAX_HEAD = 8_000
"""How many bytes of a head are kept, as the journal counts them."""


@dataclass(slots=True, eq=False)
class _FastPathEntry:
    # State and answer are not held: how much of them is kept in memory is for those to say who keep them.
    head: RequestHead
    api_path: str
    state: ReferenceType[TenantState]
    version: int
    cached_response: ReferenceType[CachedResponse]
    used: float = 0.0
    is_live: bool = False


class FastPath:
    """Requests that came before; the least recently used are forgotten first.

    No token is kept: a request is known by a digest that nobody can make without the key.

    Args:
        engine: tells whether a fault may strike.
        telemetry: is told of each exchange.
        generator: makes ids.
        clock: seconds of a clock that only goes forward.
        now: the time of day.
        key: what digests of requests are made with, at most 64 bytes. It never shows.
        most: how many are kept.
    """

    def __init__(  # noqa: PLR0913 - all that an answer is made of
        self,
        engine: FaultEngine,
        recorder: ExchangeRecorder,
        generator: Generator,
        *,
        clock: MonotonicClock,
        now: WallClock,
        key: bytes,
        most: int = MAX_FAST_PATH_ENTRIES,
    ) -> None:
        self._engine = engine
        self._recorder = recorder
        self._generator = generator
        self._clock = clock
        self._now = now
        self._key = key
        self.most = most
        self._known: LruCache[bytes, _FastPathEntry] = LruCache()

    def connection_hash(self, scheme: str | None, server: tuple[str, int | None] | None) -> blake2b:
        """Return what all requests to one address have in common, for `digest`."""
        return blake2b(f"{scheme}\0{server}\0".encode(), digest_size=16, key=self._key)

    def digest(
        self, connection_hash: blake2b, method: bytes, version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> bytes:
        """Return what stands for the head of a request: all that is sent but for a body."""
        # What is sent has no NUL in it: a parser refuses that.
        request_hash = connection_hash.copy()
        request_hash.update(
            b"\0".join([method, version.encode(), url, *[part for header in headers for part in header]])
        )
        return request_hash.digest()

    def keep(  # noqa: PLR0913 - all that a way leads by
        self,
        digest: bytes,
        head: RequestHead,
        *,
        api_path: str,
        cached_response: CachedResponse,
        state: TenantState,
        version: int,
    ) -> None:
        """Keep the way to an answer that was just sent as it was rendered before, and to which nothing was added.

        Args:
            digest: of the request.
            head: what the request says, as the journal keeps it.
            api_path: decoded path below the base path.
            cached_response: the answer.
            state: the state of the tenant. Of a store whose states are not kept as they are, there is no way.
            version: the version of the tenant then.
        """
        is_of_browser = any(name == "origin" for name, _ in head.headers)  # it is told more than what was rendered
        if not state.is_live or state.version != version or is_of_browser or head.weight * WEIGHT_UNIT > MAX_HEAD:
            return
        api_path = intern(api_path)  # one text for all
        self._known.put(digest, _FastPathEntry(head, api_path, ref(state), version, ref(cached_response)))
        if len(self._known) > self.most:
            self._known.evict()

    def answer(self, digest: bytes, client: tuple[str, int] | None, start: bytes) -> bytes | None:
        """Return the whole answer to a request, or `None` where that has to go the long way.

        Where there is one, the exchange is over with that: it is counted, and whole in the journal.

        Args:
            digest: of the request.
            client: address and port that it came from.
            start: how the answer begins: the status line, and headers of the server's own.
        """
        known = self._known.get(digest)
        if known is None:
            return None
        head, state, cached_response = known.head, known.state(), known.cached_response()
        tenant = head.tenant
        if (
            state is None
            or cached_response is None
            or not (state.is_live and cached_response.is_live)
            or state.version != known.version
            or not self._engine.has_no_matching_rule(tenant, head.method, known.api_path)
        ):
            return None
        known.used = state.used = cached_response.used = next_use()
        state.requests += 1
        request_id = self._generator.request_id(tenant.key, state.requests)
        address, port = client or ("", 0)
        started = self._clock()
        exchange = Exchange(
            head,
            self._now(),
            started,
            address,
            port,
            request_id,
            is_body_complete=True,
            response_started=started,
            status=200,
            response_head=cached_response.head,
            bytes_sent=cached_response.length,
        )
        self._recorder.record_complete(exchange)
        return b"%bx-request-id: %b\r\n%b" % (start, request_id.encode(), cached_response.tail)
