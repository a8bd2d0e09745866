"""The `members` of the audiences of a fixture file, a control call or an exported state."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mock_atoms.contract.errors import FILE_TOO_LARGE, ApiError
from mock_atoms.contract.schemas import MAX_FILE_BYTES
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import Steps
from mock_atoms.data.csv_file import parse_csv_steps
from mock_atoms.data.member_rows import MemberRows
from mock_atoms.data.members import PHONE_COLUMN

Columns = tuple[str, str | None]
"""The phone column of an audience, and its identifier column if it has one."""


def parse_members(audiences: Iterable[Any], pointer: str, folder: Path | None = None) -> Steps[list[Any]]:
    """Return `audiences`, not yet validated, with `MemberRows` in place of the `members` of each.

    Such an audience also gets the `memberCount` and `phoneNumberColumnName` that it does not have.

    Args:
        audiences: the audiences.
        pointer: JSON pointer to them.
        folder: folder of CSV files that an audience may name instead of a list; `None` if it may not.

    Raises:
        ConfigError: a member or a file is invalid; names the field by JSON pointer.
    """
    parsed = []
    for number, audience in enumerate(audiences):
        has_members = isinstance(audience, dict) and "members" in audience
        parsed.append((yield from _with_rows(audience, f"{pointer}/{number}", folder)) if has_members else audience)
    return parsed


def _with_rows(audience: dict[str, Any], pointer: str, folder: Path | None) -> Steps[dict[str, Any]]:
    members = audience["members"]
    columns = audience.get("phoneNumberColumnName", PHONE_COLUMN), audience.get("identifierColumnName")
    if not isinstance(columns[0], str) or not isinstance(columns[1], str | None):
        return {key: value for key, value in audience.items() if key != "members"}  # its validation says what is wrong
    place = f"{pointer}/members"
    if isinstance(members, str) and folder is not None:
        members = yield from _read_csv(folder, members, columns, place)
    if not isinstance(members, list):
        other = "" if folder is None else ", or the name of a CSV file beside this file"
        raise ConfigError(f"must be a list of members, the columns of each by name{other}", place)
    rows = yield from MemberRows.parse(members, *columns, place)
    count = audience.get("memberCount", len(rows))
    if count != len(rows):
        problem = f"memberCount is {quote_value(count)}, but members lists {len(rows)}: leave memberCount out"
        raise ConfigError(problem, pointer)
    return {"phoneNumberColumnName": columns[0], "memberCount": count, **audience, "members": rows}


def _read_csv(folder: Path, name: str, columns: Columns, pointer: str) -> Steps[list[dict[str, str]]]:
    """Return the rows of a CSV file, which an upload would accept."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ConfigError(f"{quote_value(name)} is outside of the folder {folder}: move it there", pointer)
        if path.exists() and not path.is_file():  # reading a pipe would wait
            raise ConfigError(f"{quote_value(name)} is not a file", pointer)
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{quote_value(name)} cannot be read: {error.strerror}", pointer) from None
    except (ValueError, RuntimeError) as error:  # a loop of symbolic links, before Python 3.13
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{quote_value(name)} cannot be read: {error}", pointer) from None
    try:
        if len(content) > MAX_FILE_BYTES:
            raise ConfigError(f"{name}: {FILE_TOO_LARGE}", pointer)
        return (yield from parse_csv_steps(io.BytesIO(content), *columns))
    except ApiError as error:
        raise ConfigError(f"{name}: {' '.join(error.errors or [])}", pointer) from None
