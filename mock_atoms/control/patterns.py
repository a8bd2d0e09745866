"""Request patterns in the bodies of requests to the control API."""

from typing import Any

from starlette.requests import Request

from mock_atoms.control.parsing import read_json_body
from mock_atoms.journal.credentials import Credentials
from mock_atoms.wiremock.json_path import load_library
from mock_atoms.wiremock.patterns import RequestPattern, parse_pattern


async def read_pattern(request: Request, credentials: Credentials) -> tuple[Any, RequestPattern]:
    """Return the JSON of a request pattern, and the pattern.

    Raises:
        ConfigError: the body is no request pattern.
    """
    body = await read_json_body(request)
    await load_library(body)
    return body, parse_pattern(body, credentials)
