"""The members that clients added to one audience."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice

from mock_atoms.contract.schemas import Member, render_json
from mock_atoms.core.slices import Steps
from mock_atoms.data.member_rows import MEMBER_BYTES
from mock_atoms.data.phone_numbers import phone_digits

_DECODER = json.JSONDecoder()
_ID = slice(len('{"_id":"'), len('{"_id":"') + 24)


class MemberList:
    """Members in the order of addition, by phone number.

    Each member is kept as JSON, which takes a fraction of the memory of its objects.

    Attributes:
        size_bytes: memory, approximately.
    """

    __slots__ = ("_json_by_number", "size_bytes")

    def __init__(self) -> None:
        self._json_by_number: dict[str, bytes] = {}
        self.size_bytes = 0

    @classmethod
    def parse(cls, texts: Iterable[str], phone_column: str) -> Steps["MemberList"]:
        """Return the members that `texts` returned.

        Args:
            texts: the members as JSON.
            phone_column: name of the column with their phone numbers.
        """
        members = cls()
        for text in texts:
            member: Member = json.loads(text)
            members.append(member, phone_digits(member["data"][phone_column]))
            yield
        return members

    def __len__(self) -> int:
        return len(self._json_by_number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemberList) and self._json_by_number == other._json_by_number

    __hash__ = None  # type: ignore[assignment] # it is mutable

    def between(self, start: int, stop: int) -> Iterator[Member]:
        """Yield copies of the members from position `start` to before `stop`, as of now."""
        first, last, _ = slice(start, stop).indices(len(self))
        texts = islice(self._json_by_number.values(), first, last)
        return map(_DECODER.decode, map(bytes.decode, list(texts)))

    def texts(self) -> Iterator[str]:
        """Yield the members as JSON, as of now."""
        return map(bytes.decode, list(self._json_by_number.values()))

    def has_number(self, digits: str) -> bool:
        """Return whether a member has this phone number, written as `phone_digits` returns it."""
        return digits in self._json_by_number

    def append(self, member: Member, digits: str) -> None:
        """Append `member`, whose phone number `digits` is new."""
        text = render_json({"_id": member["_id"], "data": member["data"]})
        self._json_by_number[digits] = text
        self.size_bytes += MEMBER_BYTES + len(text)

    def merge(self, other: "MemberList") -> None:
        """Append the members of `other`, whose phone numbers are all new."""
        self._json_by_number |= other._json_by_number  # noqa: SLF001 - of the same class
        self.size_bytes += other.size_bytes

    def without(self, ids: Iterable[str]) -> Steps["MemberList"]:
        """Return a copy without the members with these ids."""
        raw_ids = {member_id.encode() for member_id in ids}
        copy = MemberList()
        for digits, text in list(self._json_by_number.items()):
            if text[_ID] not in raw_ids:
                copy._json_by_number[digits] = text
                copy.size_bytes += MEMBER_BYTES + len(text)
            yield
        return copy
