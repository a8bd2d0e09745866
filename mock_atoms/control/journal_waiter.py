"""Waiting for the request journal."""

import asyncio
from collections.abc import Callable

from starlette.types import Receive

from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.core.slices import Steps
from mock_atoms.mock import MockAtoms

MAX_WAIT_MS = 600_000
_POLL_SECONDS = 0.01  # a busy client changes the journal more often than conditions should be evaluated
Condition = Callable[[], Steps[bool]]
"""Returns whether the journal meets a condition. Each evaluation may continue where the last one was left."""


class JournalWaiter:
    """Lets clients wait until the request journal meets their conditions.

    One task evaluates the conditions of all clients after each change, one after the other and in slices.

    Args:
        mock: the server.
    """

    def __init__(self, mock: MockAtoms) -> None:
        self._journal = mock.journal
        self._slices = mock.slices
        self._shutdown_signal = mock.shutdown_signal
        self._conditions: dict[asyncio.Future[None], Condition] = {}
        self._changed = asyncio.Event()
        self._evaluation: asyncio.Task[None] | None = None

    async def wait_until(self, condition: Condition, timeout_ms: int, receive: Receive) -> None:
        """Wait until `condition` holds, the time is over, the client of `receive` disconnects or the server stops."""
        is_met = asyncio.get_running_loop().create_future()

        async def wait(seconds: float) -> None:
            await asyncio.wait({is_met}, timeout=seconds)

        self._conditions[is_met] = condition
        if self._evaluation is None:
            self._changed = asyncio.Event()
            self._evaluation = asyncio.create_task(self._evaluate_all())
        self._changed.set()
        try:
            await CancellableWaiter(self._shutdown_signal, wait).wait(timeout_ms / 1000, receive)
        finally:
            del self._conditions[is_met]
            if not self._conditions:
                self._evaluation.cancel()
                self._evaluation = None
        if is_met.done():
            is_met.result()

    async def _evaluate_all(self) -> None:
        """Evaluate all conditions after each change."""
        unwatch = self._journal.watch(self._changed.set)
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._slices.run(self._evaluations())
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            unwatch()

    def _evaluations(self) -> Steps[None]:
        for is_met, condition in [*self._conditions.items()]:
            evaluation = condition()
            try:
                while is_met in self._conditions:
                    next(evaluation)
                    yield
            except StopIteration as stop:
                if stop.value and not is_met.done():
                    is_met.set_result(None)
            except Exception as error:  # noqa: BLE001 - the client of the condition gets it, the others go on
                is_met.set_exception(error)
            evaluation.close()
            yield
