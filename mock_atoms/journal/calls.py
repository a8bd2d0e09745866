"""Calls: a first request and its retries. How attempts are recognised and counted."""

import math
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import blake2b
from http import HTTPStatus
from operator import itemgetter
from typing import NamedTuple

from mock_atoms.core.retry_after import HEADER, parse_retry_after
from mock_atoms.core.tenancy import REVOKED_TOKEN, UNAUTHENTICATED_TENANT, UNKNOWN_TOKEN, Tenant
from mock_atoms.journal.exchange import ABORTED, RESPONDED, Exchange

MAX_PAUSE_MS = 120_000
"""A longer pause starts a new call, unless `Retry-After` asked for it."""
MIN_BACKOFF_MS = 50
"""A shorter pause before an attempt is not a backoff."""
_ABORT_DELAY_SECONDS = 0.1  # a server may notice so late that a client has disconnected
MAX_FAILED_CALLS = 10_000
"""Number of failed calls that the `AttemptCounter` remembers."""
_KEY_HEADERS = {"user-agent", "content-length", "idempotency-key", "prefer"}
"""Lower-case names of the headers that all attempts of a call have in common."""
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


def is_attributable(exchange: Exchange) -> bool:
    """Return whether one client is known to have sent a request to a mocked route: it has a token, valid or not."""
    has_token = exchange.tenant.token_digest != UNAUTHENTICATED_TENANT.token_digest or exchange.reason in (
        REVOKED_TOKEN,
        UNKNOWN_TOKEN,
    )
    return has_token and exchange.is_matched


def has_succeeded(exchange: Exchange) -> bool:
    """Return whether the client received a complete, well-formed response below status 400."""
    return exchange.ended == RESPONDED and exchange.status < HTTPStatus.BAD_REQUEST and not exchange.has_malformed_body


def retry_after_ms(exchange: Exchange) -> float | None:
    """Return the milliseconds that `Retry-After` asked the client to wait; `None` without a valid one."""
    text = exchange.response_header(HEADER)
    if text is None:
        return None
    end = exchange.arrived_at + timedelta(milliseconds=exchange.duration_ms or 0)
    seconds = parse_retry_after(text, end)
    return None if seconds is None else seconds * 1000


def request_key(exchange: Exchange) -> tuple[object, ...]:
    """Return a key that is equal for the attempts of one call."""
    head, body = exchange.head, exchange.body
    headers = [header for header in head.headers if header[0] in _KEY_HEADERS]
    boundary = body and _BOUNDARY.search(", ".join(exchange.header_values("content-type")))
    if boundary:  # clients choose a new one for each attempt
        body = blake2b(body.replace(boundary[1].encode(), b"")).digest()  # smaller than a copy of the body
    # The received part of an incomplete body differs between attempts.
    body_tail = exchange.body_tail_digest if exchange.is_body_complete and not boundary else b""
    return (
        head.tenant.key,
        () if head.tenant.token_digest else tuple(sorted(head.credential_digests)),  # invalid tokens share a tenant
        tuple(sorted(headers, key=itemgetter(0))),
        head.method,
        head.url,
        body,
        body_tail,
    )


def end_time(exchange: Exchange) -> float:
    """Return the end of an exchange on the monotonic clock, infinity while it is in flight."""
    return math.inf if exchange.ended_at is None else exchange.ended_at


def latest_end(exchange: Exchange) -> float:
    """Return the time by which the client may have moved on."""
    return end_time(exchange) - (_ABORT_DELAY_SECONDS if exchange.ended == ABORTED else 0.0)


def latest_retry(last: Exchange, max_pause: float) -> float:
    """Return until when a request continues the call of `last`, on the monotonic clock."""
    return end_time(last) + max_pause + (retry_after_ms(last) or 0) / 1000


def gap_ms(last: Exchange, following: Exchange) -> float:
    """Return the pause between two attempts, from the end of the first."""
    return max(0.0, (following.started_at - end_time(last)) * 1000)


class _FailedAttempt(NamedTuple):
    """The last attempt of a call that has failed so far.

    Attributes:
        tenant_key: key of the tenant that made the call.
        position: place of the attempt in the journal.
        earliest_retry: when an attempt may follow, on the monotonic clock.
        latest_retry: until when one may follow.
        attempt: number of the attempt.
    """

    tenant_key: bytes
    position: int
    earliest_retry: float
    latest_retry: float
    attempt: int


class AttemptCounter:
    """Numbers attempts as they end, for the access log.

    Without parallel requests, the numbers equal those of `number_attempts` while the journal holds all attempts of a
    call. An attempt after one that the journal has dropped is the first. If the journal is off, every attempt is.

    Args:
        is_held: returns whether the journal holds an exchange at a position.
    """

    def __init__(self, is_held: Callable[[int], bool]) -> None:
        self._is_held = is_held
        self._failed: dict[int, _FailedAttempt] = {}
        self._failed_by_tenant: defaultdict[bytes, int] = defaultdict(int)

    def number(self, exchange: Exchange) -> int:
        """Return the attempt number of an exchange that has just ended."""
        has_failed = not has_succeeded(exchange)
        tenant_key = exchange.tenant.key
        if (not has_failed and tenant_key not in self._failed_by_tenant) or not is_attributable(exchange):
            return 1
        key = hash(request_key(exchange))  # smaller than the key
        last = self._failed.get(key)
        if last is not None:
            self._forget(key)
            if self._is_held(last.position) and last.earliest_retry <= exchange.started_at <= last.latest_retry:
                exchange.attempt = last.attempt + 1
        if has_failed and exchange.is_in_journal:
            self._failed[key] = _FailedAttempt(
                tenant_key,
                exchange.position,
                latest_end(exchange),
                latest_retry(exchange, MAX_PAUSE_MS / 1000),
                exchange.attempt,
            )
            self._failed_by_tenant[tenant_key] += 1
            if len(self._failed) > MAX_FAILED_CALLS:
                self._forget(next(iter(self._failed)))
        return exchange.attempt

    def expected(self, exchange: Exchange) -> int:
        """Return the attempt number that an exchange in flight would get if it ended now."""
        if exchange.tenant.key not in self._failed_by_tenant or not is_attributable(exchange):
            return 1
        last = self._failed.get(hash(request_key(exchange)))
        if last is None or not self._is_held(last.position):
            return 1
        return last.attempt + 1 if last.earliest_retry <= exchange.started_at <= last.latest_retry else 1

    def clear(self) -> None:
        """Forget all attempts."""
        self._failed.clear()
        self._failed_by_tenant.clear()

    def _forget(self, key: int) -> None:
        tenant_key = self._failed.pop(key).tenant_key
        self._failed_by_tenant[tenant_key] -= 1
        if not self._failed_by_tenant[tenant_key]:
            del self._failed_by_tenant[tenant_key]
