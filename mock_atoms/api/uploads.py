"""Request bodies: the multipart form of an upload, and JSON. Both are read in chunks and within limits.

Compressed JSON is inflated, as Express does. The form of an upload is not: multer ignores its `Content-Encoding`.
"""

import io
from collections.abc import AsyncGenerator, AsyncIterable
from http import HTTPStatus
from typing import Any, BinaryIO, NamedTuple

from starlette.requests import ClientDisconnect, Request

from mock_atoms.api.contract import record_body_violations
from mock_atoms.api.multipart import MultipartError, MultipartParser, PartHead, decode_field, parse_content_type
from mock_atoms.contract.errors import FILE_TOO_LARGE, MISSING_FILE, ApiError, bad_request
from mock_atoms.contract.requests import FormFile
from mock_atoms.contract.schemas import MAX_FIELD_BYTES, MAX_FILE_BYTES
from mock_atoms.core.body_memory import body_lease, take_body_memory
from mock_atoms.core.inflating import InflateError, content_encoding, inflate, is_inflatable
from mock_atoms.core.json_parsing import parse_json_steps
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import Slices

MAX_FIELDS = 100
"""Maximum number of fields of a form besides its file."""
MAX_FORM_BYTES = MAX_FILE_BYTES + 1024 * 1024
"""Maximum size of a form: a file, its fields and boundaries."""
BODY_TOO_LARGE = f"Request body too large: at most {MAX_FILE_BYTES} bytes (5 MB)"

_MEMORY_OF_FORM = 8
"""Memory of a form and its rows, in bytes for each byte."""


class Upload(NamedTuple):
    """The form of an upload.

    Attributes:
        fields: values of its text fields by name.
        file: content of its `file` field, in memory.
    """

    fields: dict[str, str]
    file: BinaryIO


class _Form:
    """Collects the parts of a form.

    It keeps no reference to the parser: without a cycle, both are freed immediately, with up to 5 MB.
    """

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.files: set[str] = set()
        self.file: io.BytesIO | None = None
        self._file_count = self._field_count = 0
        self._head: PartHead | None = None
        self._content = io.BytesIO()

    def start_part(self, head: PartHead | None) -> None:
        """Start a part. Ignored parts count as fields."""
        if head is not None and head.name is None:
            raise _malformed_form("a part has no name")
        is_file = head is not None and head.is_file and head.has_file_name
        if head is not None and is_file:
            self.files.add(head.name or "")
        if is_file:
            self._file_count += 1
            if self._file_count > 1:
                raise _malformed_form("more than one file")
        else:
            self._field_count += 1
            if self._field_count > MAX_FIELDS:
                raise _malformed_form(f"more than {MAX_FIELDS} fields")
        is_ignored = head is None or (head.is_file and not is_file)
        self._head = None if is_ignored else head
        self._content = io.BytesIO()
        if self._head is not None and is_file and self._head.name == "file":
            self.file = self._content

    def add_content(self, data: bytes) -> None:
        """Add data to the part."""
        if self._head is None:
            return
        size = self._content.tell() + len(data)
        if self._head.is_file and size > MAX_FILE_BYTES:
            raise bad_request(FILE_TOO_LARGE)
        if not self._head.is_file and size > MAX_FIELD_BYTES:
            raise _malformed_form(f"field {quote_value(self._head.name)} is longer than {MAX_FIELD_BYTES} bytes")
        self._content.write(data)

    def end_part(self) -> None:
        """End the part."""
        if self._head is not None and self._head.name is not None and not self._head.is_file:
            text = decode_field(self._content.getvalue(), self._head.charset)
            if text is not None:
                self.fields[self._head.name] = text


async def read_upload(request: Request, slices: Slices) -> Upload:
    """Read a form, and record its contract violations.

    Raises:
        ApiError: 400, the body is not a form, malformed, too large, or has no file.
    """
    form = await _read_form(request)
    files = dict.fromkeys(form.files, FormFile())
    await record_body_violations(request, slices, {**form.fields, **files})
    if form.file is None:
        raise bad_request(MISSING_FILE)
    form.file.seek(0)
    return Upload(form.fields, form.file)


