"""Parsing of snapshots in steps: long lists are taken out of their models and validated item by item."""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter

from mock_atoms.contract.schemas import MAX_MEMBERS, Member, ObjectId
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.parsing import ConfigError, parse_item, parse_items, parse_model
from mock_atoms.core.sizes import json_problem
from mock_atoms.core.slices import Steps, free
from mock_atoms.data.fixture_files import parse_audiences
from mock_atoms.data.fixtures import FixtureData
from mock_atoms.data.member_rows import MAX_MEMBER_VALUES, MEMBER_BYTES, row_json
from mock_atoms.data.models import (
    MAX_CAMPAIGNS,
    AudienceRecord,
    CampaignRecord,
    ImportedAudience,
    ImportedCampaigns,
    InitialData,
    StoredCampaign,
)
from mock_atoms.data.phone_numbers import is_phone_number, phone_digits
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import MAX_COUNTERS
from mock_atoms.state.agents import MAX_CREATED_AGENTS, MAX_OTHER_AGENTS
from mock_atoms.state.audiences import MAX_CREATED_AUDIENCES
from mock_atoms.state.changes import AgentChanges, AudienceChanges, TenantChanges
from mock_atoms.state.memory_store import MAX_STORE_BYTES
from mock_atoms.state.snapshot_models import (
    AgentChangesModel,
    AudienceChangesModel,
    CounterModel,
    FixtureModel,
    RuleId,
    RuleModel,
    SnapshotModel,
    TenantChangesModel,
    TenantModel,
)
from mock_atoms.state.store import TenantState
from mock_atoms.state.tenant_data import MAX_STORED_CAMPAIGNS
from mock_atoms.state.tenant_states import check_capacity
from mock_atoms.wiremock.scenarios import IMPORTED_GENERATION
from mock_atoms.wiremock.stubs import Stub

MAX_CHANGED_AUDIENCES = 20_000
"""Maximum number of audiences that a tenant of a snapshot has changed, and of those that it has deleted."""
MAX_DELETED_CAMPAIGNS = MAX_CHANGED_AUDIENCES * MAX_CAMPAIGNS
"""Maximum number of campaigns that a tenant of a snapshot has deleted."""
MAX_CHANGED_AGENTS = MAX_CREATED_AGENTS + MAX_OTHER_AGENTS
"""Maximum number of agents that a tenant can have changed."""
_MAX_CHANGES = {
    "deleted": ("audiences", MAX_CHANGED_AUDIENCES),
    "audiences": ("audiences", MAX_CHANGED_AUDIENCES),
    "agents": ("agents", MAX_CHANGED_AGENTS),
    "campaigns": ("campaigns", MAX_STORED_CAMPAIGNS),
    "deletedCampaigns": ("campaigns", MAX_DELETED_CAMPAIGNS),
}
"""What each long list of a tenant's changes has, and its maximum number of items."""


@dataclass(slots=True)
class Snapshot:
    """A valid snapshot.

    Attributes:
        seed: seed of the server that exported it.
        locale: locale of that server.
        rules: the fault rules.
        active_rules: these rules as they will be active.
        fixtures: data of fixture files by token digest.
        tenants: the tenants, least recently used first.
        records: the stubs as JSON.
        stubs: these stubs as they will be active.
        scenarios: name and state of each scenario that is not in its first state for all tenants.
    """

    seed: str
    locale: str
    rules: list[RuleModel] = field(default_factory=list)
    active_rules: list[ActiveRule] = field(default_factory=list)
    fixtures: dict[bytes, FixtureData] = field(default_factory=dict)
    tenants: list[TenantState] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    stubs: list[Stub] = field(default_factory=list)
    scenarios: list[tuple[str, str]] = field(default_factory=list)

    def take_apart(self) -> list[Any]:
        """Empty it, and return its parts."""
        initial_data = [data.initial_data for data in self.fixtures.values()]
        parts = [*self.rules, *self.active_rules, *initial_data, *self.tenants, *self.records, *self.stubs]
        for container in (
            self.rules,
            self.active_rules,
            self.fixtures,
            self.tenants,
            self.records,
            self.stubs,
            self.scenarios,
        ):
            container.clear()
        return parts


