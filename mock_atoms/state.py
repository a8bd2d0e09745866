"""The whole state of a server as JSON: taken out of one and put into another, it gives the same answers there."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mock_atoms import __version__
from mock_atoms.contract import Audience
from mock_atoms.expressions import parse_fault
from mock_atoms.faults import Count
from mock_atoms.fixtures import Fixtures, Written
from mock_atoms.rulebook import ActiveRule, RuleBook
from mock_atoms.settings import Settings
from mock_atoms.store import Store, TenantState
from mock_atoms.tenancy import NOBODY, Tenant, digest_of_test, kept_tenant, shown_test_id, stands_for, tenant_of
from mock_atoms.validation import MASKED_TOKEN, NOT_BLANK, ConfigError, parse_model

_DIGEST = r"^([0-9a-f]{32})?$"
_LABEL = rf"^(-|{MASKED_TOKEN.removeprefix('^').removesuffix('$')})$"
_MOST = 2**53
_Number = Annotated[int, Field(ge=0, le=_MOST)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Counters(_Part):
    asked: _Number
    struck: _Number
    since: Annotated[float, Field(ge=0, le=_MOST)] = 0.0
    used: _Number = 0


class _Owned(_Part):
    token: Annotated[str, Field(pattern=_LABEL)]
    tokenDigest: Annotated[str, Field(pattern=_DIGEST)]  # noqa: N815 - JSON's own spelling


class _Tenant(_Owned):
    testId: Annotated[str, Field(pattern=NOT_BLANK)] | None = None  # noqa: N815 - the same
    testIdDigest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None  # noqa: N815 - the same
    requests: _Number = 0
    counters: dict[str, _Counters] = {}
    audiences: list[Audience] | None = None

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
    audiences: list[Audience]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    id: Annotated[str, Field(pattern=r"^[\x21-\x2b\x2d-\x7e]{1,200}$")]
    atStart: bool = False  # noqa: N815 - JSON's own spelling
    matched: _Number = 0
    hits: _Number = 0


class _State(_Part):
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
            {"token": written.label, "tokenDigest": owner.hex(), "audiences": written.audiences}
            for owner, written in fixtures.written().items()
        ],
        "tenants": [_tenant_json(state) for state in await store.states()],
    }


def _tenant_json(state: TenantState) -> dict[str, Any]:
    shown = tenant_json(state)
    test = state.tenant.test
    if test is not None and test != digest_of_test(state.tenant.test_id or ""):
        shown["testIdDigest"] = test.hex()
    shown["counters"] = {rule_id: count._asdict() for rule_id, count in state.counters.items()}
    if state.chosen:
        shown["audiences"] = state.audiences
    return shown


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
    before = list(rules)
    rules.replace(entries)
    try:
        await store.replace(states)
    except BaseException:
        rules.replace(before)
        raise
    fixtures.hand_over(
        {bytes.fromhex(part.tokenDigest): Written(part.token, part.audiences) for part in state.fixtures}
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
    return TenantState(tenant, part.requests, counters, part.audiences, chosen=part.audiences is not None)
