"""Compares the messages for CSV files in docs/audiences.md with those of the code."""

import io
import re

import pytest

from mock_atoms.contract.errors import DUPLICATE_NUMBERS, FILE_TOO_LARGE, MISSING_FILE, TOO_MANY_MEMBERS, ApiError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.data.csv_file import MAX_COLUMNS, parse_csv_steps
from tests.helpers.snippets import ROOT

PAGE = (ROOT / "docs" / "audiences.md").read_text(encoding="utf-8")
SHOWN = [
    message
    for cell in re.findall(r"^\| .* \| (`(?:CSV|File|Audience|Some).*`) \|$", PAGE, re.MULTILINE)
    for message in re.findall(r"`([^`]+)`", cell)
]
HEADER = b"phone,name\n"
ROW = b"+14155550100,Ada\n"
INVALID_FILES = [
    b"phone," + b",".join(b"column%d" % number for number in range(MAX_COLUMNS)) + b"\n",
    b"phone,name,name\n",
    b"phone,\n",
    HEADER + ROW + b",Grace\n",
    HEADER + ROW + b"none,Grace\n",
    HEADER + ROW + b"+14155550101,Grace,Hopper,USA\n",
    b"",
    HEADER,
    b"\xff\xfe",
    b"\xff",
    b"phone\0\n",
]


def error_message(content: bytes, phone_column: str = "phone") -> str:
    with pytest.raises(ApiError) as caught:
        run_without_pauses(parse_csv_steps(io.BytesIO(content), phone_column))
    assert caught.value.errors is not None
    return caught.value.errors[0]


def test_messages_for_invalid_files_are_as_shown() -> None:
    messages = [MISSING_FILE, FILE_TOO_LARGE, TOO_MANY_MEMBERS, DUPLICATE_NUMBERS, *map(error_message, INVALID_FILES)]
    messages.append(error_message(HEADER, phone_column="mobile"))
    messages.append(error_message("\u00e9\n".encode(), phone_column="e\u0301"))
    patterns = [".*".join(re.escape(part) for part in message.split("…")) for message in SHOWN]
    assert len(patterns) == len(messages)
    for pattern in patterns:
        assert any(re.fullmatch(pattern, message) for message in messages), (pattern, messages)
