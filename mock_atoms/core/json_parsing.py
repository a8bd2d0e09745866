"""Parsing of JSON texts of any size in short steps, with errors in plain words."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from mock_atoms.core.body_memory import BodyLease
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import Steps, run_without_pauses

MAX_JSON_DEPTH = 100
"""Maximum nesting of JSON, far below Python's recursion limit."""
MAX_STATE_DEPTH = MAX_JSON_DEPTH + 10
"""Maximum nesting of a state, which has what clients sent inside of other objects and lists."""
JSON_PIECE_BYTES = 16 * 1024
"""Approximate size of the pieces that are parsed in one step."""
MAX_JSON_PIECE_BYTES = 5 * 1024 * 1024 + JSON_PIECE_BYTES
"""Maximum distance of two commas outside of strings. A text in a body of 5 MB fits."""
MAX_VALUES_BYTES = 48 * 1024 * 1024
"""Maximum memory of all values of a text."""
VALUE_BYTES = 64
"""Approximate memory of a value without its text."""
Convert = Callable[[tuple[int | str, ...], Any], Steps[Any]]
"""Makes a smaller object of an item of a list, given its path and the item."""
_OUTSIDE = re.compile(rb'(?:[^",]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""Up to the next comma, or to a string that is not closed. Both patterns are possessive, so that matching is linear."""
_INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
"""The rest of a string, without its closing quote."""
_LONG_PIECE_BYTES = 1024 * 1024
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_MAX_STRUCTURE = 5 * MAX_STATE_DEPTH
"""Brackets and strings that a valid text can have without a comma: fewer than five for each level."""
_CLOSING = {ord("["): "]", ord("{"): "}"}
_PART_BYTES = 1024 * 1024
_MAX_FLOAT_DIGITS = 300
"""A longer number may be infinite without an exponent."""


class JsonSizeError(ConfigError):
    """A text may be JSON, but its values need too much memory, or it is too long without a comma."""


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a short JSON text.

    Raises:
        ConfigError: the text is not JSON, or nested too deep.
    """
    return run_without_pauses(parse_json_steps(text))


def parse_json_steps(text: str | bytes | bytearray, lease: BodyLease | None = None) -> Steps[Any]:
    """Return the value of a JSON text.

    Args:
        text: the text.
        lease: memory of the values, which frees them in the end.

    Raises:
        BodyMemoryError: the lease gets no more memory.
        JsonSizeError: the text has more than `MAX_JSON_PIECE_BYTES` without a comma, or its values need more than its
            length plus `MAX_VALUES_BYTES`.
        ConfigError: the text is not JSON, or nested too deep.
    """
    try:
        encoded = text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise _half_surrogate_pair() from None
    if len(encoded) <= JSON_PIECE_BYTES and (root := _parse_short(bytes(encoded))):
        if lease is not None:
            lease.keep(root)
            lease.take(len(encoded))
        return root[0]
    parser = JsonParser(lease=lease)
    for start in range(0, len(encoded), _PART_BYTES):
        yield from parser.feed(encoded[start : start + _PART_BYTES])
        if parser.size_bytes > len(encoded) + MAX_VALUES_BYTES:
            raise JsonSizeError(f"not JSON: too many values, which need more than {MAX_VALUES_BYTES} bytes of memory")
    return (yield from parser.finish())


def parse_own_json(text: bytes, convert: Convert | None = None) -> Steps[Any]:
    """Return the value of a JSON text that a server of ours wrote, of any size.

    Args:
        text: the text.
        convert: converts the items of long lists, see `JsonParser`.
    """
    parser = JsonParser(convert, max_depth=MAX_STATE_DEPTH)
    for start in range(0, len(text), JSON_PIECE_BYTES):
        yield from parser.feed(text[start : start + JSON_PIECE_BYTES])
    return (yield from parser.finish())


def _parse_short(text: bytes) -> list[Any]:
    """Return a list with the value of a short text, or an empty one if `JsonParser` has to look for an error."""
    outside = _outside_of_strings(text)
    if outside.count(b"[") + outside.count(b"{") > MAX_JSON_DEPTH or _may_be_unrepresentable(text, outside):
        return []
    try:
        return [json.loads(text.decode())]
    except (ValueError, RecursionError):
        return []


@dataclass(slots=True)
class _Container:
    """A list or an object that is not complete.

    Attributes:
        value: its items so far.
        key: its key or index in its parent.
        converted: number of items that were converted.
        size_bytes: approximate memory of its items.
    """

    value: Any
    key: int | str = ""
    converted: int = 0
    size_bytes: int = 0

    def add(self, items: Any) -> None:  # noqa: ANN401 - of the same type
        if isinstance(self.value, dict):
            self.value.update(items)
        else:
            self.value.extend(items)


class JsonParser:
    """Parses a JSON text that arrives in parts.

    It cuts the text at commas into pieces of about 16 KiB. Python's parser parses each piece, with the brackets around
    it that are open before and after it. The result is then merged into the containers that are still open.

    Args:
        convert: converts the items of long lists as soon as they are complete. Inner lists come first.
        lease: memory of the values, which frees them in the end.
        max_depth: maximum nesting, at most `MAX_STATE_DEPTH`.
    """

    def __init__(
        self, convert: Convert | None = None, lease: BodyLease | None = None, max_depth: int = MAX_JSON_DEPTH
    ) -> None:
        self._convert = convert
        self._max_depth = max_depth
        self._lease = lease
        self._text = bytearray()
        self._start = 0
        self._scanned = 0
        self._is_in_string = False
        self._structure_count = 0
        self._line, self._column = 1, 1
        self._open = b""
        self._containers: list[_Container] = []
        self._root: list[Any] = []
        if lease is not None:
            lease.keep(self._root)

    @property
    def size_bytes(self) -> int:
        """Approximate memory of the values so far, without those that were converted."""
        return len(self._text) + sum(container.size_bytes for container in self._containers)

    def feed(self, text: bytes | bytearray) -> Steps[None]:
        """Parse the next part of the text.

        Raises:
            BodyMemoryError: the lease gets no more memory.
            JsonSizeError: the text has more than `MAX_JSON_PIECE_BYTES` without a comma.
            ConfigError: the text is not JSON, or nested too deep.
        """
        before = self.size_bytes
        self._text += text
        while (end := (yield from self._find_end())) is not None:
            yield from self._parse_piece(bytes(self._text[self._start : end]), is_last=False)
            self._start = self._scanned = end
            yield
        del self._text[: self._start]
        self._scanned -= self._start
        self._start = 0
        if self._lease is not None:
            self._lease.take(self.size_bytes - before)

    def finish(self) -> Steps[Any]:
        """Parse the rest of the text, and return its value.

        Raises:
            ConfigError: the text is not JSON, or nested too deep.
        """
        yield from self._parse_piece(bytes(self._text), is_last=True)
        self._containers = []
        return self._root[0]

    def _find_end(self) -> Steps[int | None]:
        """Return the position after the first comma outside of strings, at least `JSON_PIECE_BYTES` after the start.

        Returns `None` if more text is needed, and the position scanned so far if a comma would be an error anyway.
        """
        if self._scanned == self._start:
            end = self._start + JSON_PIECE_BYTES
            if len(self._text) <= end:
                return None
            head = bytes(self._text[self._start : end])
            is_escape_cut = (len(head) - len(head.rstrip(b"\\"))) % 2
            self._is_in_string = bool(_without_escapes(head).count(b'"') % 2)
            self._scanned = end + is_escape_cut
            self._structure_count = 0
        while self._scanned < len(self._text):
            if self._scanned - self._start > MAX_JSON_PIECE_BYTES:
                raise JsonSizeError(
                    f"not JSON: more than {MAX_JSON_PIECE_BYTES} bytes without a comma outside of texts"
                )
            window_end = self._scanned + JSON_PIECE_BYTES
            match = (_INSIDE if self._is_in_string else _OUTSIDE).match(self._text, self._scanned, window_end)
            end = self._scanned if match is None else match.end()
            stop = self._text[end : min(end + 1, window_end)]
            if not self._is_in_string:
                outside = _outside_of_strings(bytes(self._text[self._scanned : end]))
                self._structure_count += len(outside.translate(None, _NOT_STRUCTURE))
            if stop == b"," or self._structure_count > _MAX_STRUCTURE:
                return end + len(stop)
            if stop == b'"':
                self._is_in_string = not self._is_in_string
                end += 1
            elif end == self._scanned:  # half an escape: the rest is in the next part
                return None
            self._scanned = end
            yield
        return None

    def _parse_piece(self, piece: bytes, *, is_last: bool) -> Steps[None]:
        try:
            text = piece.decode() if self._containers else piece.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError("not JSON: not UTF-8") from None
        outside = _outside_of_strings(piece)
        brackets = outside.translate(None, _NOT_BRACKETS)
        still_open, kept = self._follow(brackets)
        size_bytes = len(piece) + VALUE_BYTES * (len(brackets) // 2 + outside.count(b",") + 1)
        if len(piece) > _LONG_PIECE_BYTES:
            yield
        first, last = ("", "") if is_last and not self._open else _unused_texts(piece)
        prefix = self._prefix(first)
        try:
            value = json.loads(prefix + text + ("" if is_last else _suffix(still_open, last)))
            if _may_be_unrepresentable(piece, outside):
                json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except json.JSONDecodeError as error:
            offset = error.pos - len(prefix)  # -1 for the comma before the piece
            line, column = self._position(text[: max(0, offset)])
            raise ConfigError(f"not JSON: {error.msg} at line {line}, column {column + min(0, offset)}") from None
        except UnicodeEncodeError:
            raise _half_surrogate_pair() from None
        except (ValueError, RecursionError) as error:
            problem = str(error).partition("; use sys.")[0]  # Python's advice about long integers
            raise ConfigError(f"not JSON: {problem}") from None
        self._line, self._column = self._position(text)
        opened = [] if is_last else _open_containers(value, len(still_open), last)
        self._add(value, first)
        if kept:
            self._containers[kept - 1].size_bytes += size_bytes
        yield from self._convert_items(kept, len(still_open))
        self._containers = self._containers[:kept]
        for key, opened_value in opened[kept:]:
            parent = self._containers[-1].value if self._containers else None
            self._containers.append(_Container(opened_value, len(parent) - 1 if isinstance(parent, list) else key))
        self._open = still_open

    def _convert_items(self, kept: int, depth: int) -> Steps[None]:
        """Convert the complete items of the lists that were open before the piece, of the innermost one first.

        Args:
            kept: how many of the containers are still open.
            depth: how many containers are open now.
        """
        for level in reversed(range(len(self._containers))):
            container = self._containers[level]
            if isinstance(container.value, list) and self._convert is not None:
                path = [parent.key for parent in self._containers[1 : level + 1]]
                is_last_item_open = level < kept and level + 1 < depth
                for index in range(container.converted, len(container.value) - is_last_item_open):
                    item = container.value[index]
                    container.value[index] = converted = yield from self._convert((*path, index), item)
                    if converted is not item:
                        container.size_bytes = 0
                    container.converted = index + 1
            if level >= kept > 0:
                self._containers[kept - 1].size_bytes += container.size_bytes

    def _follow(self, brackets: bytes) -> tuple[bytes, int]:
        """Return the brackets that are open after `brackets`, and how many of those before were open all the time."""
        still_open, kept = bytearray(self._open), len(self._open)
        for bracket in brackets:
            if bracket in _CLOSING:
                still_open.append(bracket)
                if len(still_open) > self._max_depth:
                    raise ConfigError(f"not JSON: nested too deep: at most {self._max_depth} levels")
            elif still_open:
                still_open.pop()
                kept = min(kept, len(still_open))
        return bytes(still_open), kept

    def _prefix(self, marker: str) -> str:
        """Return the text before the piece: its open brackets, each with one item, `marker` in the innermost one."""
        opening = "".join("[" if bracket == ord("[") else f'{{"{marker}":' for bracket in self._open)
        return f'{opening}"{marker}",' if opening else ""

    def _add(self, value: Any, marker: str) -> None:  # noqa: ANN401 - any JSON
        """Add the items of a piece to the open containers, without `marker`."""
        if not self._containers:
            self._root.append(value)
        parts = []
        for bracket in self._open:
            parts.append(value)
            value = value.pop(0 if bracket == ord("[") else json.loads(f'"{marker}"'))
        for container, part in zip(self._containers, parts, strict=True):
            container.add(part)

    def _position(self, text: str) -> tuple[int, int]:
        """Return line and column after `text`, which follows what is parsed."""
        lines = text.count("\n")
        return self._line + lines, len(text) - text.rfind("\n") if lines else self._column + len(text)


def _open_containers(value: Any, depth: int, marker: str) -> list[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    """Return the containers around `marker`, which is the last item, from `value` inwards. Remove `marker`.

    Each container comes with its key in the one around it, if that is an object.
    """
    text = json.loads(f'"{marker}"')
    path = _path_to(text, "", value, depth) or []
    innermost = path[-1][1]
    innermost.pop(text if isinstance(innermost, dict) else -1)
    return path


def _path_to(marker: str, key: str, value: Any, depth: int) -> list[tuple[str, Any]] | None:  # noqa: ANN401 - any JSON
    """Return the containers around `marker`, the last text. A duplicated key has its first position, though."""
    if depth == 0:
        return [] if value == marker else None
    if not isinstance(value, list | dict):
        return None
    for item_key, item in (("", item) for item in value[-1:]) if isinstance(value, list) else reversed(value.items()):
        path = _path_to(marker, item_key, item, depth - 1)
        if path is not None:
            return [(key, value), *path]
    return None


def _suffix(still_open: bytes, marker: str) -> str:
    """Return the text after a piece that ends with a comma: `marker` as the last item, and the closing brackets."""
    closing = "".join(_CLOSING[bracket] for bracket in reversed(still_open))
    item = f'"{marker}":"{marker}"' if closing.startswith("}") else f'"{marker}"'
    return item + closing if closing else ""


def _unused_texts(piece: bytes) -> tuple[str, str]:
    """Return the JSON of two texts that `piece` does not have: NUL characters, which JSON spells in one way only."""
    lengths = {len(run) // 6 for run in re.findall(rb"(?:\\u0000)+", piece)} if rb"\u0000" in piece else ()
    unused = (length for length in count(1) if length not in lengths)
    return next(unused) * r"\u0000", next(unused) * r"\u0000"


def _without_escapes(text: bytes) -> bytes:
    """Return `text` without escaped quotes, so that all others begin or end a string."""
    return text.replace(rb"\\", b"").replace(rb"\"", b"") if b"\\" in text else text


def _outside_of_strings(text: bytes) -> bytes:
    """Return `text` with one quote instead of each string. It starts outside of strings."""
    return b'"'.join(_without_escapes(text).split(b'"')[::2])


def _may_be_unrepresentable(piece: bytes, outside: bytes) -> bool:
    """Return whether there may be a number that is infinite or none, or half of a surrogate pair."""
    if rb"\ud" in piece or rb"\uD" in piece or b"N" in outside or b"I" in outside or b"E" in outside:
        return True
    if b"e" in outside and outside.count(b"e") > outside.count(b"true") + outside.count(b"false"):
        return True
    return b"." in outside and max(map(len, outside.split(b","))) > _MAX_FLOAT_DIGITS


def _half_surrogate_pair() -> ConfigError:
    return ConfigError("not JSON: half of a surrogate pair, which UTF-8 cannot encode")
