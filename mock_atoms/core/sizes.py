"""Memory of JSON values."""

import sys

_TRACKED_BYTES = 16
"""Memory that the garbage collector adds to each container."""
_BITS_PER_DIGIT = 4
"""Bits of a long number for each of its digits, rounded up."""


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


def json_problem(value: object, max_depth: int, max_values: int, max_characters: int = sys.maxsize) -> str | None:
    """Return what is too large about a JSON value, or `None`. Stops as soon as a limit is exceeded."""
    level, values, characters = [value], 1, 0
    for _ in range(max_depth):
        children: list[object] = []
        for item in level:
            if isinstance(item, str):
                characters += len(item)
            elif isinstance(item, int):
                characters += item.bit_length() // _BITS_PER_DIGIT
            elif isinstance(item, dict | list):
                values += len(item)
                if values > max_values:
                    return f"too large: at most {max_values:,} values"
                if isinstance(item, dict):
                    characters += sum([len(name) for name in item if isinstance(name, str)])
                    children += item.values()
                else:
                    children += item
        if characters > max_characters:
            return f"too large: at most {max_characters:,} characters"
        level = children
        if not level:
            return None
    return f"nested too deeply: at most {max_depth} levels"


def json_characters(value: object) -> int:
    """Return the number of characters of all texts and names of a JSON value."""
    characters = 0
    remaining = [value]
    while remaining:
        item = remaining.pop()
        if isinstance(item, str):
            characters += len(item)
        elif isinstance(item, dict):
            remaining += item.keys()
            remaining += item.values()
        elif isinstance(item, list):
            remaining += item
    return characters
