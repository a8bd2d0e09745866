"""Requests in the bodies of requests to the control API."""

from typing import Any
from urllib.parse import quote

from pydantic import ConfigDict

from mock_atoms.core.masking import mask_text_steps
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.mock import MockAtoms

_Values = dict[str, str | list[str]]


class _LoggedRequest(StrictModel):
    model_config = ConfigDict(extra="ignore")
    url: str
    method: str = "GET"
    headers: _Values | None = None
    cookies: _Values | None = None
    body: str | None = None


async def read_exchange(mock: MockAtoms, value: Any) -> Exchange:  # noqa: ANN401 - any JSON
    """Return a request that the journal does not hold, from WireMock's JSON of it, credentials masked.

    Raises:
        ConfigError: it is invalid; names the field by JSON pointer.
    """
    logged = parse_model(_LoggedRequest, value)
    if not logged.url.startswith("/"):
        raise ConfigError("must be a path such as /atoms/v1/agent, with its query", "/url")
    headers = [
        (name.lower().encode("latin-1", "replace"), text.encode())
        for name, values in (logged.headers or {}).items()
        for text in _as_list(values)
    ]
    if logged.cookies and not any(name == b"cookie" for name, _ in headers):
        pairs = [f"{name}={text}" for name, values in logged.cookies.items() for text in _as_list(values)]
        headers.append((b"cookie", "; ".join(pairs).encode()))
    path, _, query = logged.url.partition("?")
    raw = RawRequest(
        logged.method,
        quote(path, safe="/%:@!$&'()*+,;=-._~").encode(),
        quote(query, safe="/%:@!$&'()*+,;=-._~?").encode(),
        headers,
        "http",
        "1.1",
        None,
        None,
    )
    context = await mock.slices.run_promptly(mock.request_reader.read_steps(raw))
    exchange = context.exchange
    body = mask_text_steps((logged.body or "")[: mock.settings.journal_body], context.caller.token)
    exchange.body = (await mock.slices.run_promptly(body)).encode()[: mock.settings.journal_body]
    exchange.is_body_complete = True
    return exchange


def _as_list(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values
