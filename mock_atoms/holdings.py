"""What a tenant holds: the audiences that it begins with, and what it changed since."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator

from mock_atoms.contract import MAX_MEMBERS, Audience, Campaign, CreatedAudience, Member, render_json
from mock_atoms.settings import Locale
from mock_atoms.validation import parse_moment

SIZE_OF_AUDIENCE, SIZE_OF_INDEX = 2_000, 40
_SIZE_OF_MEMBER, _SIZE_OF_CELL, _SIZE_OF_EMPTY_CELL, _SIZE_OF_ID = 480, 100, 50, 100
"""About how many bytes of memory they take, texts aside."""
_SHORT_NAME = 40
_PHONE_NUMBER = re.compile(r"\+?[1-9]\d{6,14}", re.ASCII)


class HeldAudience(Audience, total=False):
    """An audience that a tenant begins with: what the API would send of it, and what it does not send.

    `omit` names the keys that are left out of answers, `locale` is the faker locale of its generated members.
    """

    omit: list[str]
    locale: Locale


def _check_moments(shape: Mapping[str, object]) -> None:
    for key in ("createdAt", "updatedAt"):
        try:
            if key in shape:
                parse_moment(str(shape[key]))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None


def _check_text(shape: Mapping[str, object]) -> None:
    try:
        render_json(shape)
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair, which UTF-8 cannot say") from None


def _checked(entry: HeldAudience) -> HeldAudience:
    for key in entry.get("omit", []):
        if key not in Audience.__annotations__:
            raise ValueError(f"omit: an audience has no key {key!r}")
    if entry.get("memberCount", 0) > MAX_MEMBERS:
        raise ValueError(f"memberCount: at most {MAX_MEMBERS}")
    _check_moments(entry)
    for position, campaign in enumerate(entry.get("campaigns", [])):
        try:
            _check_moments(campaign)
        except ValueError as error:
            raise ValueError(f"campaigns[{position}].{error}") from None
    _check_text(entry)
    return entry


def _different_ids(entries: list[HeldAudience]) -> list[HeldAudience]:
    seen = set()
    for audience_id in (entry["_id"] for entry in entries if "_id" in entry):
        if audience_id in seen:
            raise ValueError(f"the _id {audience_id} stands twice")
        seen.add(audience_id)
    return entries


def _checked_campaign(campaign: Campaign) -> Campaign:
    _check_moments(campaign)
    _check_text(campaign)
    return campaign


CheckedAudience = Annotated[HeldAudience, AfterValidator(_checked)]
"""A `HeldAudience` whose values can be used."""
CheckedAudiences = Annotated[list[CheckedAudience], AfterValidator(_different_ids)]
"""Such audiences, no two with the same id."""
CheckedCampaign = Annotated[Campaign, AfterValidator(_checked_campaign)]
"""A `Campaign` whose values can be used."""


def shown(held: HeldAudience) -> Audience:
    """Return `held` as the list of audiences shows it."""
    if "omit" not in held and "locale" not in held:
        return held
    hidden = {"omit", "locale", *held.get("omit", ())}
    return {key: value for key, value in held.items() if key not in hidden}  # type: ignore[return-value] # its own keys


class Beginning:
    """The audiences that a tenant begins with, in the order in which they were created. They are not to be changed.

    Args:
        audiences: the audiences.
        organization: id of the organisation that the tenant is of, where it is written down.
    """

    def __init__(self, audiences: list[HeldAudience], organization: str | None = None) -> None:
        self.audiences = audiences
        self.organization = organization

    @cached_property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return SIZE_OF_AUDIENCE * len(self.audiences) + 2 * len(render_json(self.audiences))

    @cached_property
    def by_id(self) -> dict[str, HeldAudience]:
        """The same by id, but for those whose id nobody is told."""
        return {held["_id"]: held for held in self.audiences if "_id" in shown(held)}


def size_of(member: Member) -> int:
    """Return about how many bytes of memory `member` takes. Rows of one file share the names of their columns."""
    size = _SIZE_OF_MEMBER
    for column, value in member["data"].items():
        if value == "":
            size += _SIZE_OF_EMPTY_CELL
        elif isinstance(value, str):
            size += _SIZE_OF_CELL + (len(value) if value.isascii() else 4 * len(value))
        else:
            size += _SIZE_OF_CELL + 10 * len(render_json(value))
        if len(column) > _SHORT_NAME:
            size += 4 * len(column)
    return size


def is_phone_number(number: object) -> bool:
    """Tell whether `number` is text that the API takes for a phone number: 7 to 15 digits, with or without a plus."""
    return isinstance(number, str) and _PHONE_NUMBER.fullmatch(number) is not None


def digits_of(number: str) -> str:
    """Return what tells `number` from others: its digits, without a plus."""
    return number.removeprefix("+")


@dataclass(slots=True)
class Changes:
    """What was changed in one audience.

    Attributes:
        column: the column that holds the phone numbers.
        created: the audience, where a client created it.
        removed: indexes of the generated members that were deleted, ascending.
        added: the members that were added, in their order.
        numbers: whose is each of their phone numbers: ids of members by what `digits_of` makes of the number.
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
            self.numbers[digits_of(member["data"][self.column])] = member["_id"]
            self.size_of_added += size_of(member)

    def drop(self, ids: set[str]) -> int:
        """Take out the added members with these `ids`, and return how many that were."""
        gone = [member for member in self.added if member["_id"] in ids]
        if gone:
            self.added = [member for member in self.added if member["_id"] not in ids]
            self.numbers = {digits: member_id for digits, member_id in self.numbers.items() if member_id not in ids}
            self.size_of_added -= sum(map(size_of, gone))
        return len(gone)

    def weigh(self) -> None:
        """Tell `size` what was changed."""
        texts = 2 * len(render_json([self.created, self.campaigns]))
        self.size = SIZE_OF_AUDIENCE + texts + SIZE_OF_INDEX * len(self.removed) + self.size_of_added


@dataclass(slots=True)
class Overlay:
    """All that a tenant changed.

    Attributes:
        audiences: by id; those that it created are in their order.
        deleted: ids of the audiences that it began with and deleted.
        ids: how many ids were given to what it created.
        size: about how many bytes of memory it takes, as of when it was weighed.
    """

    audiences: dict[str, Changes] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    ids: int = 0
    size: int = 0

    def weigh(self) -> None:
        """Tell `size` what the sizes of its parts are now."""
        self.size = sum(changes.size for changes in self.audiences.values()) + _SIZE_OF_ID * len(self.deleted)
