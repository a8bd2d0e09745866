"""Operations that change a tenant's data, as data: each store applies them with the same function."""

from dataclasses import dataclass, field, replace
from typing import assert_never

from mock_atoms.data.models import CampaignRecord, InitialData
from mock_atoms.state.changes import AgentChanges, AudienceChanges, TenantChanges
from mock_atoms.state.member_list import MemberList


@dataclass(frozen=True, slots=True)
class SetInitialData:
    """Replaces all data of a tenant.

    Attributes:
        initial_data: the new data.
    """

    initial_data: InitialData


@dataclass(frozen=True, slots=True)
class PutAudience:
    """Replaces the changes to one audience, or creates it.

    Attributes:
        audience_id: id of the audience.
        changes: all changes to it.
        new_ids: number of ids that the change issues.
    """

    audience_id: str
    changes: AudienceChanges
    new_ids: int = 0


@dataclass(frozen=True, slots=True)
class AddMembers:
    """Adds members with new phone numbers to one audience, and issues an id for each.

    Attributes:
        audience_id: id of the audience.
        phone_column: name of its column with the phone numbers.
        members: the members.
        updated_at: timestamp of the change.
    """

    audience_id: str
    phone_column: str
    members: MemberList
    updated_at: str


@dataclass(frozen=True, slots=True)
class DeleteAudience:
    """Deletes one audience.

    Attributes:
        audience_id: id of the audience.
        is_created: whether a client created it.
        campaigns: complete records of its campaigns in the initial data, which stay.
    """

    audience_id: str
    is_created: bool
    campaigns: list[CampaignRecord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PutAgent:
    """Replaces the changes to one agent, or creates it.

    Attributes:
        agent_id: id of the agent.
        changes: all changes to it.
        new_ids: number of ids that the change issues.
    """

    agent_id: str
    changes: AgentChanges
    new_ids: int = 0


@dataclass(frozen=True, slots=True)
class SetCampaigns:
    """Replaces all campaigns of one audience.

    Attributes:
        audience_id: id of the audience.
        phone_column: name of its column with the phone numbers.
        campaigns: the campaigns.
    """

    audience_id: str
    phone_column: str
    campaigns: list[CampaignRecord]


@dataclass(frozen=True, slots=True)
class PutCampaign:
    """Replaces one campaign, or creates it.

    Attributes:
        campaign: the complete record.
        new_ids: number of ids that the change issues.
    """

    campaign: CampaignRecord
    new_ids: int = 0


@dataclass(frozen=True, slots=True)
class DeleteCampaign:
    """Deletes one campaign.

    Attributes:
        campaign_id: id of the campaign.
        is_created: whether a client created it.
    """

    campaign_id: str
    is_created: bool


Change = PutAudience | AddMembers | DeleteAudience | SetCampaigns | PutCampaign | DeleteCampaign | PutAgent
DataOperation = SetInitialData | Change


def apply_to(changes: TenantChanges, operation: Change) -> None:
    """Apply an operation to the changes of its tenant."""
    match operation:
        case PutAudience(audience_id, audience_changes, new_ids):
            audience_changes.update_size()
            changes.audiences[audience_id] = audience_changes
            changes.issued_ids += new_ids
        case AddMembers(audience_id, phone_column, members, updated_at):
            before = changes.audiences.get(audience_id) or AudienceChanges(phone_column)
            changes.audiences[audience_id] = before.with_added(members, updated_at)
            changes.issued_ids += len(members)
        case DeleteAudience(audience_id, is_created, campaigns):
            changes.audiences.pop(audience_id, None)
            if not is_created:
                changes.deleted_ids |= {audience_id}
            for campaign in campaigns:
                changes.put_campaign(campaign)
        case SetCampaigns() | PutCampaign() | DeleteCampaign():
            _change_campaigns(changes, operation)
        case PutAgent(agent_id, agent_changes, new_ids):
            changes.agents[agent_id] = agent_changes
            changes.issued_ids += new_ids
        case _:  # pragma: no cover - mypy checks that all kinds are here
            assert_never(operation)
    changes.update_size()


def _change_campaigns(changes: TenantChanges, operation: SetCampaigns | PutCampaign | DeleteCampaign) -> None:
    match operation:
        case SetCampaigns():
            _set_campaigns(changes, operation)
        case PutCampaign(campaign, new_ids):
            changes.put_campaign(campaign)
            changes.issued_ids += new_ids
        case DeleteCampaign(campaign_id, is_created):
            changes.remove_campaign(campaign_id)
            if not is_created:
                changes.deleted_campaigns |= {campaign_id}
        case _:  # pragma: no cover - mypy checks that all kinds are here
            assert_never(operation)


def _set_campaigns(changes: TenantChanges, operation: SetCampaigns) -> None:
    """Replace the campaigns of an audience, those that the tenant created or changed included."""
    before = changes.audiences.get(operation.audience_id) or AudienceChanges(operation.phone_column)
    replaced = [campaign for campaign in changes.campaigns.values() if campaign["audienceId"] == operation.audience_id]
    for campaign in replaced:
        changes.remove_campaign(campaign["_id"])
    changes.deleted_campaigns -= {campaign["_id"] for campaign in [*(before.campaigns or ()), *operation.campaigns]}
    audience = replace(before, campaigns=operation.campaigns)
    audience.update_size()
    changes.audiences[operation.audience_id] = audience
    changes.issued_ids += len(operation.campaigns)