class AudiencePart(NamedTuple):
    """The changes to one audience."""

    id: str
    changes: AudienceChanges


class SnapshotConverter:
    """Converts the parts of a snapshot while its text is parsed, so that large ones need little memory.

    Args:
        max_bytes: maximum size of the tenants.
    """

    def __init__(self, max_bytes: int = MAX_STORE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._tenant_bytes = self._audience_bytes = self._member_bytes = 0
        self.fixture_bytes = 0
        """Memory of the listed members of fixtures. The rest of fixtures is not converted."""

    @property
    def size_bytes(self) -> int:
        """Memory of what has been converted."""
        return self._tenant_bytes + self._audience_bytes + self._member_bytes + self.fixture_bytes

    def convert(self, path: tuple[int | str, ...], item: Any) -> Steps[Any]:  # noqa: ANN401 - any JSON
        """Return a tenant as its state, changes to an audience as `AudienceChanges`, a member or its columns as JSON.

        Raises:
            ConfigError: the item is invalid; names the field by JSON pointer.
            CapacityError: there is too much data.
        """
        match path:
            case ("tenants", int()):
                state = yield from parse_tenant(item, format_pointer(path))
                yield from free(item.get("audiences") or [])
                self._tenant_bytes += state.size_bytes
                self._audience_bytes = self._member_bytes = 0
                self._check()
                return state
            case ("tenants", int(), "changes", "audiences", int()):
                part = yield from parse_audience_changes(item, format_pointer(path))
                self._audience_bytes += part.changes.size_bytes
                self._member_bytes = 0
                self._check()
                return part
            case ("tenants", int(), "changes", "audiences", int(), "added", int(number)):
                yield
                _check_number(number, path)
                member = render_json(_parse_member(item, format_pointer(path)))
                self._member_bytes += len(member)
                self._check()
                return member
            case ("tenants" | "fixtures" as part, int(), "audiences", int(), "members", int(number)):
                yield
                _check_number(number, path)
                row = row_json(item, format_pointer(path))
                if part == "fixtures":
                    self.fixture_bytes += MEMBER_BYTES + len(row)
                else:
                    self._member_bytes += MEMBER_BYTES + len(row)
                    self._check()
                return row
        return item

    def _check(self) -> None:
        check_capacity(self.size_bytes - self.fixture_bytes, self._max_bytes)


def _check_number(number: int, path: tuple[int | str, ...]) -> None:
    if number >= MAX_MEMBERS:
        raise ConfigError(f"must have at most {MAX_MEMBERS} items", format_pointer(path[:-1]))


def parse_snapshot(value: object) -> Steps[Snapshot]:
    """Return a complete snapshot.

    Raises:
        ConfigError: it is invalid; names the field by JSON pointer.
    """
    rest, long = _split(value, "rules", "fixtures", "tenants", "stubs")
    model = parse_model(SnapshotModel, rest)
    snapshot = Snapshot(model.seed, model.locale, records=[*long["stubs"]])
    snapshot.scenarios = [(scenario.name, scenario.state) for scenario in model.scenarios]
    try:
        yield from _fill(snapshot, long)
    except ConfigError:
        yield from free(snapshot.take_apart())
        raise
    return snapshot


def _fill(snapshot: Snapshot, long: dict[str, Any]) -> Steps[None]:
    snapshot.rules = yield from parse_items(_adapter(RuleModel), long["rules"], "/rules")
    for number, item in enumerate(long["fixtures"]):
        token_digest, data = yield from _parse_fixture(item, f"/fixtures/{number}")
        if token_digest in snapshot.fixtures:
            raise ConfigError("a token is duplicated", "/fixtures")
        snapshot.fixtures[token_digest] = data
        yield
    keys: set[bytes] = set()
    for number, item in enumerate(long["tenants"]):
        state = item if isinstance(item, TenantState) else (yield from parse_tenant(item, f"/tenants/{number}"))
        if state.tenant.key in keys:
            raise ConfigError("a tenant is duplicated", "/tenants")
        keys.add(state.tenant.key)
        snapshot.tenants.append(state)
        yield


def _parse_fixture(value: object, pointer: str) -> Steps[tuple[bytes, FixtureData]]:
    rest, long = _split(value, "audiences")
    model = parse_model(FixtureModel, rest, pointer)
    audiences = yield from parse_audiences(long["audiences"], f"{pointer}/audiences", ImportedAudience)
    data = InitialData(audiences, model.organization)
    return bytes.fromhex(model.tokenDigest), FixtureData(model.token, data)


def parse_tenant(value: object, pointer: str = "") -> Steps[TenantState]:
    """Return the state of one tenant.

    Args:
        value: what `snapshot.export_tenant` describes.
        pointer: JSON pointer to it.

    Raises:
        ConfigError: it is invalid; names the field by JSON pointer.
    """
    rest, long = _split(value, "audiences", "counters", "changes")
    model = parse_model(TenantModel, rest, pointer)
    state = TenantState(model.tenant, model.requests)
    state.scenarios = {name: (IMPORTED_GENERATION, to) for name, to in model.scenarios.items()}
    counters = long["counters"] or {}
    if len(counters) > MAX_COUNTERS:
        raise ConfigError(f"{len(counters)} counters: a tenant has at most {MAX_COUNTERS}", f"{pointer}/counters")
    for rule_id, item in counters.items():
        place = f"{pointer}/counters{format_pointer([rule_id])}"
        parse_item(_adapter(RuleId), rule_id, place)
        state.counters[rule_id] = parse_model(CounterModel, item, place).counter
        yield
    if model.audiences is not None:
        audiences: list[AudienceRecord] = yield from parse_audiences(
            long["audiences"], f"{pointer}/audiences", ImportedAudience
        )
        state.initial_data = InitialData(audiences, model.organization)
        yield from state.initial_data.measure()
    if model.changes is not None:
        state.changes = yield from _parse_changes(long["changes"], f"{pointer}/changes")
    return state


def _parse_changes(value: object, pointer: str) -> Steps[TenantChanges]:
    rest, long = _split(value, *_MAX_CHANGES)
    model = parse_model(TenantChangesModel, rest, pointer)
    for name, items in long.items():
        things, maximum = _MAX_CHANGES[name]
        if len(items) > maximum:
            raise ConfigError(f"{len(items)} {things}: at most {maximum}", f"{pointer}/{name}")
    deleted = yield from parse_items(_adapter(ObjectId), long["deleted"], f"{pointer}/deleted")
    changes = TenantChanges({}, frozenset(deleted), issued_ids=model.ids)
    created = created_audiences = 0
    for number, item in enumerate(long["audiences"]):
        is_converted = isinstance(item, AudiencePart)
        audience_id, part = (
            item if is_converted else (yield from parse_audience_changes(item, f"{pointer}/audiences/{number}"))
        )
        if audience_id in changes.audiences:
            raise ConfigError(f"audiences: the audience {audience_id} is duplicated", pointer)
        changes.audiences[audience_id] = part
        created_audiences += part.created is not None
        if created_audiences > MAX_CREATED_AUDIENCES:
            raise ConfigError(f"audiences: a tenant can have created at most {MAX_CREATED_AUDIENCES}", pointer)
        created += (part.created is not None) + len(part.added)
        yield
    for number, item in enumerate(long["agents"]):
        agent_id, agent = parse_agent_changes(item, f"{pointer}/agents/{number}")
        if agent_id in changes.agents:
            raise ConfigError(f"agents: the agent {agent_id} is duplicated", pointer)
        changes.agents[agent_id] = agent
        created += agent.created is not None
        yield
    yield from _parse_campaign_changes(changes, long, pointer)
    if model.ids < created:
        problem = f"ids: {model.ids} is less than the {created} ids of created audiences, members and agents"
        raise ConfigError(problem, pointer)
    changes.update_size()
    return changes


def _parse_campaign_changes(changes: TenantChanges, long: dict[str, Any], pointer: str) -> Steps[None]:
    """Add the campaigns that a tenant created, changed or deleted to its changes."""
    for campaign in (yield from parse_campaigns(long["campaigns"], f"{pointer}/campaigns")):
        if campaign["_id"] in changes.campaigns:
            raise ConfigError(f"campaigns: the campaign {campaign['_id']} is duplicated", pointer)
        changes.put_campaign(campaign)
        yield
    deleted = yield from parse_items(_adapter(ObjectId), long["deletedCampaigns"], f"{pointer}/deletedCampaigns")
    changes.deleted_campaigns = frozenset(deleted)


def parse_audience_changes(value: object, pointer: str) -> Steps[AudiencePart]:
    """Return the changes to one audience, which `snapshot.changes_json` describes.

    Raises:
        ConfigError: they are invalid; names the field by JSON pointer.
    """
    rest, long = _split(value, "added")
    model = parse_model(AudienceChangesModel, rest, pointer)
    changes = AudienceChanges(
        model.phoneNumberColumnName,
        model.created,
        list(model.removed),
        campaigns=model.campaigns,
        updated_at=model.updatedAt,
    )
    ids: set[str] = set()
    for number, item in enumerate(long["added"]):
        member = json.loads(item) if isinstance(item, bytes) else _parse_member(item, f"{pointer}/added/{number}")
        _check_member(member, changes, ids, pointer)
        ids.add(member["_id"])
        changes.add_member(member)
        yield
    changes.update_size()
    return AudiencePart(model.audience, changes)


def parse_campaigns(values: list[Any], pointer: str) -> Steps[list[CampaignRecord]]:
    """Return complete campaigns.

    Raises:
        ConfigError: one is invalid; names the field by JSON pointer.
    """
    return (yield from parse_items(_adapter(StoredCampaign), values, pointer))


def parse_listed_campaigns(value: object) -> list[CampaignRecord]:
    """Return the campaigns that replace those of an audience."""
    campaigns: list[CampaignRecord] = _adapter(ImportedCampaigns).validate_python(value)
    return campaigns


def parse_agent_changes(value: object, pointer: str) -> tuple[str, AgentChanges]:
    """Return the id of an agent and the changes to it, which `snapshot.agent_json` describes.

    Raises:
        ConfigError: they are invalid; names the field by JSON pointer.
    """
    model = parse_model(AgentChangesModel, value, pointer)
    return model.agent, AgentChanges(model.created, model.archived)


def _parse_member(value: object, pointer: str) -> Member:
    if json_problem(value, MAX_JSON_DEPTH, MAX_MEMBER_VALUES + 1):
        raise ConfigError(f"a member can have at most {MAX_MEMBER_VALUES} values", pointer)
    return cast("Member", parse_item(_adapter(Member), value, pointer))


def _check_member(member: Member, changes: AudienceChanges, ids: set[str], pointer: str) -> None:
    number = member.get("data", {}).get(changes.phone_column)
    if not is_phone_number(number) or "_id" not in member:
        problem = "added: each member needs an _id, and data with a phone number in phoneNumberColumnName"
        raise ConfigError(problem, pointer)
    digits = phone_digits(str(number))
    if changes.added.has_number(digits):
        raise ConfigError(f"added: the phone number {digits} is duplicated", pointer)
    if member["_id"] in ids:
        raise ConfigError(f"added: the _id {member['_id']} is duplicated", pointer)


def _split(value: object, *names: str) -> tuple[object, dict[str, Any]]:
    """Return `value` with empty containers instead of those in the fields `names`, and these containers."""
    long: dict[str, Any] = dict.fromkeys(names, ())
    if not isinstance(value, dict):
        return value, long
    rest = dict(value)
    for name in names:
        container = value.get(name)
        if isinstance(container, list | dict):
            long[name] = container
            rest[name] = type(container)()
    return rest, long


@cache
def _adapter(item_type: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any type that pydantic knows
    return TypeAdapter(item_type)
