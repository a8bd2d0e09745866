"""The journal folded into calls, and what each client did wrong after a failure."""

import math
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from itertools import pairwise
from operator import itemgetter
from typing import Any

from mock_atoms.core.tenancy import Tenant
from mock_atoms.journal.exchange import ABORTED, ANSWERED, Exchange

MAX_PAUSE_MS = 120_000
"""A client that comes back later than this, and than it was asked to, makes a new call."""
MIN_BACKOFF_MS = 50
"""A shorter pause before an attempt is none."""
EARLY_MS = 50
"""By how much a client may come early: its clock is not ours."""
_TOLERANCE_SECONDS = 0.1  # by which a server may learn late that a client has given up
_MOST_REMEMBERED = 1_000  # tenants, and calls of each, of which an attempt has failed
_RETRIED_STATUSES = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_SAFE_TO_SEND_AGAIN = {*_RETRIED_STATUSES, HTTPStatus.SERVICE_UNAVAILABLE}
_NOT_IDEMPOTENT = {"POST", "PATCH"}
_BOUNDARY = re.compile(r'boundary="?([^\s";,]+)', re.IGNORECASE)


class Outcome(StrEnum):
    """How a call ended."""

    SUCCEEDED = "succeeded"
    RECOVERED = "recovered"
    REFUSED = "refused"
    GAVE_UP = "gave up"
    STILL_FAILING = "still failing"


class Finding(StrEnum):
    """What a client did wrong."""

    RETRIED_FINAL_STATUS = "retried-final-status"
    NO_BACKOFF = "no-backoff"
    IGNORED_RETRY_AFTER = "ignored-retry-after"
    RETRIED_UNSAFE_REQUEST = "retried-unsafe-request"


@dataclass(slots=True)
class Call:
    """What a client wanted once, and how often it had to ask.

    Attributes:
        attempts: the requests, in order of arrival: one at least.
        is_ambiguous: whether requests like these ran in parallel, so that one may belong to another call.
    """

    attempts: list[Exchange] = field(default_factory=list)
    is_ambiguous: bool = False

    @property
    def tenant(self) -> Tenant:
        """Whose call it is."""
        return self.attempts[0].tenant


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """What is taken for what.

    Attributes:
        min_backoff_ms: a shorter pause before an attempt is none.
        patience_ms: how long after a failure the client may still come back.
        longest_pause_ms: a client that comes back later makes a new call.
    """

    min_backoff_ms: float = MIN_BACKOFF_MS
    patience_ms: float = 0.0
    longest_pause_ms: float = MAX_PAUSE_MS


def fold(exchanges: Iterable[Exchange], longest_pause: float = MAX_PAUSE_MS / 1000) -> list[Call]:
    """Return the calls that `exchanges`, the oldest first, make up, in order of their first attempts.

    An attempt belongs to a call of the same tenant, method, URL, body and idempotency key that failed before and was
    over, at most `longest_pause` seconds ago: to that of the same connection where there is one, else to the one that
    has waited longest. Where requests ran in parallel that is a guess, and said to be one.
    """
    alike: dict[tuple[object, ...], list[tuple[int, Exchange]]] = {}
    for position, exchange in enumerate(exchanges):
        alike.setdefault(_key(exchange), []).append((position, exchange))
    found = [numbered for those in alike.values() for numbered in _fold_alike(those, longest_pause)]
    return [call for _, call in sorted(found, key=itemgetter(0))]


def _fold_alike(exchanges: list[tuple[int, Exchange]], longest_pause: float) -> list[tuple[int, Call]]:
    """Return the calls of requests that are alike, each with the position of its first attempt."""
    calls: list[tuple[int, Call]] = []
    failed: list[Call] = []
    running: list[Call] = []
    to_come: dict[tuple[str, int], deque[Exchange]] = {}
    for _, exchange in exchanges:
        to_come.setdefault(_connection(exchange), deque()).append(exchange)
    for position, exchange in exchanges:
        to_come[_connection(exchange)].popleft()
        running = [call for call in running if _over_by(call.attempts[-1]) > exchange.started]
        failed = [call for call in failed if _may_come_back(call.attempts[-1], exchange.started, longest_pause)]
        call = _continued(failed, exchange, to_come)
        if call is None:
            call = Call()
            calls.append((position, call))
        else:
            failed.remove(call)
        if running:
            for other in (call, *running):
                other.is_ambiguous = True
        call.attempts.append(exchange)
        running.append(call)
        if exchange.ended is not None and not has_succeeded(exchange):
            failed.append(call)
    return calls


