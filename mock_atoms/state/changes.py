"""What a tenant changed since its initial data."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mock_atoms.contract.schemas import Campaign, CreatedAudience, Member, render_json
from mock_atoms.data.models import AUDIENCE_SIZE, REMOVED_INDEX_SIZE, member_size, phone_digits

_SIZE_OF_ID = 100
"""About how many bytes of memory the id of a deleted audience takes."""


@dataclass(slots=True)
class AudienceChanges:
    """What was changed in one audience.

    Attributes:
        column: the column that holds the phone numbers.
        created: the audience, where a client created it.
        removed: indexes of the generated members that were deleted, ascending.
        added: the members that were added, in their order.
        numbers: whose is each of their phone numbers: ids of members by what `phone_digits` makes of the number.
        campaigns: the campaigns in place of those that it began with.
        updated_at: when it was changed last, where a client did.
        size_of_added: about how many bytes of memory the added members take.
        size: the same of all this, as of when it was weighed.
    """

    column: str
    created: CreatedAudience | None = None
    removed: list[int] = field(default_factory=list)
    added: list[Member] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    campaigns: list[Campaign] | None = None
    updated_at: str | None = None
    size_of_added: int = 0
    size: int = 0

    def keep(self, members: Iterable[Member]) -> None:
        """Add `members`, whose phone numbers are all new."""
        for member in members:
            self.added.append(member)
            self.numbers[phone_digits(member["data"][self.column])] = member["_id"]
            self.size_of_added += member_size(member)

    def drop(self, ids: set[str]) -> int:
        """Take out the added members with these `ids`, and return how many that were."""
        gone = [member for member in self.added if member["_id"] in ids]
        if gone:
            self.added = [member for member in self.added if member["_id"] not in ids]
            self.numbers = {digits: member_id for digits, member_id in self.numbers.items() if member_id not in ids}
            self.size_of_added -= sum(map(member_size, gone))
        return len(gone)

    def weigh(self) -> None:
        """Tell `size` what was changed."""
        texts = 2 * len(render_json([self.created, self.campaigns]))
        self.size = AUDIENCE_SIZE + texts + REMOVED_INDEX_SIZE * len(self.removed) + self.size_of_added


@dataclass(slots=True)
class TenantChanges:
    """All that a tenant changed.

    Attributes:
        audiences: by id; those that it created are in their order.
        deleted: ids of the audiences that it began with and deleted.
        ids: how many ids were given to what it created.
        size: about how many bytes of memory it takes, as of when it was weighed.
    """

    audiences: dict[str, AudienceChanges] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    ids: int = 0
    size: int = 0

    def weigh(self) -> None:
        """Tell `size` what the sizes of its parts are now."""
        self.size = sum(changes.size for changes in self.audiences.values()) + _SIZE_OF_ID * len(self.deleted)
