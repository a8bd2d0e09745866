"""Calls: a first request and its retries, grouped from the journal."""

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from hashlib import blake2b
from http import HTTPStatus
from operator import itemgetter
from weakref import WeakValueDictionary

from mock_atoms.core.tenancy import Tenant
from mock_atoms.journal.exchange import ABORTED, RESPONDED, Exchange

MAX_PAUSE_MS = 120_000
"""A longer pause starts a new call, unless `Retry-After` asked for it."""
MIN_BACKOFF_MS = 50
"""A shorter pause before an attempt is not a backoff."""
_ABORT_DELAY_SECONDS = 0.1  # a server may notice so late that a client has disconnected
_MAX_TENANTS = 1_000  # with failed calls
_BOUNDARY = re.compile(r'boundary="?([^\s";,]+)', re.IGNORECASE)


@dataclass(slots=True)
class Call:
    """A first request and its retries.

    Attributes:
        attempts: the exchanges, in order of arrival; at least one.
        is_ambiguous: whether similar requests ran in parallel. An attempt may then belong to another call.
    """

    attempts: list[Exchange] = field(default_factory=list)
    is_ambiguous: bool = False

    @property
    def tenant(self) -> Tenant:
        """The tenant that made the call."""
        return self.attempts[0].tenant


def group_calls(exchanges: Iterable[Exchange], max_pause: float = MAX_PAUSE_MS / 1000) -> list[Call]:
    """Group `exchanges`, oldest first, into calls, in order of their first attempts.

    An attempt continues a failed call with the same tenant, method, URL, body and idempotency key whose last attempt
    ended at most `max_pause` seconds before. A call on the same connection wins, then the one that waited longest.
    If similar requests ran in parallel, this is a guess, and the calls are marked ambiguous.
    """
    similar: dict[tuple[object, ...], list[tuple[int, Exchange]]] = {}
    for position, exchange in enumerate(exchanges):
        similar.setdefault(_request_key(exchange), []).append((position, exchange))
    calls = [numbered for group in similar.values() for numbered in _group_similar(group, max_pause)]
    return [call for _, call in sorted(calls, key=itemgetter(0))]


def _group_similar(exchanges: list[tuple[int, Exchange]], max_pause: float) -> list[tuple[int, Call]]:
    """Group similar requests into calls, each with the position of its first attempt."""
    calls: list[tuple[int, Call]] = []
    failed: list[Call] = []
    running: list[Call] = []
    upcoming: dict[tuple[str, int], deque[Exchange]] = {}
    for _, exchange in exchanges:
        upcoming.setdefault(_connection(exchange), deque()).append(exchange)
    for position, exchange in exchanges:
        upcoming[_connection(exchange)].popleft()
        running = [call for call in running if _latest_end(call.attempts[-1]) > exchange.started_at]
        failed = [call for call in failed if _may_be_retried(call.attempts[-1], exchange.started_at, max_pause)]
        call = _continued_call(failed, exchange, upcoming)
        if call is None:
            call = Call()
            calls.append((position, call))
        else:
            failed.remove(call)
        if running:
            for parallel in (call, *running):
                parallel.is_ambiguous = True
        call.attempts.append(exchange)
        running.append(call)
        if exchange.ended_at is not None and not has_succeeded(exchange):
            failed.append(call)
    return calls


def _continued_call(
    failed: list[Call], exchange: Exchange, upcoming: Mapping[tuple[str, int], Sequence[Exchange]]
) -> Call | None:
    """Return the failed call that `exchange` continues."""
    waiting = [call for call in failed if _latest_end(call.attempts[-1]) <= exchange.started_at]
    same_connection = [call for call in waiting if _connection(call.attempts[-1]) == _connection(exchange)]
    if same_connection:
        return same_connection[0]
    candidates = [
        call
        for call in waiting
        if gap_ms(call.attempts[-1], exchange) >= MIN_BACKOFF_MS
        or not _is_from_another_client(exchange, upcoming[_connection(call.attempts[-1])])
    ]
    if len(candidates) > 1:
        for call in candidates:
            call.is_ambiguous = True
    return min(candidates, key=lambda call: _end(call.attempts[-1]), default=None)


