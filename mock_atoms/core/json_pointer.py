"""JSON pointers (RFC 6901), such as `/data/0/name`."""

from collections.abc import Iterable


def format_pointer(keys: Iterable[object]) -> str:
    """Return the pointer that leads along `keys`, empty if there are none."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def parse_pointer(pointer: str) -> list[str]:
    """Return the keys of `pointer`, which starts with a slash."""
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer[1:].split("/")]
