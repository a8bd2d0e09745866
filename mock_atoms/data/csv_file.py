"""The CSV file of an upload: its rows, or a message that says where it is wrong (A, except where marked)."""

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from mock_atoms.contract.errors import DUPLICATE_NUMBERS, INVALID_PHONE_NUMBER, TOO_MANY_MEMBERS, bad_request
from mock_atoms.contract.schemas import MAX_MEMBERS
from mock_atoms.core.masking import mask_text
from mock_atoms.core.printable import find_lookalike, unicode_form
from mock_atoms.core.slices import Steps
from mock_atoms.data.phone_numbers import is_phone_number, phone_digits

MAX_COLUMNS = 100
MAX_LINES = 100_000
"""Maximum number of lines, empty ones included. Millions of empty ones would take seconds."""
MAX_COMMAS = 100_000
"""Maximum number of commas in a line, so that a step stays short."""
_MAX_LISTED_COLUMNS, _MAX_NAME_LENGTH = 20, 40
"""Maximum number of columns in a message, and of characters of each name."""

_CELLS_PER_STEP = 500
_START_BYTES = 4096
"""Number of bytes that tell the format of a file and the separator of its columns."""
_SAVE_AS_CSV = "Save it as CSV UTF-8, separated by commas"
_SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "vertical bars"}
"""Names of separators other than the comma."""
_OTHER_FORMATS = (
    (re.compile(rb"PK\x03\x04"), "a workbook or another ZIP archive"),
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff"), "UTF-32"),
    (re.compile(rb"\xff\xfe|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]"), "UTF-16"),
)
"""First bytes of files that were saved in another format."""


def parse_csv_steps(
    file: BinaryIO, phone_column: str, identifier_column: str | None = None
) -> Steps[list[dict[str, str]]]:
    """Return the rows of `file` by column. All cells are text; lines without text are ignored.

    Args:
        file: UTF-8 with or without a byte order mark; lines end in LF, CRLF or CR.
        phone_column: column of the phone numbers.
        identifier_column: another required column.

    Raises:
        ApiError: 400, the file is not text, lacks a column, has a line without a phone number, and so on.
    """
    start = file.read(_START_BYTES)
    file.seek(0)
    for pattern, format_name in _OTHER_FORMATS:
        if pattern.match(start):
            raise bad_request(f"CSV file is not UTF-8 text but {format_name}. {_SAVE_AS_CSV}")
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return (yield from _rows(text, phone_column, identifier_column, _describe_separator(start)))
    except UnicodeDecodeError:
        raise bad_request(f"CSV file is not UTF-8 text. {_SAVE_AS_CSV}") from None
    finally:
        text.detach()


def _describe_separator(start: bytes) -> str:
    """Return what is wrong with the separator of the columns, as the end of a message, or an empty string."""
    header = re.split(rb"[\r\n]", start.lstrip(b"\xef\xbb\xbf\r\n, "), maxsplit=1)[0]
    separator = max(_SEPARATORS, key=header.count)
    if header.count(separator) <= header.count(b","):
        return ""
    return f". Its columns seem to be separated by {_SEPARATORS[separator]}. {_SAVE_AS_CSV}"


def _rows(
    text: io.TextIOWrapper, phone_column: str, identifier_column: str | None, wrong_separator: str
) -> Steps[list[dict[str, str]]]:
    """Return the rows. A step has about `_CELLS_PER_STEP` cells, those of ignored records too."""
    columns: list[str] = []
    rows: list[dict[str, str]] = []
    numbers: set[str] = set()
    work = 0
    for number, cells in _records(text, wrong_separator):
        work += 1 + len(cells)
        if work >= _CELLS_PER_STEP:
            work = 0
            yield
        if not "".join(cells).strip():
            continue  # a spreadsheet writes a line of commas for an empty row
        if columns:
            rows.append(_parse_row(number, columns, cells, phone_column, numbers))
        else:
            columns = cells
            _check_columns(columns)
            missing = [name for name in (phone_column, identifier_column) if name is not None and name not in columns]
            if missing:
                raise bad_request(_describe_missing_column(missing[0], columns) + wrong_separator)
    if not rows:
        raise bad_request("CSV file has no rows after its header" if columns else "CSV file is empty")
    return rows


def _parse_row(line: int, columns: list[str], cells: list[str], phone_column: str, numbers: set[str]) -> dict[str, str]:
    """Return a row by column. Its phone number is added to `numbers`, those of the rows before it."""
    if len(cells) != len(columns):
        raise bad_request(f"CSV line {line} has {len(cells)} cells; the header has {len(columns)} columns")
    row = dict(zip(columns, cells, strict=True))
    number = row[phone_column]
    if not number:
        raise bad_request(f"CSV line {line} has no {phone_column}")
    if not is_phone_number(number):
        raise bad_request(f"CSV line {line}: {INVALID_PHONE_NUMBER.format(number=number)}")
    digits = phone_digits(number)
    if digits in numbers:
        raise bad_request(DUPLICATE_NUMBERS)
    if len(numbers) == MAX_MEMBERS:
        raise bad_request(TOO_MANY_MEMBERS)
    numbers.add(digits)
    return row


def _records(text: io.TextIOWrapper, wrong_separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the last line and the cells of each record."""
    reader = csv.reader(_lines(text), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        problem = f"CSV file cannot be read after line {reader.line_num}: {error}{wrong_separator}"
        raise bad_request(problem) from None


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    for number, line in enumerate(text, 1):
        if number > MAX_LINES:
            raise bad_request(f"CSV file has more than {MAX_LINES} lines. Remove the empty ones")
        if "\0" in line:
            raise bad_request("CSV file is not text: it has NUL bytes")
        if len(line) > MAX_COMMAS and line.count(",") > MAX_COMMAS:
            raise bad_request(f"CSV line {number} has more than {MAX_COMMAS} commas")
        yield line


def _check_columns(columns: list[str]) -> None:
    if not all(name.strip() for name in columns):
        raise bad_request("CSV file has a column without a name")
    if len(columns) > MAX_COLUMNS:
        raise bad_request(f"CSV file has {len(columns)} columns; the maximum is {MAX_COLUMNS}")
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise bad_request(f"CSV file has two columns named {_quote(name)}")
        seen.add(name)


def _describe_missing_column(name: str, columns: list[str]) -> str:
    lookalike = find_lookalike(name, columns)
    if lookalike is not None:
        return (
            f"CSV file has no column named {_quote(name)} in {unicode_form(name)}. "
            f"It has one in {unicode_form(lookalike)}, which only looks the same: use one Unicode form for both"
        )
    listed = ", ".join(map(_quote, columns[:_MAX_LISTED_COLUMNS]))
    more = "…" if len(columns) > _MAX_LISTED_COLUMNS else ""
    return f"CSV file has no column named {_quote(name)}. It has: {listed}{more}"


def _quote(name: str) -> str:
    name = mask_text(name)  # before the cut
    return f'"{name}"' if len(name) <= _MAX_NAME_LENGTH else f'"{name[:_MAX_NAME_LENGTH]}…"'
