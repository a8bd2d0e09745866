"""One server's copy of the state that several share: all changes go through a log, in one order for all servers."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from pydantic_core import PydanticSerializationError, from_json, to_json

from mock_atoms.core.errors import CapacityError, StoreUnavailableError
from mock_atoms.core.slices import start_outside_request
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.state.shared_log import LogEntry, LogTrimmedError, SharedLog
from mock_atoms.state.store import ConflictError

Result = TypeVar("Result")
ApplyForeign = Callable[[str, Any], Awaitable[object]]
"""Applies an entry of another server, given its id and content."""
SNAPSHOT_ENTRIES = 20_000
"""Number of entries of the log between two snapshots."""
SNAPSHOT_BYTES = 64 * 1024 * 1024
"""Size of the entries between two snapshots, if it is reached first."""
KEEP_UP_SECONDS = 1.0
"""Pause between two reads of the log by a server that gets no requests."""
_FREQUENT_KINDS = ("begin", "update")
"""Kinds of the entries of requests. They have no numbers with more digits than a float, so a faster parser will do."""
_FREQUENT_STARTS = tuple(f'["{kind}",'.encode() for kind in _FREQUENT_KINDS)
_REPLICA_ID_BYTES = 4
_ID_LENGTH = 16


class _Waiter:
    """A caller that waits until its entry is applied. Without an entry, it waits for all entries in the log.

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


def _render(kind: str, content: object) -> bytes:
    if kind in _FREQUENT_KINDS:
        try:
            return to_json([kind, content])
        except PydanticSerializationError:  # half of a surrogate pair
            pass
    return json.dumps([kind, content], separators=(",", ":")).encode()


