"""Request bodies: the multipart form of an upload, and JSON. Both are read in chunks and within limits.

Starlette's form parser does not fit: it accepts a form without its closing boundary and has no limit for a file.
It writes files above 1 MiB to a temporary folder, which a read-only container does not have.
"""

import io
from collections.abc import AsyncGenerator
from typing import Any, BinaryIO, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from mock_atoms.contract.errors import MISSING_FILE, ApiError, bad_request
from mock_atoms.contract.schemas import MAX_FILE_BYTES
from mock_atoms.core.http_text import decode_text
from mock_atoms.core.parsing import ConfigError, parse_json

MAX_FIELDS = 100
"""Maximum number of fields of a form besides its file."""
MAX_FIELD_BYTES = 64 * 1024
MAX_FORM_BYTES = MAX_FILE_BYTES + 1024 * 1024
"""Maximum size of a form: a file, its fields and boundaries."""
FILE_TOO_LARGE = f"File too large: at most {MAX_FILE_BYTES} bytes (5 MB)"
BODY_TOO_LARGE = f"Request body too large: at most {MAX_FILE_BYTES} bytes (5 MB)"


class Upload(NamedTuple):
    """The form of an upload.

    Attributes:
        fields: values of its text fields by name.
        file: content of its `file` field, in memory.
    """

    fields: dict[str, str]
    file: BinaryIO


class _Form:
    """Collects the parts of a form from the callbacks of a parser.

    It keeps no reference to the parser: without a cycle, both are freed immediately, with up to 5 MB.
    """

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.file: io.BytesIO | None = None
        self.is_complete = False
        self._file_count = self._field_count = 0
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = ""
        self._name = ""
        self._content = io.BytesIO()
        self._is_file = False

    def parser(self, boundary: bytes) -> MultipartParser:
        """Return a parser that feeds this form."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._start_part,
                "on_header_field": self._add_header_name,
                "on_header_value": self._add_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._start_content,
                "on_part_data": self._add_content,
                "on_part_end": self._end_part,
                "on_end": self._complete,
            },
        )

    def _start_part(self) -> None:
        self._disposition = ""
        self._content = io.BytesIO()

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value.decode("latin-1")
        self._header_name.clear()
        self._header_value.clear()

    def _start_content(self) -> None:
        _, parameters = _parse_header(self._disposition)
        if b"name" not in parameters:
            raise _malformed_form("a part has no name")
        self._name = decode_text(parameters[b"name"])
        self._is_file = b"filename" in parameters
        if self._is_file:
            self._file_count += 1
            if self._file_count > 1:
                raise _malformed_form("more than one file")
            if self._name == "file":
                self.file = self._content
        else:
            self._field_count += 1
            if self._field_count > MAX_FIELDS:
                raise _malformed_form(f"more than {MAX_FIELDS} fields")

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        size = self._content.tell() + end - start
        if self._is_file and size > MAX_FILE_BYTES:
            raise bad_request(FILE_TOO_LARGE)
        if not self._is_file and size > MAX_FIELD_BYTES:
            raise _malformed_form(f"field {self._name} is longer than {MAX_FIELD_BYTES} bytes")
        self._content.write(data[start:end])

    def _end_part(self) -> None:
        if not self._is_file:
            self.fields[self._name] = decode_text(self._content.getvalue())

    def _complete(self) -> None:
        self.is_complete = True


async def read_upload(request: Request) -> Upload:
    """Read a form.

    Raises:
        ApiError: 400, the body is not a form, malformed, too large, or has no file.
    """
    media_type, parameters = _parse_header(request.headers.get("content-type", ""))
    if media_type != b"multipart/form-data":
        raise bad_request(MISSING_FILE)
    if not parameters.get(b"boundary"):
        raise _malformed_form("Content-Type has no boundary")
    form = _Form()
    is_empty = True
    try:
        parser = form.parser(parameters[b"boundary"])
        async for chunk in _read_chunks(request, MAX_FORM_BYTES, FILE_TOO_LARGE):
            is_empty = False
            parser.write(chunk)
    except FormParserError as error:
        raise _malformed_form(str(error)) from None
    if not form.is_complete and not is_empty:
        raise _malformed_form("the closing boundary is missing")
    if form.file is None:
        raise bad_request(MISSING_FILE)
    form.file.seek(0)
    return Upload(form.fields, form.file)


async def read_json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in the body; an empty one if the body is empty or its type is not JSON (A).

    Raises:
        ApiError: 400, the body is invalid JSON or too large.
    """
    body = bytearray()
    async for chunk in _read_chunks(request, MAX_FILE_BYTES, BODY_TOO_LARGE):
        body += chunk
    media_type, _ = _parse_header(request.headers.get("content-type", ""))
    if not body or media_type != b"application/json":
        return {}
    try:
        payload = parse_json(bytes(body))
    except ConfigError as error:
        raise bad_request(f"Invalid JSON: {error.problem.removeprefix('not JSON: ')}") from None
    return payload if isinstance(payload, dict) else {}


async def _read_chunks(request: Request, max_bytes: int, too_large: str) -> AsyncGenerator[bytes]:
    """Yield the body in chunks. A body whose `Content-Length` is too large is refused unread.

    Raises:
        ApiError: 400, the body has more than `max_bytes` bytes (message `too_large`), or is incomplete.
    """
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length) > max_bytes:
        raise bad_request(too_large)
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise bad_request(too_large)
            if chunk:
                yield chunk
    except ClientDisconnect:
        raise bad_request("The request body is incomplete") from None


def _parse_header(header: str) -> tuple[bytes, dict[bytes, bytes]]:
    """Return the value of a header and its parameters, both with names in lower case: older parsers keep their case."""
    value, parameters = parse_options_header(header)
    return value.lower(), {name.lower(): parameter for name, parameter in parameters.items()}


def _malformed_form(problem: str) -> ApiError:
    return bad_request(f"Malformed form: {problem}")
