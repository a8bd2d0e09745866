"""The members that a fixture file or a test lists for an audience."""

import json
from collections.abc import Iterator
from typing import Any

from mock_atoms.contract.errors import INVALID_PHONE_NUMBER, TOO_MANY_MEMBERS
from mock_atoms.contract.schemas import MAX_MEMBERS
from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.printable import find_lookalike, unicode_form
from mock_atoms.core.sizes import json_problem
from mock_atoms.core.slices import Steps
from mock_atoms.data.phone_numbers import is_phone_number, phone_digits

MEMBER_BYTES = 250
"""Estimated memory of a stored member besides its JSON: its phone number, and its place in a list or dictionary."""
MAX_MEMBER_VALUES = 10_000
"""Maximum number of values of a member, nested ones included: one step stores or renders a member."""
MAX_ROW_CHARACTERS = 500_000
"""Maximum number of characters of a listed member."""


def describe_missing_number(column: str, member: dict[str, Any]) -> list[str]:
    """Return messages that say that `member` has no phone number in `column`."""
    errors = [f"Each member must have a {column} field"]
    lookalike = find_lookalike(column, member)
    if lookalike is not None:
        forms = f"a member has it in {unicode_form(lookalike)}, the audience in {unicode_form(column)}"
        errors.append(f"The field {column} only looks the same: {forms}")
    return errors


class MemberRows:
    """The listed members of an audience: the columns of each, by name. They are never modified.

    Each is kept as JSON, which takes a fraction of the memory of its objects.

    Attributes:
        size_bytes: memory, approximately.
    """

    __slots__ = ("_indexes", "_texts", "size_bytes")

    def __init__(self) -> None:
        self._texts: list[bytes] = []
        self._indexes: dict[str, int] = {}  # by the digits of the phone number
        self.size_bytes = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemberRows) and self._texts == other._texts

    __hash__ = None  # type: ignore[assignment] # equal ones are rarely the same

    @classmethod
    def parse(
        cls, values: list[Any], phone_column: str, identifier_column: str | None, pointer: str
    ) -> Steps["MemberRows"]:
        """Return the members that `values` lists, one in each step.

        Args:
            values: the columns of each member by name, or the same as JSON.
            phone_column: name of the column with the phone numbers.
            identifier_column: another required column.
            pointer: JSON pointer to the list.

        Raises:
            ConfigError: a member is invalid, has no phone number, or that of another one; or there are too many.
        """
        if len(values) > MAX_MEMBERS:
            raise ConfigError(f"{TOO_MANY_MEMBERS}: there are {len(values)}", pointer)
        rows = cls()
        for number, value in enumerate(values):
            place = f"{pointer}/{number}"
            text = value if isinstance(value, bytes) else row_json(value, place)
            row = json.loads(text)
            if not isinstance(row, dict):
                raise ConfigError("must have columns and values, such as phoneNumber", place)
            if identifier_column is not None and identifier_column not in row:
                raise ConfigError(f"Each member must have a {identifier_column} field", place)
            rows._append(text, row, phone_column, place)
            yield
        return rows

    def _append(self, text: bytes, row: dict[str, Any], phone_column: str, pointer: str) -> None:
        number = row.get(phone_column)
        if number in (None, ""):
            problem = ". ".join(describe_missing_number(phone_column, row))
            raise ConfigError(f"{problem}; phoneNumberColumnName names another one", pointer)
        place = pointer + format_pointer([phone_column])
        if not is_phone_number(number):
            raise ConfigError(INVALID_PHONE_NUMBER.format(number=number), place)
        digits = phone_digits(number)
        if digits in self._indexes:
            raise ConfigError(
                f"the phone number {quote_value(number)} is that of member {self._indexes[digits]}, too: "
                "members are identified by their numbers, with or without a plus",
                place,
            )
        self._indexes[digits] = len(self._texts)
        self._texts.append(text)
        self.size_bytes += MEMBER_BYTES + len(text)

    def __len__(self) -> int:
        return len(self._texts)

    def row(self, index: int) -> dict[str, Any]:
        """Return a copy of the columns of member `index`."""
        row: dict[str, Any] = json.loads(self._texts[index])
        return row

    def texts(self) -> Iterator[str]:
        """Yield the columns of each member as JSON."""
        return map(bytes.decode, self._texts)

    def index_of_number(self, digits: str) -> int | None:
        """Return the index of the member with this phone number, written as `phone_digits` returns it."""
        return self._indexes.get(digits)


def row_json(value: object, pointer: str) -> bytes:
    """Return the columns of a member as JSON.

    Args:
        value: the columns by name.
        pointer: JSON pointer to it.

    Raises:
        ConfigError: it is too large, or UTF-8 cannot encode it.
    """
    problem = json_problem(value, MAX_JSON_DEPTH, MAX_MEMBER_VALUES, MAX_ROW_CHARACTERS)
    if problem is not None:
        raise ConfigError(problem, pointer)
    try:
        return render_json(value)
    except UnicodeEncodeError:
        raise ConfigError("a text has half of a surrogate pair, which UTF-8 cannot encode", pointer) from None
