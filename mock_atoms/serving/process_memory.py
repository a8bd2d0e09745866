"""Memory of a process that only serves: free memory, and collections of garbage."""

import asyncio
import ctypes
import gc
import sys
from contextlib import suppress

_NEW_OBJECTS = 10_000
"""Number of objects by which the process may grow until the new ones are visited."""
_NEVER = 2**31 - 1
COLLECTION_SECONDS = 0.1
"""Time between two visits of the new objects."""
MIN_COLLECTIONS = 1_000
"""Number of collections of new objects between two collections of all objects."""
MAX_VISITED_BLOCKS = 120_000
"""All objects are not visited if more blocks of memory than this are new since the start. It would take over 40 ms."""


class ProcessMemory:
    """The memory of the current process."""

    def __init__(self) -> None:
        self._blocks_at_start = 0

    def keep_collections_short(self) -> None:
        """Enable the collection of garbage among new objects only. Call it in the event loop that serves.

        Visiting all objects blocks every client, and finds nothing: requests leave no garbage in cycles. Python visits
        the new objects once the process has grown. With a full journal it does not grow, since an old exchange is freed
        for each new one. Hundreds of thousands of objects would be new by then, so they are visited every
        `COLLECTION_SECONDS` too.
        """
        gc.freeze()  # everything imported so far stays
        self._blocks_at_start = sys.getallocatedblocks()
        gc.set_threshold(_NEW_OBJECTS, _NEVER, _NEVER)
        gc.enable()
        _collect_new_objects(asyncio.get_running_loop())

    async def return_free_memory(self) -> None:
        """Collect all garbage if that is due, and return free memory to the system. Only glibc keeps much of it.

        Call it when the process has just freed most of its objects. There is no collection while many remain, such as
        those that a response in flight keeps.
        """
        is_due = gc.get_count()[1] >= MIN_COLLECTIONS
        if is_due and sys.getallocatedblocks() - self._blocks_at_start <= MAX_VISITED_BLOCKS:
            gc.collect()
        with suppress(AttributeError, OSError, TypeError):  # other C libraries, and Windows
            await asyncio.to_thread(ctypes.CDLL(None).malloc_trim, 0)


def _collect_new_objects(loop: asyncio.AbstractEventLoop) -> None:
    gc.collect(0)
    loop.call_later(COLLECTION_SECONDS, _collect_new_objects, loop)
