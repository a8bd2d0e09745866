"""Free memory of this process, which goes back to the system."""

import ctypes
from contextlib import suppress
from threading import Thread


def return_free_memory() -> None:
    """Return memory that the C library keeps for later to the system, in a thread. Only glibc keeps much of it."""
    with suppress(AttributeError, OSError, TypeError):  # other C libraries, and Windows
        trim = ctypes.CDLL(None).malloc_trim
        Thread(target=trim, args=(0,), name="malloc-trim", daemon=True).start()
