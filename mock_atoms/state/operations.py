"""Operations that change a tenant's data, as data: each store applies them with the same function."""

from dataclasses import dataclass
from typing import assert_never

from mock_atoms.data.models import InitialData
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
    """

    audience_id: str
    is_created: bool


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


DataOperation = SetInitialData | PutAudience | AddMembers | DeleteAudience | PutAgent


def apply_to(changes: TenantChanges, operation: PutAudience | AddMembers | DeleteAudience | PutAgent) -> None:
    """Apply an operation to the changes of its tenant."""
    match operation:
        case PutAudience(audience_id, audience_changes, new_ids):
            audience_changes.update_size()
            changes.audiences[audience_id] = audience_changes
            changes.issued_ids += new_ids
        case AddMembers(audience_id, phone_column, members, updated_at):
            audience_changes = changes.audiences.setdefault(audience_id, AudienceChanges(phone_column))
            audience_changes.updated_at = updated_at
            audience_changes.added.merge(members)
            audience_changes.update_size()
            changes.issued_ids += len(members)
        case DeleteAudience(audience_id, is_created):
            changes.audiences.pop(audience_id, None)
            if not is_created:
                changes.deleted_ids.add(audience_id)
        case PutAgent(agent_id, agent_changes, new_ids):
            changes.agents[agent_id] = agent_changes
            changes.issued_ids += new_ids
        case _:  # pragma: no cover - mypy checks that all kinds are here
            assert_never(operation)
    changes.update_size()
