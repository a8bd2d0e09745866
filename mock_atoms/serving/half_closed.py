"""Clients that have closed their sending side. `nc -N` still reads the response; others have disconnected."""

import asyncio
from collections.abc import Callable

RESPONSE_SECONDS = 0.05
"""Time for a response to start. A client that has disconnected is noticed that much later."""
RESPONSE_TURNS = 64
"""Turns of the event loop for a response to start, however busy the machine is."""


async def close_half_closed(transport: asyncio.Transport, is_responding: Callable[[], bool]) -> None:
    """Close the connection unless a response starts shortly, as Node does; then close it behind the response."""
    await asyncio.sleep(RESPONSE_SECONDS)
    for _ in range(RESPONSE_TURNS):
        await asyncio.sleep(0)
    while is_responding():  # noqa: ASYNC110 - the response may end in several ways, and such clients are rare
        await asyncio.sleep(RESPONSE_SECONDS)
    transport.close()
