"""Export and import of a server's state as JSON. A server that imports it gives the same responses."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.json_parsing import parse_own_json
from mock_atoms.core.json_stream import RenderedJson, render_steps
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings
from mock_atoms.core.slices import Slices, Steps, free
from mock_atoms.core.tenancy import digest_test_id
from mock_atoms.core.version import __version__
from mock_atoms.data.models import AudienceRecord, InitialData
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.journal.credentials import Credentials
from mock_atoms.state.changes import AgentChanges, AudienceChanges
from mock_atoms.state.snapshot_parsing import Snapshot, SnapshotConverter, parse_snapshot
from mock_atoms.state.store import Store, StoreContent, TenantState
from mock_atoms.wiremock.scenarios import IMPORTED_GENERATION
from mock_atoms.wiremock.stubs import load_json_path, parse_record


class SettingsMismatchError(Exception):
    """The exported state needs a server with other settings.

    Args:
        problem: the setting, and the fix.
        pointer: JSON pointer to the setting in the exported state.
    """

    def __init__(self, problem: str, pointer: str) -> None:
        super().__init__(problem)
        self.pointer = pointer


def tenant_summary(state: TenantState) -> dict[str, Any]:
    """Return the identity of a tenant and its number of requests, without its data."""
    tenant = state.tenant
    return {
        "token": tenant.label,
        "tokenDigest": tenant.token_digest.hex(),
        "testId": tenant.test_id,
        "requests": state.requests,
    }


def export_state(settings: Settings, content: StoreContent) -> dict[str, Any]:
    """Return the complete state, except the journal, as content for `json_pieces`.

    Args:
        settings: the settings of the server.
        content: the content of its store.
    """
    settings_json = {"version": __version__, "seed": settings.seed, "locale": settings.locale}
    return {**settings_json, **export_content(content)}


def export_content(content: StoreContent) -> dict[str, Any]:
    """Return all content of a store for `json_pieces`. A tenant is exported as it is when its turn comes."""
    rules, fixtures, tenants, stubs, scenarios, generations = content
    return {
        "rules": ({**rule.as_json(), **({"atStart": True} if rule.is_startup_rule else {})} for rule in rules),
        "fixtures": (
            {"token": data.label, "tokenDigest": token_digest.hex(), **initial_data_json(data.initial_data)}
            for token_digest, data in fixtures.items()
        ),
        "tenants": (export_tenant(state, generations) for state in tenants),
        "stubs": (stub.as_record() for stub in stubs),
        "scenarios": [{"name": name, "state": state} for name, state in scenarios],
    }


def export_tenant(state: TenantState, generations: Mapping[str, int] = MappingProxyType({})) -> dict[str, Any]:
    """Return the complete state of one tenant as it is now, as content for `json_pieces`.

    Args:
        state: the state.
        generations: the generation of each scenario; states of other generations are left out.
    """
    exported = tenant_summary(state)
    test_digest = state.tenant.test_digest
    if test_digest is not None and test_digest != digest_test_id(state.tenant.test_id or ""):
        exported["testIdDigest"] = test_digest.hex()
    counters = {rule_id: counter.as_json for rule_id, counter in state.counters.items()}
    exported["counters"] = lambda: counters
    scenarios = {name: to for name, (number, to) in state.scenarios.items() if generations.get(name) == number}
    if scenarios:
        exported["scenarios"] = scenarios
    if state.initial_data is not None:
        exported |= initial_data_json(state.initial_data)
    if state.changes is not None:
        changes = [changes_json(audience_id, changes) for audience_id, changes in state.changes.audiences.items()]
        content = {
            "ids": state.changes.issued_ids,
            "deleted": sorted(state.changes.deleted_ids),
            "audiences": (change for change in changes),
        }
        if state.changes.agents:
            agents = [agent_json(agent_id, changes) for agent_id, changes in state.changes.agents.items()]
            content["agents"] = (agent for agent in agents)
        if state.changes.campaigns:
            campaigns = [*state.changes.campaigns.values()]
            content["campaigns"] = (campaign for campaign in campaigns)
        if state.changes.deleted_campaigns:
            content["deletedCampaigns"] = sorted(state.changes.deleted_campaigns)
        exported["changes"] = lambda: content
    return exported


def initial_data_json(initial_data: InitialData) -> dict[str, Any]:
    """Return initial data, as content for `json_pieces`."""
    organization = {} if initial_data.organization is None else {"organization": initial_data.organization}
    return {**organization, "audiences": (_audience_json(audience) for audience in initial_data.audiences)}


def _audience_json(audience: AudienceRecord) -> dict[str, Any]:
    if "members" not in audience:
        return {**audience}
    return {**audience, "members": (RenderedJson(text) for text in audience["members"].texts())}


def changes_json(audience_id: str, changes: AudienceChanges) -> dict[str, Any]:
    """Return the changes to one audience, without what is unchanged."""
    optional = {
        "created": changes.created,
        "removed": changes.removed_indexes or None,
        "added": (RenderedJson(text) for text in changes.added.texts()) if changes.added else None,
        "campaigns": changes.campaigns,
        "updatedAt": changes.updated_at,
    }
    present = {key: value for key, value in optional.items() if value is not None}
    return {"audience": audience_id, "phoneNumberColumnName": changes.phone_column, **present}


def agent_json(agent_id: str, changes: AgentChanges) -> dict[str, Any]:
    """Return the changes to one agent, without what is unchanged."""
    optional = {"created": changes.created, "archived": changes.is_archived or None}
    return {"agent": agent_id, **{key: value for key, value in optional.items() if value is not None}}


async def import_state(
    value: object, settings: Settings, store: Store, slices: Slices, credentials: Credentials
) -> None:
    """Replace the state of this server with one from `export_state`. An error leaves it unchanged.

    Args:
        value: the exported state.
        settings: the settings of this server.
        store: the store of this server.
        slices: runs long work.
        credentials: masks credentials in stubs.

    Raises:
        ConfigError: the exported state is invalid; names the field by JSON pointer.
        SettingsMismatchError: the exporting server has another seed or locale.
        CapacityError: there are too many rules, or rules or tenants are too large.
    """
    snapshot = await slices.run(parse_snapshot(value))
    try:
        _check_setting("seed", snapshot.seed, settings.seed)
        _check_setting("locale", snapshot.locale, settings.locale)
        await load_json_path(slices, snapshot.records)
        await store.replace_all(await slices.run(activate_snapshot(snapshot, credentials)))
    except (ConfigError, SettingsMismatchError, CapacityError):
        await slices.run(free(snapshot.take_apart()))
        raise
    await slices.run(free(snapshot.rules))


def content_steps(content: StoreContent) -> Steps[bytes]:
    """Return all content of a store as JSON."""
    return render_steps(export_content(content))


def parse_content(text: bytes, credentials: Credentials) -> Steps[StoreContent]:
    """Return the content that `content_steps` returned."""
    content = yield from parse_own_json(text, SnapshotConverter().convert)
    snapshot = yield from parse_snapshot({"version": "", "seed": "", "locale": "", **content})
    return (yield from activate_snapshot(snapshot, credentials))


def activate_snapshot(snapshot: Snapshot, credentials: Credentials) -> Steps[StoreContent]:
    """Return the content of a store that has this state.

    Args:
        snapshot: the state.
        credentials: masks credentials in stubs.

    Raises:
        ConfigError: a rule or a stub is invalid; names the field by JSON pointer.
    """
    yield from _activate_rules(snapshot)
    yield from _activate_stubs(snapshot, credentials)
    return StoreContent(
        snapshot.active_rules,
        snapshot.fixtures,
        snapshot.tenants,
        snapshot.stubs,
        snapshot.scenarios,
        {stub.scenario: IMPORTED_GENERATION for stub in snapshot.stubs if stub.scenario is not None},
    )


def _activate_stubs(snapshot: Snapshot, credentials: Credentials) -> Steps[None]:
    """Fill `snapshot.stubs`."""
    ids: set[str] = set()
    for number, record in enumerate(snapshot.records):
        try:
            stub = yield from parse_record(record, credentials)
        except ConfigError as error:
            raise ConfigError(error.problem, f"/stubs/{number}{error.pointer.rstrip('/')}") from None
        if stub.id in ids:
            raise ConfigError(f"the stub id {stub.id} is duplicated", f"/stubs/{number}/id")
        ids.add(stub.id)
        snapshot.stubs.append(stub)


def _check_setting(name: str, exported: str, current: str) -> None:
    if exported != current:
        raise SettingsMismatchError(
            f"the exported state is from a server with the {name} {quote_value(exported)}, this server has "
            f"{quote_value(current)}: start this server with --{name} {exported}",
            f"/{name}",
        )


def _activate_rules(snapshot: Snapshot) -> Steps[None]:
    """Fill `snapshot.active_rules`."""
    ids: set[str] = set()
    for number, model in enumerate(snapshot.rules):
        if model.id in ids:
            raise ConfigError(f"the rule id {model.id} is duplicated", f"/rules/{number}/id")
        ids.add(model.id)
        try:
            rule = parse_fault(model.model_extra or {})
        except ConfigError as error:
            raise ConfigError(error.problem, f"/rules/{number}{error.pointer.rstrip('/')}") from None
        yield from rule.measure()
        active_rule = ActiveRule(model.id, rule, (model.atStart, number), model.evaluated, model.triggered)
        snapshot.active_rules.append(active_rule)
        yield
