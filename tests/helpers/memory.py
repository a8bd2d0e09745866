"""Memory that Python allocates, compared with what the code counts."""

import gc
import tracemalloc
from collections.abc import Callable

TOLERANCE = 1.2
"""Factor by which allocated memory may exceed counted memory."""


def allocated_bytes(allocate: Callable[[], object]) -> int:
    """Return the memory of what `allocate` returns or stores elsewhere."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = allocate()
        gc.collect()
        size, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del kept
    return size