def _parse(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    if text.startswith(_FREQUENT_STARTS):
        try:
            return from_json(text)
        except ValueError:  # half of a surrogate pair
            pass
    return json.loads(text)


def _ignore_unavailable_store(saving: asyncio.Task[None]) -> None:
    with suppress(StoreUnavailableError, asyncio.CancelledError):
        saving.result()


def _entry_id(text: bytes) -> str:
    return text[:_ID_LENGTH].decode()


class Snapshots(Protocol):
    """Makes snapshots of a server's copy, and restores them."""

    def first_needed(self) -> int:
        """Return the position of the first entry that a server needs besides a snapshot of now."""
        ...

    async def make_snapshot(self) -> bytes:
        """Return a snapshot of now. Nothing changes until it has returned."""
        ...

    async def restore_snapshot(self, content: bytes) -> None:
        """Replace everything by a snapshot."""
        ...


class Replica:
    """Appends changes to a log, and applies all entries of the log to this server's copy, in their order.

    A change that this server makes is applied when its own entry comes back. So all copies are equal at each position,
    and a result depends on everything that any server has changed before. Not thread-safe: one event loop owns it.

    Args:
        log: the log.
        snapshot_entries: number of entries after which the server that writes the last of them saves a snapshot.

    Attributes:
        position: position of the last applied entry.
        applying: position of the entry that is being applied.
        restored: position of the restored snapshot. It includes the effects of all entries up to there, except on the
            journal.
        snapshots: makes and restores snapshots.
    """

    snapshots: Snapshots

    def __init__(self, log: SharedLog, snapshot_entries: int = SNAPSHOT_ENTRIES) -> None:
        self.position = self.applying = self.restored = 0
        self._snapshot_entries = snapshot_entries
        self._is_available = True  # whether the last call of the log succeeded
        self._is_due = False  # whether this server is to save a snapshot
        self._saving: asyncio.Task[None] | None = None
        self._unsaved_bytes = 0  # size of the entries since the last snapshot was due
        self._log = log
        self._id = secrets.token_hex(_REPLICA_ID_BYTES)
        self._last_number = 0
        self._handlers: dict[str, ApplyForeign] = {}
        self._own: dict[str, _Waiter] = {}
        self._waiting: list[_Waiter] = []
        self._processing: asyncio.Task[None] | None = None
        self._keeping_up: asyncio.Task[None] | None = None

    def handle(self, kind: str, handler: ApplyForeign) -> None:
        """Register the handler for entries of this kind from other servers."""
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
            content: the change as JSON. Handlers on other servers repeat it from this.
            apply: makes the change here.
            entry_id: id of the entry, from `new_id`.

        Raises:
            StoreUnavailableError: the log did not confirm the change in time. Either it is already in the log, or it is
                never made.
        """
        entry_id = entry_id or self.new_id()
        text = entry_id.encode() + _render(kind, content)
        waiter = self._own[entry_id] = _Waiter(text, apply)
        return await self._wait(waiter)  # type: ignore[no-any-return] # what `apply` returns

    async def synchronize(self) -> None:
        """Apply all changes that are in the log now.

        Raises:
            StoreUnavailableError: the log cannot be read.
        """
        await self._wait(_Waiter())

    async def close(self) -> None:
        """Stop following the log, and close the connection. The next change or `synchronize` opens a new one."""
        if self._keeping_up is not None:
            self._keeping_up.cancel()
            self._keeping_up = None
        if self._processing is not None:
            await asyncio.wait([self._processing])
        if self._saving is not None:
            await asyncio.wait([self._saving])
        await self._log.close()

    async def _wait(self, waiter: _Waiter) -> Any:  # noqa: ANN401 - what `apply` returns
        self._waiting.append(waiter)
        if self._processing is None:
            self._processing = start_outside_request(self._process_waiting())
        if self._keeping_up is None or self._keeping_up.done():
            self._keeping_up = start_outside_request(self._keep_up())
        return await waiter.result

    async def _keep_up(self) -> None:
        """Follow the log, so that a server without requests does not fall behind until it needs a snapshot."""
        while True:
            await asyncio.sleep(KEEP_UP_SECONDS)
            with suppress(StoreUnavailableError):
                await self.synchronize()

    async def _process_waiting(self) -> None:
        """Append the waiting entries in batches and apply the log, until no caller waits."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await self._append_and_apply([waiter.text for waiter in batch if waiter.text is not None])
                except Exception as error:  # noqa: BLE001 - raised in the waiting callers
                    self._log_outage(error)
                    batch, self._waiting = [*batch, *self._waiting], []  # no client waits for two timeouts
                    for waiter in batch:
                        self._give_up(waiter, error)
                else:
                    self._log_outage(None)
                    for waiter in batch:
                        if waiter.text is None:
                            waiter.resolve(None)
                        else:
                            lost = StoreUnavailableError("the store has lost a change: send the request again")
                            self._give_up(waiter, lost)
        finally:
            self._processing = None

    def _log_outage(self, error: Exception | None) -> None:
        """Log the first error of an outage and its end, not each call that fails."""
        if (error is None) == self._is_available:
            return
        self._is_available = error is None
        LOGGER.warning(EventLine({"cause": "the shared store is available again" if error is None else str(error)}))

    def _give_up(self, waiter: _Waiter, error: Exception) -> None:
        """Report an error. If the log has the entry nevertheless, it is applied like one of another server."""
        if waiter.text is not None:
            self._own.pop(_entry_id(waiter.text), None)
        waiter.fail(error)

    @property
    def is_restoring(self) -> bool:
        """Whether the restored snapshot includes what the entry that is being applied does, except to the journal."""
        return self.applying <= self.restored

    async def _append_and_apply(self, texts: list[bytes]) -> None:
        is_last = has_appended = False
        while not is_last:
            try:
                entries, is_last = await self._log.append([] if has_appended else texts, self.position)
            except LogTrimmedError:
                await self._restore()
                if texts and has_appended:  # the snapshot may include their effects, and has no results
                    raise StoreUnavailableError(
                        "this server fell too far behind: the change may have been made, so check before you repeat it"
                    ) from None
                continue
            has_appended = True
            for entry in entries:
                self.applying = entry.position
                await self._apply(entry)
                self.position = entry.position
        if self._is_due and (self._saving is None or self._saving.done()):
            self._is_due = False
            await self._save_snapshot()

    async def _save_snapshot(self) -> None:
        first_needed = self.snapshots.first_needed()
        content = await self.snapshots.make_snapshot()
        snapshot = b"%d %d %d %b" % (self.position, first_needed, self._unsaved_bytes, content)
        self._saving = start_outside_request(self._log.save_snapshot(snapshot, first_needed))
        self._saving.add_done_callback(_ignore_unavailable_store)  # the next one makes room as well

    async def _restore(self) -> None:
        """Continue from the last snapshot: the log no longer has what this copy misses."""
        snapshot = await self._log.load_snapshot()
        if snapshot is None:
            raise StoreUnavailableError("the store has lost the beginning of its log: empty it")
        position, first_needed, unsaved_bytes, content = snapshot.split(b" ", 3)
        await self.snapshots.restore_snapshot(content)
        self.restored, self.position = int(position), int(first_needed) - 1
        self._unsaved_bytes = int(unsaved_bytes)

    def _note_size(self, entry: LogEntry) -> None:
        """Note if a snapshot is due. All servers find it due at the same entry, and the one that wrote it makes it."""
        self._unsaved_bytes += len(entry.text)
        if entry.position % self._snapshot_entries == 0 or self._unsaved_bytes > SNAPSHOT_BYTES:
            self._unsaved_bytes = 0
            self._is_due = self._is_due or _entry_id(entry.text).startswith(self._id)

    async def _apply(self, entry: LogEntry) -> None:
        entry_id = _entry_id(entry.text)
        own = self._own.pop(entry_id, None)
        if not self.is_restoring:
            self._note_size(entry)
        if own is not None and own.apply is not None:
            try:
                own.resolve(await own.apply())
            except Exception as error:  # noqa: BLE001 - raised in the caller
                own.fail(error)
            return
        kind, content = _parse(entry.text[_ID_LENGTH:])
        try:
            await self._handlers[kind](entry_id, content)
        except (CapacityError, ConflictError):
            return  # the server that wrote it got the same
        except Exception:  # noqa: BLE001 - it must not keep all later entries from being applied
            LOGGER.exception(EventLine({"cause": f"entry {entry.position} of the shared log cannot be applied"}))
