"""Bodies of responses as the journal keeps them."""

from functools import lru_cache
from sys import getsizeof

from mock_atoms.core.http_text import decode_text
from mock_atoms.core.masking import has_no_secret, mask_text_steps
from mock_atoms.core.slices import Steps, run_without_pauses

WEIGHT_UNIT = 64
"""Bytes per unit of weight. Units keep most weights below 257, which CPython never allocates."""
MAX_CUT_KEY_LENGTH = 256
"""Number of characters of a key that the end of a recorded body may cut: a longer one gets another digest."""
MAX_SHARED_BODY_BYTES = 2_000
"""Longer bodies are shared only by responses from the response cache."""
_MAX_SHARED_BODIES = 1_000
_BODY_BYTES = 200  # memory of a recorded body besides its content, with its place in the journal


def weight_of(size: int) -> int:
    """Return `size` bytes as units of `WEIGHT_UNIT` bytes, rounded up."""
    return -(-size // WEIGHT_UNIT)


def kept_bytes(max_bytes: int, token: str | None) -> int:
    """Return the number of bytes to keep of a body until its credentials are masked, to record `max_bytes` of them.

    A key across the limit is masked before the cut. Each of its characters may be escaped, in up to six bytes.
    """
    return max_bytes + 6 * max(MAX_CUT_KEY_LENGTH, len(token or ""))


class RecordedBody:
    """The first bytes of a response body, credentials masked. Exchanges may share one, so it never changes.

    Args:
        content: these bytes.

    Attributes:
        weight: memory of the content, in units of `WEIGHT_UNIT` bytes.
    """

    __slots__ = ("__weakref__", "content", "weight")

    def __init__(self, content: bytes = b"") -> None:
        self.content = content
        self.weight = weight_of(_BODY_BYTES + getsizeof(content)) if content else 0

    @property
    def text(self) -> str:
        """The content as UTF-8 or, if it is not valid UTF-8, as Latin-1."""
        return decode_text(self.content)


NO_BODY = RecordedBody()


def record_body(body: bytes, max_bytes: int, token: str | None) -> RecordedBody:
    """Return the first `max_bytes` bytes of a short or cached response body, credentials masked.

    A body of which nothing is masked or cut is not copied.

    Args:
        body: the body.
        max_bytes: number of bytes to record.
        token: the caller's token.
    """
    if len(body) <= MAX_SHARED_BODY_BYTES:
        shared = _share_body(body, max_bytes)
        if shared is not None and (token is None or token.encode() not in body):
            return shared
    recorded = run_without_pauses(record_body_steps(body[: kept_bytes(max_bytes, token)], max_bytes, token))
    return RecordedBody(body) if recorded.content == body else recorded


def record_body_steps(body: bytes, max_bytes: int, token: str | None) -> Steps[RecordedBody]:
    """Return the same as `record_body`, for any body, or its first `kept_bytes` bytes."""
    text, kept = (data.decode(errors="surrogateescape") for data in (body, body[:max_bytes]))
    masked = (yield from mask_text_steps(text, token, len(kept))).encode(errors="surrogateescape")
    return RecordedBody(masked[:max_bytes])


@lru_cache(_MAX_SHARED_BODIES)
def share_body(content: bytes) -> RecordedBody:
    """Return the recorded body with a short content, credentials masked. Equal ones are shared."""
    return RecordedBody(content)


@lru_cache(_MAX_SHARED_BODIES)
def _share_body(body: bytes, max_bytes: int) -> RecordedBody | None:
    """Return what is recorded of a body; `None` if it may contain credentials."""
    if not has_no_secret(body.decode(errors="surrogateescape"), None):
        return None
    return share_body(body[:max_bytes])
