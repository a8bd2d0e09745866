"""Free memory of this process, which goes back to the system."""

import asyncio
import ctypes
from contextlib import suppress


async def return_free_memory() -> None:
    """Return memory that the C library keeps for later to the system, in a thread. Only glibc keeps much of it."""
    with suppress(AttributeError, OSError, TypeError):  # other C libraries, and Windows
        await asyncio.to_thread(ctypes.CDLL(None).malloc_trim, 0)
