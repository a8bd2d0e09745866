"""Servers that share a log respond like one server."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.app import create_app
from mock_atoms.core.settings import Settings
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import AsgiResponse, bearer_pairs, call
from tests.helpers.shared_log import MemoryLog

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
JSON = [(b"content-type", b"application/json")]
TOKENS = ["sk_acme", "sk_beta", "sk_mock_500x2.a", "sk_mock_p50.b", "sk_mock_limit2.c", "sk_mock_nothing"]
RULES = ["500x1", "503p50", "429 limit3", "delay0", "badjson"]


def make_mock(log: MemoryLog | None) -> MockAtoms:
    settings = Settings(fault=("502p10",), tokens=(), seed="replicas")
    return MockAtoms(settings, clock=lambda: 0.0, now=lambda: NOON, shared_log=log)


class Servers:
    """Three servers that share a log, asked in turn, and one server alone."""

    def __init__(self) -> None:
        self.log = MemoryLog(page_size=3)
        self._turns: Iterator[Any] = cycle([create_app(mock=make_mock(self.log)) for _ in range(3)])
        self._single = create_app(mock=make_mock(None))

    def send(self, path: str, headers: Any = (), method: str = "GET", query: bytes = b"", body: bytes = b"") -> AsgiResponse:  # noqa: ANN401 - as `call`
        """Send a request to both, and return the response, which is the same."""
        responses = [
            call(app, path, [*headers], method, query=query, body=body) for app in (next(self._turns), self._single)
        ]
        shared, single = responses
        assert (shared.status, shared.body, shared.headers) == (single.status, single.body, single.headers)
        return shared
