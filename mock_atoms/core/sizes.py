"""Memory of JSON values."""

import sys

_TRACKED_BYTES = 16
"""Memory that the garbage collector adds to each container."""


def json_bytes(value: object) -> int:
    """Return the memory of a JSON value, approximately. A short text costs more than its characters."""
    size = 0
    remaining = [value]
    while remaining:
        item = remaining.pop()
        size += sys.getsizeof(item)
        if isinstance(item, dict):
            size += _TRACKED_BYTES
            remaining += item.keys()
            remaining += item.values()
        elif isinstance(item, list):
            size += _TRACKED_BYTES
            remaining += item
    return size
