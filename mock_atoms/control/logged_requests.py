"""Requests in the bodies of requests to the control API."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pydantic import ConfigDict

from mock_atoms.core.http_text import MAX_REQUEST_HEAD_BYTES
from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.masking import mask_text_steps
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_model
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.mock import MockAtoms

_BYTES_AROUND_HEADER = len(": \r\n")


class _LoggedRequest(StrictModel):
    model_config = ConfigDict(extra="ignore")
    url: str
    method: str = "GET"
    headers: Any = None
    cookies: Any = None
    body: str | None = None


async def read_exchange(mock: MockAtoms, value: Any) -> Exchange:  # noqa: ANN401 - any JSON
    """Return a request that the journal does not hold, from WireMock's JSON of it, credentials masked.

    Raises:
        ConfigError: it is invalid, or has a larger head than a request can have; names the field by JSON pointer.
    """
    logged = parse_model(_LoggedRequest, value)
    if not logged.url.startswith("/"):
        raise ConfigError("must be a path such as /atoms/v1/agent, with its query", "/url")
    if len(logged.method) + len(logged.url) > MAX_REQUEST_HEAD_BYTES:
        raise _too_large()
    headers = [
        (name.lower().encode("latin-1", "replace"), text.encode()) for name, text in _pairs(logged.headers, "headers")
    ]
    if not any(name == b"cookie" for name, _ in headers):
        pairs = [f"{name}={text}" for name, text in _pairs(logged.cookies, "cookies")]
        headers += [(b"cookie", "; ".join(pairs).encode())] if pairs else []
    path, _, query = logged.url.partition("?")
    raw_path = quote(path, safe="/%:@!$&'()*+,;=-._~").encode()
    raw_query = quote(query, safe="/%:@!$&'()*+,;=-._~?").encode()
    size = len(logged.method) + len(raw_path) + len(raw_query)
    if size + sum(len(name) + len(text) + _BYTES_AROUND_HEADER for name, text in headers) > MAX_REQUEST_HEAD_BYTES:
        raise _too_large()
    raw = RawRequest(logged.method, raw_path, raw_query, headers, "http", "1.1", None, None)
    context = await mock.slices.run_promptly(mock.request_reader.read_steps(raw))
    exchange = context.exchange
    body = mask_text_steps((logged.body or "")[: mock.settings.journal_body], context.caller.token)
    exchange.body = (await mock.slices.run_promptly(body)).encode()[: mock.settings.journal_body]
    exchange.is_body_complete = True
    return exchange


def _pairs(values: Any, field: str) -> list[tuple[str, str]]:  # noqa: ANN401 - any JSON
    """Return the names and values of headers or cookies.

    Raises:
        ConfigError: they are invalid or larger than a head.
    """
    if values is None:
        return []
    if not isinstance(values, Mapping):
        raise ConfigError("must be an object", f"/{field}")
    if len(values) > MAX_REQUEST_HEAD_BYTES:
        raise _too_large()
    pairs = []
    size = 0
    for name, value in values.items():
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str):
                raise ConfigError("must be text, or a list of texts", f"/{field}{format_pointer([name])}")
            size += len(name) + len(text) + 1
            if size > MAX_REQUEST_HEAD_BYTES:
                raise _too_large()
            pairs.append((name, text))
    return pairs


def _too_large() -> ConfigError:
    return ConfigError(f"the request line and headers have more than {MAX_REQUEST_HEAD_BYTES} bytes: shorten them", "/")
