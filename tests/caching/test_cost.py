"""What a request costs that many tests send again and again, as a number of calls: no noise of a machine moves it.

Times, and how they compare with those of other servers, are measured in benchmarks/.
"""

import asyncio
import gc
import sys
from types import FrameType
from typing import Any

import pytest
from uvicorn.server import ServerState

from mock_atoms import Settings, create_app
from mock_atoms.mock import MockAtoms
from mock_atoms.serving.server import build_server

BUDGET = 72
"""How many functions, of Python's and of C's, may be called to answer a request that came before: 67 on Python 3.11.

Raise it for a reason, and say the reason.
"""
REQUEST = b"GET /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_acme\r\nAccept: */*\r\n\r\n"


class Wire(asyncio.Transport):
    """A connection that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_answered = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        if self.sent.endswith(b"}"):
            self.is_answered.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def calls(times: int) -> int:
    """Return how many functions are called for the last of `times` requests, which nobody logs."""
    mock = MockAtoms(Settings(), log=lambda _exchange, _attempt: None)
    config = build_server(mock, create_app(mock=mock), lambda: None).config
    config.load()
    protocol: Any = config.http_protocol_class(config=config, server_state=ServerState(), app_state={})  # type: ignore[call-arg] # as uvicorn calls it
    wire = Wire()
    protocol.connection_made(wire)
    count = 0

    def counted(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    for number in range(times):
        wire.sent = b""
        wire.is_answered.clear()
        if number == times - 1:
            gc.disable()  # what other tests left is not to be counted
            sys.setprofile(counted)
        try:
            protocol.data_received(REQUEST)
            await wire.is_answered.wait()
        finally:
            sys.setprofile(before)
            gc.enable()
        assert wire.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    protocol.connection_lost(None)
    return count


def test_a_request_that_came_before_costs_no_more_calls_than_it_may() -> None:
    assert asyncio.run(calls(3)) <= BUDGET


@pytest.mark.parametrize("times", [1, 2])
def test_one_that_did_not_costs_more_so_that_the_budget_says_something(times: int) -> None:
    assert asyncio.run(calls(times)) > 2 * BUDGET