async def _read_form(request: Request) -> _Form:
    """Return the form in the body; an empty one if its type is another.

    Raises:
        ApiError: 400, the form is malformed or too large.
    """
    content_type = request.headers.get("content-type", "")
    media_type, parameters = _parse_content_type(request)
    if not media_type and content_type.lower().startswith("multipart/form-data"):
        raise _malformed_form(f'Content-Type is {quote_value(content_type)}: write multipart/form-data; boundary="…"')
    form = _Form()
    if media_type != "multipart/form-data":
        return form
    if not parameters.get("boundary"):
        raise _malformed_form("Content-Type has no boundary")
    parser = MultipartParser(parameters["boundary"], form)
    is_empty = True
    try:
        _check_content_length(request, MAX_FORM_BYTES, FILE_TOO_LARGE)
        async for chunk in _limit(_read_chunks(request), MAX_FORM_BYTES, FILE_TOO_LARGE):
            is_empty = False
            take_body_memory(request.scope, _MEMORY_OF_FORM * len(chunk))
            parser.feed(chunk)
    except MultipartError as error:
        raise _malformed_form(str(error)) from None
    if not parser.is_complete and not is_empty:
        raise _malformed_form("the closing boundary is missing")
    return form


async def read_json_object(request: Request, slices: Slices) -> dict[str, Any]:
    """Return the JSON object in the body, an empty one if it is something else. Record its contract violations.

    Raises:
        ApiError: 400, the body is invalid JSON or too large; 415, its charset or encoding is unsupported.
    """
    payload = await _read_json(request, slices)
    await record_body_violations(request, slices, payload)
    return payload if isinstance(payload, dict) else {}


async def _read_json(request: Request, slices: Slices) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON in the body; an empty object if the body is empty or its type is not JSON (A).

    Raises:
        ApiError: see `read_json_object`.
    """
    media_type, parameters = _parse_content_type(request)
    if media_type != "application/json":
        return {}
    charset = parameters.get("charset", "utf-8")
    if not charset.lower().startswith("utf-"):
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f'unsupported charset "{charset.upper()}"')
    encoding = content_encoding(request.headers.getlist("content-encoding"))
    if encoding == "identity":
        _check_content_length(request, MAX_FILE_BYTES, BODY_TOO_LARGE)
    elif not is_inflatable(encoding):
        raise ApiError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f'unsupported content encoding "{encoding}"')
    chunks = _limit(_read_chunks(request), MAX_FILE_BYTES, BODY_TOO_LARGE)
    if encoding != "identity":
        chunks = _limit(inflate(chunks, encoding), MAX_FILE_BYTES, BODY_TOO_LARGE)
    body = bytearray()
    try:
        async for chunk in chunks:
            take_body_memory(request.scope, len(chunk))
            body += chunk
    except InflateError as error:
        raise bad_request(f"Invalid {encoding} body: {error}") from None
    if not body:
        return {}
    try:
        return await slices.run_promptly(parse_json_steps(body, body_lease(request.scope)))
    except ConfigError as error:
        raise bad_request(f"Invalid JSON: {error.problem.removeprefix('not JSON: ')}") from None


def _parse_content_type(request: Request) -> tuple[str, dict[str, str]]:
    """Return the media type and the parameters of `Content-Type`.

    Raises:
        ApiError: 400, there are too many parameters.
    """
    try:
        return parse_content_type(request.headers.get("content-type", ""))
    except MultipartError as error:
        raise bad_request(f"Invalid Content-Type: {error}") from None


def _check_content_length(request: Request, max_bytes: int, too_large: str) -> None:
    """Refuse a body unread if its `Content-Length` is too large.

    Raises:
        ApiError: 400 with the message `too_large`.
    """
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length) > max_bytes:
        raise bad_request(too_large)


async def _read_chunks(request: Request) -> AsyncGenerator[bytes]:
    """Yield the body in chunks.

    Raises:
        ApiError: 400, the body is incomplete.
    """
    try:
        async for chunk in request.stream():
            if chunk:
                yield chunk
    except ClientDisconnect:
        raise bad_request("The request body is incomplete") from None


async def _limit(chunks: AsyncIterable[bytes], max_bytes: int, too_large: str) -> AsyncGenerator[bytes]:
    """Yield `chunks`.

    Raises:
        ApiError: 400 with the message `too_large`, the chunks have more than `max_bytes` bytes.
    """
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise bad_request(too_large)
        yield chunk


def _malformed_form(problem: str) -> ApiError:
    return bad_request(f"Malformed form: {problem}")
