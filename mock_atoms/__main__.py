"""The `mock-atoms` command, also as `python -m mock_atoms`."""

import gc
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command. SIGINT and SIGTERM end it quietly from the first moment on, even during imports."""
    gc.disable()  # nothing of what is imported is garbage; a server that is ready turns it on again
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop_quietly)
    from mock_atoms.cli.main import entry_point  # noqa: PLC0415 - takes a while; signals must be in place before

    entry_point()


def _stop_quietly(_signal: int, _frame: object) -> NoReturn:
    # While it serves, uvicorn takes the signals over, and raises them once more when it is done.
    sys.exit(0)


if __name__ == "__main__":
    main()
