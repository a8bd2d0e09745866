"""The whole state of a server as JSON: taken out of one and put into another, it gives the same answers there."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mock_atoms.contract.schemas import MAX_MEMBERS, CreatedAudience, Member, ObjectId
from mock_atoms.core.masking import MAGIC_PREFIX, is_magic_key
from mock_atoms.core.parsing import MASKED_TOKEN, NOT_BLANK, ConfigError, StrictModel, parse_model
from mock_atoms.core.settings import Settings
from mock_atoms.core.tenancy import (
    UNAUTHENTICATED_TENANT,
    Tenant,
    digest_test_id,
    digest_token,
    is_digest_of_test_id,
    mask_test_id,
    restore_tenant,
    tenant_for,
)
from mock_atoms.core.timestamps import parse_timestamp
from mock_atoms.core.version import __version__
from mock_atoms.data.fixtures import FixtureData, Fixtures
from mock_atoms.data.models import InitialData, ValidatedAudiences, ValidatedCampaign, is_phone_number, phone_digits
from mock_atoms.faults.engine import RuleCounter
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rulebook import ActiveRule, RuleBook
from mock_atoms.state.changes import AudienceChanges, TenantChanges
from mock_atoms.state.store import Store, TenantState

_DIGEST = r"^([0-9a-f]{32})?$"
_LABEL = rf"^(-|{MASKED_TOKEN.removeprefix('^').removesuffix('$')})$"
_MOST = 2**53
_Number = Annotated[int, Field(ge=0, le=_MOST)]


_NEEDED = ("_id", "name", "phoneNumberColumnName", "createdAt")


def _moment(text: str) -> str:
    parse_timestamp(text)
    return text


class _Counters(StrictModel):
    evaluated: _Number
    triggered: _Number
    since: Annotated[float, Field(ge=0, le=_MOST)] = 0.0
    used: _Number = 0


class _Owned(StrictModel):
    token: Annotated[str, Field(pattern=_LABEL)]
    tokenDigest: Annotated[str, Field(pattern=_DIGEST)]  # noqa: N815 - JSON's own spelling

    @model_validator(mode="after")
    def _check_whole_token(self) -> "_Owned":
        if self.token.startswith(MAGIC_PREFIX) and "…" not in self.token:
            if not is_magic_key(self.token):
                raise ValueError("token is neither masked nor a magic key")
            if self.tokenDigest != digest_token(self.token).hex():
                raise ValueError(f"tokenDigest is not the digest of {self.token}")
        return self


class _Change(StrictModel):
    """What was changed in one audience."""

    audience: ObjectId
    phoneNumberColumnName: str  # noqa: N815 - JSON's own spelling
    created: CreatedAudience | None = None
    removed: Annotated[list[Annotated[int, Field(ge=0, lt=MAX_MEMBERS)]], Field(max_length=MAX_MEMBERS)] = []
    added: Annotated[list[Member], Field(max_length=MAX_MEMBERS)] = []
    campaigns: list[ValidatedCampaign] | None = None
    updatedAt: Annotated[str, AfterValidator(_moment)] | None = None  # noqa: N815 - the same

    @model_validator(mode="after")
    def _fits(self) -> "_Change":
        made = self.created
        if made is not None:
            if missing := [key for key in _NEEDED if key not in made]:
                raise ValueError(f"created: {missing[0]} is missing")
            if (made["_id"], made["phoneNumberColumnName"]) != (self.audience, self.phoneNumberColumnName):
                raise ValueError("created: it is another audience")
            for key in ("createdAt", "updatedAt"):
                _moment(str(made.get(key, made["createdAt"])))
        if self.removed != sorted(set(self.removed)):
            raise ValueError("removed: give each index once, in ascending order")
        numbers = [member.get("data", {}).get(self.phoneNumberColumnName) for member in self.added]
        if not all(map(is_phone_number, numbers)) or not all("_id" in member for member in self.added):
            raise ValueError("added: each member has an _id, and data with a phone number in phoneNumberColumnName")
        if len({phone_digits(str(number)) for number in numbers}) < len(numbers):
            raise ValueError("added: a phone number stands twice")
        if len({member["_id"] for member in self.added}) < len(self.added):
            raise ValueError("added: an _id stands twice")
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
        changes.keep(self.added)
        changes.weigh()
        return changes


class _Overlay(StrictModel):
    ids: _Number = 0
    deleted: list[ObjectId] = []
    audiences: list[_Change] = []

    @model_validator(mode="after")
    def _fits(self) -> "_Overlay":
        if len({part.audience for part in self.audiences}) < len(self.audiences):
            raise ValueError("audiences: one stands twice")
        if self.ids < sum((part.created is not None) + len(part.added) for part in self.audiences):
            raise ValueError("ids: fewer than what was created")
        return self

    @property
    def changes(self) -> TenantChanges:
        changes = TenantChanges({part.audience: part.changes for part in self.audiences}, set(self.deleted), self.ids)
        changes.weigh()
        return changes


class _Tenant(_Owned):
    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - the same
    testIdDigest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None  # noqa: N815 - the same
    requests: _Number = 0
    counters: dict[str, _Counters] = {}
    organization: ObjectId | None = None
    audiences: ValidatedAudiences | None = None
    changes: _Overlay | None = None

    @model_validator(mode="after")
    def _know_the_test(self) -> "_Tenant":
        if self.testIdDigest is not None and not is_digest_of_test_id(self.testIdDigest, self.testId):
            raise ValueError("testIdDigest is not that of testId: leave it out")
        return self

    @property
    def tenant(self) -> Tenant:
        token_digest = bytes.fromhex(self.tokenDigest)
        if self.testId is None or self.testIdDigest is None:
            return tenant_for(token_digest, self.token, self.testId)
        return restore_tenant(
            token_digest, self.token, mask_test_id(self.testId) or "", bytes.fromhex(self.testIdDigest)
        )


class _Fixture(_Owned):
    organization: ObjectId | None = None
    audiences: ValidatedAudiences


class _Rule(StrictModel):
    model_config = ConfigDict(extra="allow")
    id: Annotated[str, Field(pattern=r"^[\x21-\x2b\x2d-\x7e]{1,200}$")]
    atStart: bool = False  # noqa: N815 - JSON's own spelling
    evaluated: _Number = 0
    triggered: _Number = 0


class _State(StrictModel):
    version: str
    seed: str
    locale: str
    rules: list[_Rule]
    fixtures: list[_Fixture]
    tenants: list[_Tenant]


class SettingsMismatchError(Exception):
    """A state belongs to a server with other settings. Its text says which, and the fix; `pointer` is the setting's."""

    def __init__(self, problem: str, pointer: str) -> None:
        super().__init__(problem)
        self.pointer = pointer


