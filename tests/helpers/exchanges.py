"""Exchanges for tests of calls and retries."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.calls import Call
from mock_atoms.journal.exchange import Exchange, RequestHead, ResponseHead
from mock_atoms.journal.grouping import group_calls
from mock_atoms.journal.index_keys import index_keys
from mock_atoms.journal.journal import Journal
from mock_atoms.journal.numbering import number_attempts

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NUMBERS = count()


def exchange(start: float, result: int | str | None, duration: float = 0.01, **fields: Any) -> Exchange:  # noqa: ANN401 - any field
    """Return an exchange that started at `start` seconds; its result is a status, how it ended, or `None` in flight."""
    head: dict[str, Any] = {
        "tenant": caller_for("sk_acme").tenant,
        "method": "GET",
        "url": "/atoms/v1/audience",
        "scheme": "http",
        "http_version": "1.1",
        "host": "",
        "headers": (),
    }
    head |= {name: fields.pop(name) for name in (*head, "credential_digests") if name in fields}
    if "credential_digests" not in head:
        head["credential_digests"] = (head["tenant"].token_digest,)
    head["index_keys"] = index_keys(head["tenant"], head["credential_digests"], head["headers"])
    has_status = isinstance(result, int)
    defaults: dict[str, Any] = {
        "head": RequestHead(**head),
        "id": str(next(NUMBERS)),
        "arrived_at": NOON + timedelta(seconds=start),
        "started_at": start,
        "client_address": "127.0.0.1",
        "client_port": next(NUMBERS),
        "is_body_complete": True,
        "ended_at": None if result is None else start + duration,
        "ended": "responded" if has_status else result,
        "status": result if has_status else 0,
    }
    return Exchange(**(defaults | fields))


def post(start: float, result: int | str | None, **fields: Any) -> Exchange:  # noqa: ANN401 - any field
    """Return an exchange of a POST with a small body."""
    defaults: dict[str, Any] = {"method": "POST", "body": b"{}", "body_size": 2}
    return exchange(start, result, **(defaults | fields))


def retry_after(value: str) -> dict[str, Any]:
    """Return the fields of an exchange whose response has a `Retry-After` header."""
    headers = [(b"content-type", b"application/json"), (b"retry-after", value.encode())]
    return {"response_head": ResponseHead(headers)}


def recorded(journal: Journal) -> list[Exchange]:
    """Return all exchanges of a journal, oldest first."""
    return asyncio.run(journal.candidates(()))


def numbers_of(exchanges: Sequence[Exchange]) -> dict[Exchange, int]:
    """Return the attempt numbers of `exchanges`, oldest first, without others."""
    return dict(run_without_pauses(number_attempts(exchanges, exchanges)))


def calls_of(*exchanges: Exchange) -> list[Call]:
    """Return the calls of `exchanges`, oldest first."""
    return run_without_pauses(group_calls(exchanges))
