"""The vendor's campaigns: responses of their operations, and the request that creates one (D)."""

from typing import Annotated, Any, Literal, Required, get_args

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema
from typing_extensions import TypedDict

from mock_atoms.contract.schemas import Count, ObjectId, Timestamp, documented_as
from mock_atoms.core.timestamps import TIMESTAMP_FORM, parse_timestamp

CampaignStatus = Literal["draft", "scheduled", "processing", "running", "paused", "completed", "failed"]
"""Status of a campaign (D)."""
STATUSES: tuple[CampaignStatus, ...] = get_args(CampaignStatus)
"""All statuses, in the order of a campaign's life."""
CallStatus = Literal["completed", "no_answer", "failed"]
"""How the calls to a member end (D)."""
ENDED: tuple[CampaignStatus, ...] = ("completed", "failed")
"""Statuses of campaigns that are over."""
ACTIVE: frozenset[str] = frozenset({"scheduled", "processing", "running", "paused"})
"""Statuses of the campaigns that the list of audiences shows and that block a deletion, by default (A)."""
LISTED_AS_RUNNING = "active"
"""Status of a running campaign in the list of audiences (S)."""
MAX_RETRIES = 10
"""Maximum of `maxRetries` (D)."""
DEFAULT_RETRIES = 3
"""`maxRetries` of a campaign whose request has none (D)."""
MAX_RETRY_DELAY = 1440
"""Maximum of `retryDelay`, in minutes (D)."""
DEFAULT_RETRY_DELAY = 15
"""`retryDelay` of a campaign whose request has none (D)."""
IN_THE_FUTURE = "must be in the future"
"""What is documented of `scheduledAt` (D)."""
NO_CAMPAIGNS_IN_PLAN = "Your plan has no access to campaigns, please upgrade to a higher plan to access this feature"
"""400 of all campaign operations without the plan for them (K)."""
UNKNOWN_CAMPAIGN = "no campaign found for id {id}"
"""400 of an unknown campaign in operations without a documented 404 (D, of `GET /campaign/{id}/logs/export`)."""
_PREFIX = "Campaign{}ResponsesContentApplicationJsonSchema"
_LIST, _POST, _GET = (_PREFIX.format(name) for name in ("Get", "Post", "IdGet"))
_Status = Annotated[CampaignStatus, Field(description="Current status")]
_Double = Annotated[float, WithJsonSchema({"type": "number"})]
_Object = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})]


_KNOWN_STATUSES: dict[str | None, CampaignStatus] = {status: status for status in STATUSES}


def status_of(status: str | None) -> CampaignStatus:
    """Return the status that campaign operations show for one in the list of audiences.

    A campaign without a known status is running: S lists active campaigns.
    """
    return _KNOWN_STATUSES.get(status, "running")


@documented_as("CampaignAgent")
class CampaignAgent(TypedDict, total=False):
    """The agent of a campaign."""

    _id: ObjectId
    name: str
    workflowType: str


@documented_as("CampaignAudience")
class CampaignAudience(TypedDict, total=False):
    """The audience of a campaign."""

    _id: ObjectId
    name: str


@documented_as(f"{_LIST}DataCampaignsItems")
class CampaignItem(TypedDict, total=False):
    """A campaign in the response of `GET /campaign` (D)."""

    _id: Annotated[ObjectId, Field(description="Id of the campaign")]
    name: Annotated[str, Field(description="Name of the campaign")]
    description: Annotated[str, Field(description="What the campaign is for")]
    organization: Annotated[ObjectId, Field(description="Id of its organisation")]
    agent: Annotated[CampaignAgent, Field(description="The agent that calls")]
    audience: Annotated[CampaignAudience, Field(description="The audience that is called")]
    createdBy: Annotated[ObjectId, Field(description="Id of the user who created it")]
    participantsCount: Annotated[Count, Field(description="Number of members of its audience")]
    status: _Status
    maxRetries: Annotated[Count, Field(description="Maximum number of retries of a failed call")]
    retryDelay: Annotated[Count, Field(description="Minutes between two attempts")]
    retryAttempts: Annotated[Count, Field(description="Number of retries so far")]
    scheduledAt: Timestamp
    pausedAt: Timestamp
    cancelledCallsCount: Count
    createdAt: Annotated[Timestamp, Field(description="When it was created")]
    updatedAt: Annotated[Timestamp, Field(description="When it was last changed")]


@documented_as(f"{_GET}DataCampaign")
class CampaignDetail(CampaignItem, total=False):
    """A campaign in the response of `GET /campaign/{id}` (D)."""

    error: Annotated[str, Field(description="Why it failed")]
    failedAt: Annotated[Timestamp, Field(description="When it failed")]


@documented_as(f"{_LIST}DataPagination")
class Pagination(TypedDict, total=False):
    """Numbers of a page of campaigns (D)."""

    total: Count
    page: Count
    offset: Count
    hasMore: bool
    totalPages: Count


