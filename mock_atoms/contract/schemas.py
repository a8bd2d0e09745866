"""The vendor's JSON: shapes of responses and their envelopes, under the names of the vendor's document.

Source letters (S, D, G, L, K, A) are explained in docs/fidelity.md.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, WithJsonSchema, with_config
from typing_extensions import TypedDict

from mock_atoms.contract.operations import Operation
from mock_atoms.core.patterns import OBJECT_ID

JSON_TYPE = "application/json; charset=utf-8"
"""Content type of every JSON response (L)."""
MAX_MEMBERS = 10_000
"""Maximum number of members of an audience (G, D)."""
MAX_FIELD_BYTES = 64 * 1024
"""Maximum size of a form field in an upload, such as the name of an audience."""
MAX_FILE_BYTES = 5 * 1024 * 1024
"""Maximum size of a CSV file in an upload (D)."""

ObjectId = Annotated[str, Field(pattern=OBJECT_ID), WithJsonSchema({"type": "string"})]
"""A MongoDB ObjectId; its first four bytes are its creation time in seconds (S, D)."""
Timestamp = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""ISO 8601 in UTC with milliseconds and `Z`, such as `2025-01-15T10:30:00.000Z` (S)."""
Count = Annotated[int, Field(ge=0, strict=True), WithJsonSchema({"type": "integer"})]
CountAsDouble = Annotated[int, Field(ge=0, strict=True), WithJsonSchema({"type": "number", "format": "double"})]
"""Documented as a double, sent as an integer (S)."""

_Shape = TypeVar("_Shape", bound=type)


def _drop_undocumented(schema: dict[str, Any]) -> None:
    """Remove from a JSON schema what pydantic adds and the vendor's document (S) does not have."""
    schema.pop("additionalProperties", None)
    schema.pop("description", None)
    for property_schema in schema["properties"].values():
        property_schema.pop("title", None)


def documented_as(name: str, *, extra: Literal["forbid", "ignore"] = "forbid") -> Callable[[_Shape], _Shape]:
    """Make a `TypedDict` a strict shape whose JSON schema is called `name`, as in the vendor's document (S).

    Args:
        name: the documented name.
        extra: what happens to keys that the shape does not have.
    """

    def decorate(shape: _Shape) -> _Shape:
        shape.__name__ = shape.__qualname__ = name
        return with_config(ConfigDict(extra=extra, json_schema_extra=_drop_undocumented))(shape)

    return decorate


NO_DATA = "no data"
"""Shape of a success without `data`, such as that of `DELETE /campaign/{id}` (D)."""


def success_envelope(operation: Operation, shape: Any) -> Any:  # noqa: ANN401 - any type that pydantic knows
    """Return the shape of the success of an operation: `{"status": true, "data": …}` (S, D).

    Args:
        operation: the operation; the documented name of the shape follows from its group, id and status (S).
        shape: shape of `data`, or `NO_DATA`.
    """
    first, *others = operation.operation_id.split("-")
    method = f"{first}{''.join(map(str.capitalize, others))}"
    keys = {"status": bool} if shape is NO_DATA else {"status": bool, "data": shape}
    success = TypedDict("Success", keys, total=False)  # type: ignore[misc] # the keys differ by operation
    return documented_as(f"{operation.group.capitalize()}_{method}_Response_{operation.success_status:d}")(success)


