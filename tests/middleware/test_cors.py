"""CORS headers on the fast path."""

import asyncio
from datetime import UTC, datetime

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from mock_atoms import Settings
from mock_atoms.journal.exchange import RequestContext
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.middleware import cors
from mock_atoms.middleware.cors import MAX_CACHED_LENGTH, CorsHeaders
from mock_atoms.mock import MockAtoms

ORIGIN = b"http://localhost:3000"


def context(origin: bytes) -> RequestContext:
    mock = MockAtoms(Settings(), now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    headers = [(b"origin", origin)]
    return mock.request_reader.read(RawRequest("GET", b"/", b"", headers, "http", "1.1", None, None))


@pytest.mark.parametrize(("length", "times"), [(MAX_CACHED_LENGTH, 1), (MAX_CACHED_LENGTH + 1, 2)])
def test_cors_headers_of_a_long_origin_are_not_cached(length: int, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class CountedMiddleware(CORSMiddleware):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            calls.append(scope)
            await super().__call__(scope, receive, send)

    monkeypatch.setattr(cors, "CORSMiddleware", CountedMiddleware)
    headers = CorsHeaders(Settings().cors_origin)
    first, second = (headers.add((), context(b"x" * length)) for _ in range(2))
    assert first == second
    assert len(calls) == times


def test_a_middleware_that_waits_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait(_self: CORSMiddleware, _scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(CORSMiddleware, "__call__", wait)
    with pytest.raises(RuntimeError, match="compute CORS headers in a task"):
        CorsHeaders(Settings().cors_origin).add((), context(ORIGIN))
