"""The journal counts at least the memory that its exchanges use."""

import asyncio
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from mock_atoms import Settings, create_app
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.mock import MockAtoms
from tests.helpers.memory import TOLERANCE, allocated_bytes

COPIES = 100
EMOJI = "\U0001f600".encode()
Header = tuple[bytes, bytes]


async def discard(_message: Message) -> None:
    """Ignore a message."""


async def send_requests(app: Any, headers: list[Header], url: tuple[str, bytes], body: bytes, first: int) -> None:  # noqa: ANN401 - an ASGI application
    """Send similar requests of ten tenants, none of which is equal to another."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body + b"%d" % number}

    for number in range(first, first + COPIES):
        mark = b"%d" % number
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/atoms/v1/{url[0]}{number}",
            "query_string": url[1] + mark,
            "headers": [
                (b"content-length", b"%d" % len(body + mark)),
                *((name, value + mark[-1:]) for name, value in headers),
            ],
            "client": ("127.0.0.1", number),
        }
        await app(scope, receive, discard)


def counted_and_allocated(headers: list[Header], url: tuple[str, bytes], body: bytes) -> tuple[int, int]:
    mock = MockAtoms(Settings(), log=lambda _exchange, _attempt: None)
    app = create_app(mock=mock)
    asyncio.run(send_requests(app, headers, url, body, 0))
    asyncio.run(mock.reset())

    def fill() -> None:
        asyncio.run(send_requests(app, headers, url, body, COPIES))
        asyncio.run(mock.store.reset())

    allocated = allocated_bytes(fill)
    assert isinstance(mock.journal, MemoryJournal)
    assert len([*mock.journal]) == COPIES
    return mock.journal.size_bytes, allocated


@pytest.mark.slow
@pytest.mark.alone("it measures the memory of one server")
@pytest.mark.parametrize(
    ("headers", "url", "body"),
    [
        ([], ("", b""), b""),
        ([], ("a" * 3000, b""), b""),
        ([], ("", b"a" * 3000), b""),
        ([], ("", b""), b"a" * 3000),
        ([(b"x", EMOJI + b"a" * 3000)], ("", b""), b""),
        ([(b"x-%d" % number, EMOJI) for number in range(200)], ("", b""), b""),
        ([(b"x-%d" % number, b"1") for number in range(200)], ("", b""), b""),
        ([(b"host", b"a" * 3000)], ("", b""), b""),
        ([(b"x-test-id", EMOJI + b"a" * 3000)], ("", b""), b""),
        ([(b"cookie", b"; ".join(b"session=%d" % number for number in range(100)))], ("", b""), b""),
        ([(b"authorization", b"Bearer " + b"a" * 3000)], ("", b""), b""),
        ([(b"authorization", b"Bearer sk_mock_500.")], ("", b""), b""),
    ],
)
def test_hostile_requests_are_counted(headers: list[Header], url: tuple[str, bytes], body: bytes) -> None:
    counted, allocated = counted_and_allocated(headers, url, body)
    assert allocated <= counted * TOLERANCE


names = st.sampled_from([b"x-test-id", b"cookie", b"authorization", b"prefer", b"host", b"x"])
values = st.one_of(
    st.text(max_size=300).map(str.encode),
    st.binary(max_size=300).map(lambda value: value.translate(None, b"\r\n")),
    st.integers(1, 50).map(lambda number: b"session=1;" * number),
    st.sampled_from([b"Bearer sk_mock_500", b"Bearer sk_mock_one", b"code=503"]),
)


@pytest.mark.alone("it measures the memory of one server")
@pytest.mark.slow
@given(
    st.lists(st.tuples(names, values), max_size=20),
    st.tuples(st.sampled_from(["", "audience", "x" * 500]), st.binary(max_size=300)),
    st.binary(max_size=500),
)
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_any_request_is_counted(headers: list[Header], url: tuple[str, bytes], body: bytes) -> None:
    counted, allocated = counted_and_allocated(headers, url, body)
    assert allocated <= counted * TOLERANCE
