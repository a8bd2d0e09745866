"""Models of the JSON of a snapshot, and their conversion into states."""

from collections.abc import Hashable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mock_atoms.contract.agents import MAX_NAME_LENGTH, Agent
from mock_atoms.contract.schemas import MAX_FIELD_BYTES, MAX_MEMBERS, CreatedAudience, Member, ObjectId
from mock_atoms.core.masking import MAGIC_PREFIX, is_magic_key
from mock_atoms.core.parsing import StrictModel
from mock_atoms.core.patterns import DIGEST, DIGEST_OR_EMPTY, LABEL, NOT_BLANK, RULE_ID
from mock_atoms.core.tenancy import (
    UNAUTHENTICATED_TENANT,
    Tenant,
    digest_token,
    is_digest_of_test_id,
    mask_test_id,
    restore_tenant,
    tenant_for,
)
from mock_atoms.core.timestamps import parse_timestamp
from mock_atoms.data.models import CampaignRecord, ImportedCampaigns, ValidatedAudiences
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.wiremock.stub_book import MAX_STUBS
from mock_atoms.wiremock.stubs import ScenarioText

Value = TypeVar("Value", bound=Hashable)
MAX_COUNT_DIGITS = 4_000
"""Maximum digits of a count. It can grow by counting without reaching the 4,300 digits that Python can print."""
_MAX_COUNT = 10**MAX_COUNT_DIGITS - 1
RuleId = Annotated[str, Field(pattern=RULE_ID)]
"""Id of an active rule."""
_REQUIRED_KEYS = ("_id", "name", "phoneNumberColumnName", "createdAt")


def _check_count(count: int) -> int:
    if count > _MAX_COUNT:
        raise ValueError(f"must have at most {MAX_COUNT_DIGITS} digits")
    return count


_Count = Annotated[int, Field(ge=0), AfterValidator(_check_count)]


def _check_timestamp(text: str) -> str:
    parse_timestamp(text)
    return text


class CounterModel(StrictModel):
    """The counter of a rule."""

    evaluated: _Count
    triggered: _Count
    windowStart: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0  # noqa: N815 - JSON's own spelling
    windowUsed: _Count = 0  # noqa: N815 - the same

    @property
    def counter(self) -> RuleCounter:
        """The counter."""
        return RuleCounter(self.evaluated, self.triggered, self.windowStart, self.windowUsed)


class AudienceChangesModel(StrictModel):
    """The changes to an audience, without its added members."""

    audience: ObjectId
    phoneNumberColumnName: str  # noqa: N815 - JSON's own spelling
    created: CreatedAudience | None = None
    removed: Annotated[list[Annotated[int, Field(ge=0, lt=MAX_MEMBERS)]], Field(max_length=MAX_MEMBERS)] = []
    added: list[Member] = []
    campaigns: ImportedCampaigns | None = None
    updatedAt: Annotated[str, AfterValidator(_check_timestamp)] | None = None  # noqa: N815 - the same

    @model_validator(mode="after")
    def _check_created(self) -> "AudienceChangesModel":
        created = self.created
        if created is not None:
            if missing := [key for key in _REQUIRED_KEYS if key not in created]:
                raise ValueError(f"created: {missing[0]} is missing")
            if (created["_id"], created["phoneNumberColumnName"]) != (self.audience, self.phoneNumberColumnName):
                raise ValueError("created: _id or phoneNumberColumnName is not that of the changes")
            for key, text in created.items():
                if isinstance(text, str) and len(text) > MAX_FIELD_BYTES:
                    raise ValueError(f"created: {key} must have at most {MAX_FIELD_BYTES} characters")
            for key in ("createdAt", "updatedAt"):
                _check_timestamp(str(created.get(key, created["createdAt"])))
        return self

    @model_validator(mode="after")
    def _check_removed(self) -> "AudienceChangesModel":
        if self.removed != sorted(set(self.removed)):
            raise ValueError("removed: list each index once, in ascending order")
        return self


