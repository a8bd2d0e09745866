import asyncio
from typing import Any

import pytest
from starlette.types import Message

from mock_atoms.core.body_memory import MAX_BODIES_BYTES, MAX_UNREAD_BODY_BYTES, BodyLease, BodyMemory
from mock_atoms.core.delays import CancellableWaiter, ShutdownSignal, Sleep
from mock_atoms.middleware import waiting
from mock_atoms.middleware.waiting import ReadAhead, send_slowly

DISCONNECT = {"type": "http.disconnect"}
START = {"type": "http.response.start", "status": 200, "headers": []}


def chunk(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


class Request:
    """A request whose messages are read ahead.

    Args:
        messages: the messages; after them comes nothing.
        free_bytes: the memory of all request bodies.
    """

    def __init__(self, *messages: Message, free_bytes: int = MAX_BODIES_BYTES) -> None:
        self.memory = BodyMemory()
        self.memory.free_bytes = free_bytes
        self._messages = list(messages)
        scope: dict[str, Any] = {}
        BodyLease(self.memory).put_into(scope)
        self.ahead = ReadAhead(scope, self._receive)

    async def _receive(self) -> Message:
        if not self._messages:
            await asyncio.Future()
        return self._messages.pop(0)

    async def read_all(self) -> list[int]:
        """Read ahead while it is possible, and return the free memory after each message."""
        free_bytes = []
        for _ in range(4):
            task = asyncio.ensure_future(self.ahead.read())
            await asyncio.sleep(0)
            if not task.cancel():
                free_bytes.append(self.memory.free_bytes)
        return free_bytes

    async def receive(self, number: int) -> list[bytes]:
        messages = [await asyncio.wait_for(self.ahead.receive(), 10) for _ in range(number)]
        return [message.get("body", b"disconnect") for message in messages]


def test_a_request_that_was_read_ahead_is_received_later_and_its_memory_given_back() -> None:
    async def run() -> None:
        request = Request(chunk(b"abc"), chunk(b"de", more=False), DISCONNECT, free_bytes=10)
        assert await request.read_all() == [7, 5, 5]
        assert await request.receive(2) == [b"abc", b"de"]
        assert request.memory.free_bytes == 10
        assert await request.receive(1) == [b"disconnect"]

    asyncio.run(run())


def test_a_long_body_is_not_read_ahead_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_UNREAD_BODY_BYTES", 4)

    async def run() -> None:
        request = Request(chunk(b"abc"), chunk(b"d"), chunk(b"ef", more=False))
        assert len(await request.read_all()) == 2
        assert await request.receive(3) == [b"abc", b"d", b"ef"]

    asyncio.run(run())
    assert MAX_UNREAD_BODY_BYTES == 8 * 1024 * 1024


def test_a_body_is_not_read_ahead_without_memory() -> None:
    async def run() -> None:
        request = Request(chunk(b"abc"), chunk(b"de"), chunk(b"f", more=False), free_bytes=4)
        assert await request.read_all() == [1, 1]
        assert await request.receive(3) == [b"abc", b"de", b"f"]
        assert request.memory.free_bytes == 4

    asyncio.run(run())


def slow_response(chunks: int, sleep: Sleep, shutdown_signal: ShutdownSignal, body: bytes) -> list[tuple[bytes, bool]]:
    """Send `body` slowly, and return its chunks, each with whether more follow."""
    sent: list[tuple[bytes, bool]] = []

    async def receive() -> Message:
        await asyncio.Future()
        raise AssertionError

    async def send(message: Message) -> None:
        if "body" in message:
            sent.append((message["body"], message["more_body"]))

    asyncio.run(send_slowly(CancellableWaiter(shutdown_signal, sleep), START, body, chunks, 1, receive, send))
    return sent


async def no_time(_seconds: float) -> None:
    return


def test_a_response_can_have_very_many_chunks() -> None:
    sent = slow_response(2_000, no_time, ShutdownSignal(), b"ab" * 2_000)
    assert sent == [(b"ab", True)] * 1_999 + [(b"ab", False)]


def test_a_shutdown_sends_the_rest_of_a_slow_response() -> None:
    shutdown_signal = ShutdownSignal()
    sleeps = iter("ab")

    async def sleep(_seconds: float) -> None:
        if next(sleeps) == "b":
            asyncio.get_running_loop().call_soon(shutdown_signal.notify)
            await asyncio.Future()

    assert slow_response(4, sleep, shutdown_signal, b"abcdefgh") == [(b"ab", True), (b"cdefgh", False)]
