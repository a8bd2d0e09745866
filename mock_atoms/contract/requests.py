"""What the requests of each operation may have: query parameters and bodies, as shapes that pydantic validates.

The routes document the same in the OpenAPI document; tests/contract/test_requests.py compares both.
"""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

from pydantic import AfterValidator, ConfigDict, WithJsonSchema, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from mock_atoms.contract.campaigns import CampaignStatus, NewCampaign
from mock_atoms.contract.operations import (
    ADD_MEMBERS,
    ARCHIVE_AGENT,
    CREATE_AGENT,
    CREATE_AUDIENCE,
    CREATE_CAMPAIGN,
    DELETE_AUDIENCE,
    DELETE_CAMPAIGN,
    DELETE_MEMBERS,
    EXPORT_LOGS,
    EXPORT_RESULTS,
    GET_ACCOUNT_DETAILS,
    GET_AUDIENCE,
    GET_CAMPAIGN,
    GET_MEMBERS,
    GET_USER,
    LIST_AUDIENCES,
    LIST_CAMPAIGNS,
    LIST_PHONE_NUMBERS,
    PAUSE_CAMPAIGN,
    SEARCH_MEMBERS,
    START_CAMPAIGN,
)
from mock_atoms.core.http_text import PathTemplate

JSON = "application/json"
FORM = "multipart/form-data"
ASSUMED = "assumed"
"""Type of the errors that no document backs (A)."""
_INTEGER = re.compile(r"\d{1,1000}", re.ASCII)
_strict = with_config(ConfigDict(extra="forbid"))


class FormFile:
    """The file of a form, in place of its content."""

    def __str__(self) -> str:
        return "a file"


def _check_file(value: object) -> object:
    if not isinstance(value, FormFile):
        raise ValueError("must be a file")  # noqa: TRY004 - pydantic reports it
    return value


