"""Audiences as a tenant has them at first, and checks of audiences and campaigns."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, WithJsonSchema
from typing_extensions import TypedDict

from mock_atoms.contract.campaigns import (
    ACTIVE,
    LISTED_AS_RUNNING,
    MAX_RETRIES,
    MAX_RETRY_DELAY,
    STATUSES,
    CallStatus,
    status_of,
)
from mock_atoms.contract.schemas import MAX_MEMBERS, Audience, Campaign, ObjectId, Timestamp
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.json_stream import dump_json
from mock_atoms.core.masking import quote_value
from mock_atoms.core.setting_types import Locale
from mock_atoms.core.sizes import json_bytes, json_problem
from mock_atoms.core.slices import Divisible, Steps, run_without_pauses
from mock_atoms.core.timestamps import parse_timestamp
from mock_atoms.data.member_rows import MemberRows
from mock_atoms.data.phone_numbers import is_phone_number, phone_digits

MAX_CAMPAIGNS = 100
"""Maximum number of campaigns of an audience."""
MAX_RESULTS = 1_000
"""Maximum number of the results of calls that a campaign names: each request for the campaign reads all of them."""
MAX_AUDIENCE_CHARACTERS = 500_000
"""Maximum number of characters of an audience with its campaigns: one step validates or renders them."""
_MAX_IMPORTED_CHARACTERS = 2 * MAX_AUDIENCE_CHARACTERS + 100_000
"""Maximum number of characters of an imported audience, to which the server has added description, ids and times."""
MAX_AUDIENCE_VALUES = 5_000
"""Maximum number of values of an audience or its campaigns, checked first."""
_MAX_IMPORTED_VALUES = 2 * MAX_AUDIENCE_VALUES
"""Maximum number of values of imported ones, to which the server has added some."""
AUDIENCE_BYTES, REMOVED_INDEX_BYTES = 2_000, 40
_INITIAL_DATA_BYTES, _INDEX_ENTRY_BYTES = 1_000, 108
"""Estimated memory of initial data besides its audiences, and of the index of each audience."""
_MEMBERS_SCHEMA = {
    "type": "array",
    "maxItems": MAX_MEMBERS,
    "description": "Its members: the columns of each by name. Absent if they are generated.",
    "items": {"type": "object"},
}
_TIMESTAMPS = ("createdAt", "updatedAt", "scheduledAt", "startedAt", "runningAt", "pausedAt", "failedAt")
_LISTED_CAMPAIGN_KEYS = Campaign.__annotations__.keys()
_CAMPAIGN_KEYS = (
    "_id",
    "name",
    "status",
    "organization",
    "createdBy",
    "audienceId",
    "agentId",
    "maxRetries",
    "retryDelay",
    "createdAt",
    "updatedAt",
)
"""Keys of each campaign that a tenant created or changed."""
_OWN_KEYS = {"omit", "locale", "identifierColumnName", "members"}
"""Keys of an `AudienceRecord` that the list of audiences does not have."""


class RecordedEvent(TypedDict):
    """A change of a campaign's status, as it is stored."""

    action: str
    source: str
    at: Timestamp


class CampaignRecord(Campaign, total=False):
    """A campaign as it is stored. The list of audiences shows its first four keys only.

    `called` is the number of members that have been called, in thousandths, as of the last change of the status.
    `lastCalled` is the id of the last of them, if the status has changed; `None` if there are none.
    `droppedEvents` is the number of older events that are gone.
    `results` are those of calls to members, by phone number. The results of all others are generated.
    `omit` names the keys that campaign operations leave out.
    """

    description: str
    organization: ObjectId
    createdBy: ObjectId
    audienceId: ObjectId
    agentId: ObjectId
    phoneNumberIds: list[str]
    maxRetries: Annotated[int, Field(ge=0, le=MAX_RETRIES, strict=True)]
    retryDelay: Annotated[int, Field(ge=1, le=MAX_RETRY_DELAY, strict=True)]
    scheduledAt: Timestamp
    startedAt: Timestamp
    runningAt: Timestamp
    pausedAt: Timestamp
    failedAt: Timestamp
    updatedAt: Timestamp
    error: str
    taskId: str
    called: Annotated[int, Field(ge=0, le=1000, strict=True)]
    lastCalled: ObjectId | None
    cancelledCallsCount: Annotated[int, Field(ge=0, strict=True)]
    events: list[RecordedEvent]
    droppedEvents: Annotated[int, Field(ge=0, strict=True)]
    results: Annotated[dict[str, CallStatus], Field(max_length=MAX_RESULTS)]
    omit: list[str]


_RECORD_KEYS = tuple(CampaignRecord.__annotations__)


def in_parsed_order(campaign: CampaignRecord) -> CampaignRecord:
    """Return a campaign with its keys in the order in which servers parse them."""
    return {key: campaign[key] for key in _RECORD_KEYS if key in campaign}  # type: ignore[literal-required, return-value] # its own keys