def tenant_summary(state: TenantState) -> dict[str, Any]:
    """Return what is known of a tenant: whose it is and what it has done, not what it holds."""
    tenant = state.tenant
    return {
        "token": tenant.label,
        "tokenDigest": tenant.token_digest.hex(),
        "testId": tenant.test_id,
        "requests": state.requests,
    }


async def export_state(settings: Settings, rules: RuleBook, fixtures: Fixtures, store: Store) -> dict[str, Any]:
    """Return the whole state, but for the journal."""
    return {
        "version": __version__,
        "seed": settings.seed,
        "locale": settings.locale,
        "rules": [{**entry.as_json(), **({"atStart": True} if entry.is_from_start else {})} for entry in rules],
        "fixtures": [
            {"token": written.label, "tokenDigest": token_digest.hex(), **_beginning_json(written.initial_data)}
            for token_digest, written in fixtures.export_data().items()
        ],
        "tenants": [export_tenant(state) for state in await store.tenants()],
    }


def export_tenant(state: TenantState) -> dict[str, Any]:
    """Return all that is known of a tenant."""
    shown = tenant_summary(state)
    test_digest = state.tenant.test_digest
    if test_digest is not None and test_digest != digest_test_id(state.tenant.test_id or ""):
        shown["testIdDigest"] = test_digest.hex()
    shown["counters"] = {rule_id: count._asdict() for rule_id, count in state.counters.items()}
    if state.initial_data is not None:
        shown |= _beginning_json(state.initial_data)
    if state.changes is not None:
        shown["changes"] = {
            "ids": state.changes.ids,
            "deleted": sorted(state.changes.deleted),
            "audiences": [_change_json(audience_id, part) for audience_id, part in state.changes.audiences.items()],
        }
    return shown