def _is_from_another_client(exchange: Exchange, upcoming: Sequence[Exchange]) -> bool:
    """Return whether an immediate retry on a new connection is from another client than `upcoming` on the old one.

    If the old connection continues right after it, one client uses its connections in turn.
    """
    return bool(upcoming) and not (
        upcoming[0].started_at >= _end(exchange) and gap_ms(exchange, upcoming[0]) < MIN_BACKOFF_MS
    )


def _connection(exchange: Exchange) -> tuple[str, int]:
    return exchange.client_address, exchange.client_port


def has_succeeded(exchange: Exchange) -> bool:
    """Return whether the client received a complete, well-formed response below status 400."""
    return exchange.ended == RESPONDED and exchange.status < HTTPStatus.BAD_REQUEST and not exchange.has_malformed_body


def retry_after_ms(exchange: Exchange) -> float | None:
    """Return the milliseconds that `Retry-After` asked the client to wait; `None` without a valid one."""
    text = exchange.response_header("retry-after")
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text) * 1000
    try:
        retry_at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    retry_at = retry_at if retry_at.tzinfo else retry_at.replace(tzinfo=UTC)
    end = exchange.arrived_at + timedelta(milliseconds=exchange.duration_ms or 0)
    return max(0.0, (retry_at - end).total_seconds() * 1000)


def _request_key(exchange: Exchange) -> tuple[object, ...]:
    """Return a key that is equal for the attempts of one call."""
    body = exchange.body
    boundary = _BOUNDARY.search(", ".join(exchange.header_values("content-type")))
    if boundary:  # clients choose a new one for each attempt
        body = body.replace(boundary[1].encode(), b"")
    # The received part of an incomplete body differs between attempts.
    body_tail = exchange.body_tail_digest if exchange.is_body_complete and not boundary else b""
    return (
        exchange.tenant.key or tuple(sorted(exchange.head.secrets)),  # unauthenticated callers share a tenant
        exchange.method,
        exchange.url,
        body,
        tuple(exchange.header_values("content-length")),
        body_tail,
        tuple(exchange.header_values("idempotency-key")),
    )


def _end(exchange: Exchange) -> float:
    return math.inf if exchange.ended_at is None else exchange.ended_at


def _latest_end(exchange: Exchange) -> float:
    """Return the time by which the client may have moved on."""
    return _end(exchange) - (_ABORT_DELAY_SECONDS if exchange.ended == ABORTED else 0.0)


def _may_be_retried(last: Exchange, now: float, max_pause: float) -> bool:
    return now - _end(last) <= max_pause + (retry_after_ms(last) or 0) / 1000


def gap_ms(last: Exchange, following: Exchange) -> float:
    """Return the pause between two attempts, from the end of the first."""
    return max(0.0, (following.started_at - _end(last)) * 1000)


def attempt_numbers(exchanges: Iterable[Exchange]) -> dict[Exchange, int]:
    """Return the attempt number of each exchange."""
    return {exchange: number for call in group_calls(exchanges) for number, exchange in enumerate(call.attempts, 1)}


class AttemptCounter:
    """Numbers attempts as they end, for the access log.

    Without parallel requests, the numbers equal those of `attempt_numbers`. Exchanges that the journal has dropped
    no longer count. If the journal is off, every attempt is the first.
    """

    def __init__(self) -> None:
        # The journal alone keeps exchanges alive, so its bound and its reset hold here too.
        self._failed: dict[bytes, WeakValueDictionary[bytes, Exchange]] = {}

    def number(self, exchange: Exchange) -> int:
        """Return the attempt number of an exchange that has just ended."""
        has_failed = not has_succeeded(exchange)
        tenant = exchange.tenant.key
        failed = self._failed.get(tenant)
        if failed is None:
            if not has_failed:
                return 1
            failed = self._failed[tenant] = WeakValueDictionary()
            if len(self._failed) > _MAX_TENANTS:
                del self._failed[next(iter(self._failed))]
        key = blake2b(repr(_request_key(exchange)).encode(), digest_size=16).digest()
        last = failed.pop(key, None)
        if (
            last is not None
            and last.is_in_journal
            and _latest_end(last) <= exchange.started_at
            and _may_be_retried(last, exchange.started_at, MAX_PAUSE_MS / 1000)
        ):
            exchange.attempt = last.attempt + 1
        if has_failed:
            failed[key] = exchange
        elif not failed:
            del self._failed[tenant]
        return exchange.attempt
