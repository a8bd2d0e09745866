"""The members that clients added to one audience."""

import json
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from mock_atoms.contract.schemas import Member
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.slices import Steps
from mock_atoms.data.member_rows import MEMBER_BYTES
from mock_atoms.data.phone_numbers import phone_digits

_DECODER = json.JSONDecoder()
_COUNTER_RANGE = 1 << 24
"""The last six digits of an id count up, and wrap around."""
_ID = slice(len('{"_id":"'), len('{"_id":"') + 24)


class MemberList:
    """Members in the order of addition, with an index by phone number.

    Each member is kept as JSON, which takes a fraction of the memory of its objects.

    Attributes:
        size_bytes: memory, approximately.
    """

    __slots__ = ("_by_number", "_counters", "_texts", "size_bytes")

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._by_number: dict[str, bytes] = {}  # by the digits of the phone number
        self._counters = array("I")
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
        return len(self._texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemberList) and self._by_number == other._by_number

    __hash__ = None  # type: ignore[assignment] # it is mutable

    def between(self, start: int, stop: int) -> Iterator[Member]:
        """Yield copies of the members from position `start` to before `stop`, as of now."""
        return map(_DECODER.decode, map(bytes.decode, self._texts[start:stop]))

    def texts(self) -> Iterator[str]:
        """Yield the members as JSON, as of now."""
        return map(bytes.decode, self._texts[:])

    def has_number(self, digits: str) -> bool:
        """Return whether a member has this phone number, written as `phone_digits` returns it."""
        return digits in self._by_number

    def id_of_number(self, digits: str) -> str | None:
        """Return the id of the member with this phone number, `None` if there is none."""
        text = self._by_number.get(digits)
        return None if text is None else text[_ID].decode()

    def count_until(self, member_id: str) -> int:
        """Return how many members were not added later than the one with this id, which may be deleted."""
        if not self._counters:
            return 0
        first = self._counters[0]
        return bisect_right(
            self._counters, _distance(first, _counter(member_id)), key=lambda counter: _distance(first, counter)
        )

    def count_by_digit(self, stop: int) -> Counter[int]:
        """Return the numbers of members before position `stop` by last digit of their ids."""
        return Counter(counter % 16 for counter in self._counters[:stop])

    def append(self, member: Member, digits: str) -> None:
        """Append `member`, whose phone number `digits` is new."""
        self._append(render_json({"_id": member["_id"], "data": member["data"]}), digits, _counter(member["_id"]))

    def _append(self, text: bytes, digits: str, counter: int) -> None:
        self._texts.append(text)
        self._by_number[digits] = text
        self._counters.append(counter)
        self.size_bytes += MEMBER_BYTES + len(text)

    def merged(self, other: "MemberList") -> "MemberList":
        """Return these members and then those of `other`, whose phone numbers are all new."""
        merged = MemberList()
        merged._texts = self._texts + other._texts  # noqa: SLF001 - of the same class
        merged._by_number = self._by_number | other._by_number  # noqa: SLF001 - the same
        merged._counters = self._counters + other._counters  # noqa: SLF001 - the same
        merged.size_bytes = self.size_bytes + other.size_bytes
        return merged

    def without(self, raw_ids: Collection[bytes]) -> Steps["MemberList"]:
        """Return a copy without the members with these ids, as ASCII."""
        copy = MemberList()
        for (digits, text), counter in zip(list(self._by_number.items()), self._counters[:], strict=True):
            if text[_ID] not in raw_ids:
                copy._append(text, digits, counter)
            yield
        return copy


def _counter(member_id: str) -> int:
    return int(member_id[-6:], 16)


def _distance(first: int, counter: int) -> int:
    """Return how much later than `first` a counter was issued: negative if it was earlier."""
    half = _COUNTER_RANGE // 2
    return (counter - first + half) % _COUNTER_RANGE - half
