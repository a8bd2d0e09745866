"""The retry report: the journal folded into calls, and what each client did after a failure."""

import math
import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from itertools import pairwise
from typing import Any

from mock_atoms.exchange import ABORTED
from mock_atoms.generator import iso
from mock_atoms.journal import ANSWERED, Entry
from mock_atoms.tenancy import Tenant

LONGEST_PAUSE_SECONDS = 120
"""A client that comes back later than this, and than it was asked to, makes a new call."""
MIN_BACKOFF_MS = 50
_TOLERANCE_SECONDS = 0.1  # by which a server may learn late that a client has given up
_EARLY_MS = 50  # by which a client may come early: its clock is not ours
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
    """

    attempts: list[Entry] = field(default_factory=list)

    @property
    def tenant(self) -> Tenant:
        """Whose call it is."""
        return self.attempts[0].tenant


@dataclass(frozen=True, slots=True)
class Patience:
    """What is taken for what.

    Attributes:
        min_backoff_ms: a shorter pause before an attempt is none.
        patience_ms: how long after a failure the client may still come back.
        now: the moment of the report, on the clock of `Entry.started`.
    """

    min_backoff_ms: float = MIN_BACKOFF_MS
    patience_ms: float = 0.0
    now: float = 0.0


def fold(entries: Iterable[Entry]) -> list[Call]:
    """Return the calls that `entries`, the oldest first, make up, in order of their first attempts.

    An attempt belongs to the call of the same tenant, method, URL, body and idempotency key that failed before and was
    over: of several such, as of parallel clients, to the one that has waited longest.
    """
    calls: list[Call] = []
    failed: dict[tuple[object, ...], deque[Call]] = {}
    for entry in entries:
        waiting = failed.setdefault(_key(entry), deque())
        while waiting and not _may_come_back(waiting[0].attempts[-1], entry.started):
            waiting.popleft()
        call = next((call for call in waiting if _may_continue(call.attempts[-1], entry)), None)
        if call is None:
            call = Call()
            calls.append(call)
        else:
            waiting.remove(call)
        call.attempts.append(entry)
        if entry.ended is not None and not has_succeeded(entry):
            waiting.append(call)
    return calls


def has_succeeded(entry: Entry) -> bool:
    """Tell whether the client got what it asked for."""
    return entry.ending == ANSWERED and entry.status < HTTPStatus.BAD_REQUEST and not entry.spoiled


def retry_after_ms(entry: Entry) -> float | None:
    """Return how long the answer asked the client to wait, in milliseconds, or `None` where it did not."""
    text = entry.answer_header("retry-after")
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text, re.ASCII):
        return float(text) * 1000
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    answered = entry.arrived + timedelta(milliseconds=entry.milliseconds or 0)
    return max(0.0, (moment - answered).total_seconds() * 1000)


def _key(entry: Entry) -> tuple[object, ...]:
    body = entry.body
    content_type = ", ".join(entry.header("content-type"))
    boundary = _BOUNDARY.search(content_type)
    if boundary:
        body = body.replace(boundary[1].encode(), b"")
    idempotency = tuple(entry.header("idempotency-key"))
    rest = b"" if boundary else entry.body_rest
    return entry.tenant.key, entry.method, entry.url, body, entry.body_size, rest, idempotency


def _may_continue(last: Entry, entry: Entry) -> bool:
    tolerance = _TOLERANCE_SECONDS if last.ending == ABORTED else 0.0
    return _end(last) <= entry.started + tolerance


def _may_come_back(last: Entry, moment: float) -> bool:
    """Tell whether at `moment` a client may still come back after `last`."""
    return moment - _end(last) <= LONGEST_PAUSE_SECONDS + (retry_after_ms(last) or 0) / 1000


def _end(entry: Entry) -> float:
    return math.inf if entry.ended is None else entry.ended


def gap_ms(last: Entry, entry: Entry) -> float:
    """Return the pause between two attempts, from the end of the first."""
    return max(0.0, (entry.started - _end(last)) * 1000)


def outcome(call: Call, patience: Patience) -> Outcome:
    """Return how `call` ended."""
    last = call.attempts[-1]
    if has_succeeded(last):
        return Outcome.RECOVERED if len(call.attempts) > 1 else Outcome.SUCCEEDED
    if last.ended is None or (patience.now - last.ended) * 1000 < patience.patience_ms:
        return Outcome.STILL_FAILING
    return Outcome.GAVE_UP


def findings(call: Call, min_backoff_ms: float = MIN_BACKOFF_MS) -> list[dict[str, Any]]:
    """Return what the client did wrong: kind, number of the attempt that should not have come so, and a sentence."""
    found = []
    for number, (last, entry) in enumerate(pairwise(call.attempts), 2):
        gap = gap_ms(last, entry)
        what = _happened(last)
        asked = retry_after_ms(last)
        for kind, holds, detail in (
            (
                Finding.RETRIED_FINAL_STATUS,
                _is_final(last),
                f"{what} is final: the same request can only fail again",
            ),
            (
                Finding.IGNORED_RETRY_AFTER,
                asked is not None and gap < asked - _EARLY_MS,
                f"it came {gap:.0f} ms after a {what} that asked for {asked or 0:.0f} ms",
            ),
            (
                Finding.NO_BACKOFF,
                gap < min_backoff_ms and asked is None,
                f"it came {gap:.0f} ms after the failure ({what}): wait, and longer each time",
            ),
            (
                Finding.RETRIED_UNSAFE_REQUEST,
                _may_have_been_done(last) and not last.header("idempotency-key"),
                f"the {last.method} before it was sent whole and ended with {what}: it may have been done already",
            ),
        ):
            if holds:
                found.append({"kind": kind.value, "attempt": number, "detail": detail})
    return found


def _is_final(entry: Entry) -> bool:
    return entry.ending == ANSWERED and 400 <= entry.status < 500 and entry.status not in _RETRIED_STATUSES  # noqa: PLR2004 - the class 4xx


def _may_have_been_done(entry: Entry) -> bool:
    if entry.method not in _NOT_IDEMPOTENT or not entry.body_complete:
        return False
    return not _is_final(entry) and entry.status not in _SAFE_TO_SEND_AGAIN


def _happened(entry: Entry) -> str:
    """Say in a word what the client met: a status, or how the connection ended."""
    if entry.ending == ANSWERED:
        return f"{entry.status}, spoiled" if entry.spoiled else str(entry.status)
    return entry.ending or "no answer yet"


def as_json(call: Call, patience: Patience) -> dict[str, Any]:
    """Return `call` as the report shows it."""
    tenant = call.tenant
    first = call.attempts[0]
    gaps: list[float | None] = [None, *(gap_ms(last, entry) for last, entry in pairwise(call.attempts))]
    return {
        "tenant": tenant.label,
        "testId": tenant.test_id,
        "method": first.method,
        "url": first.url,
        "outcome": outcome(call, patience).value,
        "statuses": [entry.status or None for entry in call.attempts],
        "gapsMs": [round(gap, 1) for gap in gaps if gap is not None],
        "attempts": [
            _attempt(number, entry, gap, following)
            for number, (entry, gap, following) in enumerate(
                zip(call.attempts, gaps, [*gaps[1:], None], strict=True), 1
            )
        ],
        "findings": findings(call, patience.min_backoff_ms),
    }


def _attempt(number: int, entry: Entry, gap: float | None, following: float | None) -> dict[str, Any]:
    asked = retry_after_ms(entry)
    return {
        "number": number,
        "id": entry.id,
        "time": iso(entry.arrived),
        "status": entry.status or None,
        "ended": entry.ending,
        "faults": list(entry.faults),
        "durationMs": None if entry.milliseconds is None else round(entry.milliseconds, 1),
        "gapMs": None if gap is None else round(gap, 1),
        "retryAfterMs": asked,
        "retryAfterHonoured": None if asked is None or following is None else following >= asked - _EARLY_MS,
    }


def report(calls: Sequence[Call], patience: Patience, dropped: int) -> dict[str, Any]:
    """Return the whole report.

    Args:
        calls: what to tell of.
        patience: what is taken for what.
        dropped: how many entries the journal has dropped, which may be missing here.
    """
    told = [as_json(call, patience) for call in calls]
    ended = [call["outcome"] for call in told]
    return {
        "calls": told,
        "summary": {
            "calls": len(told),
            "attempts": sum(len(call["attempts"]) for call in told),
            "succeeded": ended.count(Outcome.SUCCEEDED),
            "recovered": ended.count(Outcome.RECOVERED),
            "gaveUp": ended.count(Outcome.GAVE_UP),
            "stillFailing": ended.count(Outcome.STILL_FAILING),
            "findings": sum(len(call["findings"]) for call in told),
        },
        "dropped": dropped,
    }


def as_text(told: dict[str, Any]) -> str:
    """Return a report for people."""
    summary = told["summary"]
    lines = [
        (
            f"{_count(summary['calls'], 'call')}, {_count(summary['attempts'], 'attempt')}: "
            f"{summary['succeeded']} succeeded at once, {summary['recovered']} recovered, {summary['gaveUp']} gave up, "
            f"{summary['stillFailing']} still failing; {_count(summary['findings'], 'finding')}"
        )
    ]
    if told["dropped"]:
        lines.append(f"the journal has dropped {_count(told['dropped'], 'entry', 'entries')}: some calls may be cut")
    for call in told["calls"]:
        test = f" test={call['testId']}" if call["testId"] else ""
        lines += ["", f"{call['method']} {call['url']} tenant={call['tenant']}{test}: {call['outcome']}"]
        for attempt in call["attempts"]:
            lines.append(_attempt_line(attempt))
            lines += [
                f"     ! {finding['kind']}: {finding['detail']}"
                for finding in call["findings"]
                if finding["attempt"] == attempt["number"]
            ]
    return "\n".join(lines) + "\n"


def _attempt_line(attempt: dict[str, Any]) -> str:
    pause = "" if attempt["gapMs"] is None else f"after {attempt['gapMs']:.0f} ms"
    ended = attempt["ended"]
    met = attempt["status"] if ended == ANSWERED else ended or "in flight"
    line = f"  {attempt['number']:>2}  {pause:<14} {met}"
    if attempt["faults"]:
        line += f"  fault={','.join(attempt['faults'])}"
    if attempt["retryAfterMs"] is not None:
        kept = {True: ", honoured", False: ", ignored", None: ""}[attempt["retryAfterHonoured"]]
        line += f"  Retry-After {attempt['retryAfterMs'] / 1000:g} s{kept}"
    return line


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def attempt_numbers(entries: Iterable[Entry]) -> dict[str, int]:
    """Return by id the how-manieth attempt of its call each entry is."""
    return {entry.id: number for call in fold(entries) for number, entry in enumerate(call.attempts, 1)}