class AudienceRecord(Audience, total=False):
    """An audience as it is stored.

    Four keys are not in the list of audiences. `omit` names the keys that responses leave out. `locale` is the faker
    locale of generated members. `members` are listed ones, each with the column that `identifierColumnName` names.
    """

    campaigns: list[CampaignRecord]  # type: ignore[misc] # with keys that the list of audiences does not have
    omit: list[str]
    locale: Locale
    identifierColumnName: str
    members: Annotated[InstanceOf[MemberRows], WithJsonSchema(_MEMBERS_SCHEMA)]


def _at_most(characters: int, values: int = MAX_AUDIENCE_VALUES) -> BeforeValidator:
    def check(value: object) -> object:
        problem = json_problem(value, MAX_JSON_DEPTH, values, characters)
        if problem:
            raise ValueError(problem)
        return value

    return BeforeValidator(check)


def _check_timestamps(shape: Mapping[str, object]) -> None:
    for key in _TIMESTAMPS:
        try:
            if key in shape:
                parse_timestamp(str(shape[key]))
        except ValueError as error:
            raise ValueError(f"{key} is {quote_value(shape[key])}: {error}") from None


def _check_campaign_times(campaign: CampaignRecord) -> None:
    _check_timestamps(campaign)
    for event in campaign.get("events", []):
        parse_timestamp(event["at"])


def _check_audience_id(campaign: CampaignRecord, audience_id: str | None) -> None:
    named = campaign.get("audienceId", audience_id)
    if named != audience_id:
        its_id = "has no _id" if audience_id is None else f"is `{audience_id}`"
        raise ValueError(f"audienceId is `{named}`, but its audience {its_id}: leave audienceId out")


def _check_results(campaign: CampaignRecord, rows: MemberRows) -> None:
    for number in campaign.get("results", {}):
        if rows.index_of_number(phone_digits(number)) is None:
            raise ValueError(f"results: no member has the phone number {quote_value(number)}")


def _check_text(shape: Mapping[str, object]) -> None:
    try:
        dump_json(shape).encode()
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair, which UTF-8 cannot encode") from None


def _check_audience(audience: AudienceRecord) -> AudienceRecord:
    for key in audience.get("omit", []):
        if key not in Audience.__annotations__:
            raise ValueError(f"omit: an audience has no key {quote_value(key)}")
    count = audience.get("memberCount", 0)
    if count > MAX_MEMBERS:
        raise ValueError(f"memberCount is {quote_value(count)}: must be at most {MAX_MEMBERS}")
    _check_timestamps(audience)
    if len(audience.get("campaigns", [])) > MAX_CAMPAIGNS:
        raise ValueError(f"campaigns: must have at most {MAX_CAMPAIGNS} items")
    for index, campaign in enumerate(audience.get("campaigns", [])):
        try:
            _check_audience_id(campaign, audience.get("_id"))
            _check_campaign_times(campaign)
            if "members" in audience:
                _check_results(campaign, audience["members"])
        except ValueError as error:
            raise ValueError(f"campaigns[{index}].{error}") from None
    _check_text({key: value for key, value in audience.items() if key != "members"})
    return audience


def _check_result_numbers(audience: AudienceRecord) -> AudienceRecord:
    for index, campaign in enumerate(audience.get("campaigns", [])):
        for number in campaign.get("results", {}):
            if not is_phone_number(number):
                raise ValueError(
                    f"campaigns[{index}].results: {quote_value(number)} is not a phone number: "
                    "write 7 to 15 digits, with or without a plus"
                )
    return audience


def check_ids(audiences: list[AudienceRecord]) -> list[AudienceRecord]:
    """Return `audiences`, whose ids must differ.

    Raises:
        ValueError: an id is duplicated.
    """
    seen = set()
    for audience_id in (audience["_id"] for audience in audiences if "_id" in audience):
        if audience_id in seen:
            raise ValueError(f"the _id {audience_id} is duplicated")
        seen.add(audience_id)
    return audiences


def check_campaign_ids(audiences: list[AudienceRecord]) -> Steps[None]:
    """Check that the campaigns of all audiences have different ids.

    Raises:
        ValueError: an id is duplicated.
    """
    seen: set[str] = set()
    for audience in audiences:
        _add_campaign_ids(seen, audience.get("campaigns", []))
        yield


def _add_campaign_ids(seen: set[str], campaigns: list[CampaignRecord]) -> None:
    for campaign_id in (campaign["_id"] for campaign in campaigns if "_id" in campaign):
        if campaign_id in seen:
            raise ValueError(f"the campaign _id {campaign_id} is duplicated: give each campaign its own")
        seen.add(campaign_id)


def _check_all(audiences: list[AudienceRecord]) -> list[AudienceRecord]:
    run_without_pauses(check_campaign_ids(audiences))
    return check_ids(audiences)


def _check_campaigns(campaigns: list[CampaignRecord]) -> list[CampaignRecord]:
    _add_campaign_ids(set(), campaigns)
    return campaigns


def _check_campaign(campaign: CampaignRecord) -> CampaignRecord:
    _check_campaign_times(campaign)
    _check_text(campaign)
    return campaign


