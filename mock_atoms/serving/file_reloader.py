"""Reads the fixture and stub files again while the server runs."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path, PurePath
from typing import NoReturn

from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.journal.events import FILES_RELOADED
from mock_atoms.mock import FileReload, MockAtoms

_CHECK_MS = 1_000
"""Milliseconds between two checks that the watched folders have not been replaced."""
_TERMINAL = "/dev/tty"


class FileReloader:
    """Reads the files of a server again after SIGHUP and, with `--reload`, when one changes.

    Args:
        mock: the server.
        stop: stops the server. SIGHUP does that if it means that the terminal is gone.

    Raises:
        ConfigError: `--reload` needs a package that is not installed.
    """

    def __init__(self, mock: MockAtoms, stop: Callable[[], None]) -> None:
        self._mock = mock
        self._stop = stop
        self._watches = mock.settings.reload
        self._folders = [folder for folder in (mock.settings.fixtures, mock.settings.stubs) if folder is not None]
        self._had_terminal = _has_terminal()
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        if self._watches:
            _check_watchfiles()

    async def run(self) -> None:
        """Run until it is cancelled."""
        handles_signals = hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread()
        loop = asyncio.get_running_loop()
        if handles_signals:
            loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        try:
            if self._watches:
                await self._watch_until_it_fails()
            await loop.create_future()
        finally:
            if handles_signals:
                loop.remove_signal_handler(signal.SIGHUP)

    async def reload(self) -> None:
        """Read the files again, and report the outcome in the log, to watchers and in `GET /__admin/server`."""
        mock = self._mock
        async with self._reloading:
            error = None
            try:
                await mock.reload()
            except ConfigError as problem:
                error = str(problem)
            mock.last_reload = FileReload(mock.now(), error)
            mock.journal.events.publish(FILES_RELOADED, {"error": error})
        if error is None:
            LOGGER.info(EventLine({"cause": "fixtures and stubs were read again"}))
        else:
            LOGGER.error(EventLine({"cause": f"{error}; the previous fixtures and stubs are still in use"}))

    def _on_hangup(self) -> None:
        if self._had_terminal and not _has_terminal():
            self._stop()
            return
        task = asyncio.ensure_future(self.reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch_until_it_fails(self) -> None:
        try:
            await self._watch()
        except Exception:  # noqa: BLE001 - for example, the system cannot watch more files
            LOGGER.exception(EventLine({"cause": "files are no longer watched; SIGHUP still reads them again"}))

    async def _watch(self) -> NoReturn:
        LOGGER.info(EventLine({"cause": f"watching {' and '.join(map(str, self._folders))} for changes"}))
        while True:
            identities = self._identities()
            async for _ in self._changes(identities):
                await self.reload()
            await self.reload()  # a folder was replaced

    async def _changes(self, identities: dict[Path, tuple[int, int] | None]) -> AsyncIterator[None]:
        """Yield whenever files have changed, until a folder is replaced.

        Args:
            identities: what `_identities` returned.
        """
        from watchfiles import awatch  # noqa: PLC0415 - an optional dependency

        present = [folder for folder, identity in identities.items() if identity is not None]
        if not present:
            await asyncio.sleep(_CHECK_MS / 1000)
            return
        async for changes in awatch(*present, watch_filter=_is_content, rust_timeout=_CHECK_MS, yield_on_timeout=True):
            if self._identities() != identities:
                return
            if changes:
                yield

    def _identities(self) -> dict[Path, tuple[int, int] | None]:
        """Return device and inode of each folder; `None` for one that does not exist."""
        return {folder: _identity(folder) for folder in self._folders}


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_content(_change: object, path: str) -> bool:
    """Return whether a file is none of those that editors and tools write beside the real ones."""
    name = PurePath(path).name
    return not name.endswith("~") and (not name.startswith(".") or name == "..data")  # Kubernetes replaces ..data


def _has_terminal() -> bool:
    """Return whether a terminal controls this process, so that SIGHUP may mean that it was closed."""
    with suppress(OSError):
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY))
        return True
    return False


def _check_watchfiles() -> None:
    try:
        import watchfiles  # noqa: F401, PLC0415 - only `--reload` needs it
    except ImportError:
        raise ConfigError("--reload needs watchfiles: install it, or mock-atoms with the extra `reload`") from None
