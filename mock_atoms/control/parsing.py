"""Parsing of request bodies and query parameters.

FastAPI would accept duplicated query parameters, `NaN`, and bodies of any size, depth and content type. It writes the
document only; Starlette serves the routes, and parsing stays ours.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Protocol, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel
from starlette.requests import ClientDisconnect, Request

from mock_atoms.control.errors import RequestError, invalid_parameter
from mock_atoms.core.body_memory import body_lease, take_body_memory
from mock_atoms.core.http_text import MAX_QUERY_PARAMETERS, parse_query
from mock_atoms.core.inflating import InflateError, content_encoding, inflate, is_inflatable
from mock_atoms.core.json_parsing import MAX_STATE_DEPTH, JsonParser, parse_json_steps
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.core.patterns import NOT_BLANK, TOKEN
from mock_atoms.core.setting_types import Token
from mock_atoms.core.slices import Steps
from mock_atoms.journal.query import JournalQuery
from mock_atoms.mock import MockAtoms

MAX_CONTROL_BODY_BYTES = 64 * 1024 * 1024
MAX_UNCONVERTED_BYTES = 128 * 1024 * 1024
"""Maximum memory of the parts of a long body that are not converted."""

MAX_ID_LENGTH = 65_536
"""Maximum number of characters of a token or a test id. A request head has no room for more."""


class Converter(Protocol):
    """Converts the parts of a long body."""

    @property
    def size_bytes(self) -> int:
        """Memory of what has been converted."""

    @property
    def fixture_bytes(self) -> int:
        """Memory of the part of it that counts like what is not converted."""

    def convert(self, path: tuple[int | str, ...], item: Any) -> Steps[Any]:  # noqa: ANN401 - any JSON
        """Return a smaller object than `item`, see `JsonParser`."""


async def read_json_body(request: Request, *, optional: bool = False) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON body, or `{}` if it is empty and optional.

    Raises:
        ConfigError: the body is not JSON.
        RequestError: the body is too long, incomplete, compressed wrongly, or has another content type.
    """
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length) > MAX_CONTROL_BODY_BYTES:
        raise _too_long(f"more than {MAX_CONTROL_BODY_BYTES} bytes")
    body = bytearray()
    async for chunk in _read_chunks(request):
        take_body_memory(request.scope, len(chunk))
        body += chunk
        if len(body) > MAX_CONTROL_BODY_BYTES:
            raise _too_long(f"more than {MAX_CONTROL_BODY_BYTES} bytes")
    if not body and optional:
        return {}
    _check_content_type(request)
    return await request.app.state.slices.run_promptly(parse_json_steps(body, body_lease(request.scope)))