def _continued(
    failed: list[Call], exchange: Exchange, to_come: Mapping[tuple[str, int], Sequence[Exchange]]
) -> Call | None:
    """Return the call of `failed` that `exchange` goes on with."""
    waiting = [call for call in failed if _over_by(call.attempts[-1]) <= exchange.started]
    same = [call for call in waiting if _connection(call.attempts[-1]) == _connection(exchange)]
    if same:
        return same[0]
    others = [
        call
        for call in waiting
        if gap_ms(call.attempts[-1], exchange) >= MIN_BACKOFF_MS
        or not _is_of_another(exchange, to_come[_connection(call.attempts[-1])])
    ]
    if len(others) > 1:
        for call in others:
            call.is_ambiguous = True
    return min(others, key=lambda call: _end(call.attempts[-1]), default=None)


def _is_of_another(exchange: Exchange, to_come: Sequence[Exchange]) -> bool:
    """Tell whether `exchange`, which came at once on a connection of its own, is of another client than those to come.

    It is, unless the first of them comes right behind it: then it is one client, which takes the connections it has in
    turn.
    """
    return bool(to_come) and not (
        to_come[0].started >= _end(exchange) and gap_ms(exchange, to_come[0]) < MIN_BACKOFF_MS
    )


def _connection(exchange: Exchange) -> tuple[str, int]:
    return exchange.client_address, exchange.client_port


def has_succeeded(exchange: Exchange) -> bool:
    """Tell whether the client got what it asked for."""
    return exchange.ending == ANSWERED and exchange.status < HTTPStatus.BAD_REQUEST and not exchange.has_malformed_body


def retry_after_ms(exchange: Exchange) -> float | None:
    """Return how long the answer asked the client to wait, in milliseconds, or `None` where it did not."""
    text = exchange.response_header("retry-after")
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text) * 1000
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    answered = exchange.arrived_at + timedelta(milliseconds=exchange.duration_ms or 0)
    return max(0.0, (moment - answered).total_seconds() * 1000)


def _key(exchange: Exchange) -> tuple[object, ...]:
    body = exchange.body
    content_type = ", ".join(exchange.header_values("content-type"))
    boundary = _BOUNDARY.search(content_type)
    if boundary:
        body = body.replace(boundary[1].encode(), b"")
    idempotency = tuple(exchange.header_values("idempotency-key"))
    length = tuple(exchange.header_values("content-length"))
    rest = (
        exchange.body_tail_digest if exchange.is_body_complete and not boundary else b""
    )  # how much of it came is chance
    caller = exchange.tenant.key or exchange.head.secrets  # those whose keys are not valid are several, too
    return caller, exchange.method, exchange.url, body, length, rest, idempotency


def _over_by(exchange: Exchange) -> float:
    """Return when the client may have had its answer, or have given up."""
    return _end(exchange) - (_TOLERANCE_SECONDS if exchange.ending == ABORTED else 0.0)


def _may_come_back(last: Exchange, moment: float, longest_pause: float) -> bool:
    """Tell whether at `moment` a client may still come back after `last`."""
    return moment - _end(last) <= longest_pause + (retry_after_ms(last) or 0) / 1000


def _end(exchange: Exchange) -> float:
    return math.inf if exchange.ended is None else exchange.ended


def gap_ms(last: Exchange, exchange: Exchange) -> float:
    """Return the pause between two attempts, from the end of the first."""
    return max(0.0, (exchange.started - _end(last)) * 1000)


def outcome(call: Call, patience: RetrySettings, now: float) -> Outcome:
    """Return how `call` ended, as of `now`, on the clock of `Exchange.started`."""
    last = call.attempts[-1]
    if has_succeeded(last):
        return Outcome.RECOVERED if len(call.attempts) > 1 else Outcome.SUCCEEDED
    if is_final(last):
        return Outcome.REFUSED
    if (now - _end(last)) * 1000 < patience.patience_ms or last.ended is None:
        return Outcome.STILL_FAILING
    return Outcome.GAVE_UP