def _beginning_json(initial_data: InitialData) -> dict[str, Any]:
    organization = {} if initial_data.organization is None else {"organization": initial_data.organization}
    return {**organization, "audiences": initial_data.audiences}


def _change_json(audience_id: str, changes: AudienceChanges) -> dict[str, Any]:
    """Return what was changed in one audience, without what was not."""
    shown = {
        "created": changes.created,
        "removed": changes.removed or None,
        "added": changes.added or None,
        "campaigns": changes.campaigns,
        "updatedAt": changes.updated_at,
    }
    kept = {key: value for key, value in shown.items() if value is not None}
    return {"audience": audience_id, "phoneNumberColumnName": changes.column, **kept}


def import_tenant(given: object) -> TenantState:
    """Return the state that `export_tenant` wrote.

    Raises:
        ConfigError: it did not; names the field by JSON pointer.
    """
    return _tenant_state(parse_model(_Tenant, given))


async def import_state(given: object, settings: Settings, rules: RuleBook, fixtures: Fixtures, store: Store) -> None:
    """Put a state, as `export_state` gives it, in the place of this server's. Where it cannot be, nothing changes.

    Raises:
        ConfigError: it is not valid; names the field by JSON pointer.
        OtherServerError: the server it was taken from has another seed or locale.
        FullError: there are too many rules or audiences.
    """
    state = parse_model(_State, given)
    for name, theirs, ours in (("seed", state.seed, settings.seed), ("locale", state.locale, settings.locale)):
        if theirs != ours:
            raise SettingsMismatchError(
                f"this server has the {name} {ours!r}, the state was taken from one with {theirs!r}: "
                f"start it with --{name} {theirs}",
                f"/{name}",
            )
    entries = _entries(state.rules, settings.base_path)
    states = [_tenant_state(tenant) for tenant in state.tenants]
    if len({state.tenant.key for state in states}) < len(states):
        raise ConfigError("a tenant stands twice", "/tenants")
    if len({part.tokenDigest for part in state.fixtures}) < len(state.fixtures):
        raise ConfigError("a token stands twice", "/fixtures")
    before = list(rules)
    rules.replace_all(entries)
    try:
        await store.replace_all(states)
    except BaseException:
        rules.replace_all(before)
        raise
    fixtures.import_data(
        {
            bytes.fromhex(part.tokenDigest): FixtureData(part.token, InitialData(part.audiences, part.organization))
            for part in state.fixtures
        }
    )


def _entries(given: list[_Rule], base_path: str) -> list[ActiveRule]:
    entries: dict[str, ActiveRule] = {}
    for number, part in enumerate(given):
        if part.id in entries:
            raise ConfigError("this id stands twice", f"/rules/{number}/id")
        try:
            rule = parse_fault(part.model_extra or {}, base_path)
        except ConfigError as error:
            raise ConfigError(error.problem, f"/rules/{number}{error.pointer.rstrip('/')}") from None
        entries[part.id] = ActiveRule(part.id, rule, (part.atStart, number), part.evaluated, part.triggered)
    return list(entries.values())


def _tenant_state(part: _Tenant) -> TenantState:
    tenant = UNAUTHENTICATED_TENANT if not part.tokenDigest and part.testId is None else part.tenant
    counters = {rule_id: RuleCounter(**count.model_dump()) for rule_id, count in part.counters.items()}
    initial_data = None if part.audiences is None else InitialData(part.audiences, part.organization)
    changes = None if part.changes is None else part.changes.changes
    return TenantState(tenant, part.requests, counters, initial_data, changes)
