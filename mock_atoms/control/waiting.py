"""Waiting for the request journal."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Receive

from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.mock import MockAtoms

MAX_WAIT_MS = 600_000
_POLL_SECONDS = 0.01  # a busy client changes the journal more often than a condition should be evaluated


class JournalWaiter:
    """Waits until the request journal meets a condition.

    Args:
        mock: the server.
    """

    def __init__(self, mock: MockAtoms) -> None:
        self._journal = mock.journal
        self._shutdown_signal = mock.shutdown_signal

    async def wait_until(self, condition: Callable[[], bool], timeout_ms: int, receive: Receive) -> None:
        """Wait until `condition` holds, the time is over, the client of `receive` disconnects or the server stops."""
        changed = asyncio.Event()

        async def wait(seconds: float) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not condition():
                        changed.clear()
                        await changed.wait()
                        await asyncio.sleep(_POLL_SECONDS)

        unwatch = self._journal.watch(changed.set)
        try:
            await CancellableWaiter(self._shutdown_signal, wait).wait(timeout_ms / 1000, receive)
        finally:
            unwatch()
