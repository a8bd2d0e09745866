"""Inflating of compressed request bodies, in pieces of bounded size."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator

INFLATED_PIECE_BYTES = 64 * 1024
"""Maximum size of a piece."""
_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class InflateError(ValueError):
    """A body that is not in the format of its `Content-Encoding`."""


def content_encoding(values: Iterable[str]) -> str:
    """Return the encoding that the `Content-Encoding` headers of a request name; `identity` without one."""
    return ", ".join(values).strip().lower() or "identity"


def is_inflatable(encoding: str) -> bool:
    """Return whether an `Inflater` knows an encoding."""
    return encoding in _WINDOW_BITS


class Inflater:
    """Inflates one body as Node's zlib does for Express: `gzip` may have several members, `deflate` is zlib's format.

    Args:
        encoding: `gzip` or `deflate`.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream = zlib.decompressobj(_WINDOW_BITS[encoding])
        self._is_at_end = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the inflated bytes of `data` in pieces. What follows the last member is ignored if it is zeros.

        Raises:
            InflateError: `data` is not in the format.
        """
        for start in range(0, len(data), INFLATED_PIECE_BYTES):
            yield from self._inflate(data[start : start + INFLATED_PIECE_BYTES])

    def finish(self) -> None:
        """Check that the body is complete.

        Raises:
            InflateError: it ends too early.
        """
        if not self._stream.eof:
            raise InflateError("unexpected end of file")

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        is_full = False
        while (data or is_full) and not self._is_at_end:
            if self._stream.eof:
                if self._encoding == "deflate" or data[0] == 0:
                    self._is_at_end = True
                    return
                self._stream = zlib.decompressobj(_WINDOW_BITS[self._encoding])
            try:
                piece = self._stream.decompress(data, INFLATED_PIECE_BYTES)
            except zlib.error as error:
                raise InflateError(str(error).partition(": ")[2]) from None
            is_full = len(piece) == INFLATED_PIECE_BYTES and not self._stream.eof  # more may follow without more data
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece


async def inflate(chunks: AsyncIterable[bytes], encoding: str) -> AsyncGenerator[bytes]:
    """Yield the inflated bytes of a body in pieces. Other requests run between two pieces.

    Args:
        chunks: the body.
        encoding: `gzip` or `deflate`.

    Raises:
        InflateError: the body is not in the format.
    """
    inflater = Inflater(encoding)
    async for chunk in chunks:
        for piece in inflater.feed(chunk):
            yield piece
            await asyncio.sleep(0)
    inflater.finish()
