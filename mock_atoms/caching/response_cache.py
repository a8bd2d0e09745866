"""The response cache: one cache with an index by content and an index by request digest."""

from collections.abc import Callable, Sequence
from sys import getsizeof
from typing import NamedTuple
from weakref import ReferenceType, ref

from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.journal.exchange import ReadHead, RequestHead, share_response_head
from mock_atoms.journal.recorded_body import WEIGHT_UNIT, RecordedBody, record_body
from mock_atoms.state.store import TenantState

MAX_SIZE = 96 * 1024 * 1024
"""Number of bytes of all cached responses."""
MAX_RESPONSE_BYTES = 1024 * 1024
"""Size limit of a cached response body."""
MAX_HEAD_BYTES = 8_000
"""Size limit of the head of a repeated request, as the journal estimates it."""
MAX_REPEATED_REQUESTS = 20_000
MAX_SEEN_DIGESTS = 2 * MAX_REPEATED_REQUESTS
"""Number of digests that are remembered to recognize the first repetition: two for each request."""
MAX_REPEATED_REQUESTS_SIZE = 32 * 1024 * 1024
"""Number of bytes of all repeated requests."""
_RESPONSE_BYTES = 500  # memory of a cached response besides its bytes and the texts of its key
_REQUEST_BYTES = 1_100  # memory of a repeated request besides the texts of its head

ContentKey = tuple[object, str | None, bytes]


def content_key(state: TenantState, api_path: str | None, query: bytes) -> ContentKey:
    """Return what the response depends on: the tenant's data, the API path and the query.

    Unchanged tenants of one token have the same data, so all their tests share the cached responses.
    """
    data = state.tenant.token_digest if state.is_unchanged else state.version
    return data, api_path, query


def _nothing() -> None:
    """Return nothing."""


class CachedResponse:
    """A complete response with status 200.

    Attributes:
        head: its headers, without `x-request-id`. Responses with equal headers share one.
        header_lines: these headers in HTTP/1.1, and the empty line after them.
        body: its body.
        recorded: its body as the journal keeps it, if nothing is masked or cut; `None` until it is recorded.
        masked_or_cut: returns its body as the journal keeps it, if something is; `None` unless an exchange has it.
        size_bytes: memory, approximately, with the key under which it is cached.
        used: time of the last use, see `lru.next_use`.
        is_live: whether the cache still holds it.
    """

    __slots__ = (
        "__weakref__",
        "body",
        "head",
        "header_lines",
        "is_live",
        "masked_or_cut",
        "recorded",
        "size_bytes",
        "used",
    )

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.head = share_response_head(tuple(headers))
        self.header_lines = b"".join([*(b"%b: %b\r\n" % header for header in headers), b"\r\n"])
        self.body = body
        self.recorded: RecordedBody | None = None
        self.masked_or_cut: Callable[[], RecordedBody | None] = _nothing
        self.size_bytes = 0
        self.used = 0.0
        self.is_live = False

    def recorded_body(self, max_bytes: int, token: str | None) -> RecordedBody:
        """Return the body as the journal keeps it, see `record_body`. All exchanges with this response share it."""
        recorded = self.recorded or self.masked_or_cut()
        if recorded is None:
            recorded = record_body(self.body, max_bytes, token)
            if recorded.content == self.body:
                self.recorded = recorded
            else:
                self.masked_or_cut = ref(recorded)
        return recorded


class CacheHit(NamedTuple):
    """A cached response to a request, and what it depends on. It keeps neither the state nor the response alive.

    Attributes:
        response: the cached response.
        state: state of the tenant.
        version: version of the tenant's data that the response shows.
        stubs_version: version of the stubs, none of which matches the request.
    """

    response: ReferenceType[CachedResponse]
    state: ReferenceType[TenantState]
    version: int
    stubs_version: int

    @classmethod
    def of(cls, response: CachedResponse, state: TenantState, stubs_version: int) -> "CacheHit":
        """Return the hit of a response that shows the current data of a tenant."""
        return cls(ref(response), ref(state), state.version, stubs_version)


