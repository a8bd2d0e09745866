"""The whole state of a server as JSON: taken out of one and put into another, it gives the same answers there."""

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from mock_atoms import __version__
from mock_atoms.contract import MAX_MEMBERS, CreatedAudience, Member, ObjectId
from mock_atoms.expressions import parse_fault
from mock_atoms.faults import Count
from mock_atoms.fixtures import Fixtures, Written
from mock_atoms.holdings import (
    Beginning,
    Changes,
    CheckedAudiences,
    CheckedCampaign,
    Overlay,
    digits_of,
    is_phone_number,
)
from mock_atoms.rulebook import ActiveRule, RuleBook
from mock_atoms.settings import Settings
from mock_atoms.store import Store, TenantState
from mock_atoms.tenancy import NOBODY, Tenant, digest_of_test, kept_tenant, shown_test_id, stands_for, tenant_of
from mock_atoms.validation import MASKED_TOKEN, NOT_BLANK, ConfigError, Part, parse_model, parse_moment

_DIGEST = r"^([0-9a-f]{32})?$"
_LABEL = rf"^(-|{MASKED_TOKEN.removeprefix('^').removesuffix('$')})$"
_MOST = 2**53
_Number = Annotated[int, Field(ge=0, le=_MOST)]


_NEEDED = ("_id", "name", "phoneNumberColumnName", "createdAt")


def _moment(text: str) -> str:
    parse_moment(text)
    return text


class _Counters(Part):
    asked: _Number
    struck: _Number
    since: Annotated[float, Field(ge=0, le=_MOST)] = 0.0
    used: _Number = 0


class _Owned(Part):
    token: Annotated[str, Field(pattern=_LABEL)]
    tokenDigest: Annotated[str, Field(pattern=_DIGEST)]  # noqa: N815 - JSON's own spelling


class _Change(Part):
    """What was changed in one audience."""

    audience: ObjectId
    phoneNumberColumnName: str  # noqa: N815 - JSON's own spelling
    created: CreatedAudience | None = None
    removed: Annotated[list[Annotated[int, Field(ge=0, lt=MAX_MEMBERS)]], Field(max_length=MAX_MEMBERS)] = []
    added: Annotated[list[Member], Field(max_length=MAX_MEMBERS)] = []
    campaigns: list[CheckedCampaign] | None = None
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
        if len({digits_of(str(number)) for number in numbers}) < len(numbers):
            raise ValueError("added: a phone number stands twice")
        if len({member["_id"] for member in self.added}) < len(self.added):
            raise ValueError("added: an _id stands twice")
        return self

    @property
    def changes(self) -> Changes:
        changes = Changes(
            self.phoneNumberColumnName,
            self.created,
            list(self.removed),
            campaigns=self.campaigns,
            updated_at=self.updatedAt,
        )
        changes.keep(self.added)
        changes.weigh()
        return changes


class _Overlay(Part):
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
    def overlay(self) -> Overlay:
        overlay = Overlay({part.audience: part.changes for part in self.audiences}, set(self.deleted), self.ids)
        overlay.weigh()
        return overlay


class _Tenant(_Owned):
    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - the same
    testIdDigest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None  # noqa: N815 - the same
    requests: _Number = 0
    counters: dict[str, _Counters] = {}
    organization: ObjectId | None = None
    audiences: CheckedAudiences | None = None
    changes: _Overlay | None = None

    @model_validator(mode="after")
    def _know_the_test(self) -> "_Tenant":
        if self.testIdDigest is not None and not stands_for(self.testIdDigest, self.testId):
            raise ValueError("testIdDigest is not that of testId: leave it out")
        return self

    @property
    def tenant(self) -> Tenant:
        owner = bytes.fromhex(self.tokenDigest)
        if self.testId is None or self.testIdDigest is None:
            return tenant_of(owner, self.token, self.testId)
        return kept_tenant(owner, self.token, shown_test_id(self.testId) or "", bytes.fromhex(self.testIdDigest))


class _Fixture(_Owned):
    organization: ObjectId | None = None
    audiences: CheckedAudiences


class _Rule(Part):
    model_config = ConfigDict(extra="allow")
    id: Annotated[str, Field(pattern=r"^[\x21-\x2b\x2d-\x7e]{1,200}$")]
    atStart: bool = False  # noqa: N815 - JSON's own spelling
    matched: _Number = 0
    hits: _Number = 0


