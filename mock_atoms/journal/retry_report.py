"""The retry report: what each client did after a failure, as JSON and for people."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.journal.exchange import ABORTED, ANSWERED, Exchange
from mock_atoms.journal.retries import EARLY_MS, Call, Outcome, RetrySettings, findings, gap_ms, outcome, retry_after_ms


def as_json(call: Call, patience: RetrySettings, now: float) -> dict[str, Any]:
    """Return `call` as the report shows it, as of `now`, on the clock of `Exchange.started`."""
    tenant = call.tenant
    first = call.attempts[0]
    gaps: list[float | None] = [None, *(gap_ms(last, exchange) for last, exchange in pairwise(call.attempts))]
    return {
        "tenant": tenant.label,
        "testId": tenant.test_id,
        "method": first.method,
        "url": first.url,
        "outcome": outcome(call, patience, now).value,
        "ambiguous": call.is_ambiguous,
        "statuses": [exchange.status or None for exchange in call.attempts],
        "gapsMs": [round(gap, 1) for gap in gaps if gap is not None],
        "attempts": [
            _attempt(number, exchange, gap, following)
            for number, (exchange, gap, following) in enumerate(
                zip(call.attempts, gaps, [*gaps[1:], None], strict=True), 1
            )
        ],
        "findings": findings(call, patience.min_backoff_ms),
    }


def _attempt(number: int, exchange: Exchange, gap: float | None, following: float | None) -> dict[str, Any]:
    asked = retry_after_ms(exchange)
    return {
        "number": number,
        "id": exchange.id,
        "time": format_timestamp(exchange.arrived_at),
        "status": exchange.status or None,
        "ended": exchange.ending,
        "malformedBody": exchange.has_malformed_body,
        "faults": list(exchange.faults),
        "durationMs": None if exchange.duration_ms is None else round(exchange.duration_ms, 1),
        "gapMs": None if gap is None else round(gap, 1),
        "retryAfterMs": asked,
        "retryAfterHonoured": None if asked is None or following is None else following >= asked - EARLY_MS,
    }


def report(calls: Sequence[Call], patience: RetrySettings, now: float, dropped: int) -> dict[str, Any]:
    """Return the whole report.

    Args:
        calls: what to tell of.
        patience: what is taken for what.
        now: the moment of the report, on the clock of `Exchange.started`.
        dropped: how many exchanges the journal has dropped, which may be missing here.
    """
    told = [as_json(call, patience, now) for call in calls]
    ended = Counter(call["outcome"] for call in told)
    kinds = Counter(finding["kind"] for call in told for finding in call["findings"])
    return {
        "calls": told,
        "summary": {
            "calls": len(told),
            "attempts": sum(len(call["attempts"]) for call in told),
            "succeeded": ended[Outcome.SUCCEEDED],
            "recovered": ended[Outcome.RECOVERED],
            "refused": ended[Outcome.REFUSED],
            "gaveUp": ended[Outcome.GAVE_UP],
            "gaveUpAtOnce": sum(call["outcome"] == Outcome.GAVE_UP and len(call["attempts"]) == 1 for call in told),
            "stillFailing": ended[Outcome.STILL_FAILING],
            "ambiguous": sum(call["ambiguous"] for call in told),
            "findings": kinds.total(),
            "findingsByKind": dict(kinds),
        },
        "dropped": dropped,
    }


def as_text(told: dict[str, Any]) -> str:
    """Return a report for people."""
    summary = told["summary"]
    words = {
        "succeeded": "succeeded at once",
        "recovered": "recovered",
        "refused": "refused",
        "gaveUp": "gave up",
        "stillFailing": "still failing",
    }
    ended = ", ".join(f"{summary[name]} {said}" for name, said in words.items() if summary[name])
    counted = f"{_count(summary['calls'], 'call')}, {_count(summary['attempts'], 'attempt')}"
    lines = [f"{counted}{': ' if ended else ''}{ended}; {_count(summary['findings'], 'finding')}"]
    if told["dropped"]:
        lines.append(
            f"the journal has dropped {_count(told['dropped'], 'exchange', 'exchanges')}: some calls may be cut"
        )
    for call in told["calls"]:
        test = f" test={call['testId']}" if call["testId"] else ""
        once = " without a retry" if call["outcome"] == Outcome.GAVE_UP and len(call["attempts"]) == 1 else ""
        lines += ["", f"{call['method']} {call['url']} tenant={call['tenant']}{test}: {call['outcome']}{once}"]
        if call["ambiguous"]:
            lines.append("  ? requests like these ran in parallel: which belongs to which call is a guess")
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
    if attempt["malformedBody"]:
        line += ", malformed body"
    if ended == ABORTED:
        line += f" by the client after {attempt['durationMs']:.0f} ms"
    if attempt["faults"]:
        line += f"  fault={','.join(attempt['faults'])}"
    if attempt["retryAfterMs"] is not None:
        kept = {True: ", honoured", False: ", ignored", None: ""}[attempt["retryAfterHonoured"]]
        line += f"  Retry-After {round(attempt['retryAfterMs'] / 1000, 1):g} s{kept}"
    return line


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
