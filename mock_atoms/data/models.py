"""What a tenant holds: the audiences that it begins with, and what it changed since."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator

from mock_atoms.contract.schemas import MAX_MEMBERS, Audience, Campaign, Member, render_json
from mock_atoms.core.settings import Locale
from mock_atoms.core.timestamps import parse_timestamp

AUDIENCE_SIZE, REMOVED_INDEX_SIZE = 2_000, 40
_SIZE_OF_MEMBER, _SIZE_OF_CELL, _SIZE_OF_EMPTY_CELL = 480, 100, 50
"""About how many bytes of memory they take, texts aside."""
_SHORT_NAME = 40
_PHONE_NUMBER = re.compile(r"\+?[1-9]\d{6,14}", re.ASCII)


class AudienceRecord(Audience, total=False):
    """An audience that a tenant begins with: what the API would send of it, and what it does not send.

    `omit` names the keys that are left out of answers, `locale` is the faker locale of its generated members.
    """

    omit: list[str]
    locale: Locale


def _check_moments(shape: Mapping[str, object]) -> None:
    for key in ("createdAt", "updatedAt"):
        try:
            if key in shape:
                parse_timestamp(str(shape[key]))
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None


def _check_text(shape: Mapping[str, object]) -> None:
    try:
        render_json(shape)
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair, which UTF-8 cannot say") from None


def _checked(entry: AudienceRecord) -> AudienceRecord:
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


def _different_ids(entries: list[AudienceRecord]) -> list[AudienceRecord]:
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


ValidatedAudience = Annotated[AudienceRecord, AfterValidator(_checked)]
"""A `AudienceRecord` whose values can be used."""
ValidatedAudiences = Annotated[list[ValidatedAudience], AfterValidator(_different_ids)]
"""Such audiences, no two with the same id."""
ValidatedCampaign = Annotated[Campaign, AfterValidator(_checked_campaign)]
"""A `Campaign` whose values can be used."""


def api_fields(held: AudienceRecord) -> Audience:
    """Return `held` as the list of audiences shows it."""
    if "omit" not in held and "locale" not in held:
        return held
    hidden = {"omit", "locale", *held.get("omit", ())}
    return {key: value for key, value in held.items() if key not in hidden}  # type: ignore[return-value] # its own keys


class InitialData:
    """The audiences that a tenant begins with, in the order in which they were created. They are not to be changed.

    Args:
        audiences: the audiences.
        organization: id of the organisation that the tenant is of, where it is written down.
    """

    def __init__(self, audiences: list[AudienceRecord], organization: str | None = None) -> None:
        self.audiences = audiences
        self.organization = organization

    @cached_property
    def size(self) -> int:
        """About how many bytes of memory it takes."""
        return AUDIENCE_SIZE * len(self.audiences) + 2 * len(render_json(self.audiences))

    @cached_property
    def by_id(self) -> dict[str, AudienceRecord]:
        """The same by id, but for those whose id nobody is told."""
        return {held["_id"]: held for held in self.audiences if "_id" in api_fields(held)}


def member_size(member: Member) -> int:
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


def phone_digits(number: str) -> str:
    """Return what tells `number` from others: its digits, without a plus."""
    return number.removeprefix("+")