class _State(Part):
    version: str
    seed: str
    locale: str
    rules: list[_Rule]
    fixtures: list[_Fixture]
    tenants: list[_Tenant]


class OtherServerError(Exception):
    """A state belongs to a server with other settings. Its text says which, and the fix; `pointer` is the setting's."""

    def __init__(self, problem: str, pointer: str) -> None:
        super().__init__(problem)
        self.pointer = pointer


def tenant_json(state: TenantState) -> dict[str, Any]:
    """Return what is known of a tenant: whose it is and what it has done, not what it holds."""
    tenant = state.tenant
    return {
        "token": tenant.label,
        "tokenDigest": tenant.owner.hex(),
        "testId": tenant.test_id,
        "requests": state.requests,
    }


async def state_json(settings: Settings, rules: RuleBook, fixtures: Fixtures, store: Store) -> dict[str, Any]:
    """Return the whole state, but for the journal."""
    return {
        "version": __version__,
        "seed": settings.seed,
        "locale": settings.locale,
        "rules": [{**entry.as_json(), **({"atStart": True} if entry.is_from_start else {})} for entry in rules],
        "fixtures": [
            {"token": written.label, "tokenDigest": owner.hex(), **_beginning_json(written.beginning)}
            for owner, written in fixtures.written().items()
        ],
        "tenants": [tenant_state_json(state) for state in await store.states()],
    }


def tenant_state_json(state: TenantState) -> dict[str, Any]:
    """Return all that is known of a tenant."""
    shown = tenant_json(state)
    test = state.tenant.test
    if test is not None and test != digest_of_test(state.tenant.test_id or ""):
        shown["testIdDigest"] = test.hex()
    shown["counters"] = {rule_id: count._asdict() for rule_id, count in state.counters.items()}
    if state.chosen is not None:
        shown |= _beginning_json(state.chosen)
    if state.overlay is not None:
        shown["changes"] = {
            "ids": state.overlay.ids,
            "deleted": sorted(state.overlay.deleted),
            "audiences": [_change_json(audience_id, part) for audience_id, part in state.overlay.audiences.items()],
        }
    return shown


def _beginning_json(beginning: Beginning) -> dict[str, Any]:
    organization = {} if beginning.organization is None else {"organization": beginning.organization}
    return {**organization, "audiences": beginning.audiences}


def _change_json(audience_id: str, changes: Changes) -> dict[str, Any]:
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


def tenant_state(given: object) -> TenantState:
    """Return the state that `tenant_state_json` wrote.

    Raises:
        ConfigError: it did not; names the field by JSON pointer.
    """
    return _tenant_state(parse_model(_Tenant, given))


async def replace_state(given: object, settings: Settings, rules: RuleBook, fixtures: Fixtures, store: Store) -> None:
    """Put a state, as `state_json` gives it, in the place of this server's. Where it cannot be, nothing changes.

    Raises:
        ConfigError: it is not valid; names the field by JSON pointer.
        OtherServerError: the server it was taken from has another seed or locale.
        FullError: there are too many rules or audiences.
    """
    state = parse_model(_State, given)
    for name, theirs, ours in (("seed", state.seed, settings.seed), ("locale", state.locale, settings.locale)):
        if theirs != ours:
            raise OtherServerError(
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
    rules.replace(entries)
    try:
        await store.replace(states)
    except BaseException:
        rules.replace(before)
        raise
    fixtures.hand_over(
        {
            bytes.fromhex(part.tokenDigest): Written(part.token, Beginning(part.audiences, part.organization))
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
        entries[part.id] = ActiveRule(part.id, rule, (part.atStart, number), part.matched, part.hits)
    return list(entries.values())


def _tenant_state(part: _Tenant) -> TenantState:
    tenant = NOBODY if not part.tokenDigest and part.testId is None else part.tenant
    counters = {rule_id: Count(**count.model_dump()) for rule_id, count in part.counters.items()}
    chosen = None if part.audiences is None else Beginning(part.audiences, part.organization)
    overlay = None if part.changes is None else part.changes.overlay
    return TenantState(tenant, part.requests, counters, chosen, overlay)
