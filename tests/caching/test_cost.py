"""The cost of a repeated request as a number of function calls, which does not depend on the machine.

benchmarks/ measures times and compares them with other servers.
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
"""Maximum number of Python and C functions called for a repeated request; Python 3.11 needs 67.

If you raise it, give the reason here.
"""
REQUEST = b"GET /atoms/v1/audience HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_acme\r\nAccept: */*\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """A transport without a socket."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_complete = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        if self.sent.endswith(b"}"):
            self.is_complete.set()

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def calls(times: int) -> int:
    """Return the number of functions called for the last of `times` equal requests, without logging."""
    mock = MockAtoms(Settings(), log=lambda _exchange, _attempt: None)
    config = build_server(mock, create_app(mock=mock), lambda: None).config
    config.load()
    protocol: Any = config.http_protocol_class(config=config, server_state=ServerState(), app_state={})  # type: ignore[call-arg] # as uvicorn calls it
    transport = FakeTransport()
    protocol.connection_made(transport)
    count = 0

    def count_call(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    for number in range(times):
        transport.sent = b""
        transport.is_complete.clear()
        if number == times - 1:
            gc.disable()  # the collection of other tests' garbage would count
            sys.setprofile(count_call)
        try:
            protocol.data_received(REQUEST)
            await transport.is_complete.wait()
        finally:
            sys.setprofile(before)
            gc.enable()
        assert transport.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    protocol.connection_lost(None)
    return count


def test_a_repeated_request_stays_within_the_budget() -> None:
    assert asyncio.run(calls(3)) <= BUDGET


@pytest.mark.parametrize("times", [1, 2])
def test_a_first_request_exceeds_the_budget(times: int) -> None:
    assert asyncio.run(calls(times)) > 2 * BUDGET
