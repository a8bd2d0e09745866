"""The members of an audience in the initial data, with random access: listed ones, or generated ones.

Generated members are pure functions of the seed, the audience and an index. They are never stored. The index of a
member follows from its id or phone number, without a search.
"""

from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from mock_atoms.contract.schemas import Audience, Member
from mock_atoms.data.generator import Generator, Names, SequentialIds
from mock_atoms.data.member_rows import MemberRows
from mock_atoms.data.models import AudienceRecord
from mock_atoms.data.phone_numbers import PhoneNumbers, phone_country

PHONE_COLUMN = "phoneNumber"
"""Default phone column of an audience, as in D's examples."""
_LAYOUTS = (
    ("name", "email"),
    ("firstName", "lastName", "email"),
    ("firstName", "lastName"),
    ("firstName", "lastName", "email", "place"),
    ("name", "place"),
    ("firstName", "email", "place"),
)
_LAST_NAME_FIRST = {"zh": "{last}{first}", "ja": "{last} {first}", "ko": "{last}{first}", "hu": "{last} {first}"}
_DOMAINS = ("example.com", "example.org", "example.net")
"""Reserved domains (RFC 2606)."""


def _id_bits(generator: Generator, audience_id: str) -> int:
    return generator.random_bits(audience_id, "people")


def _member_ids(audience_id: str, bits: int) -> SequentialIds:
    return SequentialIds(datetime.fromtimestamp(int(audience_id[:8], 16), UTC), f"{bits >> 24:010x}", bits)


class GeneratedMembers:
    """The generated members of `audience`.

    Args:
        generator: source of all values.
        audience: a complete audience; the members depend on its `_id`, `phoneNumberColumnName` and `memberCount`.
        locale: faker locale of names and phone numbers.
    """

    def __init__(self, generator: Generator, audience: Audience | AudienceRecord, locale: str) -> None:
        self._generator = generator
        self._id = audience["_id"]
        self._locale = locale
        self._column = audience.get("phoneNumberColumnName", PHONE_COLUMN)
        self._full_name = _LAST_NAME_FIRST.get(locale.partition("_")[0], "{first} {last}")
        self.count = audience.get("memberCount", 0)
        bits = _id_bits(generator, self._id)
        self._member_bits = generator.random_bits_by_index(self._id, "member")
        self._phones = PhoneNumbers(phone_country(locale), bits)
        self._layout = _LAYOUTS[bits % len(_LAYOUTS)]
        self._ids = _member_ids(self._id, bits)

    @cached_property
    def _names(self) -> Names:
        return self._generator.names(self._locale)

    def member(self, index: int) -> Member:
        """Return member `index`."""
        names = self._names
        bits, first_index = divmod(self._member_bits(index), len(names.first))
        first = names.first[first_index]
        bits, last_index = divmod(bits, len(names.last))
        last = names.last[last_index]
        bits, place_index = divmod(bits, len(names.places))
        data: dict[str, Any] = {}
        for column in self._layout:
            match column:
                case "firstName":
                    data[column] = first.text
                case "lastName":
                    data[column] = last.text
                case "name":
                    data[column] = self._full_name.format(first=first.text, last=last.text)
                case "email":
                    mailbox = f"{first.ascii}.{last.ascii}" if first.ascii and last.ascii else "contact"
                    data[column] = f"{mailbox}{index + 1}@{_DOMAINS[bits % len(_DOMAINS)]}"
                case _:
                    data[names.kind] = names.places[place_index]
        data.pop(self._column, None)
        data[self._column] = self._phones.number(index)
        return {"_id": self._ids[index], "data": data}

    def id_at(self, index: int) -> str:
        """Return the id of member `index`."""
        return self._ids[index]

    def index_of_id(self, member_id: str) -> int | None:
        """Return the index of the member with this id, `None` if there is none."""
        index = self._ids.index(member_id)
        return index if index is not None and index < self.count else None

    def index_of_number(self, number: str) -> int | None:
        """Return the index of the member with this phone number, `None` if there is none."""
        index = self._phones.index_of(number)
        return index if index is not None and index < self.count else None


class ListedMembers:
    """The members that `audience` lists, with generated ids.

    Args:
        generator: generates the ids.
        audience: a complete audience; the ids depend on its `_id`.
        rows: the columns of each member.
    """

    def __init__(self, generator: Generator, audience: Audience | AudienceRecord, rows: MemberRows) -> None:
        self._rows = rows
        self._ids = _member_ids(audience["_id"], _id_bits(generator, audience["_id"]))

    def member(self, index: int) -> Member:
        """Return member `index`."""
        return {"_id": self._ids[index], "data": self._rows.row(index)}

    def id_at(self, index: int) -> str:
        """Return the id of member `index`."""
        return self._ids[index]

    def index_of_id(self, member_id: str) -> int | None:
        """Return the index of the member with this id, `None` if there is none."""
        index = self._ids.index(member_id)
        return index if index is not None and index < len(self._rows) else None

    def index_of_number(self, number: str) -> int | None:
        """Return the index of the member with this phone number, `None` if there is none."""
        return self._rows.index_of_number(number)


def initial_members(generator: Generator, audience: AudienceRecord, locale: str) -> GeneratedMembers | ListedMembers:
    """Return the members of an audience of the initial data.

    Args:
        generator: source of all generated values.
        audience: a complete audience.
        locale: faker locale of generated members, unless `audience` names another.
    """
    if "members" in audience:
        return ListedMembers(generator, audience, audience["members"])
    return GeneratedMembers(generator, audience, audience.get("locale") or locale)
