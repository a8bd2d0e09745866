"""One server's copy of the state that several share: all changes go through a log, in one order for all servers."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mock_atoms.core.errors import CapacityError
from mock_atoms.state.shared_log import LogEntry, SharedLog

Result = TypeVar("Result")
ApplyForeign = Callable[[str, Any], Awaitable[object]]
"""Applies an entry of another server, given its id and content."""
_REPLICA_ID_BYTES = 4
_ID_LENGTH = 16


class _Waiter:
    """Someone who waits until this copy has applied an entry, or all entries of now.

    Attributes:
        text: the entry; `None` without one.
        apply: applies the entry here.
        result: what `apply` returned.
    """

    def __init__(self, text: bytes | None = None, apply: Callable[[], Awaitable[Any]] | None = None) -> None:
        self.text = text
        self.apply = apply
        self.result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def resolve(self, result: object) -> None:
        """Wake the caller, unless it was cancelled."""
        if not self.result.done():
            self.result.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise `error` in the caller, unless it was cancelled."""
        if not self.result.done():
            self.result.set_exception(error)


class Replica:
    """Appends changes to a log, and applies all entries of the log to this server's copy, in their order.

    A change that this server makes is applied when its own entry comes back. So all copies are equal at each position,
    and a result depends on everything that any server has changed before. Not thread-safe: one event loop owns it.

    Args:
        log: the log.

    Attributes:
        position: position of the last applied entry.
        applying: position of the entry that is being applied.
    """

    def __init__(self, log: SharedLog) -> None:
        self.position = self.applying = 0
        self._log = log
        self._id = secrets.token_hex(_REPLICA_ID_BYTES)
        self._last_number = 0
        self._handlers: dict[str, ApplyForeign] = {}
        self._own: dict[str, _Waiter] = {}
        self._waiting: list[_Waiter] = []
        self._exchanging: asyncio.Task[None] | None = None

    def handle(self, kind: str, handler: ApplyForeign) -> None:
        """Apply the entries of one kind that other servers wrote with `handler`."""
        self._handlers[kind] = handler

    def new_id(self) -> str:
        """Return an id for a new entry."""
        self._last_number += 1
        return f"{self._id}{self._last_number:08x}"

    async def change(
        self, kind: str, content: object, apply: Callable[[], Awaitable[Result]], entry_id: str | None = None
    ) -> Result:
        """Append a change to the log. When all earlier entries are applied, apply it and return the result.

        Args:
            kind: its kind.
            content: the change as JSON, of which the handlers of other servers make the same.
            apply: makes the change here.
            entry_id: id of the entry, from `new_id`.

        Raises:
            StoreUnavailableError: the log did not confirm the change. It may have been made, but never will be later.
        """
        entry_id = entry_id or self.new_id()
        text = f"{entry_id}{json.dumps([kind, content], separators=(',', ':'))}".encode()
        waiter = self._own[entry_id] = _Waiter(text, apply)
        return await self._wait(waiter)  # type: ignore[no-any-return] # what `apply` returns

    async def synchronize(self) -> None:
        """Apply all changes that are in the log now.

        Raises:
            StoreUnavailableError: the log cannot be read.
        """
        await self._wait(_Waiter())

    async def _wait(self, waiter: _Waiter) -> Any:  # noqa: ANN401 - what `apply` returns
        self._waiting.append(waiter)
        if self._exchanging is None:
            self._exchanging = asyncio.ensure_future(self._exchange_all())
        return await waiter.result

    async def _exchange_all(self) -> None:
        """Append what waits, together, and apply what the log returns, until nothing waits."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await self._exchange([waiter.text for waiter in batch if waiter.text is not None])
                except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                    for waiter in batch:
                        waiter.fail(error)
                else:
                    for waiter in batch:
                        waiter.resolve(None)
        finally:
            self._exchanging = None

    async def _exchange(self, texts: list[bytes]) -> None:
        is_last = False
        while not is_last:
            entries, is_last = await self._log.append(texts, self.position)
            texts = []
            for entry in entries:
                self.applying = entry.position
                await self._apply(entry)
                self.position = entry.position

    async def _apply(self, entry: LogEntry) -> None:
        entry_id = entry.text[:_ID_LENGTH].decode()
        own = self._own.pop(entry_id, None)
        if own is None or own.apply is None:
            kind, content = json.loads(entry.text[_ID_LENGTH:])
            try:
                await self._handlers[kind](entry_id, content)
            except CapacityError:  # the server that wrote it got the same
                return
            return
        try:
            own.resolve(await own.apply())
        except Exception as error:  # noqa: BLE001 - it belongs to the caller
            own.fail(error)