class AgentChangesModel(StrictModel):
    """The changes to an agent."""

    agent: ObjectId
    created: Agent | None = None
    archived: bool = False

    @model_validator(mode="after")
    def _check_created(self) -> "AgentChangesModel":
        if self.created is not None:
            if missing := [key for key in Agent.__annotations__ if key not in self.created]:
                raise ValueError(f"created: {missing[0]} is missing")
            if self.created["_id"] != self.agent:
                raise ValueError("created: _id is not that of the changes")
            if len(self.created["name"]) > MAX_NAME_LENGTH:
                raise ValueError(f"created: name must have at most {MAX_NAME_LENGTH} characters")
        return self


class TenantChangesModel(StrictModel):
    """The changes of a tenant, without those to each audience, agent and campaign."""

    ids: _Count = 0
    deleted: list[ObjectId] = []
    audiences: list[AudienceChangesModel] = []
    agents: list[AgentChangesModel] = []
    campaigns: list[CampaignRecord] = []
    deletedCampaigns: list[ObjectId] = []  # noqa: N815 - JSON's own spelling


class _TokenModel(StrictModel):
    token: Annotated[str, Field(pattern=LABEL)]
    tokenDigest: Annotated[str, Field(pattern=DIGEST_OR_EMPTY)]  # noqa: N815 - JSON's own spelling

    @model_validator(mode="after")
    def _check_whole_token(self) -> "_TokenModel":
        if self.token.startswith(MAGIC_PREFIX) and "…" not in self.token:
            if not is_magic_key(self.token):
                raise ValueError("token is neither masked nor a magic key")
            if self.tokenDigest != digest_token(self.token).hex():
                raise ValueError(f"tokenDigest is not the digest of {self.token}")
        return self


class TenantModel(_TokenModel):
    """One tenant, without the items of its counters, audiences and changes."""

    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - the same
    testIdDigest: Annotated[str, Field(pattern=DIGEST)] | None = None  # noqa: N815 - the same
    requests: _Count = 0
    counters: dict[str, CounterModel] = {}
    organization: ObjectId | None = None
    audiences: ValidatedAudiences | None = None
    changes: TenantChangesModel | None = None
    scenarios: Annotated[dict[ScenarioText, ScenarioText], Field(max_length=MAX_STUBS)] = {}

    @model_validator(mode="after")
    def _check_test_id(self) -> "TenantModel":
        if self.testIdDigest is not None and not is_digest_of_test_id(self.testIdDigest, self.testId):
            raise ValueError("testIdDigest is not the digest of testId: leave it out")
        return self

    @property
    def tenant(self) -> Tenant:
        """The tenant."""
        if not self.tokenDigest and self.testId is None:
            return UNAUTHENTICATED_TENANT
        token_digest = bytes.fromhex(self.tokenDigest)
        if self.testId is None or self.testIdDigest is None:
            return tenant_for(token_digest, self.token, self.testId)
        return restore_tenant(
            token_digest, self.token, mask_test_id(self.testId) or "", bytes.fromhex(self.testIdDigest)
        )


class FixtureModel(_TokenModel):
    """The initial data of one token."""

    organization: ObjectId | None = None
    audiences: ValidatedAudiences


class RuleModel(StrictModel):
    """One fault rule. Its other keys are those of the rule."""

    model_config = ConfigDict(extra="allow")
    id: RuleId
    atStart: bool = False  # noqa: N815 - JSON's own spelling
    evaluated: _Count = 0
    triggered: _Count = 0


class ScenarioModel(StrictModel):
    """The state of a scenario for all tenants that have not moved it."""

    name: ScenarioText
    state: ScenarioText


class SnapshotModel(StrictModel):
    """A complete snapshot."""

    version: str
    seed: str
    locale: str
    rules: list[RuleModel]
    fixtures: list[FixtureModel]
    tenants: list[TenantModel]
    stubs: list[dict[str, Any]] = []
    scenarios: Annotated[list[ScenarioModel], Field(max_length=MAX_STUBS)] = []
