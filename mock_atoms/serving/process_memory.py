"""Memory of a process that only serves: free memory, and collections of garbage."""

import asyncio
import ctypes
import gc
from contextlib import suppress

_NEW_OBJECTS = 10_000
"""Number of new objects after which the youngest ones are collected; most objects of a request are freed before."""
_YOUNG_PER_OLDER_COLLECTION = 10
_OLDER_PER_FULL_COLLECTION = 1_000


def make_collections_rare() -> None:
    """Enable the collection of garbage, but rarely, and let it visit all objects even more rarely.

    A full collection holds every client, and finds nothing: requests leave no garbage in cycles.
    """
    gc.freeze()  # everything imported so far stays
    gc.set_threshold(_NEW_OBJECTS, _YOUNG_PER_OLDER_COLLECTION, _OLDER_PER_FULL_COLLECTION)
    gc.enable()


async def return_free_memory() -> None:
    """Return memory that the C library keeps for later to the system, in a thread. Only glibc keeps much of it."""
    with suppress(AttributeError, OSError, TypeError):  # other C libraries, and Windows
        await asyncio.to_thread(ctypes.CDLL(None).malloc_trim, 0)
