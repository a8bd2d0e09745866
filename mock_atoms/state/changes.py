"""Changes of a tenant since its initial data."""

from dataclasses import dataclass, field

from mock_atoms.contract.agents import Agent
from mock_atoms.contract.schemas import CreatedAudience, Member
from mock_atoms.core.sizes import json_bytes
from mock_atoms.data.models import AUDIENCE_BYTES, REMOVED_INDEX_BYTES, CampaignRecord, in_parsed_order
from mock_atoms.data.phone_numbers import phone_digits
from mock_atoms.state.member_list import MemberList

_DELETED_ID_BYTES = 200
_AGENT_BYTES = 600
"""Estimated memory of the changes to an agent besides its JSON."""
_CAMPAIGN_BYTES = 400
"""Estimated memory of a campaign besides its JSON."""


@dataclass(slots=True)
class AudienceChanges:
    """The changes to one audience. They are replaced, and never modified, once they belong to `TenantChanges`.

    Attributes:
        phone_column: name of the column with the phone numbers.
        created: the audience as a client created it; `None` if it is part of the initial data.
        removed_indexes: indexes of the deleted members of the initial data, ascending.
        added: the added members, in order.
        campaigns: the campaigns that replace the initial ones; `None` if they are unchanged.
        updated_at: timestamp of the last change by a client, if there was one.
        size_bytes: approximate memory of all changes, as of the last `update_size`.
    """

    phone_column: str
    created: CreatedAudience | None = None
    removed_indexes: list[int] = field(default_factory=list)
    added: MemberList = field(default_factory=MemberList)
    campaigns: list[CampaignRecord] | None = None
    updated_at: str | None = None
    size_bytes: int = 0

    def add_member(self, member: Member) -> None:
        """Append `member`, whose phone number is new."""
        self.added.append(member, phone_digits(member["data"][self.phone_column]))

    def with_added(self, members: MemberList, updated_at: str) -> "AudienceChanges":
        """Return the changes with more added members, whose phone numbers are new."""
        added = self.added.merged(members)
        changes = AudienceChanges(
            self.phone_column, self.created, self.removed_indexes, added, self.campaigns, updated_at
        )
        changes.update_size()
        return changes

    def update_size(self) -> None:
        """Recompute `size_bytes`."""
        text_bytes = json_bytes(self.created) + json_bytes(self.campaigns)
        removed_bytes = REMOVED_INDEX_BYTES * len(self.removed_indexes)
        self.size_bytes = AUDIENCE_BYTES + text_bytes + removed_bytes + self.added.size_bytes


@dataclass(frozen=True, slots=True)
class AgentChanges:
    """The changes to one agent.

    Attributes:
        created: the agent as a client created it; `None` if it is part of the initial data, or only campaigns name it.
        is_archived: whether it is archived.
    """

    created: Agent | None = None
    is_archived: bool = False

    @property
    def size_bytes(self) -> int:
        """Approximate memory."""
        return _AGENT_BYTES + json_bytes(self.created)


@dataclass(slots=True)
class TenantChanges:
    """All changes of one tenant. An operation is applied to a copy: long work may read the original.

    Attributes:
        audiences: changes by audience id; created audiences are in the order of creation.
        deleted_ids: ids of the deleted audiences of the initial data.
        issued_ids: number of ids given to audiences, members, campaigns and agents that the tenant created.
        agents: changes by agent id; created agents are in the order of creation.
        campaigns: complete records of the campaigns that the tenant created or changed, by id.
        deleted_campaigns: ids of the deleted campaigns of the initial data.
        campaign_bytes: approximate memory of `campaigns`.
        size_bytes: approximate memory of all changes, as of the last `update_size`.
    """

    audiences: dict[str, AudienceChanges] = field(default_factory=dict)
    deleted_ids: frozenset[str] = frozenset()
    campaigns: dict[str, CampaignRecord] = field(default_factory=dict)
    deleted_campaigns: frozenset[str] = frozenset()
    campaign_bytes: int = 0
    issued_ids: int = 0
    agents: dict[str, AgentChanges] = field(default_factory=dict)
    size_bytes: int = 0

    def update_size(self) -> None:
        """Recompute `size_bytes` from the sizes of all audiences and agents."""
        audience_bytes = sum(changes.size_bytes for changes in self.audiences.values())
        agent_bytes = sum(changes.size_bytes for changes in self.agents.values())
        deleted_bytes = _DELETED_ID_BYTES * (len(self.deleted_ids) + len(self.deleted_campaigns))
        self.size_bytes = audience_bytes + agent_bytes + self.campaign_bytes + deleted_bytes

    def copy(self) -> "TenantChanges":
        """Return a copy to which an operation can be applied."""
        return TenantChanges(
            self.audiences.copy(),
            self.deleted_ids,
            self.campaigns.copy(),
            self.deleted_campaigns,
            self.campaign_bytes,
            self.issued_ids,
            self.agents.copy(),
        )

    def put_campaign(self, campaign: CampaignRecord) -> None:
        """Add a campaign, or replace the one with its id in place."""
        campaign = in_parsed_order(campaign)
        replaced = self.campaigns.get(campaign["_id"])
        self.campaigns[campaign["_id"]] = campaign
        self.campaign_bytes += campaign_bytes(campaign) - (0 if replaced is None else campaign_bytes(replaced))

    def remove_campaign(self, campaign_id: str) -> None:
        """Remove a campaign that the tenant created or changed, if there is one with this id."""
        removed = self.campaigns.pop(campaign_id, None)
        if removed is not None:
            self.campaign_bytes -= campaign_bytes(removed)


def campaign_bytes(campaign: CampaignRecord) -> int:
    """Return the approximate memory of a campaign that a tenant created or changed."""
    return _CAMPAIGN_BYTES + json_bytes(campaign)
