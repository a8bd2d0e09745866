"""Memory of a process that only serves: free memory, and collections of garbage."""

import asyncio
import ctypes
import gc
from contextlib import suppress

_YOUNG_PER_FULL_COLLECTION = 1_000


def make_full_collections_rare() -> None:
    """Enable the collection of garbage, but let it visit all objects only rarely.

    A full collection holds every client, and finds nothing: requests leave no garbage in cycles.
    """
    gc.freeze()  # everything imported so far stays
    gc.set_threshold(*gc.get_threshold()[:2], _YOUNG_PER_FULL_COLLECTION)
    gc.enable()


async def return_free_memory() -> None:
    """Return memory that the C library keeps for later to the system, in a thread. Only glibc keeps much of it."""
    with suppress(AttributeError, OSError, TypeError):  # other C libraries, and Windows
        await asyncio.to_thread(ctypes.CDLL(None).malloc_trim, 0)
