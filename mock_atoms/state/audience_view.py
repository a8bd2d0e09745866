"""One audience of a tenant as it is now."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import chain, islice

from mock_atoms.contract.campaigns import ACTIVE, status_of
from mock_atoms.contract.schemas import Audience, AudienceDetail, CreatedAudience, Member
from mock_atoms.data.generator import Generator
from mock_atoms.data.members import PHONE_COLUMN, GeneratedMembers, ListedMembers, initial_members
from mock_atoms.data.models import AudienceRecord, CampaignRecord, api_fields
from mock_atoms.data.phone_numbers import phone_digits
from mock_atoms.state.changes import AudienceChanges

_DETAIL_KEYS = tuple(AudienceDetail.__annotations__)


def created_record(created: CreatedAudience) -> AudienceRecord:
    """Return the record of an audience that a client created. It has no generated members."""
    fields = {key: value for key, value in created.items() if key != "identifierColumnName"}
    return {**fields, "memberCount": 0, "hasCampaigns": False, "campaigns": []}  # type: ignore[typeddict-item] # its keys


class AudienceView:
    """An audience record with its changes applied.

    Members of the initial data are made on demand by index, so the last page costs what the first one does.

    Args:
        record: the audience in the tenant's initial data, or as a client created it.
        changes: what changed since; `None` if nothing did.
        generator: generates the members.
        locale: faker locale of the generated members, unless `record` names another.
        campaigns: the campaigns that use it; `None` if they are those of `record`.
        active: statuses of the campaigns that the list of audiences shows and that block a deletion.
    """

    def __init__(  # noqa: PLR0913 - an audience, and what its data depends on
        self,
        record: AudienceRecord,
        changes: AudienceChanges | None,
        generator: Generator,
        locale: str,
        *,
        campaigns: list[CampaignRecord] | None = None,
        active: Collection[str] = ACTIVE,
    ) -> None:
        self._record = record
        self._is_unchanged = changes is None
        self.changes = AudienceChanges(self.phone_column) if changes is None else changes
        self._generator = generator
        self._locale = locale
        self._campaigns = campaigns
        self._active = active

    @property
    def id(self) -> str:
        """Id of the audience."""
        return self._record["_id"]

    @property
    def phone_column(self) -> str:
        """Name of the column with the phone numbers."""
        return self._record.get("phoneNumberColumnName", PHONE_COLUMN)

    @property
    def record(self) -> AudienceRecord:
        """The audience without its changes."""
        return self._record

    @property
    def name(self) -> str | None:
        """Name of the audience, if it has one."""
        return self._record.get("name")

    @property
    def campaigns(self) -> list[CampaignRecord]:
        """The campaigns that use the audience, of any status."""
        return self._record.get("campaigns", []) if self._campaigns is None else self._campaigns

    @property
    def is_in_use(self) -> bool:
        """Whether a campaign blocks its deletion."""
        return any(status_of(campaign.get("status")) in self._active for campaign in self.campaigns)

    @property
    def updated_at(self) -> str | None:
        """Timestamp of the last change, if the audience has one."""
        return self.changes.updated_at or self._record.get("updatedAt")

    @property
    def member_count(self) -> int:
        """Number of members."""
        return self._initial_count + len(self.changes.added)

    @property
    def _initial_count(self) -> int:
        return max(0, self._record.get("memberCount", 0) - len(self.changes.removed_indexes))

    @cached_property
    def _initial_members(self) -> GeneratedMembers | ListedMembers:
        return initial_members(self._generator, self._record, self._locale)

    def with_campaigns(self, campaigns: list[CampaignRecord]) -> "AudienceView":
        """Return the same audience with other campaigns."""
        return AudienceView(
            self._record, self.changes, self._generator, self._locale, campaigns=campaigns, active=self._active
        )

    def listed(self) -> Audience:
        """Return the audience as the list of audiences shows it."""
        if self._is_unchanged and self._campaigns is None:
            return api_fields(self._record, self._active)
        has_campaigns = self._record.get("hasCampaigns", False)
        if self._campaigns is not None:
            has_campaigns = bool(self._campaigns)
        audience: AudienceRecord = {
            **self._record,
            "memberCount": self.member_count,
            "hasCampaigns": has_campaigns,
            "campaigns": self.campaigns,
        }
        if self.changes.updated_at is not None:
            audience["updatedAt"] = self.changes.updated_at
        return api_fields(audience, self._active)

    def detail(self) -> AudienceDetail:
        """Return the audience without the keys that only the list has (D)."""
        listed = self.listed()
        return {key: listed[key] for key in _DETAIL_KEYS if key in listed}  # type: ignore[literal-required, return-value] # its own keys

    def members(self, start: int = 0, stop: int | None = None) -> Iterator[Member]:
        """Return the members from position `start` to before `stop`: first the initial, then the added ones."""
        stop = self.member_count if stop is None else min(stop, self.member_count)
        indexes = _remaining_indexes(self.changes.removed_indexes, start)
        initial_count = self._initial_count
        initial = islice(indexes, max(0, min(stop, initial_count) - start))
        added = self.changes.added.between(max(0, start - initial_count), max(0, stop - initial_count))
        return chain(map(self._initial_members.member, initial), added)

    def has_number(self, digits: str) -> bool:
        """Return whether a member has this phone number, written as `phone_digits` returns it."""
        index = self._initial_members.index_of_number(digits)
        is_initial = index is not None and not _contains(self.changes.removed_indexes, index)
        return is_initial or self.changes.added.has_number(digits)

    def id_of_number(self, number: str) -> str | None:
        """Return the id of the member with this phone number, `None` if there is none."""
        digits = phone_digits(number)
        index = self._initial_members.index_of_number(digits)
        if index is not None and not _contains(self.changes.removed_indexes, index):
            return self._initial_members.id_at(index)
        return self.changes.added.id_of_number(digits)

    def id_at(self, position: int) -> str:
        """Return the id of the member at `position`."""
        return next(self.members(position, position + 1))["_id"]

    def count_until(self, member_id: str) -> int:
        """Return how many members come not later than the one with this id, which may be deleted."""
        index = self._initial_members.index_of_id(member_id)
        if index is not None:
            return self.count_initial(index + 1)
        return self._initial_count + self.changes.added.count_until(member_id)

    def count_initial(self, stop: int) -> int:
        """Return how many of the first `stop` initial members are left."""
        return stop - bisect_left(self.changes.removed_indexes, stop)

    def count_by_digit(self, count: int) -> list[int]:
        """Return the numbers of the first `count` members by last digit of their ids, which count up."""
        removed = self.changes.removed_indexes
        is_any_added = count > self._initial_count
        stop = self._record.get("memberCount", 0) if is_any_added else next(_remaining_indexes(removed, count))
        first = int(self._initial_members.id_at(0)[-1], 16)
        gone = Counter((first + index) % 16 for index in removed[: bisect_left(removed, stop)])
        added = self.changes.added.count_by_digit(max(0, count - self._initial_count))
        return [(stop + 15 - (digit - first) % 16) // 16 - gone[digit] + added[digit] for digit in range(16)]

    def index_of_id(self, member_id: str) -> int | None:
        """Return the index of the initial member with this id, `None` if there is none or if it is deleted."""
        index = self._initial_members.index_of_id(member_id)
        return None if index is None or _contains(self.changes.removed_indexes, index) else index


def _remaining_indexes(removed: list[int], start: int) -> Iterator[int]:
    """Yield the indexes that are not in `removed`, an ascending list, without the first `start` of them."""
    # removed[n] - n indexes below removed[n] remain.
    skipped = bisect_right(range(len(removed)), start, key=lambda n: removed[n] - n)
    index = start + skipped
    while True:
        if skipped < len(removed) and removed[skipped] == index:
            skipped += 1
        else:
            yield index
        index += 1


def _contains(ascending: list[int], index: int) -> bool:
    position = bisect_left(ascending, index)
    return position < len(ascending) and ascending[position] == index
