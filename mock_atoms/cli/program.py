"""A program that a command runs: it receives the signals that this process gets."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

EXIT_NOT_FOUND, EXIT_NOT_EXECUTABLE, EXIT_SIGNAL = 127, 126, 128
"""Exit codes as shells have them; the number of a signal is added to the last."""
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
_OF_TERMINAL = ("SIGINT", "SIGQUIT")
"""Signals that a terminal sends to all programs in its foreground."""
_SIGNAL_CHECK_SECONDS = 0.1
"""Time between two checks for signals."""


class ProgramError(Exception):
    """The program cannot be started.

    Attributes:
        exit_code: exit code of a shell in this case.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Program:
    """Runs a program, and forwards signals to it.

    Args:
        words: the program and its arguments.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._process: subprocess.Popen[bytes] | None = None
        self._early_signals: list[int] = []

    @contextmanager
    def receiving_signals(self) -> Iterator[None]:
        """Forward signals to the program. A signal before its start ends it before it starts."""
        numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
        caught = [number for number in numbers if before[number] is not signal.SIG_IGN]
        for number in caught:
            signal.signal(number, self._forward)
        try:
            yield
        finally:
            for number in caught:
                signal.signal(number, before[number])

    def run(self, environ: Mapping[str, str]) -> int:
        """Run the program to its end, and return its exit code, or 128 and the number of the signal that ended it.

        Raises:
            ProgramError: it cannot be started.
        """
        if self._early_signals:
            return EXIT_SIGNAL + self._early_signals[0]
        try:
            self._process = subprocess.Popen(self._words, env=environ)  # noqa: S603 - the user's own command
        except FileNotFoundError:
            raise ProgramError(f"{self._words[0]}: command not found", EXIT_NOT_FOUND) from None
        except OSError as error:
            raise ProgramError(f"{self._words[0]}: {error.strerror}", EXIT_NOT_EXECUTABLE) from None
        for number in self._early_signals:  # received since the check above
            _send(self._process, number)
        code = _wait(self._process)
        return code if code >= 0 else EXIT_SIGNAL - code

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early_signals.append(number)
        elif signal.Signals(number).name not in _OF_TERMINAL or not _is_in_foreground(self._process.pid):
            _send(self._process, number)


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(PermissionError):  # such as `sudo`, which runs as another user
        process.send_signal(number)


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process, and return its exit code. Signal handlers run meanwhile.

    A system call of this thread continues if another thread receives a signal, or if the signal arrives just before
    the call. So this thread wakes up at intervals to run the handlers.
    """
    waiter = threading.Thread(target=process.wait, daemon=True)
    waiter.start()
    while waiter.is_alive():
        waiter.join(_SIGNAL_CHECK_SECONDS)
    return process.wait()


def _is_in_foreground(process_id: int) -> bool:
    """Return whether the terminal of this process sends Ctrl-C to another process."""
    with suppress(OSError), Path("/dev/tty").open() as terminal:
        return os.tcgetpgrp(terminal.fileno()) == os.getpgid(process_id)
    return False
