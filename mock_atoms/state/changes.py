"""Changes of a tenant since its initial data."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mock_atoms.contract.schemas import Campaign, CreatedAudience, Member, render_json
from mock_atoms.data.models import AUDIENCE_BYTES, REMOVED_INDEX_BYTES, member_bytes, phone_digits

_DELETED_ID_BYTES = 100


@dataclass(slots=True)
class AudienceChanges:
    """The changes to one audience.

    Attributes:
        phone_column: name of the column with the phone numbers.
        created: the audience as a client created it; `None` if it is part of the initial data.
        removed_indexes: indexes of the deleted generated members, ascending.
        added: the added members, in order.
        ids_by_number: their ids by phone number, see `phone_digits`.
        campaigns: the campaigns that replace the initial ones; `None` if they are unchanged.
        updated_at: timestamp of the last change by a client, if there was one.
        added_bytes: approximate memory of the added members.
        size_bytes: approximate memory of all changes, as of the last `update_size`.
    """

    phone_column: str
    created: CreatedAudience | None = None
    removed_indexes: list[int] = field(default_factory=list)
    added: list[Member] = field(default_factory=list)
    ids_by_number: dict[str, str] = field(default_factory=dict)
    campaigns: list[Campaign] | None = None
    updated_at: str | None = None
    added_bytes: int = 0
    size_bytes: int = 0

    def add_members(self, members: Iterable[Member]) -> None:
        """Append `members`, whose phone numbers are all new."""
        for member in members:
            self.added.append(member)
            self.ids_by_number[phone_digits(member["data"][self.phone_column])] = member["_id"]
            self.added_bytes += member_bytes(member)

    def remove_added(self, ids: set[str]) -> int:
        """Remove the added members with these ids, and return their number."""
        removed = [member for member in self.added if member["_id"] in ids]
        if removed:
            self.added = [member for member in self.added if member["_id"] not in ids]
            self.ids_by_number = {
                digits: member_id for digits, member_id in self.ids_by_number.items() if member_id not in ids
            }
            self.added_bytes -= sum(map(member_bytes, removed))
        return len(removed)

    def update_size(self) -> None:
        """Recompute `size_bytes`."""
        text_bytes = 2 * len(render_json([self.created, self.campaigns]))
        removed_bytes = REMOVED_INDEX_BYTES * len(self.removed_indexes)
        self.size_bytes = AUDIENCE_BYTES + text_bytes + removed_bytes + self.added_bytes


@dataclass(slots=True)
class TenantChanges:
    """All changes of one tenant.

    Attributes:
        audiences: changes by audience id; created audiences are in the order of creation.
        deleted_ids: ids of the deleted audiences of the initial data.
        issued_ids: number of ids given to audiences, members and campaigns that the tenant created.
        size_bytes: approximate memory of all changes, as of the last `update_size`.
    """

    audiences: dict[str, AudienceChanges] = field(default_factory=dict)
    deleted_ids: set[str] = field(default_factory=set)
    issued_ids: int = 0
    size_bytes: int = 0

    def update_size(self) -> None:
        """Recompute `size_bytes` from the sizes of all audiences."""
        audience_bytes = sum(changes.size_bytes for changes in self.audiences.values())
        self.size_bytes = audience_bytes + _DELETED_ID_BYTES * len(self.deleted_ids)
