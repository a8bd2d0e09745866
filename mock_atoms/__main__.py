"""The `mock-atoms` command, also as `python -m mock_atoms`."""

import gc
import signal
import sys
from contextlib import suppress
from typing import NoReturn

_SERVERS = {"serve", "mcp"}
"""Commands that run until a signal stops them, which is no failure."""


def main() -> NoReturn:
    """Run the command. SIGINT and SIGTERM stop it without a traceback, even during imports."""
    gc.disable()  # imports create no garbage; `serve` enables collection once it is ready
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_quietly)
    with suppress(AttributeError):  # Windows
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it is ignored, exit codes of programs and workers are lost
    from mock_atoms.cli.main import entry_point  # noqa: PLC0415 - slow; the signal handlers must be set before

    entry_point()


def _stop_quietly(number: int, _frame: object) -> NoReturn:
    # While serving, uvicorn handles the signals itself, and raises them again afterwards.
    sys.exit(0 if _SERVERS.intersection(sys.argv[1:2]) else 128 + number)


if __name__ == "__main__":
    main()
