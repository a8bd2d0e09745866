"""Answers that were rendered of what tenants hold, to be sent again as they are."""

from collections.abc import Sequence
from functools import lru_cache

from mock_atoms.core.lru import LruCache, next_use
from mock_atoms.journal.exchange import ResponseHead
from mock_atoms.state.store import TenantState

MAX_SIZE = 96 * 1024 * 1024
MAX_RESPONSE_BYTES = 1024 * 1024
_ANSWER_BYTES = 1_000  # roughly what an answer takes besides its body
_MOST_HEADS = 1_000

Key = tuple[object, str, bytes]


def key_of(state: TenantState, api_path: str, query: bytes) -> Key:
    """Return what an answer follows from: what its tenant holds, the path below the base path, and the query.

    What a tenant holds that changed nothing follows from its token alone, so that all tests of one token share it.
    """
    return state.tenant.token_digest if state.is_unchanged else state.version, api_path, query


@lru_cache(_MOST_HEADS)
def _head_of(headers: tuple[tuple[bytes, bytes], ...]) -> ResponseHead:
    """Return one head for all answers that have the same."""
    return ResponseHead(headers)


class CachedResponse:
    """A whole answer with the status 200.

    Attributes:
        head: what it says before its body, but for its `x-request-id`.
        tail: all of it, from these headers on, as HTTP/1.1 has it.
        length: of how many bytes its body is.
        used: when it was sent last, see `recent.next_use`.
        is_live: whether it is kept still.
    """

    __slots__ = ("__weakref__", "head", "is_live", "length", "tail", "used")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.head = _head_of(tuple(headers))
        self.tail = b"".join([*(b"%b: %b\r\n" % header for header in headers), b"\r\n", body])
        self.length = len(body)
        self.used = 0.0
        self.is_live = False

    @property
    def body(self) -> bytes:
        """Its body."""
        return self.tail[len(self.tail) - self.length :]


class ResponseCache:
    """Answers that were rendered, by what they follow from; the least recently used are forgotten first.

    Args:
        max_size: how many bytes are kept, about.
    """

    def __init__(self, max_size: int = MAX_SIZE) -> None:
        self.max_size = max_size
        self._answers: LruCache[Key, CachedResponse] = LruCache()
        self._size = 0

    def get(self, key: Key) -> CachedResponse | None:
        """Return what was rendered, if it is known."""
        answer = self._answers.get(key)
        if answer is not None:
            answer.used = next_use()
        return answer

    def keep(self, key: Key, answer: CachedResponse) -> None:
        """Keep what was rendered, unless it is long."""
        if answer.length > MAX_RESPONSE_BYTES or self._answers.get(key) is not None:
            return
        self._answers.put(key, answer)
        self._size += _ANSWER_BYTES + answer.length
        while self._size > self.max_size:
            self._size -= _ANSWER_BYTES + self._answers.evict().length

    def forget(self) -> None:
        """Forget all: what tenants begin with may be something else from now on."""
        self._answers.clear()
        self._size = 0