ValidatedAudience = Annotated[
    AudienceRecord,
    _at_most(MAX_AUDIENCE_CHARACTERS),
    AfterValidator(_check_audience),
    AfterValidator(_check_result_numbers),  # not of an imported one, which an earlier version may have exported
]
"""An `AudienceRecord` with valid values."""
_IS_IMPORTABLE = _at_most(_MAX_IMPORTED_CHARACTERS, _MAX_IMPORTED_VALUES)
ImportedAudience = Annotated[AudienceRecord, _IS_IMPORTABLE, AfterValidator(_check_audience)]
"""A `ValidatedAudience` after the server has filled it in."""
ValidatedAudiences = Annotated[list[ValidatedAudience], AfterValidator(_check_all)]
"""Valid audiences with distinct ids, also of their campaigns."""
_Campaigns = Annotated[
    list[Annotated[CampaignRecord, AfterValidator(_check_campaign)]], Field(max_length=MAX_CAMPAIGNS)
]
ValidatedCampaigns = Annotated[_Campaigns, _at_most(MAX_AUDIENCE_CHARACTERS), AfterValidator(_check_campaigns)]
"""Valid campaigns of one audience, with distinct ids."""
ImportedCampaigns = Annotated[_Campaigns, _IS_IMPORTABLE]
"""`ValidatedCampaigns` after the server has filled them in."""


def _check_complete(campaign: CampaignRecord) -> CampaignRecord:
    missing = [key for key in _CAMPAIGN_KEYS if key not in campaign]
    if campaign.get("status") == "scheduled" and "scheduledAt" not in campaign:
        missing.append("scheduledAt")
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    if campaign["status"] not in STATUSES:
        raise ValueError(f"status is {quote_value(campaign['status'])}: must be one of {', '.join(STATUSES)}")
    return campaign


StoredCampaign = Annotated[
    CampaignRecord, _IS_IMPORTABLE, AfterValidator(_check_campaign), AfterValidator(_check_complete)
]
"""The complete record of a campaign that a tenant created or changed."""


def api_fields(record: AudienceRecord, active: Collection[str] = ACTIVE) -> Audience:
    """Return the fields of `record` that the list of audiences has.

    Args:
        record: the audience.
        active: statuses of the campaigns that the list has.
    """
    if record.get("campaigns"):
        record = _with_listed_campaigns(record, active)
    for key in _OWN_KEYS:
        if key in record:
            break
    else:
        return record  # type: ignore[return-value] # its campaigns have the keys of the list only
    hidden = {*_OWN_KEYS, *record.get("omit", ())}
    return {key: value for key, value in record.items() if key not in hidden}  # type: ignore[return-value] # its own keys


def _with_listed_campaigns(record: AudienceRecord, active: Collection[str]) -> AudienceRecord:
    campaigns = [_listed(campaign) for campaign in record["campaigns"] if status_of(campaign.get("status")) in active]
    if campaigns == record["campaigns"]:
        return record
    listed = {**record, "campaigns": campaigns}
    if record.get("hasCampaigns"):
        listed["hasCampaigns"] = bool(campaigns)
    return listed  # type: ignore[return-value] # the keys of a record


def _listed(campaign: CampaignRecord) -> Mapping[str, Any]:
    is_running = campaign.get("status") == "running"
    if campaign.keys() <= _LISTED_CAMPAIGN_KEYS and not is_running:
        return campaign
    listed = {key: value for key, value in campaign.items() if key in _LISTED_CAMPAIGN_KEYS}
    return {**listed, "status": LISTED_AS_RUNNING} if is_running else listed


class InitialData(Divisible):
    """The audiences that a tenant has before any change, oldest first. They are never modified.

    Args:
        audiences: the audiences.
        organization: id of the tenant's organisation, if a fixture names it.
        is_shared: whether several tenants have it, so that none is charged for its memory.
    """

    def __init__(
        self, audiences: list[AudienceRecord], organization: str | None = None, *, is_shared: bool = False
    ) -> None:
        self.audiences = audiences
        self.organization = organization
        self._size_bytes: int | None = 0 if is_shared else None

    def parts(self) -> list[Any]:
        """Return the audiences."""
        return list(self.audiences)

    @property
    def size_bytes(self) -> int:
        """Approximate memory. Call `measure` first if there may be thousands of audiences."""
        return run_without_pauses(self.measure()) if self._size_bytes is None else self._size_bytes

    def measure(self) -> Steps[int]:
        """Return `size_bytes`."""
        size_bytes = _INITIAL_DATA_BYTES
        for audience in self.audiences:
            size_bytes += _INDEX_ENTRY_BYTES + json_bytes(audience)
            if "members" in audience:
                size_bytes += audience["members"].size_bytes
            yield
        self._size_bytes = size_bytes
        return size_bytes

    @cached_property
    def by_id(self) -> dict[str, AudienceRecord]:
        """The audiences by id, without those whose `_id` responses leave out."""
        return {
            record["_id"]: record
            for record in self.audiences
            if "_id" in record and "_id" not in record.get("omit", ())
        }
