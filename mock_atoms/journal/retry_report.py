"""The retry report: how each client retried, as JSON and as text."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mock_atoms.core.printable import show_invisible
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.journal.calls import Call, gap_ms, retry_after_ms
from mock_atoms.journal.exchange import ABORTED, RESPONDED, Exchange
from mock_atoms.journal.retries import CLOCK_TOLERANCE_MS, CallOutcome, RetrySettings, findings, outcome


def report(calls: Sequence[Call], settings: RetrySettings, now: float, dropped: int) -> dict[str, Any]:
    """Return the report as JSON.

    Args:
        calls: the calls to report.
        settings: thresholds.
        now: time of the report on the monotonic clock.
        dropped: number of exchanges that the journal has dropped and that may be missing.
    """
    reported = [as_json(call, settings, now) for call in calls]
    outcomes = Counter(call["outcome"] for call in reported)
    kinds = Counter(finding["kind"] for call in reported for finding in call["findings"])
    return {
        "calls": reported,
        "summary": {
            "calls": len(reported),
            "attempts": sum(len(call["attempts"]) for call in reported),
            "succeeded": outcomes[CallOutcome.SUCCEEDED],
            "recovered": outcomes[CallOutcome.RECOVERED],
            "refused": outcomes[CallOutcome.REFUSED],
            "gaveUp": outcomes[CallOutcome.GAVE_UP],
            "gaveUpAtOnce": sum(map(_gave_up_without_retry, reported)),
            "stillFailing": outcomes[CallOutcome.STILL_FAILING],
            "ambiguous": sum(call["ambiguous"] for call in reported),
            "findings": kinds.total(),
            "findingsByKind": dict(kinds),
        },
        "dropped": dropped,
    }


def as_json(call: Call, settings: RetrySettings, now: float) -> dict[str, Any]:
    """Return one call of the report, as of `now` on the monotonic clock."""
    tenant = call.tenant
    first = call.attempts[0]
    gaps: list[float | None] = [None, *(gap_ms(last, retry) for last, retry in pairwise(call.attempts))]
    return {
        "tenant": tenant.label,
        "testId": tenant.test_id,
        "method": first.method,
        "url": first.url,
        "outcome": outcome(call, settings, now).value,
        "ambiguous": call.is_ambiguous,
        "statuses": [exchange.status or None for exchange in call.attempts],
        "gapsMs": [round(gap, 1) for gap in gaps if gap is not None],
        "attempts": [
            _attempt(number, exchange, gap, next_gap)
            for number, (exchange, gap, next_gap) in enumerate(
                zip(call.attempts, gaps, [*gaps[1:], None], strict=True), 1
            )
        ],
        "findings": findings(call, settings.min_backoff_ms),
    }


def _attempt(number: int, exchange: Exchange, gap: float | None, next_gap: float | None) -> dict[str, Any]:
    requested = retry_after_ms(exchange)
    is_honoured = None if requested is None or next_gap is None else next_gap >= requested - CLOCK_TOLERANCE_MS
    return {
        "number": number,
        "id": exchange.id,
        "time": format_timestamp(exchange.arrived_at),
        "status": exchange.status or None,
        "ended": exchange.ended,
        "malformedBody": exchange.has_malformed_body,
        "faults": list(exchange.faults),
        "durationMs": None if exchange.duration_ms is None else round(exchange.duration_ms, 1),
        "gapMs": None if gap is None else round(gap, 1),
        "retryAfterMs": requested,
        "retryAfterHonoured": is_honoured,
    }


def _gave_up_without_retry(call: dict[str, Any]) -> bool:
    return call["outcome"] == CallOutcome.GAVE_UP and len(call["attempts"]) == 1


def as_text(reported: dict[str, Any]) -> str:
    """Return the text of a report."""
    summary = reported["summary"]
    outcomes = {
        "succeeded": "succeeded",
        "recovered": "recovered",
        "refused": "refused",
        "gaveUp": "gave up",
        "stillFailing": "still failing",
    }
    counts = ", ".join(f"{summary[key]} {text}" for key, text in outcomes.items() if summary[key])
    total = f"{_count(summary['calls'], 'call')}, {_count(summary['attempts'], 'attempt')}"
    lines = [f"{total}{': ' if counts else ''}{counts}; {_count(summary['findings'], 'finding')}"]
    if reported["dropped"]:
        lines.append(f"the journal has dropped {_count(reported['dropped'], 'exchange')}: calls may be incomplete")
    for call in reported["calls"]:
        test = f" test={call['testId']}" if call["testId"] else ""
        without_retry = " without a retry" if _gave_up_without_retry(call) else ""
        lines += ["", f"{call['method']} {call['url']} tenant={call['tenant']}{test}: {call['outcome']}{without_retry}"]
        if call["ambiguous"]:
            lines.append("  ? similar requests ran in parallel: the attempts of each call are a guess")
        for attempt in call["attempts"]:
            lines.append(_attempt_line(attempt))
            lines += [
                f"     ! {finding['kind']}: {finding['detail']}"
                for finding in call["findings"]
                if finding["attempt"] == attempt["number"]
            ]
    return "".join(f"{show_invisible(line)}\n" for line in lines)


def _attempt_line(attempt: dict[str, Any]) -> str:
    pause = "" if attempt["gapMs"] is None else f"after {attempt['gapMs']:.0f} ms"
    ended = attempt["ended"]
    result = attempt["status"] if ended == RESPONDED else ended or "in flight"
    line = f"  {attempt['number']:>2}  {pause:<14} {result}"
    if attempt["malformedBody"]:
        line += ", malformed body"
    if ended == ABORTED:
        line += f" by the client after {attempt['durationMs']:.0f} ms"
    if attempt["faults"]:
        line += f"  fault={','.join(attempt['faults'])}"
    if attempt["retryAfterMs"] is not None:
        honoured = {True: ", honoured", False: ", ignored", None: ""}[attempt["retryAfterHonoured"]]
        line += f"  Retry-After {round(attempt['retryAfterMs'] / 1000, 1):g} s{honoured}"
    return line


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