@documented_as(f"{_LIST}Data")
class CampaignPage(TypedDict, total=False):
    """One page of campaigns (D)."""

    campaigns: list[CampaignItem]
    pagination: Pagination
    totalCampaignCount: Annotated[Count, Field(description="Number of all campaigns, without the filters")]


@documented_as(f"{_POST}Data")
class CreatedCampaign(TypedDict, total=False):
    """A campaign in the response of `POST /campaign`: ids instead of objects (D)."""

    _id: ObjectId
    name: str
    description: str
    organization: ObjectId
    agentId: ObjectId
    createdBy: ObjectId
    audienceId: ObjectId
    participantsCount: Count
    scheduledAt: Timestamp
    maxRetries: Count
    retryDelay: Count
    retryAttempts: Count
    status: _Status
    createdAt: Timestamp
    updatedAt: Timestamp


@documented_as(f"{_GET}DataEventsItems")
class CampaignEvent(TypedDict, total=False):
    """A change of a campaign's status (D)."""

    _id: ObjectId
    triggerSource: str
    eventAction: str
    createdAt: Timestamp
    updatedAt: Timestamp


@documented_as(f"{_GET}DataMetrics")
class CampaignMetrics(TypedDict, total=False):
    """Results of a campaign in numbers. Their names have underscores (D)."""

    total_participants: Annotated[Count, Field(description="Number of members")]
    contacts_called: Annotated[Count, Field(description="Number of members with an attempt")]
    contacts_connected: Annotated[Count, Field(description="Number of members that were reached")]


@documented_as(f"{_GET}Data")
class CampaignReport(TypedDict, total=False):
    """`data` of `GET /campaign/{id}` (D)."""

    campaign: CampaignDetail
    events: list[CampaignEvent]
    metrics: CampaignMetrics


@documented_as("CampaignIdStartPostResponsesContentApplicationJsonSchemaData")
class StartedCampaign(TypedDict, total=False):
    """`data` of `POST /campaign/{id}/start` (D)."""

    message: str
    taskId: Annotated[str, Field(description="Id of the task, a UUID")]
    campaignId: ObjectId


@documented_as("CampaignIdExportByAudienceMemberGetResponsesContentApplicationJsonSchemaDataItems")
class MemberResult(TypedDict, total=False):
    """The calls to one member in an export (D)."""

    audienceMemberId: ObjectId
    audienceMemberData: _Object
    phoneNumber: str
    originalCall: Annotated[
        dict[str, Any] | None, WithJsonSchema({"type": ["object", "null"]}), Field(description="First attempt")
    ]
    retryAttempts: Annotated[list[dict[str, Any]], WithJsonSchema({"type": "array", "items": {"type": "object"}})]
    totalAttempts: Count
    finalStatus: str
    totalCallDuration: _Double
    totalCallCost: _Double


@documented_as("Campaigns_exportCampaignResultsByAudienceMember_Response_200")
class MemberResults(TypedDict, total=False):
    """Response of `GET /campaign/{id}/export/by-audience-member`, which has no envelope (D)."""

    campaign: Annotated[str, Field(description="Name of the campaign")]
    exportedAt: Timestamp
    totalAudienceMembers: Count
    data: list[MemberResult]


def _as_integer(value: object) -> object:
    """Return a number such as 3.0 as the integer that it is in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_time(text: str) -> str:
    try:
        parse_timestamp(text)
    except ValueError:
        raise ValueError(f"must be {TIMESTAMP_FORM}") from None
    return text


_Text = Annotated[str, Strict()]
_Integer = Annotated[int, Strict()]


@documented_as("CreateCampaignRequest", extra="ignore")
class NewCampaign(TypedDict, total=False):
    """Body of `POST /campaign` (D). Unknown keys are ignored (A)."""

    name: Required[Annotated[_Text, Field(json_schema_extra={"example": "Spring renewals"})]]
    description: _Text
    audienceId: Required[Annotated[_Text, Field(json_schema_extra={"example": "60d0fe4f5311236168a109ca"})]]
    agentId: Required[Annotated[_Text, Field(json_schema_extra={"example": "60d0fe4f5311236168a109cc"})]]
    phoneNumberIds: Annotated[list[_Text], Field(description="Ids of the phone numbers to call from")]
    scheduledAt: Annotated[
        _Text,
        Field(description="When to start: in the future", json_schema_extra={"format": "date-time"}),
        AfterValidator(_check_time),
    ]
    maxRetries: Annotated[
        _Integer,
        Field(
            ge=0, le=MAX_RETRIES, description="Retries of a failed call", json_schema_extra={"default": DEFAULT_RETRIES}
        ),
        BeforeValidator(_as_integer),
    ]
    retryDelay: Annotated[
        _Integer,
        Field(
            ge=1,
            le=MAX_RETRY_DELAY,
            description="Minutes between two attempts",
            json_schema_extra={"default": DEFAULT_RETRY_DELAY},
        ),
        BeforeValidator(_as_integer),
    ]
