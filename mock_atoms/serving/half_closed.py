"""Clients that have closed their sending side. `nc -N` still reads the response; others have disconnected."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mock_atoms.serving.response_cycle import ResponseCycle

Progress = tuple["ResponseCycle | None", int]
RESPONSE_SECONDS = 0.05
"""Time for a response to start. A client that has disconnected is noticed that much later."""
RESPONSE_TURNS = 64
"""Turns of the event loop for a response to start, however busy the machine is."""


async def close_half_closed(transport: asyncio.Transport, progress: Callable[[], Progress]) -> None:
    """Close the connection behind its responses. Like Node, do not wait for one that does not start shortly.

    Args:
        transport: the connection.
        progress: returns the request in progress, and the number of received bytes that wait for its response.
    """
    before = progress()
    while True:
        await asyncio.sleep(RESPONSE_SECONDS)
        for _ in range(RESPONSE_TURNS):
            await asyncio.sleep(0)
        now = cycle, waiting_bytes = progress()
        has_started = cycle is not None and cycle.response_started
        if not (cycle or waiting_bytes) or (now == before and not has_started):
            transport.close()
            return
        before = now