class RepeatedRequest:
    """A request whose repetitions the fast path may serve.

    Attributes:
        head: the request without its body.
        read: what else was read of its head.
        hit: its cached response; `None` if another response is due.
        size_bytes: memory, approximately; 0 until it is cached.
        used: time of the last use, see `lru.next_use`.
        is_live: whether the cache still holds it.
    """

    __slots__ = ("head", "hit", "is_live", "read", "size_bytes", "used")

    def __init__(self, head: RequestHead, read: ReadHead, hit: CacheHit | None = None) -> None:
        self.head = head
        self.read = read
        self.hit = hit
        self.size_bytes = 0
        self.used = 0.0
        self.is_live = False


class ResponseCache:
    """Cached responses by content, and repeated requests by digest. Both evict the least recently used.

    Check `is_cacheable` before a lookup or an insertion.

    Args:
        max_size: approximate number of bytes of all responses.
        max_requests: number of repeated requests.
        max_requests_size: approximate number of bytes of all repeated requests.

    Attributes:
        requests: the repeated requests by digest. No token is kept: a digest cannot be computed without the key.
    """

    def __init__(
        self,
        max_size: int = MAX_SIZE,
        max_requests: int = MAX_REPEATED_REQUESTS,
        max_requests_size: int = MAX_REPEATED_REQUESTS_SIZE,
    ) -> None:
        self.max_size = max_size
        self.max_requests = max_requests
        self.max_requests_size = max_requests_size
        self.requests: LruCache[bytes, RepeatedRequest] = LruCache()
        self._responses: LruCache[ContentKey, CachedResponse] = LruCache()
        self._size = self._requests_size = 0
        self._seen: set[bytes] = set()

    @property
    def size_bytes(self) -> int:
        """Memory of all responses and repeated requests, approximately."""
        return self._size + self._requests_size

    def get(self, key: ContentKey) -> CachedResponse | None:
        """Return the response with this content key, or `None` if it is not cached."""
        response = self._responses.get(key)
        if response is not None:
            response.used = next_use()
        return response

    def put(self, key: ContentKey, response: CachedResponse) -> None:
        """Cache a response, unless its body exceeds `MAX_RESPONSE_BYTES` or the key is present."""
        if len(response.body) > MAX_RESPONSE_BYTES or self._responses.get(key) is not None:
            return
        response.size_bytes = _RESPONSE_BYTES + sum(map(getsizeof, (*key, response.header_lines, response.body)))
        self._responses.put(key, response)
        self._size += response.size_bytes
        while self._size > self.max_size:
            self._size -= self._responses.evict().size_bytes

    def is_repeated(self, digest: bytes) -> bool:
        """Return whether a request has been seen before, and remember it. Only repeated heads are kept."""
        if digest in self._seen:
            return True
        if len(self._seen) >= MAX_SEEN_DIGESTS:
            self._seen.clear()
        self._seen.add(digest)
        return False

    def put_request(self, digest: bytes, request: RepeatedRequest) -> None:
        """Recognize repetitions of a request, unless its head is too long. It must have no credential in its URL."""
        head_bytes, read = request.head.weight * WEIGHT_UNIT, request.read
        if head_bytes > MAX_HEAD_BYTES:
            return
        previous = self.requests.remove(digest)
        texts = (read.path if read.query else "", read.api_path, read.query, read.operation.resource_id)
        request.size_bytes = _REQUEST_BYTES + sum(map(getsizeof, texts)) + head_bytes
        self.requests.put(digest, request)
        self._requests_size += request.size_bytes - (0 if previous is None else previous.size_bytes)
        while len(self.requests) > self.max_requests or self._requests_size > self.max_requests_size:
            self._requests_size -= self.requests.evict().size_bytes

    def clear(self) -> list[CachedResponse | RepeatedRequest]:
        """Remove and return all entries: the initial data of tenants may have changed."""
        self._size = self._requests_size = 0
        self._seen = set()
        return [*self.requests.clear(), *self._responses.clear()]
