"""Each field of the changes to a tenant, an audience or an agent is exported and imported."""

import json
from dataclasses import fields

from mock_atoms.control.models import AgentChange, AudienceChange
from mock_atoms.core.json_stream import json_pieces
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import digest_token, tenant_for
from mock_atoms.state.changes import AgentChanges, AudienceChanges, TenantChanges
from mock_atoms.state.snapshot import export_tenant
from mock_atoms.state.snapshot_parsing import parse_tenant
from mock_atoms.state.store import TenantState

AUDIENCE_ID = "65a01285f0c7adc6c2c9a7a1"
MEMBER_ID = "65a01285f0c7adc6c2c9a7a2"
OTHER_ID = "65a01285f0c7adc6c2c9a7a3"
CREATED_AT = "2026-01-31T09:00:00.000Z"
KEYS = {
    "phone_column": "phoneNumberColumnName",
    "created": "created",
    "removed_indexes": "removed",
    "added": "added",
    "campaigns": "campaigns",
    "updated_at": "updatedAt",
}
"""JSON key of each field."""
DERIVED = {"size_bytes"}


def changes_with_all_fields() -> AudienceChanges:
    changes = AudienceChanges(
        "phone",
        created={"_id": AUDIENCE_ID, "name": "Mine", "phoneNumberColumnName": "phone", "createdAt": CREATED_AT},
        removed_indexes=[3],
        campaigns=[{"_id": MEMBER_ID, "name": "Spring"}],
        updated_at=CREATED_AT,
    )
    changes.add_member({"_id": MEMBER_ID, "data": {"phone": "+14155550100"}})
    changes.update_size()
    return changes


def test_every_field_of_audience_changes_is_exported_imported_and_documented() -> None:
    changes = changes_with_all_fields()
    tenant = tenant_for(digest_token("sk_mock_test"), "sk_mock_test", None)
    state = TenantState(tenant, changes=TenantChanges({AUDIENCE_ID: changes}, issued_ids=2))

    exported = json.loads("".join(json_pieces(export_tenant(state))))
    imported = run_without_pauses(parse_tenant(exported))

    documented = AudienceChange.__required_keys__ | AudienceChange.__optional_keys__
    assert {field.name for field in fields(AudienceChanges)} == KEYS.keys() | DERIVED
    assert exported["changes"]["audiences"][0].keys() == {"audience", *KEYS.values()} == documented
    assert imported.changes is not None
    assert imported.changes.audiences == {AUDIENCE_ID: changes}


def test_every_field_of_agent_changes_is_exported_imported_and_documented() -> None:
    changes = {
        AUDIENCE_ID: AgentChanges({"_id": AUDIENCE_ID, "name": "Mine", "workflowType": "single_prompt"}),
        MEMBER_ID: AgentChanges(is_archived=True),
    }
    tenant = tenant_for(digest_token("sk_mock_test"), "sk_mock_test", None)
    state = TenantState(tenant, changes=TenantChanges(issued_ids=1, agents=changes))

    exported = json.loads("".join(json_pieces(export_tenant(state))))
    imported = run_without_pauses(parse_tenant(exported))

    assert {field.name for field in fields(AgentChanges)} == {"created", "is_archived"}
    assert exported["changes"]["agents"] == [
        {"agent": AUDIENCE_ID, "created": changes[AUDIENCE_ID].created},
        {"agent": MEMBER_ID, "archived": True},
    ]
    assert AgentChange.__required_keys__ | AgentChange.__optional_keys__ == {"agent", "created", "archived"}
    assert imported.changes is not None
    assert imported.changes.agents == changes


def test_every_change_of_a_tenant_is_exported_and_imported() -> None:
    agents = {AUDIENCE_ID: AgentChanges(is_archived=True)}
    deleted = frozenset({OTHER_ID})
    audiences = {AUDIENCE_ID: changes_with_all_fields()}
    changes = TenantChanges(audiences, deleted, deleted_campaigns=deleted, issued_ids=2, agents=agents)
    ids = dict.fromkeys(("_id", "organization", "createdBy", "audienceId", "agentId"), MEMBER_ID)
    times = {"createdAt": CREATED_AT, "updatedAt": CREATED_AT}
    changes.put_campaign({**ids, **times, "name": "Mine", "status": "draft", "maxRetries": 3, "retryDelay": 15})  # type: ignore[typeddict-item] # its keys
    changes.update_size()
    tenant = tenant_for(digest_token("sk_mock_test"), "sk_mock_test", None)

    exported = json.loads("".join(json_pieces(export_tenant(TenantState(tenant, changes=changes)))))

    assert all(getattr(changes, field.name) for field in fields(TenantChanges))
    assert run_without_pauses(parse_tenant(exported)).changes == changes
