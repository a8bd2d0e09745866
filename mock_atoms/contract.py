"""The vendor's JSON: the shapes of answers, the envelope, and the documented errors.

Source letters (S, D, G, L, K, A) are explained in docs/fidelity.md.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict

from mock_atoms.validation import OBJECT_ID

JSON_TYPE = "application/json; charset=utf-8"
"""Content type of every JSON answer (L)."""
MAX_MEMBERS = 10_000
"""Most members that an audience may have (G, D)."""

DOCUMENTED_PATHS = ("/audience", "/audience/{id}", "/audience/{id}/members", "/audience/{id}/members/search")
"""Every path of the audience API, below the base path (S)."""

_Shape = TypeVar("_Shape", bound=type)


def _documented_as(name: str) -> Callable[[_Shape], _Shape]:
    """Give a shape the name that the vendor's document (S) gives it; code keeps the readable one."""

    def rename(shape: _Shape) -> _Shape:
        shape.__name__ = shape.__qualname__ = name
        return shape

    return rename


ObjectId = Annotated[str, Field(pattern=OBJECT_ID), WithJsonSchema({"type": "string"})]
"""A MongoDB ObjectId; its first four bytes are its creation time in seconds (S, D)."""
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601 in UTC with milliseconds and `Z`, such as `2025-01-15T10:30:00.000Z` (S)."""
Count = Annotated[int, Field(ge=0, strict=True), WithJsonSchema({"type": "number", "format": "double"})]
"""Documented as a double, sent as a whole number (S)."""


def _as_documented(schema: dict[str, Any]) -> None:
    """Take out of a JSON schema what pydantic adds and the vendor's document (S) does not have."""
    schema.pop("additionalProperties", None)
    schema.pop("description", None)
    for property_schema in schema["properties"].values():
        property_schema.pop("title", None)


_SHAPE = ConfigDict(extra="forbid", json_schema_extra=_as_documented)


@_documented_as("AudienceGetResponsesContentApplicationJsonSchemaDataItemsCampaignsItems")
class Campaign(TypedDict, total=False):
    """An active campaign that calls the members of an audience (S)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    _id: ObjectId
    name: str
    status: str
    createdAt: Timestamp


@_documented_as("AudienceGetResponsesContentApplicationJsonSchemaDataItems")
class Audience(TypedDict, total=False):
    """An audience as `GET /audience` lists it. No key is required (S)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    _id: Annotated[ObjectId, Field(description="Id of the audience")]
    name: Annotated[str, Field(description="Name that its creator gave it")]
    description: Annotated[str, Field(description="What the audience is for")]
    phoneNumberColumnName: Annotated[str, Field(description="CSV column that holds the phone numbers")]
    organization: Annotated[ObjectId, Field(description="Id of the organisation it belongs to")]
    createdBy: Annotated[ObjectId, Field(description="Id of the user who created it")]
    createdAt: Annotated[Timestamp, Field(description="When it was created")]
    updatedAt: Annotated[Timestamp, Field(description="When it was last changed, not before `createdAt`")]
    memberCount: Annotated[Count, Field(description="How many members it has now")]
    hasCampaigns: Annotated[bool, Field(strict=True, description="Whether a campaign uses it now")]
    campaigns: Annotated[list[Campaign], Field(description="The active campaigns that use it")]


@_documented_as("Audience_getAllAudiences_Response_200")
class AudienceList(TypedDict, total=False):
    """Success envelope of `GET /audience` (S)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: list[Audience]


@_documented_as("UnauthorizedErrorResponse")
class UnauthorizedError(TypedDict, total=False):
    """Error envelope of a 401 (S)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    errors: list[str]


@_documented_as("InternalServerErrorResponse")
class InternalServerError(TypedDict, total=False):
    """Error envelope of a 500 (S)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    errors: list[str]


class ApiError(Exception):
    """An error that a handler answers with: its status and the vendor's envelope around `errors`."""

    def __init__(self, status: int, errors: list[str] | None = None) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = errors


_MESSAGES = {
    400: "Invalid input",  # D, of campaigns
    401: "Unauthorized: User not found",  # D
    404: "Audience not found",  # A
    500: "Internal server error",  # D
}
RETRY_AFTER_SECONDS = 60
"""What the documented 429 asks a client to wait (G)."""


def error_headers(status: int) -> dict[str, str]:
    """Return the headers that belong to the documented error `status`, by lower-case name.

    A 401 names its scheme, as RFC 9110 wants; a 429 carries `Retry-After` in seconds (G: it may).
    """
    if status == HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return {"retry-after": str(RETRY_AFTER_SECONDS)}
    return {}


def error_body(status: int, errors: list[str] | None, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON of an error: the documented body where there is one, else the envelope (D, A).

    Args:
        status: HTTP status, 400 to 599.
        errors: messages in place of the documented ones.
        headers: the answer's headers by lower-case name; a 429's body repeats its `retry-after`.
    """
    if errors is None and status == HTTPStatus.TOO_MANY_REQUESTS:
        asked = headers.get("retry-after", "")
        return {
            "status": False,
            "error": "Rate limit exceeded",
            "code": "RATE_LIMIT_EXCEEDED",
            "retry_after": int(asked) if asked.isascii() and asked.isdigit() else RETRY_AFTER_SECONDS,
        }
    return {"status": False, "errors": [_default_message(status)] if errors is None else errors}


def render_json(content: object) -> bytes:
    """Return `content` as Express writes JSON: no spaces, characters as they are, in UTF-8."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _default_message(status: int) -> str:
    if status in _MESSAGES:
        return _MESSAGES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Error {status}"
