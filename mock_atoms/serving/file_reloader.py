"""Reads the fixture and stub files again while the server runs."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from mock_atoms.core.errors import missing_package
from mock_atoms.core.parsing import ConfigError
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.journal.events import FILES_RELOADED
from mock_atoms.mock import FileReload, MockAtoms

_CHECK_MS = 1_000
"""Milliseconds between two checks that the watched folders have not been replaced."""
_TERMINAL = "/dev/tty"


class FileReloader:
    """Reloads the files of a server after SIGHUP and, with `--reload`, when one changes.

    Only the main thread receives SIGHUP.

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
        self._reloading = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        if self._watches:
            _check_watchfiles()

    async def run(self) -> None:
        """Run until it is cancelled."""
        loop = asyncio.get_running_loop()
        handles_signals = hasattr(signal, "SIGHUP") and threading.current_thread() is threading.main_thread()
        if handles_signals:
            ends_with_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # nohup
            loop.add_signal_handler(signal.SIGHUP, self._on_hangup, ends_with_terminal)
        try:
            if self._watches:
                await self._watch()
            await loop.create_future()
        finally:
            if handles_signals:
                loop.remove_signal_handler(signal.SIGHUP)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)  # another one is not to kill the requests in flight

    async def reload(self) -> None:
        """Read the files again, and report the outcome in the log, to watchers and in `GET /__admin/server`."""
        mock = self._mock
        async with self._reloading:
            error = None
            try:
                await mock.reload()
            except ConfigError as problem:
                error = str(problem)
            except Exception as problem:  # noqa: BLE001 - the author of a file must see it
                LOGGER.exception(EventLine({"cause": "fixtures and stubs cannot be reloaded"}))
                error = f"{type(problem).__name__}: {problem}"
            mock.last_reload = FileReload(mock.now(), error)
            mock.journal.events.publish(FILES_RELOADED, {"error": error})
        if error is None:
            tokens, stubs = len(mock.fixtures.files.by_token), len(mock.stubs.startup_stubs)
            cause = f"fixtures and stubs were reloaded: tokens: {tokens}, stubs: {stubs}"
            LOGGER.info(EventLine({"cause": cause}))
        else:
            LOGGER.error(EventLine({"cause": f"{error}; the previous fixtures and stubs are still in use"}))

    def _on_hangup(self, ends_with_terminal: bool) -> None:  # noqa: FBT001 - of a signal handler
        if ends_with_terminal and not _has_terminal():
            self._stop()
            return
        task = asyncio.ensure_future(self.reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self) -> NoReturn:
        LOGGER.info(EventLine({"cause": f"watching {' and '.join(map(str, self._folders))} for changes"}))
        previous = ""
        is_first = True
        while True:
            try:
                async for _ in self._changes(is_first=is_first):
                    await self.reload()
            # Such as too many watched files, or a folder that was deleted just now. watchfiles raises a RuntimeError.
            except (OSError, RuntimeError) as error:
                if str(error) != previous:
                    LOGGER.error(EventLine({"cause": f"fixtures and stubs cannot be watched: {error}"}))
                    previous = str(error)
                await asyncio.sleep(_CHECK_MS / 1000)
            is_first = False

    async def _changes(self, *, is_first: bool) -> AsyncIterator[None]:
        """Yield whenever files have changed, until a folder is replaced.

        Args:
            is_first: whether the server has read the files just now. Otherwise they may have changed since.
        """
        from watchfiles import awatch  # noqa: PLC0415 - an optional dependency

        roots = {str(folder.resolve()) for folder in self._folders}
        while not (present := [root for root in roots if _identity(Path(root)) is not None]):  # noqa: ASYNC110 - no event
            await asyncio.sleep(_CHECK_MS / 1000)
        identities = self._identities()
        is_certain = is_first  # whether no change was missed before the watch began
        async for changes in awatch(
            *present,
            watch_filter=lambda _, path: path in roots or _is_content(path),
            rust_timeout=_CHECK_MS,
            yield_on_timeout=True,
        ):
            if any(path in roots for _, path in changes) or self._identities() != identities:
                yield
                return
            if changes or not is_certain:
                yield
            is_certain = True

    def _identities(self) -> list[tuple[int, int] | None]:
        """Return device and inode of each folder; `None` for one that does not exist."""
        return [_identity(folder) for folder in self._folders]


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_content(path: str) -> bool:
    """Return whether a file is none of those that editors and tools write beside the real ones."""
    name = Path(path).name
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
        raise ConfigError(f"--reload: {missing_package('watchfiles', 'reload')}") from None
