"""Models of the JSON of a snapshot, and their conversion into states."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mock_atoms.contract.schemas import MAX_MEMBERS, CreatedAudience, Member, ObjectId
from mock_atoms.core.masking import MAGIC_PREFIX, is_magic_key
from mock_atoms.core.parsing import StrictModel
from mock_atoms.core.patterns import MASKED_TOKEN, NOT_BLANK
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
from mock_atoms.data.fixtures import FixtureData
from mock_atoms.data.models import InitialData, ValidatedAudiences, ValidatedCampaign, is_phone_number, phone_digits
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.state.changes import AudienceChanges, TenantChanges
from mock_atoms.state.store import TenantState

Value = TypeVar("Value", bound=Hashable)
_DIGEST = r"^([0-9a-f]{32})?$"
_LABEL = rf"^(-|{MASKED_TOKEN.removeprefix('^').removesuffix('$')})$"
_MAX_NUMBER = 2**53
_Count = Annotated[int, Field(ge=0, le=_MAX_NUMBER)]
_REQUIRED_KEYS = ("_id", "name", "phoneNumberColumnName", "createdAt")


def first_duplicate(values: Iterable[Value]) -> Value | None:
    """Return the first value that occurs more than once, if there is one."""
    return next((value for value, times in Counter(values).items() if times > 1), None)


def _check_timestamp(text: str) -> str:
    parse_timestamp(text)
    return text


class _CounterModel(StrictModel):
    evaluated: _Count
    triggered: _Count
    windowStart: Annotated[float, Field(ge=0, le=_MAX_NUMBER)] = 0.0  # noqa: N815 - JSON's own spelling
    windowUsed: _Count = 0  # noqa: N815 - the same

    @property
    def counter(self) -> RuleCounter:
        return RuleCounter(self.evaluated, self.triggered, self.windowStart, self.windowUsed)


class _AudienceChangesModel(StrictModel):
    audience: ObjectId
    phoneNumberColumnName: str  # noqa: N815 - JSON's own spelling
    created: CreatedAudience | None = None
    removed: Annotated[list[Annotated[int, Field(ge=0, lt=MAX_MEMBERS)]], Field(max_length=MAX_MEMBERS)] = []
    added: Annotated[list[Member], Field(max_length=MAX_MEMBERS)] = []
    campaigns: list[ValidatedCampaign] | None = None
    updatedAt: Annotated[str, AfterValidator(_check_timestamp)] | None = None  # noqa: N815 - the same

    @model_validator(mode="after")
    def _check_created(self) -> "_AudienceChangesModel":
        created = self.created
        if created is not None:
            if missing := [key for key in _REQUIRED_KEYS if key not in created]:
                raise ValueError(f"created: {missing[0]} is missing")
            if (created["_id"], created["phoneNumberColumnName"]) != (self.audience, self.phoneNumberColumnName):
                raise ValueError("created: _id or phoneNumberColumnName is not that of the changes")
            for key in ("createdAt", "updatedAt"):
                _check_timestamp(str(created.get(key, created["createdAt"])))
        return self

    @model_validator(mode="after")
    def _check_members(self) -> "_AudienceChangesModel":
        if self.removed != sorted(set(self.removed)):
            raise ValueError("removed: list each index once, in ascending order")
        numbers = [member.get("data", {}).get(self.phoneNumberColumnName) for member in self.added]
        if not all(map(is_phone_number, numbers)) or not all("_id" in member for member in self.added):
            raise ValueError("added: each member needs an _id, and data with a phone number in phoneNumberColumnName")
        if duplicate := first_duplicate(phone_digits(str(number)) for number in numbers):
            raise ValueError(f"added: the phone number {duplicate} is duplicated")
        if duplicate := first_duplicate(member["_id"] for member in self.added):
            raise ValueError(f"added: the _id {duplicate} is duplicated")
        return self

    @property
    def changes(self) -> AudienceChanges:
        changes = AudienceChanges(
            self.phoneNumberColumnName,
            self.created,
            list(self.removed),
            campaigns=self.campaigns,
            updated_at=self.updatedAt,
        )
        for member in self.added:
            changes.add_member(member)
        changes.update_size()
        return changes


class _TenantChangesModel(StrictModel):
    ids: _Count = 0
    deleted: list[ObjectId] = []
    audiences: list[_AudienceChangesModel] = []

    @model_validator(mode="after")
    def _check_audiences(self) -> "_TenantChangesModel":
        if duplicate := first_duplicate(part.audience for part in self.audiences):
            raise ValueError(f"audiences: the audience {duplicate} is duplicated")
        created = sum((part.created is not None) + len(part.added) for part in self.audiences)
        if self.ids < created:
            raise ValueError(f"ids: {self.ids} is less than the {created} ids of created audiences and members")
        return self

    @property
    def changes(self) -> TenantChanges:
        changes = TenantChanges({part.audience: part.changes for part in self.audiences}, set(self.deleted), self.ids)
        changes.update_size()
        return changes


class _TokenModel(StrictModel):
    token: Annotated[str, Field(pattern=_LABEL)]
    tokenDigest: Annotated[str, Field(pattern=_DIGEST)]  # noqa: N815 - JSON's own spelling

    @model_validator(mode="after")
    def _check_whole_token(self) -> "_TokenModel":
        if self.token.startswith(MAGIC_PREFIX) and "…" not in self.token:
            if not is_magic_key(self.token):
                raise ValueError("token is neither masked nor a magic key")
            if self.tokenDigest != digest_token(self.token).hex():
                raise ValueError(f"tokenDigest is not the digest of {self.token}")
        return self


class TenantModel(_TokenModel):
    """One tenant."""

    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - the same
    testIdDigest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None  # noqa: N815 - the same
    requests: _Count = 0
    counters: dict[str, _CounterModel] = {}
    organization: ObjectId | None = None
    audiences: ValidatedAudiences | None = None
    changes: _TenantChangesModel | None = None

    @model_validator(mode="after")
    def _check_test_id(self) -> "TenantModel":
        if self.testIdDigest is not None and not is_digest_of_test_id(self.testIdDigest, self.testId):
            raise ValueError("testIdDigest is not the digest of testId: leave it out")
        return self

    @property
    def _tenant(self) -> Tenant:
        if not self.tokenDigest and self.testId is None:
            return UNAUTHENTICATED_TENANT
        token_digest = bytes.fromhex(self.tokenDigest)
        if self.testId is None or self.testIdDigest is None:
            return tenant_for(token_digest, self.token, self.testId)
        return restore_tenant(
            token_digest, self.token, mask_test_id(self.testId) or "", bytes.fromhex(self.testIdDigest)
        )

    @property
    def state(self) -> TenantState:
        """The state of the tenant."""
        counters = {rule_id: model.counter for rule_id, model in self.counters.items()}
        initial_data = None if self.audiences is None else InitialData(self.audiences, self.organization)
        changes = None if self.changes is None else self.changes.changes
        return TenantState(self._tenant, self.requests, counters, initial_data, changes)


class FixtureModel(_TokenModel):
    """The initial data of one token."""

    organization: ObjectId | None = None
    audiences: ValidatedAudiences

    @property
    def imported_data(self) -> FixtureData:
        """The fixture as `Fixtures` imports it."""
        return FixtureData(self.token, InitialData(self.audiences, self.organization))


class RuleModel(StrictModel):
    """One fault rule. Its other keys are those of the rule."""

    model_config = ConfigDict(extra="allow")
    id: Annotated[str, Field(pattern=r"^[\x21-\x2b\x2d-\x7e]{1,200}$")]
    atStart: bool = False  # noqa: N815 - JSON's own spelling
    evaluated: _Count = 0
    triggered: _Count = 0


class SnapshotModel(StrictModel):
    """A complete snapshot."""

    version: str
    seed: str
    locale: str
    rules: list[RuleModel]
    fixtures: list[FixtureModel]
    tenants: list[TenantModel]