def request_schema(shape: Any) -> dict[str, Any]:  # noqa: ANN401 - any type that pydantic knows
    """Return the JSON schema of a request body, with nested shapes inlined, as in the vendor's document (D)."""
    schema = TypeAdapter(shape).json_schema()
    definitions = schema.pop("$defs", {})

    def inline(node: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        name = node.get("$ref", "").removeprefix("#/$defs/")
        own = {key: inline(value) for key, value in node.items() if key != "$ref"}
        return {**inline(definitions[name]), **own} if name else own

    inlined: dict[str, Any] = inline(schema)
    return inlined


@documented_as("AudienceGetResponsesContentApplicationJsonSchemaDataItemsCampaignsItems")
class Campaign(TypedDict, total=False):
    """An active campaign that calls the members of an audience (S)."""

    _id: ObjectId
    name: str
    status: str
    createdAt: Timestamp


@documented_as("AudienceIdGetResponsesContentApplicationJsonSchemaData")
class AudienceDetail(TypedDict, total=False):
    """An audience in the response of `GET /audience/{id}` (D). No key is required (S)."""

    _id: Annotated[ObjectId, Field(description="Id of the audience")]
    name: Annotated[str, Field(description="Name of the audience")]
    description: Annotated[str, Field(description="What the audience is for")]
    phoneNumberColumnName: Annotated[str, Field(description="CSV column with the phone numbers")]
    organization: Annotated[ObjectId, Field(description="Id of its organisation")]
    createdBy: Annotated[ObjectId, Field(description="Id of the user who created it")]
    createdAt: Annotated[Timestamp, Field(description="When it was created")]
    updatedAt: Annotated[Timestamp, Field(description="When it was last changed; never before `createdAt`")]


@documented_as("AudienceGetResponsesContentApplicationJsonSchemaDataItems")
class Audience(AudienceDetail, total=False):
    """An audience in the response of `GET /audience`, with three keys that only the list has (S, D)."""

    memberCount: Annotated[CountAsDouble, Field(description="Current number of members")]
    hasCampaigns: Annotated[bool, Field(strict=True, description="Whether a campaign currently uses it")]
    campaigns: Annotated[list[Campaign], Field(description="The active campaigns that use it")]


@documented_as("AudiencePostResponsesContentApplicationJsonSchemaData")
class CreatedAudience(TypedDict, total=False):
    """An audience in the response of `POST /audience` (D)."""

    _id: Annotated[ObjectId, Field(description="Id of the audience")]
    name: Annotated[str, Field(description="Name of the audience")]
    description: Annotated[str, Field(description="What the audience is for, if the upload says so")]
    phoneNumberColumnName: Annotated[str, Field(description="CSV column with the phone numbers")]
    identifierColumnName: Annotated[
        str, Field(description="CSV column that identifies members, if the upload names one")
    ]
    organization: Annotated[ObjectId, Field(description="Id of its organisation")]
    createdBy: Annotated[ObjectId, Field(description="Id of the user who created it")]
    createdAt: Annotated[Timestamp, Field(description="When it was created")]
    updatedAt: Annotated[Timestamp, Field(description="Equal to `createdAt`")]


@documented_as("AudienceIdMembersGetResponsesContentApplicationJsonSchemaDataMembersItems")
class Member(TypedDict, total=False):
    """One member of an audience (D)."""

    _id: Annotated[ObjectId, Field(description="Id of the member")]
    data: Annotated[
        dict[str, Any],
        Field(description="Columns of its row by name, including the audience's `phoneNumberColumnName`"),
        WithJsonSchema({"type": "object"}),
    ]


@documented_as("AudienceIdMembersGetResponsesContentApplicationJsonSchemaData")
class MembersPage(TypedDict, total=False):
    """One page of members (D)."""

    members: Annotated[list[Member], Field(description="Members on the page")]
    totalCount: Annotated[Count, Field(description="Number of members on all pages")]
    totalPages: Annotated[Count, Field(description="Number of pages")]
    hasMore: Annotated[bool, Field(description="Whether another page follows")]


@documented_as("AudienceIdMembersPostResponsesContentApplicationJsonSchemaDataItemsData")
class AddedCount(TypedDict, total=False):
    """Numbers of added and skipped members (D)."""

    added: Annotated[Count, Field(description="Number of added members")]
    skipped: Annotated[Count, Field(description="Number of members whose phone number existed already")]


@documented_as("AudienceIdMembersPostResponsesContentApplicationJsonSchemaDataItems")
class AddedMembers(TypedDict, total=False):
    """Result of adding members (D)."""

    message: str
    data: AddedCount


@documented_as("AudienceIdMembersDeleteResponsesContentApplicationJsonSchemaData")
class DeletedCount(TypedDict, total=False):
    """Number of deleted members (D)."""

    deletedCount: Annotated[Count, Field(description="Number of deleted members")]


@documented_as("AudienceIdMembersSearchGetResponsesContentApplicationJsonSchemaDataSearchInfo")
class SearchInfo(TypedDict, total=False):
    """Terms and columns of a search (D)."""

    searchType: Annotated[Literal["general", "multiple"], Field(description="`general` for `query`")]
    searchTerm: Annotated[str, Field(description="Text that was searched for")]
    searchFields: Annotated[list[str], Field(description="Columns that were searched; empty for all")]
    totalResults: Annotated[Count, Field(description="Number of members found")]


@documented_as("AudienceIdMembersSearchGetResponsesContentApplicationJsonSchemaData")
class SearchResult(TypedDict, total=False):
    """Members that a search finds (D)."""

    members: list[Member]
    searchInfo: SearchInfo


EmptyList = Annotated[list[Any], WithJsonSchema({"type": "array"})]
"""`data` of `DELETE /audience/{id}`, always empty (D)."""


class _Errors(TypedDict, total=False):
    status: bool
    errors: list[str]


@documented_as("BadRequestErrorResponse")
class BadRequestError(_Errors, total=False):
    """Error envelope of a 400 (D)."""


@documented_as("UnauthorizedErrorResponse")
class UnauthorizedError(_Errors, total=False):
    """Error envelope of a 401 (S)."""


@documented_as("InternalServerErrorResponse")
class InternalServerError(_Errors, total=False):
    """Error envelope of a 500 (S)."""


@documented_as("ApiResponse", extra="ignore")
class ForbiddenError(TypedDict, total=False):
    """Documented envelope of a 403 (D). The mock sends that of the other errors."""

    status: bool
    data: Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]


@documented_as("GetAudienceMembersBadRequestErrorResponse")
class MembersBadRequestError(TypedDict, total=False):
    """Error envelope of the 400 of `GET /audience/{id}/members`, whose `status` is the text `error` (D)."""

    status: str
    errors: list[str]
