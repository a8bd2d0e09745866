"""Bodies of requests to the vendor's API: the form of an upload, and JSON, read piece by piece and within bounds."""

import io
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any, BinaryIO, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from mock_atoms.contract.errors import MISSING_FILE, ApiError
from mock_atoms.contract.schemas import MAX_FILE_BYTES
from mock_atoms.core.parsing import ConfigError, parse_json

MAX_FIELDS, MAX_FIELD = 100, 64 * 1024
"""How many fields a form may have beside its file, and how many bytes each."""
MAX_FORM = MAX_FILE_BYTES + 1024 * 1024
"""Most bytes of a form: a file, and what stands around it."""
FILE_TOO_LARGE = f"File too large: at most {MAX_FILE_BYTES} bytes (5 MB)"
BODY_TOO_LARGE = f"Request body too large: at most {MAX_FILE_BYTES} bytes (5 MB)"


class Upload(NamedTuple):
    """What the form of an upload says.

    Attributes:
        fields: its texts, by name.
        file: the file in it, in memory.
    """

    fields: dict[str, str]
    file: BinaryIO


class _Form:
    """Collects what a parser of forms finds. It does not know its parser, so that both are gone once they are done."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.file: io.BytesIO | None = None
        self.is_empty = True
        self.is_whole = False
        self._files = self._texts = 0
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = ""
        self._name = ""
        self._part: io.BytesIO = io.BytesIO()
        self._is_file = False
        self._most = 0

    def parser(self, boundary: bytes) -> MultipartParser:
        """Return a parser that tells this form what it finds."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_content,
                "on_part_data": self._on_content,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def _begin(self) -> None:
        self._disposition = ""
        self._part = io.BytesIO()

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value.decode("latin-1")
        self._header.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        _, options = _header(self._disposition)
        if b"name" not in options:
            raise _malformed("a part has no name")
        self._name = _text(options[b"name"])
        self._is_file = b"filename" in options
        if self._is_file:
            self._files += 1
            self._most = MAX_FILE_BYTES
            if self._files > 1:
                raise _malformed("it has more than one file")
            if self._name == "file":
                self.file = self._part
        else:
            self._texts += 1
            self._most = MAX_FIELD
            if self._texts > MAX_FIELDS:
                raise _malformed(f"it has more than {MAX_FIELDS} fields")

    def _on_content(self, data: bytes, start: int, end: int) -> None:
        if self._part.tell() + end - start > self._most:
            raise _wrong(FILE_TOO_LARGE) if self._is_file else _malformed(f"{self._name} is too long")
        self._part.write(data[start:end])

    def _end(self) -> None:
        if not self._is_file:
            self.fields[self._name] = _text(self._part.getvalue())

    def _finish(self) -> None:
        self.is_whole = True


async def read_upload(request: Request) -> Upload:
    """Read a form.

    Raises:
        ApiError: 400, it is malformed, too large, or has no file, which a body of another type has not either.
    """
    kind, options = _header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise _wrong(MISSING_FILE)
    if not options.get(b"boundary"):
        raise _malformed("its Content-Type has no boundary")
    form = _Form()
    try:
        parser = form.parser(options[b"boundary"])
        async for piece in _pieces(request, MAX_FORM, FILE_TOO_LARGE):
            form.is_empty = False
            parser.write(piece)
    except FormParserError as error:
        raise _malformed(str(error)) from None
    if not form.is_whole and not form.is_empty:
        raise _malformed("it ends before its last boundary")
    if form.file is None:
        raise _wrong(MISSING_FILE)
    form.file.seek(0)
    return Upload(form.fields, form.file)


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; an empty one where none was, or what was is not said to be JSON (A).

    Raises:
        ApiError: 400, it is not JSON, or too large.
    """
    body = bytearray()
    async for piece in _pieces(request, MAX_FILE_BYTES, BODY_TOO_LARGE):
        body += piece
    kind, _ = _header(request.headers.get("content-type", ""))
    if not body or kind != b"application/json":
        return {}
    try:
        given = parse_json(bytes(body))
    except ConfigError as error:
        raise _wrong(f"Invalid JSON: {error.problem.removeprefix('not JSON: ')}") from None
    return given if isinstance(given, dict) else {}


async def _pieces(request: Request, most: int, message: str) -> AsyncGenerator[bytes]:
    """Yield the body; one that says that it is too long is not read at all.

    Raises:
        ApiError: 400, it is longer than `most` bytes, with `message`, or not whole.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > most:
        raise _wrong(message)
    read = 0
    try:
        async for piece in request.stream():
            read += len(piece)
            if read > most:
                raise _wrong(message)
            if piece:
                yield piece
    except ClientDisconnect:
        raise _wrong("The request ended before its body did") from None


def _header(value: str) -> tuple[bytes, dict[bytes, bytes]]:
    """Return what a header says, and its parameters. Names are of any case; older parsers leave them as they are."""
    kind, options = parse_options_header(value)
    return kind.lower(), {name.lower(): option for name, option in options.items()}


def _text(data: bytes) -> str:
    """Return the text of a field: UTF-8 where it is that, else Latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _malformed(problem: str) -> ApiError:
    return _wrong(f"Malformed form: {problem}")


def _wrong(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, message)
