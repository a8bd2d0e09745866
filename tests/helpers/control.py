"""Responses of the control API."""

from typing import Any

import httpx


def problem(response: httpx.Response) -> tuple[int, str, str]:
    """Return status code, pointer and detail of an error response."""
    (error,) = response.json()["errors"]
    assert error.keys() == {"code", "title", "detail", "source"}
    return response.status_code, error["source"]["pointer"], error["detail"]


def listed_requests(response: httpx.Response) -> list[dict[str, Any]]:
    """Return the requests in a response of the request journal."""
    requests: list[dict[str, Any]] = response.json()["requests"]
    return requests