def _check_object(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("must be an object")  # noqa: TRY004 - the same
    return value


def parse_positive_integer(text: str) -> int:
    """Return the value of a query parameter that is a positive integer.

    Raises:
        ValueError: it is none.
    """
    if not _INTEGER.fullmatch(text) or int(text) < 1:
        raise ValueError("must be a positive integer")
    return int(text)


def _check_assumed_minimum(text: str) -> int:
    """Return a positive integer that is only documented as an integer."""
    try:
        return parse_positive_integer(text)
    except ValueError as error:
        if _INTEGER.fullmatch(text.removeprefix("-")):
            raise PydanticCustomError(ASSUMED, str(error)) from None
        raise


_PositiveInteger = Annotated[
    str, AfterValidator(parse_positive_integer), WithJsonSchema({"type": "integer", "minimum": 1})
]
_PageInteger = Annotated[str, AfterValidator(_check_assumed_minimum), WithJsonSchema({"type": "integer"})]
_File = Annotated[Any, AfterValidator(_check_file), WithJsonSchema({"type": "string", "format": "binary"})]
_Object = Annotated[Any, AfterValidator(_check_object), WithJsonSchema({"type": "object"})]
"""An object whose keys are not documented."""


@_strict
class NoParameters(TypedDict):
    """Query of an operation without parameters."""


@_strict
class MembersQuery(TypedDict, total=False):
    """Query of `GET /audience/{id}/members` (D)."""

    page: _PositiveInteger
    offset: _PositiveInteger


@with_config(ConfigDict(extra="allow"))
class SearchQuery(TypedDict, total=False):
    """Query of `GET /audience/{id}/members/search`: `query`, or the columns of the audience (D)."""

    query: str


@_strict
class ArchiveQuery(TypedDict, total=False):
    """Query of `DELETE /agent/{id}/archive` (D)."""

    on: Annotated[Literal["true", "false"], WithJsonSchema({"type": "boolean"})]


@_strict
class CampaignsQuery(TypedDict, total=False):
    """Query of `GET /campaign` (D; that `page` and `offset` are positive: A)."""

    page: _PageInteger
    offset: _PageInteger
    status: CampaignStatus
    search: str
    sortField: Literal["createdAt", "updatedAt"]
    sortOrder: Literal["asc", "desc"]


@_strict
class ExportQuery(TypedDict, total=False):
    """Query of `GET /campaign/{id}/export/by-audience-member` (D)."""

    format: Literal["json", "csv"]


class NewAudience(TypedDict):
    """Form of `POST /audience` (D)."""

    name: str
    phoneNumberColumnName: str
    file: _File
    description: NotRequired[str]
    identifierColumnName: NotRequired[str]


class NewMembers(TypedDict):
    """Body of `POST /audience/{id}/members` (D)."""

    members: list[_Object]


class MemberIds(TypedDict):
    """Body of `DELETE /audience/{id}/members` (D)."""

    memberIds: list[str]


def _new_agent() -> Any:  # noqa: ANN401 - a `TypedDict`
    from mock_atoms.contract.new_agent import NewAgent  # noqa: PLC0415 - it is large, and most servers need it never

    return NewAgent


def _no_body() -> None:
    """Return the shape of the body of an operation without one."""


class Hint(NamedTuple):
    """What to tell about an undocumented parameter that clients are known to send, with its source letter."""

    text: str
    source: str


class RequestDefinition(NamedTuple):
    """What the requests of an operation may have.

    Attributes:
        query: shape of the query; a parameter that is sent several times is a list.
        body: returns the shape of the body.
        content_type: content type of the body.
        is_large: whether to build the validator of the body takes long.
        source: source letter of all this.
        hints: undocumented parameters that clients are known to send.
    """

    query: Any = NoParameters
    body: Callable[[], Any] = _no_body
    content_type: str = JSON
    is_large: bool = False
    source: str = "D"
    hints: Mapping[str, Hint] = {}

    @property
    def has_body(self) -> bool:
        """Whether the operation has a body."""
        return self.body is not _no_body


_MEMBERS_HINTS = {
    "limit": Hint("the page size is offset, and limit is silently ignored", "D"),
    "search": Hint("only the SDK's helper sends search", "K"),
}
_CAMPAIGNS_HINTS = {"limit": Hint("the page size is offset, and only the SDK's helper sends limit", "K")}
REQUESTS = {
    LIST_AUDIENCES.name: RequestDefinition(source="S"),
    CREATE_AUDIENCE.name: RequestDefinition(body=lambda: NewAudience, content_type=FORM),
    GET_AUDIENCE.name: RequestDefinition(),
    DELETE_AUDIENCE.name: RequestDefinition(),
    GET_MEMBERS.name: RequestDefinition(MembersQuery, hints=_MEMBERS_HINTS),
    ADD_MEMBERS.name: RequestDefinition(body=lambda: NewMembers),
    DELETE_MEMBERS.name: RequestDefinition(body=lambda: MemberIds),
    SEARCH_MEMBERS.name: RequestDefinition(SearchQuery),
    GET_ACCOUNT_DETAILS.name: RequestDefinition(),
    GET_USER.name: RequestDefinition(),
    LIST_PHONE_NUMBERS.name: RequestDefinition(),
    CREATE_AGENT.name: RequestDefinition(body=_new_agent, is_large=True),
    ARCHIVE_AGENT.name: RequestDefinition(ArchiveQuery),
    LIST_CAMPAIGNS.name: RequestDefinition(CampaignsQuery, hints=_CAMPAIGNS_HINTS),
    CREATE_CAMPAIGN.name: RequestDefinition(body=lambda: NewCampaign),
    GET_CAMPAIGN.name: RequestDefinition(),
    DELETE_CAMPAIGN.name: RequestDefinition(),
    START_CAMPAIGN.name: RequestDefinition(),
    PAUSE_CAMPAIGN.name: RequestDefinition(),
    EXPORT_RESULTS.name: RequestDefinition(ExportQuery),
    EXPORT_LOGS.name: RequestDefinition(),
}
"""The request definition of each operation, by its name."""


class SdkOperation(NamedTuple):
    """An operation that the SDK calls although no document has it.

    Attributes:
        name: method and path template below the base path.
        hint: who sends it, and what to use instead.
    """

    name: str
    hint: str


SDK_OPERATIONS = (
    SdkOperation(
        "POST /campaign/{id}/stop", "only Campaign.stop() of the SDK's helpers sends it: use POST /campaign/{id}/pause"
    ),
    SdkOperation(
        "DELETE /agent/{id}", "only the SDK 4.3.2 to 4.4.0 sends it: use DELETE /agent/{id}/archive, as newer ones do"
    ),
)
"""Operations that only the SDK knows (K)."""
_SDK_TEMPLATES = [
    (method, PathTemplate(path, trailing_slash=True), operation)
    for operation in SDK_OPERATIONS
    for method, path in [operation.name.split(" ")]
]


def find_sdk_operation(method: str, api_path: str) -> SdkOperation | None:
    """Return the undocumented operation that a request calls, if only the SDK knows it."""
    for name, template, operation in _SDK_TEMPLATES:
        if name == method and template.match(api_path) is not None:
            return operation
    return None