def findings(call: Call, min_backoff_ms: float = MIN_BACKOFF_MS) -> list[dict[str, Any]]:
    """Return what the client did wrong: kind, number of the attempt that should not have come so, and a sentence.

    Of a call whose attempts are guessed, nothing is said.
    """
    found: list[dict[str, Any]] = []
    if call.is_ambiguous:
        return found
    for number, (last, exchange) in enumerate(pairwise(call.attempts), 2):
        gap = gap_ms(last, exchange)
        what = _happened(last)
        asked = retry_after_ms(last)
        for kind, holds, detail in (
            (
                Finding.RETRIED_FINAL_STATUS,
                is_final(last),
                f"{what} is final: the same request can only fail again",
            ),
            (
                Finding.IGNORED_RETRY_AFTER,
                asked is not None and gap < asked - EARLY_MS,
                f"it came {gap:.0f} ms after a {what} that asked for {asked or 0:.0f} ms",
            ),
            (
                Finding.NO_BACKOFF,
                # A client may close a connection it has given up only when it tries again.
                gap < min_backoff_ms and asked is None and last.ending != ABORTED,
                f"it came {gap:.0f} ms after the failure ({what}): wait, and longer each time",
            ),
            (
                Finding.RETRIED_UNSAFE_REQUEST,
                _may_have_been_done(last) and not last.header_values("idempotency-key"),
                f"the {last.method} before it was sent whole and ended with {what}: it may have been done already",
            ),
        ):
            if holds:
                found.append({"kind": kind.value, "attempt": number, "detail": detail})
    return found


def is_final(exchange: Exchange) -> bool:
    """Tell whether the same request can only fail again."""
    return exchange.ending == ANSWERED and 400 <= exchange.status < 500 and exchange.status not in _RETRIED_STATUSES  # noqa: PLR2004 - the class 4xx


def _may_have_been_done(exchange: Exchange) -> bool:
    if exchange.method not in _NOT_IDEMPOTENT or not exchange.is_body_complete:
        return False
    return not is_final(exchange) and exchange.status not in _SAFE_TO_SEND_AGAIN


def _happened(exchange: Exchange) -> str:
    """Say in a word what the client met: a status, or how the connection ended."""
    if exchange.ending == ANSWERED:
        return f"{exchange.status}, malformed body" if exchange.has_malformed_body else str(exchange.status)
    return exchange.ending or "no answer yet"


def attempt_numbers(exchanges: Iterable[Exchange]) -> dict[Exchange, int]:
    """Return the how-manieth attempt of its call each exchange is."""
    return {exchange: number for call in fold(exchanges) for number, exchange in enumerate(call.attempts, 1)}


class AttemptCounter:
    """Numbers the attempts of calls as they end: the log cannot wait for those to come.

    Where nothing ran in parallel, the number is that of `attempt_numbers`. What the journal has forgotten is forgotten
    here too; where it is off, every attempt is the first.
    """

    def __init__(self) -> None:
        self._failed: dict[bytes, dict[tuple[object, ...], tuple[Exchange, int]]] = {}

    def number(self, exchange: Exchange) -> int:
        """Return the how-manieth attempt of its call `exchange` was, which is over."""
        has_failed = not has_succeeded(exchange)
        tenant = exchange.tenant.key
        failed = self._failed.get(tenant)
        if failed is None:
            if not has_failed:
                return 1
            failed = self._failed[tenant] = {}
            _bound(self._failed)
        key = _key(exchange)
        last, number = failed.pop(key, (None, 0))
        goes_on = (
            last is not None
            and last.is_in_journal
            and _over_by(last) <= exchange.started
            and _may_come_back(last, exchange.started, MAX_PAUSE_MS / 1000)
        )
        number = number + 1 if goes_on else 1
        if has_failed:
            failed[key] = exchange, number
            _bound(failed)
        elif not failed:
            del self._failed[tenant]
        return number


def _bound(remembered: dict[Any, Any]) -> None:
    if len(remembered) > _MOST_REMEMBERED:
        del remembered[next(iter(remembered))]
