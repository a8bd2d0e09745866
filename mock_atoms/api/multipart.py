"""Multipart forms as busboy parses them: the parser of multer, which Express servers use (A).

Python's parsers differ from it. They refuse a preamble and folded headers, know no `filename*`, and accept headers
that busboy ignores or refuses.
"""

import re
from typing import Literal, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

MAX_PART_HEAD_BYTES = 16 * 1024
"""Maximum size of the headers of a part."""
MAX_HEADER_PARAMETERS = 100
"""Maximum number of parameters of a header."""
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # noqa: S105 - a pattern
_HEADER = rf"{_TOKEN}++:[\t\x20-\x7e\x80-\xff]*+"
_HEADERS = re.compile(rf"{_HEADER}(?:\r\n{_HEADER})*+")
_KNOWN_HEADER = re.compile(r"^(content-disposition|content-type):[ \t]*([^\r]*)", re.IGNORECASE | re.MULTILINE)
_FOLD = re.compile(r"\r\n(?=[ \t])")
_QUOTED = r'"((?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+)"'
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*({_TOKEN}+)=(?:{_QUOTED}|({_TOKEN}+))")
_EXTENDED_VALUE = r"((?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-Fa-f]{2})*+)"
_EXTENDED_PARAMETER = re.compile(
    rf"[ \t]*;[ \t]*({_TOKEN}*\*)=([!#$%&+^_`{{}}~0-9A-Za-z-]*)'[^']*'(?!\Z){_EXTENDED_VALUE}"
)
_REST_IS_BLANK = re.compile(r"[ \t]*\Z")
_CONTENT_TYPE = re.compile(rf"({_TOKEN}+/{_TOKEN}+)(.*)", re.DOTALL)
_DISPOSITION = re.compile(rf"({_TOKEN}*)(.*)", re.DOTALL)
_CODECS = {
    **dict.fromkeys(("utf-8", "utf8"), "utf-8"),
    **dict.fromkeys(("latin1", "ascii", "us-ascii", "iso-8859-1", "windows-1252", "cp1252"), "latin-1"),
    **dict.fromkeys(("utf16le", "utf-16le", "ucs2", "ucs-2"), "utf-16-le"),
}


class MultipartError(ValueError):
    """A form that busboy refuses."""


class PartHead(NamedTuple):
    """The headers of a part.

    Attributes:
        name: name of the field; `None` without one, or if it is empty.
        is_file: whether the part is a file and not a text field.
        has_file_name: whether the file has a name. A browser sends none for an empty input.
        charset: charset of a text field.
    """

    name: str | None
    is_file: bool
    has_file_name: bool
    charset: str


class PartHandler(Protocol):
    """Receives the parts of a form."""

    def start_part(self, head: PartHead | None) -> None:
        """Start a part; `None` if busboy ignores it."""

    def add_content(self, data: bytes) -> None:
        """Add data to the part."""

    def end_part(self) -> None:
        """End the part."""


class MultipartParser:
    """Parses a form that arrives in chunks. It keeps less than one chunk of it.

    Args:
        boundary: the boundary of `Content-Type`.
        handler: receives the parts.

    Attributes:
        is_complete: whether the closing boundary has arrived. Everything after it is ignored.
    """

    def __init__(self, boundary: str, handler: PartHandler) -> None:
        self.is_complete = False
        self._delimiter = f"\r\n--{boundary}".encode("latin-1")
        self._handler = handler
        self._buffer = bytearray(b"\r\n")  # the first boundary may be at the start
        self._state: Literal["content", "delimiter", "head"] = "content"
        self._is_in_part = False

    def feed(self, data: bytes) -> None:
        """Parse a chunk.

        Raises:
            MultipartError: a part has a malformed head.
        """
        self._buffer += data
        while not self.is_complete and self._read():
            pass
        if self.is_complete:
            self._buffer.clear()

    def _read(self) -> bool:
        """Read on. Return whether there may be more to read in the buffer."""
        if self._state == "content":
            return self._read_content()
        return self._read_after_delimiter() if self._state == "delimiter" else self._read_head()

    def _read_content(self) -> bool:
        end = self._buffer.find(self._delimiter)
        is_found = end != -1
        if not is_found:
            end = max(0, len(self._buffer) - len(self._delimiter) + 1)
        if self._is_in_part and end:
            self._handler.add_content(bytes(self._buffer[:end]))
        del self._buffer[:end]
        if is_found:
            del self._buffer[: len(self._delimiter)]
            if self._is_in_part:
                self._handler.end_part()
            self._is_in_part = False
            self._state = "delimiter"
        return is_found

    def _read_after_delimiter(self) -> bool:
        if len(self._buffer) < len(b"--"):
            return False
        if self._buffer.startswith(b"--"):
            self.is_complete = True
        elif self._buffer.startswith(b"\r\n"):
            del self._buffer[: len(b"\r\n")]
            self._state = "head"
        else:  # a line that only starts like the boundary
            self._handler.start_part(None)
            self._state = "content"
        return True

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end == -1:
            if len(self._buffer) > MAX_PART_HEAD_BYTES:
                raise MultipartError("Malformed part header")
            return False
        head = _parse_head(self._buffer[:end].decode("latin-1"))
        self._handler.start_part(head)
        del self._buffer[: end + len(b"\r\n\r\n")]
        self._is_in_part = head is not None
        self._state = "content"
        return True


