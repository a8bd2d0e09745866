"""Requests to the audience API over HTTP."""

from collections.abc import Mapping

import httpx


def bearer(token: str, test_id: str | None = None) -> dict[str, str]:
    """Return the headers that identify the caller."""
    return {"Authorization": f"Bearer {token}"} | ({} if test_id is None else {"X-Test-Id": test_id})


ACME = bearer("sk_acme")


def send(
    url: str,
    token: str = "sk_acme",
    path: str = "/audience",
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    json: object = None,
) -> int:
    """Send one request to the API at `url`, and return the status code."""
    return httpx.request(method, url + path, headers={**bearer(token), **(headers or {})}, json=json).status_code


def list_audiences(url: str, token: str = "sk_acme") -> httpx.Response:
    return httpx.get(f"{url}/audience", headers=bearer(token))


def list_statuses(url: str, headers: Mapping[str, str], count: int) -> list[int]:
    """List the audiences `count` times over one connection, and return the status codes."""
    with httpx.Client(headers=headers) as http:
        return [http.get(f"{url}/audience").status_code for _ in range(count)]
