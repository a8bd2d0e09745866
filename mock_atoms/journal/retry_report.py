"""The retry report: how each client retried, as JSON and as text."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

from mock_atoms.core.printable import count_of, show_invisible
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.core.timestamps import format_timestamp
from mock_atoms.journal.calls import Call, gap_ms, retry_after_ms
from mock_atoms.journal.exchange import ABORTED, RESPONDED, Exchange
from mock_atoms.journal.retries import CLOCK_TOLERANCE_MS, CallOutcome, RetrySettings, findings_of, outcome


def report(
    calls: Sequence[Call], settings: RetrySettings, now: float, dropped: int, unattributed: int = 0
) -> dict[str, Any]:
    """Return the report as JSON that is rendered in pieces, see `json_pieces`: long lists are generators.

    Args:
        calls: the calls to report.
        settings: thresholds.
        now: time of the report on the monotonic clock.
        dropped: number of exchanges that the journal has dropped and that may be missing.
        unattributed: number of exchanges that are no attempts because they are not attributable.
    """
    summary = _Summary()
    reported = (_call_json(call, settings, now, summary) for call in calls)
    return {"calls": reported, "summary": summary.as_json, "unattributed": unattributed, "dropped": dropped}


class _Summary:
    """Counts what a report contains while it is rendered."""

    def __init__(self) -> None:
        self._outcomes: Counter[CallOutcome] = Counter()
        self._kinds: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()

    def count(self, call: Call, outcome: CallOutcome) -> None:
        """Count a call."""
        self._outcomes[outcome] += 1
        self._numbers["attempts"] += len(call.attempts)
        self._numbers["gaveUpAtOnce"] += outcome is CallOutcome.GAVE_UP and len(call.attempts) == 1
        self._numbers["ambiguous"] += call.is_ambiguous

    def count_finding(self, kind: str) -> None:
        """Count a finding."""
        self._kinds[kind] += 1

    def as_json(self) -> dict[str, Any]:
        """Return the counts."""
        outcomes = self._outcomes
        return {
            "calls": outcomes.total(),
            "attempts": self._numbers["attempts"],
            "succeeded": outcomes[CallOutcome.SUCCEEDED],
            "recovered": outcomes[CallOutcome.RECOVERED],
            "refused": outcomes[CallOutcome.REFUSED],
            "gaveUp": outcomes[CallOutcome.GAVE_UP],
            "gaveUpAtOnce": self._numbers["gaveUpAtOnce"],
            "stillFailing": outcomes[CallOutcome.STILL_FAILING],
            "ambiguous": self._numbers["ambiguous"],
            "findings": self._kinds.total(),
            "findingsByKind": dict(self._kinds),
        }


def _call_json(call: Call, settings: RetrySettings, now: float, summary: _Summary) -> dict[str, Any]:
    """Return one call of the report, as of `now` on the monotonic clock, and count it."""
    first = call.attempts[0]
    call_outcome = outcome(call, settings, now)
    summary.count(call, call_outcome)
    findings: list[dict[str, Any]] = []

    def gaps() -> Iterator[float]:
        for last, retry in pairwise(call.attempts):
            yield gap_ms(last, retry)

    def attempts() -> Iterator[dict[str, Any]]:
        neighbours = pairwise(chain([None], gaps(), [None]))
        for number, (exchange, (gap, next_gap)) in enumerate(zip(call.attempts, neighbours, strict=True), 1):
            for finding in findings_of(call, number, settings.min_backoff_ms):
                summary.count_finding(finding["kind"])
                findings.append(finding)
            yield _attempt(number, exchange, gap, next_gap)

    return {
        "tenant": call.tenant.label,
        "testId": call.tenant.test_id,
        "method": first.method,
        "url": first.url,
        "outcome": call_outcome.value,
        "ambiguous": call.is_ambiguous,
        "statuses": (exchange.status or None for exchange in call.attempts),
        "gapsMs": (round(gap, 1) for gap in gaps()),
        "attempts": attempts(),
        "findings": (finding for finding in findings),  # those of the attempts, once these are rendered
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


def as_text(reported: dict[str, Any]) -> str:
    """Return the text of a report, as `report` returns it or as JSON."""
    return "".join(run_without_pauses(text_lines(reported)))


def text_lines(reported: dict[str, Any]) -> Steps[list[str]]:
    """Return the lines of the text of a report, as `report` returns it or as JSON."""
    lines: list[str] = []
    for call in reported["calls"]:
        yield from _call_lines(call, lines)
    summary = reported["summary"]() if callable(reported["summary"]) else reported["summary"]
    outcomes = {
        "succeeded": "succeeded",
        "recovered": "recovered",
        "refused": "refused",
        "gaveUp": "gave up",
        "stillFailing": "still failing",
    }
    counts = ", ".join(f"{summary[key]} {text}" for key, text in outcomes.items() if summary[key])
    total = f"{count_of(summary['calls'], 'call')}, {count_of(summary['attempts'], 'attempt')}"
    head = [_line(f"{total}{': ' if counts else ''}{counts}; {count_of(summary['findings'], 'finding')}")]
    if reported["unattributed"]:
        requests = count_of(reported["unattributed"], "request")
        head.append(_line(f"not counted, because they had no token or an unknown route: {requests}"))
    if reported["dropped"]:
        dropped = count_of(reported["dropped"], "exchange")
        head.append(_line(f"the journal has dropped {dropped}: calls may be incomplete"))
    return head + lines


def _call_lines(call: dict[str, Any], lines: list[str]) -> Steps[None]:
    """Add the lines of a call."""
    attempts = []
    for attempt in call["attempts"]:
        attempts.append(_attempt_line(attempt))
        yield
    test = f" test={call['testId']}" if call["testId"] else ""
    without_retry = " without a retry" if call["outcome"] == CallOutcome.GAVE_UP and len(attempts) == 1 else ""
    title = f"{call['method']} {call['url']} tenant={call['tenant']}{test}: {call['outcome']}{without_retry}"
    lines += ["\n", _line(title)]
    if call["ambiguous"]:
        lines.append(_line("  ? similar requests ran in parallel: the attempts of each call are a guess"))
    details: dict[int, list[str]] = {}
    for finding in call["findings"]:
        detail = _line(f"     ! {finding['kind']}: {finding['detail']}")
        details.setdefault(finding["attempt"], []).append(detail)
        yield
    for number, line in enumerate(attempts, 1):
        lines += [line, *details.get(number, ())]
        yield


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
    return _line(line)


def _line(text: str) -> str:
    return f"{show_invisible(text)}\n"
