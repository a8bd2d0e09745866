"""Case-insensitive search in the members of an audience."""

from collections.abc import Callable, Iterable
from typing import Any

from mock_atoms.contract.schemas import Member
from mock_atoms.core.json_stream import render_json
from mock_atoms.core.slices import Steps


def find_text(term: str, members: Iterable[Member], limit: int = 0) -> Steps[list[Member]]:
    """Return the members that contain `term` in any column, or the first `limit` of them."""
    folded = term.lower()

    def matches(data: dict[str, Any]) -> bool:
        return any(folded in (value.lower() if isinstance(value, str) else _text(value)) for value in data.values())

    return _find(matches, members, limit)


def find_in_columns(
    terms_by_column: dict[str, list[str]], members: Iterable[Member], limit: int = 0
) -> Steps[list[Member]]:
    """Return the members that contain all terms of each column in that column, or the first `limit` of them."""
    folded = [(column, {term.lower() for term in terms}) for column, terms in terms_by_column.items()]

    def matches(data: dict[str, Any]) -> bool:
        return all(_has(data, column, terms) for column, terms in folded)

    return _find(matches, members, limit)


def _find(matches: Callable[[dict[str, Any]], bool], members: Iterable[Member], limit: int) -> Steps[list[Member]]:
    found: list[Member] = []
    for member in members:
        if matches(member["data"]):
            found.append(member)
            if len(found) == limit:
                break
        yield
    return found


def _has(data: dict[str, Any], column: str, terms: set[str]) -> bool:
    if column not in data:
        return False
    text = _text(data[column])
    return all(term in text for term in terms)


def _text(value: object) -> str:
    """Return the text of a value as responses show it, in lower case."""
    return (value if isinstance(value, str) else render_json(value).decode()).lower()
