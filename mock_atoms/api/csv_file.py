"""The CSV file of an upload: from bytes to rows, or to a message that says where it is wrong (A, but where marked)."""

import csv
import io
from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO

from mock_atoms.contract.errors import DUPLICATE_NUMBERS, INVALID_PHONE_NUMBER, TOO_MANY_MEMBERS, ApiError
from mock_atoms.contract.schemas import MAX_MEMBERS
from mock_atoms.data.models import is_phone_number, phone_digits

if TYPE_CHECKING:
    import _csv

MAX_COLUMNS = 100
_SHOWN_COLUMNS, _SHOWN_LENGTH = 20, 40
"""How many columns a message names, and how much of each."""


def parse_csv(file: BinaryIO, phone_column: str, identifier_column: str | None = None) -> list[dict[str, str]]:
    """Return the rows of `file`, by column. Cells are text, whatever they look like; lines without any are passed over.

    Args:
        file: UTF-8, with or without a byte order mark; lines end in LF, CRLF or CR.
        phone_column: the column that holds the phone numbers.
        identifier_column: one more column that has to be there.

    Raises:
        ApiError: 400, it cannot be used: not text, no such column, a line without a phone number, and so on.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return list(_rows(text, phone_column, identifier_column))
    except UnicodeDecodeError:
        raise _wrong("CSV file is not UTF-8 text") from None
    finally:
        text.detach()


def _rows(text: io.TextIOWrapper, phone_column: str, identifier_column: str | None) -> Iterator[dict[str, str]]:
    reader = csv.reader(_lines(text), strict=True)
    records = _records(reader)
    columns = next(records, None)
    if columns is None:
        raise _wrong("CSV file is empty")
    _check_columns(columns, phone_column, identifier_column)
    numbers: set[str] = set()
    for cells in records:
        if len(cells) != len(columns):
            raise _wrong(f"CSV line {reader.line_num} has {len(cells)} cells, but there are {len(columns)} columns")
        row = dict(zip(columns, cells, strict=True))
        number = row[phone_column]
        if not number:
            raise _wrong(f"CSV line {reader.line_num} has no {phone_column}")
        if not is_phone_number(number):
            raise _wrong(f"CSV line {reader.line_num}: {INVALID_PHONE_NUMBER.format(number=number)}")
        if phone_digits(number) in numbers:
            raise _wrong(DUPLICATE_NUMBERS)
        if len(numbers) == MAX_MEMBERS:
            raise _wrong(TOO_MANY_MEMBERS)
        numbers.add(phone_digits(number))
        yield row
    if not numbers:
        raise _wrong("CSV file has no rows after its header")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    for line in text:
        if "\0" in line:
            raise _wrong("CSV file is not text: it has NUL bytes")
        yield line


def _records(reader: "_csv.Reader") -> Iterator[list[str]]:
    """Yield the records that are not blank."""
    try:
        yield from (cells for cells in reader if cells and (len(cells) > 1 or cells[0].strip()))
    except csv.Error as error:
        raise _wrong(f"CSV file cannot be read after line {reader.line_num}: {error}") from None


def _check_columns(columns: list[str], phone_column: str, identifier_column: str | None) -> None:
    if not all(name.strip() for name in columns):
        raise _wrong("CSV file has a column without a name")
    if len(columns) > MAX_COLUMNS:
        raise _wrong(f"CSV file has {len(columns)} columns: at most {MAX_COLUMNS}")
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise _wrong(f"CSV file has two columns named {_short(name)}")
        seen.add(name)
    for wanted in (phone_column, identifier_column):
        if wanted is not None and wanted not in columns:
            there = ", ".join(map(_short, columns[:_SHOWN_COLUMNS])) + ("…" if len(columns) > _SHOWN_COLUMNS else "")
            raise _wrong(f"CSV file has no column named {_short(wanted)}. It has: {there}")


def _short(name: str) -> str:
    return f'"{name}"' if len(name) <= _SHOWN_LENGTH else f'"{name[:_SHOWN_LENGTH]}…"'


def _wrong(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, message)
