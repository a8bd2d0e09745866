"""The vendor's JSON: the shapes of answers, and their envelopes.

Source letters (S, D, G, L, K, A) are explained in docs/fidelity.md.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict

from mock_atoms.core.parsing import OBJECT_ID

JSON_TYPE = "application/json; charset=utf-8"
"""Content type of every JSON answer (L)."""
MAX_MEMBERS = 10_000
"""Most members that an audience may have (G, D)."""

MAX_FILE_BYTES = 5 * 1024 * 1024
"""Most bytes that an uploaded CSV file may have (D)."""


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
RuleCounter = Annotated[int, Field(ge=0, strict=True), WithJsonSchema({"type": "number", "format": "double"})]
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
    memberCount: Annotated[RuleCounter, Field(description="How many members it has now")]
    hasCampaigns: Annotated[bool, Field(strict=True, description="Whether a campaign uses it now")]
    campaigns: Annotated[list[Campaign], Field(description="The active campaigns that use it")]


@_documented_as("Audience_getAllAudiences_Response_200")
class AudienceListResponse(TypedDict, total=False):
    """Success envelope of `GET /audience` (S)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: list[Audience]


_Whole = Annotated[int, Field(ge=0, strict=True), WithJsonSchema({"type": "integer"})]


@_documented_as("AudienceIdGetResponsesContentApplicationJsonSchemaData")
class AudienceDetail(TypedDict, total=False):
    """An audience as `GET /audience/{id}` shows it: without the three keys that only the list has (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    _id: Annotated[ObjectId, Field(description="Id of the audience")]
    name: Annotated[str, Field(description="Name that its creator gave it")]
    description: Annotated[str, Field(description="What the audience is for")]
    phoneNumberColumnName: Annotated[str, Field(description="CSV column that holds the phone numbers")]
    organization: Annotated[ObjectId, Field(description="Id of the organisation it belongs to")]
    createdBy: Annotated[ObjectId, Field(description="Id of the user who created it")]
    createdAt: Annotated[Timestamp, Field(description="When it was created")]
    updatedAt: Annotated[Timestamp, Field(description="When it was last changed, not before `createdAt`")]


@_documented_as("AudiencePostResponsesContentApplicationJsonSchemaData")
class CreatedAudience(TypedDict, total=False):
    """An audience as `POST /audience` answers it (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    _id: Annotated[ObjectId, Field(description="Id of the audience")]
    name: Annotated[str, Field(description="Name that its creator gave it")]
    description: Annotated[str, Field(description="What the audience is for, where that was given")]
    phoneNumberColumnName: Annotated[str, Field(description="CSV column that holds the phone numbers")]
    identifierColumnName: Annotated[str, Field(description="CSV column that tells members apart, where it was given")]
    organization: Annotated[ObjectId, Field(description="Id of the organisation it belongs to")]
    createdBy: Annotated[ObjectId, Field(description="Id of the user who created it")]
    createdAt: Annotated[Timestamp, Field(description="When it was created")]
    updatedAt: Annotated[Timestamp, Field(description="The same")]


@_documented_as("AudienceIdMembersGetResponsesContentApplicationJsonSchemaDataMembersItems")
class Member(TypedDict, total=False):
    """One member of an audience (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    _id: Annotated[ObjectId, Field(description="Id of the member")]
    data: Annotated[
        dict[str, Any],
        Field(description="The columns of its row, by name; one of them is the audience's `phoneNumberColumnName`"),
        WithJsonSchema({"type": "object"}),
    ]


@_documented_as("AudienceIdMembersGetResponsesContentApplicationJsonSchemaData")
class MembersPage(TypedDict, total=False):
    """One page of members (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    members: Annotated[list[Member], Field(description="The members of the page")]
    totalCount: Annotated[_Whole, Field(description="How many members there are on all pages")]
    totalPages: Annotated[_Whole, Field(description="How many pages there are")]
    hasMore: Annotated[bool, Field(description="Whether there is a page after this one")]


@_documented_as("AudienceIdMembersPostResponsesContentApplicationJsonSchemaDataItemsData")
class AddedCount(TypedDict, total=False):
    """How many members were added (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    added: Annotated[_Whole, Field(description="How many are new")]
    skipped: Annotated[_Whole, Field(description="How many were not added, since their number was there already")]


@_documented_as("AudienceIdMembersPostResponsesContentApplicationJsonSchemaDataItems")
class Added(TypedDict, total=False):
    """What became of members to be added (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    message: str
    data: AddedCount


@_documented_as("AudienceIdMembersDeleteResponsesContentApplicationJsonSchemaData")
class DeletedCount(TypedDict, total=False):
    """How many members were deleted (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    deletedCount: Annotated[_Whole, Field(description="How many there are no more")]


@_documented_as("AudienceIdMembersSearchGetResponsesContentApplicationJsonSchemaDataSearchInfo")
class SearchInfo(TypedDict, total=False):
    """What was searched for (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    searchType: Annotated[Literal["general", "multiple"], Field(description="`general` for `query`")]
    searchTerm: Annotated[str, Field(description="What was looked for")]
    searchFields: Annotated[list[str], Field(description="Where, unless everywhere")]
    totalResults: Annotated[_Whole, Field(description="How many members were found")]


@_documented_as("AudienceIdMembersSearchGetResponsesContentApplicationJsonSchemaData")
class SearchResult(TypedDict, total=False):
    """The members that a search finds (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    members: list[Member]
    searchInfo: SearchInfo


@_documented_as("Audience_getAudienceById_Response_200")
class AudienceDetailResponse(TypedDict, total=False):
    """Success envelope of `GET /audience/{id}` (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: AudienceDetail


@_documented_as("Audience_createAudienceWithCsvUpload_Response_200")
class CreatedAudienceResponse(TypedDict, total=False):
    """Success envelope of `POST /audience` (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: CreatedAudience


@_documented_as("Audience_deleteAudience_Response_200")
class DeletedResponse(TypedDict, total=False):
    """Success envelope of `DELETE /audience/{id}`, whose list is always empty (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: Annotated[list[Any], WithJsonSchema({"type": "array"})]


@_documented_as("Audience_getAudienceMembers_Response_200")
class MembersResponse(TypedDict, total=False):
    """Success envelope of `GET /audience/{id}/members` (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: MembersPage


@_documented_as("Audience_addAudienceMembers_Response_200")
class AddedResponse(TypedDict, total=False):
    """Success envelope of `POST /audience/{id}/members` (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: list[Added]


@_documented_as("Audience_deleteAudienceMembers_Response_200")
class DeletedMembersResponse(TypedDict, total=False):
    """Success envelope of `DELETE /audience/{id}/members` (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: DeletedCount


@_documented_as("Audience_searchAudienceMembers_Response_200")
class SearchResponse(TypedDict, total=False):
    """Success envelope of `GET /audience/{id}/members/search` (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    data: SearchResult


@_documented_as("BadRequestErrorResponse")
class BadRequestError(TypedDict, total=False):
    """Error envelope of a 400 (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: bool
    errors: list[str]


@_documented_as("GetAudienceMembersBadRequestErrorResponse")
class MembersBadRequestError(TypedDict, total=False):
    """Error envelope of the 400 of `GET /audience/{id}/members`, whose `status` is the text `error` (D)."""

    __pydantic_config__ = _SHAPE  # type: ignore[misc] # where pydantic looks for it
    status: str
    errors: list[str]


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


def render_json(content: object) -> bytes:
    """Return `content` as Express writes JSON: no spaces, characters as they are, in UTF-8."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
