"""Query parameters of requests, and their documentation."""

from typing import Any

from fastapi import Request

from mock_atoms.contract.errors import bad_request
from mock_atoms.contract.requests import parse_positive_integer
from mock_atoms.core.http_text import parse_query


def query_parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return the documentation of an optional query parameter with a JSON schema."""
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def read_query(request: Request) -> dict[str, list[str]]:
    """Return the values of each query parameter."""
    return parse_query(request.scope["query_string"].decode("latin-1"))


def positive_integer(query: dict[str, list[str]], name: str, default: int) -> int:
    """Return the query parameter `name`.

    Raises:
        ApiError: 400, it is not a positive integer (A: the real server may use the default).
    """
    values = query.get(name)
    if values is None:
        return default
    try:
        return parse_positive_integer(values[0] if len(values) == 1 else "")
    except ValueError as error:
        raise bad_request(f"{name} {error}") from None