def parse_content_type(text: str) -> tuple[str, dict[str, str]]:
    """Return the media type in lower case and the parameters; an empty type if `text` is malformed, as in Express.

    Raises:
        MultipartError: there are too many parameters.
    """
    match = _CONTENT_TYPE.fullmatch(text.strip())
    parameters = None if match is None else _parse_parameters(match[2])
    return ("", {}) if match is None or parameters is None else (match[1].lower(), parameters)


def decode_field(content: bytes, charset: str) -> str | None:
    """Return the text of a field, with replacement characters if need be; `None` if busboy does not know `charset`."""
    codec = _CODECS.get(charset.lower())
    return None if codec is None else content.decode(codec, "replace")


def _parse_head(text: str) -> PartHead | None:
    """Return the head of a part; `None` if busboy ignores the part.

    Raises:
        MultipartError: a header is malformed.
    """
    unfolded = _FOLD.sub("", text)
    if len(text) > MAX_PART_HEAD_BYTES or not _HEADERS.fullmatch(unfolded):
        raise MultipartError("Malformed part header")
    headers = {name.lower(): value for name, value in reversed(_KNOWN_HEADER.findall(unfolded))}
    disposition = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    parameters = None if disposition is None else _parse_parameters(disposition[2], extended=True)
    if disposition is None or parameters is None or disposition[1].lower() != "form-data":
        return None
    file_name = parameters.get("filename*") or parameters.get("filename") or None
    media_type, type_parameters = parse_content_type(headers.get("content-type", "text/plain"))
    return PartHead(
        name=parameters.get("name") or None,
        is_file=file_name is not None or media_type == "application/octet-stream",
        has_file_name=file_name is not None and re.split(r"[/\\]", file_name)[-1] not in ("", ".", ".."),
        charset=type_parameters.get("charset", "utf-8"),
    )


def _parse_parameters(text: str, *, extended: bool = False) -> dict[str, str] | None:
    """Return the parameters of a header by lower-case name, the first of each; `None` if one is malformed.

    Args:
        text: the header behind its value.
        extended: whether parameters such as `filename*` have a charset and percent-encoded bytes (RFC 5987).

    Raises:
        MultipartError: there are too many.
    """
    parameters: dict[str, str] = {}
    position = count = 0
    while not _REST_IS_BLANK.match(text, position):
        count += 1
        if count > MAX_HEADER_PARAMETERS:
            raise MultipartError(f"a header has more than {MAX_HEADER_PARAMETERS} parameters")
        match = _EXTENDED_PARAMETER.match(text, position) if extended else None
        if match is not None:
            value = decode_field(unquote_to_bytes(match[3]), match[2])
        else:
            match = _PARAMETER.match(text, position)
            if match is None or (extended and match[1].endswith("*")):
                return None
            value = match[3] if match[2] is None else _unescape(match[2])
        if value is None:
            return None
        parameters.setdefault(match[1].lower(), value)
        position = match.end()
    return parameters


def _unescape(text: str) -> str:
    r"""Return a quoted text without the backslashes of `\\` and `\"`."""
    return "\\".join([part.replace('\\"', '"') for part in text.split(r"\\")])