async def read_long_json_body(request: Request, converter: Converter) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON body of any length. It is parsed while it arrives.

    Args:
        request: the request.
        converter: converts the items of long lists while they arrive.

    Raises:
        ConfigError: the body is not JSON.
        RequestError: the body needs too much memory, or is incomplete, compressed wrongly or of another content type.
    """
    _check_content_type(request)
    slices = request.app.state.slices
    parser = JsonParser(converter.convert, body_lease(request.scope), MAX_STATE_DEPTH)
    async for chunk in _read_chunks(request):
        before = converter.size_bytes
        await slices.run_promptly(parser.feed(chunk))
        take_body_memory(request.scope, converter.size_bytes - before)
        if parser.size_bytes + converter.fixture_bytes > MAX_UNCONVERTED_BYTES:
            raise _too_long(f"parts that need more than {MAX_UNCONVERTED_BYTES} bytes of memory")
    return await slices.run_promptly(parser.finish())


async def _read_chunks(request: Request) -> AsyncGenerator[bytes]:
    """Yield the body, inflated, in chunks.

    Raises:
        RequestError: the body is incomplete or compressed wrongly.
    """
    encoding = content_encoding(request.headers.getlist("content-encoding"))
    if encoding != "identity" and not is_inflatable(encoding):
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the encoding is unknown",
            f"Content-Encoding is {quote_value(encoding)}: use gzip or deflate, or send the body uncompressed",
        )
    try:
        async for chunk in request.stream() if encoding == "identity" else inflate(request.stream(), encoding):
            yield chunk
    except InflateError as error:
        detail = f"the body is not in the format {encoding}: {error}"
        raise RequestError(HTTPStatus.BAD_REQUEST, "malformed body", detail) from None
    except ClientDisconnect:
        detail = "the client disconnected before the end of the body"
        raise RequestError(HTTPStatus.BAD_REQUEST, "incomplete body", detail) from None


def _check_content_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise RequestError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "the content type is not JSON",
            "send the header Content-Type: application/json with the body",
        )


def _too_long(problem: str) -> RequestError:
    return RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body too long", f"the body has {problem}")


def up_to(maximum: int) -> BeforeValidator:
    """Return a validator of a query parameter: a whole number from 0 to `maximum`."""
    return BeforeValidator(
        partial(_whole_number, maximum), json_schema_input_type=Annotated[int, Field(ge=0, le=maximum)]
    )


def _whole_number(maximum: int, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) > maximum:
        raise ValueError(f"{quote_value(text)} is not a whole number from 0 to {maximum}")
    return int(text)


class Query(StrictModel):
    """Query parameters of an endpoint. Unknown and duplicated ones are errors."""

    model_config = ConfigDict(alias_generator=to_camel)

    @classmethod
    def parse(cls, request: Request) -> Self:
        """Return the parameters of `request`.

        Raises:
            RequestError: there are too many parameters, or one is unknown, duplicated or invalid.
        """
        names = [str(field.alias) for field in cls.model_fields.values()]
        values: dict[str, str] = {}
        query_text = request.scope["query_string"].decode("latin-1")
        if query_text.count("&") >= MAX_QUERY_PARAMETERS:
            raise invalid_parameter("", f"more than {MAX_QUERY_PARAMETERS:,} parameters: send fewer")
        for name, (value, *others) in parse_query(query_text).items():
            if name not in names:
                allowed = f"the parameters are {', '.join(names)}" if names else "this endpoint has no parameters"
                raise invalid_parameter(name, f"there is no parameter {quote_value(name)}: {allowed}")
            if others:
                raise invalid_parameter(name, "the parameter is duplicated")
            values[name] = value
        try:
            return parse_model(cls, values)
        except ConfigError as error:
            name = error.pointer.strip("/")
            may_have_plus = name == "token" and " " in values[name].removeprefix("Bearer ") and "+" in query_text
            hint = "; write + as %2B, because it means a space in a query" if may_have_plus else ""
            raise invalid_parameter(name, error.problem + hint) from None


class TenantFilter(StrictModel):
    """Selects what belongs to one token, one test, or both. An absent field matches all."""

    model_config = ConfigDict(alias_generator=to_camel)
    token: Annotated[
        Token | None,
        WithJsonSchema({"type": "string", "pattern": TOKEN, "maxLength": MAX_ID_LENGTH}),
        Field(repr=False, max_length=MAX_ID_LENGTH, description="Only what belongs to this token."),
    ] = None
    test_id: Annotated[
        str | None,
        Field(pattern=NOT_BLANK, max_length=MAX_ID_LENGTH),
        WithJsonSchema({"type": "string", "pattern": NOT_BLANK, "maxLength": MAX_ID_LENGTH}),
        Field(description="Only what belongs to this test."),
    ] = None


class TenantQuery(TenantFilter, Query):
    """Query parameters that select what belongs to one token, one test, or both."""

    def journal_query(self, mock: MockAtoms) -> JournalQuery:
        """Return the query of the request journal."""
        return JournalQuery.of_tenant(mock.journal.credentials, self.token, self.test_id)


def parse_tenant_filter(value: object) -> TenantFilter:
    """Parse `{"token": …, "testId": …}`.

    Raises:
        ConfigError: a field is invalid. `null` is, so that an unset variable does not select all tenants.
    """
    if isinstance(value, Mapping):
        for name, field in value.items():
            if field is None:
                raise ConfigError("null is not allowed: give text, or leave the field out to match all", f"/{name}")
    return parse_model(TenantFilter, value)
