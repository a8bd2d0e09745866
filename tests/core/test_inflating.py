import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core.inflating import INFLATED_PIECE_BYTES, InflateError, Inflater, content_encoding, inflate

gzipped = partial(gzip.compress, mtime=0)

TEXT = b'{"members":[]}'
GZIP, ZLIB = gzipped(TEXT), zlib.compress(TEXT)
RAW = ZLIB[2:-4]


def inflated(encoding: str, data: bytes, chunk_size: int = 7) -> bytes:
    inflater = Inflater(encoding)
    chunks = [data[start : start + chunk_size] for start in range(0, len(data), chunk_size)]
    result = b"".join(piece for chunk in chunks for piece in inflater.feed(chunk))
    inflater.finish()
    return result


# What Express 4 and 5 do with these bodies on Node.js 20.
@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", GZIP),
        ("gzip", gzipped(TEXT[:5]) + gzipped(TEXT[5:])),
        ("gzip", GZIP + bytes(20)),
        ("gzip", GZIP + bytes(20) + GZIP),
        ("deflate", ZLIB),
        ("deflate", ZLIB + b"ignored"),
    ],
)
@pytest.mark.parametrize("chunk_size", [1, 1000])
def test_a_body_is_inflated(encoding: str, data: bytes, chunk_size: int) -> None:
    assert inflated(encoding, data, chunk_size) == TEXT


@pytest.mark.parametrize(
    ("encoding", "data", "problem"),
    [
        ("gzip", TEXT, "incorrect header check"),
        ("gzip", b"", "unexpected end of file"),
        ("gzip", GZIP[:12], "unexpected end of file"),
        ("gzip", GZIP[:-1], "unexpected end of file"),
        ("gzip", GZIP[:-8] + bytes(8), "incorrect data check"),
        ("gzip", GZIP + b"trailing", "incorrect header check"),
        ("gzip", GZIP + GZIP[:5], "unexpected end of file"),
        ("gzip", ZLIB, "incorrect header check"),
        ("deflate", RAW, "incorrect header check"),
        ("deflate", ZLIB[:-1], "unexpected end of file"),
    ],
)
def test_a_malformed_body_is_an_error(encoding: str, data: bytes, problem: str) -> None:
    with pytest.raises(InflateError, match=f"^{problem}$"):
        inflated(encoding, data, 1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@given(data=st.binary(max_size=300), repeats=st.sampled_from([1, 5000]), chunk_size=st.integers(1, 50_000))
@settings(max_examples=50, deadline=None, derandomize=True, database=None)
def test_any_text_is_read_back_in_small_pieces(encoding: str, data: bytes, repeats: int, chunk_size: int) -> None:
    text = data * repeats
    compressed = gzipped(text) if encoding == "gzip" else zlib.compress(text)
    assert inflated(encoding, compressed, chunk_size) == text
    assert all(0 < len(piece) <= INFLATED_PIECE_BYTES for piece in Inflater(encoding).feed(compressed))


def test_other_tasks_run_between_two_pieces() -> None:
    events: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        yield zlib.compress(bytes(10 * INFLATED_PIECE_BYTES))

    async def bystander() -> None:
        while True:
            events.append(0)
            await asyncio.sleep(0)

    async def main() -> None:
        nonlocal events
        task = asyncio.create_task(bystander())
        async for piece in inflate(body(), "deflate"):
            events += [len(piece)]
        task.cancel()

    asyncio.run(main())
    assert events == [INFLATED_PIECE_BYTES, 0] * 10


@pytest.mark.parametrize(
    ("values", "encoding"),
    [([], "identity"), ([""], "identity"), ([" GZip "], "gzip"), (["gzip", "deflate"], "gzip, deflate")],
)
def test_headers_name_the_encoding(values: list[str], encoding: str) -> None:
    assert content_encoding(values) == encoding
