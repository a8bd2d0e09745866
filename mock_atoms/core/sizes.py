"""Memory of JSON values."""

import sys
from functools import lru_cache

_TRACKED_BYTES = 16
"""Memory that the garbage collector adds to each container."""
_BITS_PER_DIGIT = 4
"""Bits of a long number for each of its digits, rounded up."""


def json_bytes(value: object) -> int:
    """Return the memory of a JSON value, approximately. A short text costs more than its characters.

    It depends on the value alone: lists, dictionaries and texts that are equal may have different `sys.getsizeof`.
    """
    size = 0
    remaining = [value]
    while remaining:
        item = remaining.pop()
        if isinstance(item, str):
            size += _text_bytes(item)
        elif isinstance(item, dict):
            size += _dict_bytes(len(item))
            remaining += item.keys()
            remaining += item.values()
        elif isinstance(item, list):
            size += _list_bytes(len(item))
            remaining += item
        else:
            size += sys.getsizeof(item)
    return size


def _text_bytes(text: str) -> int:
    """Return the memory of a text. It includes its UTF-8 form, which Python may keep with the text."""
    if text.isascii():
        return sys.getsizeof(text)
    without_utf8 = text + " "
    return sys.getsizeof(without_utf8) + len(text.encode(errors="surrogatepass"))


@lru_cache
def _dict_bytes(length: int) -> int:
    """Return the memory of a dictionary to which so many items were added one by one."""
    return sys.getsizeof({str(number): None for number in range(length)}) + _TRACKED_BYTES


@lru_cache
def _list_bytes(length: int) -> int:
    """Return the memory of a list to which so many items were added one by one."""
    return sys.getsizeof([None for _ in range(length)]) + _TRACKED_BYTES


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
