"""Outcome of a call, and the retry mistakes of its client."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from mock_atoms.journal.calls import MAX_PAUSE_MS, MIN_BACKOFF_MS, Call, gap_ms, has_succeeded, retry_after_ms
from mock_atoms.journal.exchange import ABORTED, RESPONDED, Exchange

CLOCK_TOLERANCE_MS = 50
"""A client may retry earlier than `Retry-After` by this much: clocks differ."""
_RETRIABLE_STATUSES = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_STATUSES_WITHOUT_EFFECT = {*_RETRIABLE_STATUSES, HTTPStatus.SERVICE_UNAVAILABLE}
_NOT_IDEMPOTENT = {"POST", "PATCH"}


class CallOutcome(StrEnum):
    """Outcome of a call."""

    SUCCEEDED = "succeeded"
    RECOVERED = "recovered"
    REFUSED = "refused"
    GAVE_UP = "gave up"
    STILL_FAILING = "still failing"


class Finding(StrEnum):
    """A retry mistake of a client."""

    RETRIED_FINAL_STATUS = "retried-final-status"
    NO_BACKOFF = "no-backoff"
    IGNORED_RETRY_AFTER = "ignored-retry-after"
    RETRIED_UNSAFE_REQUEST = "retried-unsafe-request"


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Thresholds of the retry report.

    Attributes:
        min_backoff_ms: a shorter pause before an attempt is not a backoff.
        patience_ms: how long after a failure the client may still retry.
        max_pause_ms: a longer pause starts a new call.
    """

    min_backoff_ms: float = MIN_BACKOFF_MS
    patience_ms: float = 0.0
    max_pause_ms: float = MAX_PAUSE_MS


def outcome(call: Call, settings: RetrySettings, now: float) -> CallOutcome:
    """Return how `call` ended as of `now`, on the monotonic clock."""
    last = call.attempts[-1]
    if has_succeeded(last):
        return CallOutcome.RECOVERED if len(call.attempts) > 1 else CallOutcome.SUCCEEDED
    if _is_final(last):
        return CallOutcome.REFUSED
    if last.ended_at is None or (now - last.ended_at) * 1000 < settings.patience_ms:
        return CallOutcome.STILL_FAILING
    return CallOutcome.GAVE_UP


def findings_of(call: Call, number: int, min_backoff_ms: float = MIN_BACKOFF_MS) -> list[dict[str, Any]]:
    """Return the client's mistakes in an attempt: kind, attempt number and a sentence. Ambiguous calls have none."""
    if call.is_ambiguous or number == 1:
        return []
    last, retry = call.attempts[number - 2 : number]
    return [
        {"kind": kind.value, "attempt": number, "detail": detail}
        for kind, detail in _mistakes(last, retry, min_backoff_ms)
    ]


def _mistakes(last: Exchange, retry: Exchange, min_backoff_ms: float) -> Iterator[tuple[Finding, str]]:
    gap, requested = gap_ms(last, retry), retry_after_ms(last)
    failure = _failure(last)
    if _is_final(last):
        yield Finding.RETRIED_FINAL_STATUS, f"retried after {failure}, a final status: the request cannot succeed"
    if requested is not None and gap < requested - CLOCK_TOLERANCE_MS:
        yield (
            Finding.IGNORED_RETRY_AFTER,
            f"retried after {gap:.0f} ms; `Retry-After` asked for {round(requested / 1000, 1):g} s",
        )
    # A client may have waited before it closed the connection of an aborted request.
    if gap < min_backoff_ms and requested is None and last.ended != ABORTED:
        yield (
            Finding.NO_BACKOFF,
            f"retried after {gap:.0f} ms ({failure}); wait at least {min_backoff_ms:g} ms, and longer each time",
        )
    if _may_have_taken_effect(last) and not last.header_values("idempotency-key"):
        yield (
            Finding.RETRIED_UNSAFE_REQUEST,
            f"retried a {last.method} that may have taken effect ({failure}); check whether it did before you retry",
        )


def _is_final(exchange: Exchange) -> bool:
    """Return whether the same request cannot succeed later."""
    return exchange.ended == RESPONDED and 400 <= exchange.status < 500 and exchange.status not in _RETRIABLE_STATUSES  # noqa: PLR2004 - the class 4xx


def _may_have_taken_effect(exchange: Exchange) -> bool:
    if exchange.method not in _NOT_IDEMPOTENT or not exchange.is_body_complete:
        return False
    return not _is_final(exchange) and exchange.status not in _STATUSES_WITHOUT_EFFECT


def _failure(exchange: Exchange) -> str:
    """Return a short name of a failure: a status, or how the connection ended."""
    if exchange.ended == RESPONDED:
        return f"{exchange.status}, malformed body" if exchange.has_malformed_body else str(exchange.status)
    return exchange.ended or "no response yet"
