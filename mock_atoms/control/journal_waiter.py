"""Waiting for the request journal."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.types import Receive

from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.core.slices import start_outside_request
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.query import KeySets
from mock_atoms.mock import MockAtoms

MAX_WAIT_MS = 600_000
_POLL_SECONDS = 0.01  # a busy client changes the journal more often than conditions should be evaluated
Condition = Callable[[], Awaitable[bool]]
"""Returns whether the journal meets a condition. Each evaluation may continue where a cancelled one was left."""
WaitedKeys = frozenset[bytes | None]
"""Index keys of the exchanges that may change a condition; `None` means all exchanges."""
ALL_EXCHANGES: WaitedKeys = frozenset({None})


def waited_keys(key_sets: KeySets) -> WaitedKeys:
    """Return the keys of the exchanges that may match a query."""
    return frozenset[bytes | None](key_sets[0]) if key_sets else ALL_EXCHANGES


class JournalWaiter:
    """Lets clients wait until the request journal meets their conditions.

    A change wakes the clients that wait for a key of the changed exchange, and those that wait for all exchanges. One
    task evaluates the conditions of all woken clients, one after the other.

    Args:
        mock: the server.
    """

    def __init__(self, mock: MockAtoms) -> None:
        self._journal = mock.journal
        self._shutdown_signal = mock.shutdown_signal
        self._waiting: dict[asyncio.Future[None], Condition] = {}
        self._by_key: dict[bytes | None, dict[asyncio.Future[None], None]] = {}
        self._unwatch: dict[bytes | None, Callable[[], None]] = {}
        self._woken: dict[asyncio.Future[None], None] = {}
        self._changed_keys: set[bytes | None] = set()
        self._changed = asyncio.Event()
        self._evaluation: asyncio.Task[None] | None = None

    async def wait_until(self, condition: Condition, keys: WaitedKeys, timeout_ms: float, receive: Receive) -> None:
        """Wait until `condition` holds, the time is over, the client of `receive` disconnects or the server stops.

        Args:
            condition: evaluated at first, and after each change of an exchange with one of `keys`.
            keys: the index keys.
            timeout_ms: the longest wait.
            receive: the ASGI callable of the request.
        """
        is_met = asyncio.get_running_loop().create_future()

        async def wait(seconds: float) -> None:
            await asyncio.wait({is_met}, timeout=seconds)

        self._waiting[is_met] = condition
        for key in keys:
            self._subscribe(key, is_met)
        if self._evaluation is None:
            self._changed = asyncio.Event()
            self._evaluation = start_outside_request(self._evaluate_changes())
        self._woken[is_met] = None
        self._changed.set()
        try:
            await CancellableWaiter(self._shutdown_signal, wait).wait(timeout_ms / 1000, receive)
        finally:
            del self._waiting[is_met]
            for key in keys:
                self._unsubscribe(key, is_met)
            if not self._waiting:
                self._evaluation.cancel()
                self._evaluation = None
            is_met.cancel()
        if not is_met.cancelled():
            is_met.result()

    def _subscribe(self, key: bytes | None, is_met: asyncio.Future[None]) -> None:
        if key not in self._by_key:
            self._by_key[key] = {}
            self._unwatch[key] = self._journal.watch(partial(self._wake, key), key)
        self._by_key[key][is_met] = None

    def _unsubscribe(self, key: bytes | None, is_met: asyncio.Future[None]) -> None:
        del self._by_key[key][is_met]
        if not self._by_key[key]:
            del self._by_key[key]
            self._unwatch.pop(key)()

    def _wake(self, key: bytes | None, _exchange: Exchange) -> None:
        """Note a change. Recording costs the same however many clients wait."""
        self._changed_keys.add(key)
        self._changed.set()

    async def _evaluate_changes(self) -> None:
        """Evaluate the conditions of woken clients after each change."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            for key in self._changed_keys:
                self._woken |= self._by_key.get(key, {})
            self._changed_keys.clear()
            while self._woken:
                is_met = next(iter(self._woken))
                del self._woken[is_met]
                if is_met in self._waiting:
                    await _evaluate(self._waiting[is_met], is_met)
            await asyncio.sleep(_POLL_SECONDS)


async def _evaluate(condition: Condition, is_met: asyncio.Future[None]) -> None:
    """Evaluate a condition until its client no longer waits."""
    evaluation = asyncio.ensure_future(condition())

    def stop(_is_met: asyncio.Future[None]) -> None:
        evaluation.cancel()

    is_met.add_done_callback(stop)
    await asyncio.wait({evaluation})
    is_met.remove_done_callback(stop)  # a long wait evaluates its condition many times
    if is_met.done():
        return
    if error := evaluation.exception():
        is_met.set_exception(error)  # its client gets it, the others go on
    elif evaluation.result():
        is_met.set_result(None)
