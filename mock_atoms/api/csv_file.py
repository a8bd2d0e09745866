"""The CSV file of an upload: its rows, or a message that says where it is wrong (A, except where marked)."""

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from mock_atoms.contract.errors import DUPLICATE_NUMBERS, INVALID_PHONE_NUMBER, TOO_MANY_MEMBERS, bad_request
from mock_atoms.contract.schemas import MAX_MEMBERS
from mock_atoms.data.models import is_phone_number, phone_digits

if TYPE_CHECKING:
    import _csv

MAX_COLUMNS = 100
_MAX_LISTED_COLUMNS, _MAX_NAME_LENGTH = 20, 40
"""Maximum number of columns in a message, and of characters of each name."""


def parse_csv(file: BinaryIO, phone_column: str, identifier_column: str | None = None) -> list[dict[str, str]]:
    """Return the rows of `file` by column. All cells are text; blank lines are ignored.

    Args:
        file: UTF-8 with or without a byte order mark; lines end in LF, CRLF or CR.
        phone_column: column of the phone numbers.
        identifier_column: another required column.

    Raises:
        ApiError: 400, the file is not text, lacks a column, has a line without a phone number, and so on.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return list(_rows(text, phone_column, identifier_column))
    except UnicodeDecodeError:
        raise bad_request("CSV file is not UTF-8 text") from None
    finally:
        text.detach()


def _rows(text: io.TextIOWrapper, phone_column: str, identifier_column: str | None) -> Iterator[dict[str, str]]:
    reader = csv.reader(_lines(text), strict=True)
    records = _records(reader)
    columns = next(records, None)
    if columns is None:
        raise bad_request("CSV file is empty")
    _check_columns(columns, phone_column, identifier_column)
    numbers: set[str] = set()
    for cells in records:
        line = f"CSV line {reader.line_num}"
        if len(cells) != len(columns):
            raise bad_request(f"{line} has {len(cells)} cells; the header has {len(columns)} columns")
        row = dict(zip(columns, cells, strict=True))
        number = row[phone_column]
        if not number:
            raise bad_request(f"{line} has no {phone_column}")
        if not is_phone_number(number):
            raise bad_request(f"{line}: {INVALID_PHONE_NUMBER.format(number=number)}")
        if phone_digits(number) in numbers:
            raise bad_request(DUPLICATE_NUMBERS)
        if len(numbers) == MAX_MEMBERS:
            raise bad_request(TOO_MANY_MEMBERS)
        numbers.add(phone_digits(number))
        yield row
    if not numbers:
        raise bad_request("CSV file has no rows after its header")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    for line in text:
        if "\0" in line:
            raise bad_request("CSV file is not text: it has NUL bytes")
        yield line


def _records(reader: "_csv.Reader") -> Iterator[list[str]]:
    """Yield the cells of each record that is not blank."""
    try:
        yield from (cells for cells in reader if cells and (len(cells) > 1 or cells[0].strip()))
    except csv.Error as error:
        raise bad_request(f"CSV file cannot be read after line {reader.line_num}: {error}") from None


def _check_columns(columns: list[str], phone_column: str, identifier_column: str | None) -> None:
    if not all(name.strip() for name in columns):
        raise bad_request("CSV file has a column without a name")
    if len(columns) > MAX_COLUMNS:
        raise bad_request(f"CSV file has {len(columns)} columns; the maximum is {MAX_COLUMNS}")
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise bad_request(f"CSV file has two columns named {_quote(name)}")
        seen.add(name)
    for required in (phone_column, identifier_column):
        if required is not None and required not in columns:
            listed = ", ".join(map(_quote, columns[:_MAX_LISTED_COLUMNS]))
            more = "…" if len(columns) > _MAX_LISTED_COLUMNS else ""
            raise bad_request(f"CSV file has no column named {_quote(required)}. It has: {listed}{more}")


def _quote(name: str) -> str:
    return f'"{name}"' if len(name) <= _MAX_NAME_LENGTH else f'"{name[:_MAX_NAME_LENGTH]}…"'
