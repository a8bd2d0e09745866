"""Checks of requests against their definitions. Pydantic validates; the rest makes violations of its errors."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mock_atoms.contract.campaigns import IN_THE_FUTURE
from mock_atoms.contract.operations import RequestedOperation
from mock_atoms.contract.requests import ASSUMED, REQUESTS, RequestDefinition, find_sdk_operation
from mock_atoms.contract.violations import (
    INVALID_FIELD,
    INVALID_PARAMETER,
    MAX_PLACE_LENGTH,
    MAX_VALUE_LENGTH,
    MAX_VIOLATIONS,
    MISSING_FIELD,
    PAGE_BEYOND_END,
    UNDOCUMENTED_HEADER,
    UNDOCUMENTED_OPERATION,
    UNEXPECTED_BODY,
    UNKNOWN_FIELD,
    UNKNOWN_PARAMETER,
    WRONG_CONTENT_TYPE,
    Violation,
)
from mock_atoms.core.http_text import Headers, parse_query
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.masking import show_text
from mock_atoms.core.parsing import describe_error
from mock_atoms.core.sizes import json_problem
from mock_atoms.core.slices import Steps

MAX_CHECKED_VALUES = 2_000
"""Maximum number of values of a field, or of `ITEMS_PER_STEP` items of a list, that are checked."""
MAX_CHECKED_CHARACTERS = 200_000
"""Maximum number of their characters."""
ITEMS_PER_STEP = 20
_MAX_LISTED_NAMES = 12
_JSON_SCALAR = re.compile(r"-?\d+(\.\d+)?|true|false|null")
METHODS_WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}
_AUTHORIZATION = "send Authorization: Bearer and an API key"
_OTHER_CREDENTIALS = {"x-api-key", "api-key"}
_UNDOCUMENTED_FIELD = "no such field is documented"
_STUB_HINT = "or stub it (docs/stubs.md)"


def check_head(  # noqa: PLR0913, PLR0917 - the parts of a head
    operation: RequestedOperation, method: str, api_path: str, query: bytes, headers: Headers, token: str | None
) -> tuple[Violation, ...]:
    """Return the violations of the operation, the query and the content type of a request.

    Args:
        operation: the documented operation that the request calls, if it calls one.
        method: HTTP method.
        api_path: path below the base path.
        query: query string.
        headers: lower-case names and values.
        token: the caller's token, to be masked.
    """
    if not operation.name:
        return _check_operation(method, api_path)
    definition = REQUESTS[operation.name]
    violations = [*_check_query(definition, query, token)] if query else []
    if definition.has_body:
        violations += _check_content_type(definition, headers, token)
    return tuple(violations[:MAX_VIOLATIONS])


def check_credentials(headers: Mapping[str, str], token: str | None) -> tuple[Violation, ...]:
    """Return the violations of the form of the credentials of a request (S). A session cookie has none.

    Args:
        headers: the identity headers by lower-case name, masked.
        token: the caller's token, valid or not; `None` if no documented credentials carry one.
    """
    authorization = headers.get("authorization")
    if token is not None:
        return ()
    if authorization is not None:
        return (_violation(UNDOCUMENTED_HEADER, "Authorization", authorization, _AUTHORIZATION, "S"),)
    return tuple(
        _violation(UNDOCUMENTED_HEADER, name, value, _AUTHORIZATION, "S")
        for name, value in headers.items()
        if name in _OTHER_CREDENTIALS
    )


def _check_operation(method: str, api_path: str) -> tuple[Violation, ...]:
    operation = find_sdk_operation(method, api_path)
    if operation is None:
        return ()
    expected = f"the API does not document this operation; {operation.hint}, {_STUB_HINT}"
    return (Violation(UNDOCUMENTED_OPERATION, operation.name, None, expected, "K"),)


@cache
def _validator(shape: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a `TypedDict`
    return TypeAdapter(shape)


def _check_query(definition: RequestDefinition, query: bytes, token: str | None) -> Iterator[Violation]:
    parameters = parse_query(query.decode("latin-1"))
    documented = definition.query.__annotations__
    known = [name for name in parameters if name in documented]
    unknown = [name for name in parameters if name not in documented][:MAX_VIOLATIONS]
    checked = {name: parameters[name] for name in known + unknown}
    values = {name: texts[0] if len(texts) == 1 else texts for name, texts in checked.items()}
    for error in _errors(_validator(definition.query), values)[:MAX_VIOLATIONS]:
        name = str(error["loc"][0])
        value = "&".join(parameters[name])
        if error["type"] == "extra_forbidden":
            expected = _list_names("parameter", documented)
            hint = definition.hints.get(name)
            source = definition.source
            if hint is not None:
                expected, source = f"{expected}; {hint.text}", hint.source
            yield _violation(UNKNOWN_PARAMETER, name, value, expected, source, token)
        else:
            expected = describe_error(error) if len(parameters[name]) == 1 else "must be sent only once"
            source = "A" if error["type"] == ASSUMED else definition.source
            yield _violation(INVALID_PARAMETER, name, value, expected, source, token)


def _check_content_type(definition: RequestDefinition, headers: Headers, token: str | None) -> list[Violation]:
    has_body = False
    content_type: str | None = None
    for name, value in headers:
        if name == b"content-type":
            content_type = value.decode("latin-1")
        elif name == b"transfer-encoding" or (name == b"content-length" and value != b"0"):
            has_body = True
    if not has_body or (content_type or "").partition(";")[0].strip().lower() == definition.content_type:
        return []
    expected = f"must be {definition.content_type}"
    return [_violation(WRONG_CONTENT_TYPE, "Content-Type", content_type, expected, definition.source, token)]


def is_without_body(operation: RequestedOperation) -> bool:
    """Return whether an operation is documented to have no body."""
    return bool(operation.name) and not REQUESTS[operation.name].has_body


def check_unexpected_body(operation: RequestedOperation, body: bytes, token: str | None) -> tuple[Violation, ...]:
    """Return the violation of a body of an operation without one. Several clients send `{}` with a GET (S)."""
    if body.strip() in (b"", b"{}"):
        return ()
    definition = REQUESTS[operation.name]
    value = body.decode(errors="replace")
    return (_violation(UNEXPECTED_BODY, "", value, "the operation has no body", definition.source, token),)


def has_large_body(operation: RequestedOperation) -> bool:
    """Return whether `prepare_body_check` takes long the first time."""
    return REQUESTS[operation.name].is_large


def prepare_body_check(operation: RequestedOperation) -> None:
    """Build the validator of the bodies of an operation with one."""
    _validator(REQUESTS[operation.name].body())


def check_body(operation: RequestedOperation, body: Any, token: str | None) -> Steps[tuple[Violation, ...]]:  # noqa: ANN401 - any JSON
    """Return the violations of the fields of a body.

    Args:
        operation: a documented operation whose requests have a body.
        body: the body, as JSON; a `FormFile` replaces the file of a form.
        token: the caller's token, to be masked.
    """
    definition = REQUESTS[operation.name]
    shape, source = definition.body(), definition.source
    if not isinstance(body, dict):
        return (_violation(INVALID_FIELD, "", body, "must be a JSON object", source, token),)
    validator = _validator(shape)
    violations = [
        _violation(MISSING_FIELD, f"/{name}", None, "is required", source)
        for name in shape.__annotations__
        if name in shape.__required_keys__ and name not in body
    ]
    for name, value, start in _parts(body):
        if json_problem(value, MAX_JSON_DEPTH, MAX_CHECKED_VALUES, MAX_CHECKED_CHARACTERS) is None:
            for error in _errors(validator, {name: value}, extra="forbid"):
                if error["type"] != "missing" or len(error["loc"]) > 1:
                    violations.append(_field_violation(error, start, shape, source, token))
                    if len(violations) >= MAX_VIOLATIONS:
                        return tuple(violations[:MAX_VIOLATIONS])
        yield
    return tuple(violations)


def _parts(body: dict[str, Any]) -> Iterator[tuple[str, Any, int]]:
    """Yield the name and the value of each field, lists in pieces, with the index of the first item of each piece."""
    for name, value in body.items():
        if isinstance(value, list) and value:
            for start in range(0, len(value), ITEMS_PER_STEP):
                yield name, value[start : start + ITEMS_PER_STEP], start
        else:
            yield name, value, 0


def _field_violation(error: ErrorDetails, start: int, shape: Any, source: str, token: str | None) -> Violation:  # noqa: ANN401 - a `TypedDict`
    keys = [*error["loc"]]
    if len(keys) > 1 and isinstance(keys[1], int):
        keys[1] += start
    place = format_pointer(keys)
    if error["type"] == "missing":
        return _violation(MISSING_FIELD, place, None, "is required", source, token)
    if error["type"] != "extra_forbidden":
        return _violation(INVALID_FIELD, place, error["input"], describe_error(error), source, token)
    expected = _UNDOCUMENTED_FIELD
    if len(keys) == 1:
        expected = _list_names("field", shape.__annotations__)
    return _violation(UNKNOWN_FIELD, place, error["input"], expected, source, token)


def page_beyond_end(page: int, total_pages: int) -> tuple[Violation, ...]:
    """Return the violation of a page that does not exist. The first page always exists (A)."""
    last = max(1, total_pages)
    if page <= last:
        return ()
    return (Violation(PAGE_BEYOND_END, "page", _shorten(page, None), f"the last page is {last}", "A"),)


def past_schedule(scheduled_at: str, token: str | None) -> tuple[Violation, ...]:
    """Return the violation of a campaign that should start in the past."""
    return (_violation(INVALID_FIELD, "/scheduledAt", scheduled_at, IN_THE_FUTURE, "D", token),)


def _errors(validator: TypeAdapter[Any], value: object, **options: Any) -> list[ErrorDetails]:  # noqa: ANN401 - of pydantic
    try:
        validator.validate_python(value, **options)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _list_names(noun: str, names: Mapping[str, object]) -> str:
    if not names:
        return f"the operation has no {noun}s"
    if len(names) > _MAX_LISTED_NAMES:
        return _UNDOCUMENTED_FIELD
    return f"the {noun}s are {', '.join(names)}"


def _violation(  # noqa: PLR0913, PLR0917 - the parts of a violation
    kind: str, place: str, value: object, expected: str, source: str, token: str | None = None
) -> Violation:
    is_absent = value is None and kind in (MISSING_FIELD, WRONG_CONTENT_TYPE)
    if kind == INVALID_FIELD and isinstance(value, str) and _JSON_SCALAR.fullmatch(value):
        value = render_json(value).decode()  # "3" is no number
    masked = None if is_absent else _shorten(value, token)
    return Violation(kind, show_text(place, MAX_PLACE_LENGTH, token), masked, expected, source)


def _shorten(value: object, token: str | None) -> str:
    """Return the start of a value, as text, credentials masked."""
    if isinstance(value, dict | list):
        value = "{…}" if isinstance(value, dict) else "[…]"
    elif isinstance(value, bool | int | float) or value is None:
        value = render_json(value).decode()
    return show_text(str(value), MAX_VALUE_LENGTH, token)
