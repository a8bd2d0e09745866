"""Case-insensitive search in the members of an audience."""

import json
from collections.abc import Iterable
from typing import Any

from mock_atoms.contract.schemas import Member
from mock_atoms.core.slices import Steps


def find_text(term: str, members: Iterable[Member]) -> Steps[list[Member]]:
    """Return the members that contain `term` in any column."""
    folded = term.lower()
    found = []
    for member in members:
        for value in member["data"].values():
            if folded in (value.lower() if isinstance(value, str) else _text(value)):
                found.append(member)
                break
        yield
    return found


def find_in_columns(terms_by_column: dict[str, list[str]], members: Iterable[Member]) -> Steps[list[Member]]:
    """Return the members that contain all terms of each column in that column."""
    folded = [(column, {term.lower() for term in terms}) for column, terms in terms_by_column.items()]
    found = []
    for member in members:
        if all(_has(member["data"], column, terms) for column, terms in folded):
            found.append(member)
        yield
    return found


def _has(data: dict[str, Any], column: str, terms: set[str]) -> bool:
    if column not in data:
        return False
    text = _text(data[column])
    return all(term in text for term in terms)


def _text(value: object) -> str:
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).lower()
