"""The retry report as JSON and as text."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mock_atoms.core.json_stream import json_pieces
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.calls import Call
from mock_atoms.journal.retries import RetrySettings
from mock_atoms.journal.retry_report import as_text, report
from tests.helpers.exchanges import calls_of, exchange, retry_after


def report_of(calls: list[Call], now: float, dropped: int = 0) -> dict[str, Any]:
    """Return the report as its JSON has it."""
    reported: dict[str, Any] = json.loads("".join(json_pieces(report(calls, RetrySettings(), now, dropped))))
    return reported


def test_parallel_calls_are_ambiguous_and_have_no_findings() -> None:
    before, after = [exchange(10, 500), exchange(11, 200)], [exchange(30, 500), exchange(31, 200)]
    parallel = [
        exchange(20, 500, duration=1),
        exchange(20.5, 500, duration=1),
        exchange(21.51, 200),
        exchange(21.52, 200),
    ]
    assert [call.is_ambiguous for call in calls_of(*before, *parallel, *after)] == [False, True, True, False]
    waiting = [
        exchange(0, 500, duration=1),
        exchange(2, 500, url="/x"),
        exchange(0.999, "aborted", duration=0.1),
        exchange(3, 200),
    ]
    assert [call.is_ambiguous for call in calls_of(*waiting)] == [True, False, True]
    calls = report_of(calls_of(*parallel), now=99)["calls"]
    assert [(call["ambiguous"], call["findings"]) for call in calls] == [(True, []), (True, [])]
    text = as_text(report(calls_of(*parallel), RetrySettings(), now=99, dropped=0))
    assert "  ? similar requests ran in parallel: the attempts of each call are a guess\n" in text


def test_the_report_counts_calls_without_a_retry() -> None:
    calls = calls_of(exchange(0, "aborted", duration=0.5), exchange(300, 403))
    reported = report_of(calls, now=400)
    assert {key: reported["summary"][key] for key in ("gaveUp", "gaveUpAtOnce", "refused")} == {
        "gaveUp": 1,
        "gaveUpAtOnce": 1,
        "refused": 1,
    }
    text = as_text(reported)
    assert text.startswith("2 calls, 2 attempts: 1 refused, 1 gave up; 0 findings\n")
    assert ": gave up without a retry\n   1                 aborted by the client after 500 ms\n" in text


def test_a_call_lists_its_attempts() -> None:
    limited = exchange(0, 429, faults=("rule-1",), **retry_after("1"))
    (call,) = calls_of(limited, exchange(0.51, 500), exchange(1.72, 200))
    (reported,) = report_of([call], now=10)["calls"]
    assert reported["findings"][0] == {
        "kind": "ignored-retry-after",
        "attempt": 2,
        "detail": "retried after 500 ms; `Retry-After` asked for 1 s",
    }
    first, second, third = reported.pop("attempts")
    assert {key: reported[key] for key in ("testId", "method", "url", "outcome", "statuses", "gapsMs")} == {
        "testId": None,
        "method": "GET",
        "url": "/atoms/v1/audience",
        "outcome": "recovered",
        "statuses": [429, 500, 200],
        "gapsMs": [500.0, 1200.0],
    }
    assert first == {
        "number": 1,
        "id": limited.id,
        "time": "2026-01-01T12:00:00.000Z",
        "status": 429,
        "ended": "responded",
        "faults": ["rule-1"],
        "durationMs": 10.0,
        "gapMs": None,
        "retryAfterMs": 1000.0,
        "retryAfterHonoured": False,
        "malformedBody": False,
    }
    assert (second["gapMs"], second["retryAfterMs"], second["retryAfterHonoured"]) == (500.0, None, None)
    assert (third["number"], third["status"]) == (3, 200)


@pytest.mark.parametrize(("pause", "honoured"), [(1.2, True), (0.3, False), (None, None)])
def test_retry_after_is_judged_after_the_next_attempt(pause: float | None, honoured: bool | None) -> None:  # noqa: FBT001 - a table
    retries = [] if pause is None else [exchange(pause, 200)]
    (call,) = calls_of(exchange(0, 429, **retry_after("1")), *retries)
    assert report_of([call], now=10)["calls"][0]["attempts"][0]["retryAfterHonoured"] is honoured


def test_the_text_report_has_a_line_for_each_attempt() -> None:
    tenant = caller_for("sk_acme", "t1").tenant
    label = tenant.label
    exchanges = [
        exchange(0, 429, faults=("rule-1",), tenant=tenant, **retry_after("1")),
        exchange(0.51, 503, tenant=tenant, **retry_after("1")),
        exchange(1.72, 200, tenant=tenant),
        exchange(5, "reset", url="/x", faults=("fault-1",)),
        exchange(6, 200, url="/x", has_malformed_body=True),
        exchange(6.02, None, url="/x"),
    ]
    reported = report_of(calls_of(*exchanges), now=7, dropped=1)
    assert reported["summary"] == {
        "calls": 2,
        "attempts": 6,
        "succeeded": 0,
        "recovered": 1,
        "refused": 0,
        "gaveUp": 0,
        "gaveUpAtOnce": 0,
        "stillFailing": 1,
        "ambiguous": 0,
        "findings": 2,
        "findingsByKind": {"ignored-retry-after": 1, "no-backoff": 1},
    }
    assert as_text(reported) == (
        "2 calls, 6 attempts: 1 recovered, 1 still failing; 2 findings\n"
        "the journal has dropped 1 exchange: calls may be incomplete\n"
        "\n"
        f"GET /atoms/v1/audience tenant={label} test=t1: recovered\n"
        "   1                 429  fault=rule-1  Retry-After 1 s, ignored\n"
        "   2  after 500 ms   503  Retry-After 1 s, honoured\n"
        "     ! ignored-retry-after: retried after 500 ms; `Retry-After` asked for 1 s\n"
        "   3  after 1200 ms  200\n"
        "\n"
        f"GET /x tenant={label}: still failing\n"
        "   1                 reset  fault=fault-1\n"
        "   2  after 990 ms   200, malformed body\n"
        "   3  after 10 ms    in flight\n"
        "     ! no-backoff: retried after 10 ms (200, malformed body); wait at least 50 ms, and longer each time\n"
    )


def test_a_pause_below_a_millisecond_is_reported() -> None:
    calls = calls_of(exchange(0, 500), exchange(0.01044, 200))
    text = as_text(report(calls, RetrySettings(), now=1, dropped=0))
    assert "   2  after 0 ms     200\n     ! no-backoff: retried after 0 ms (500); wait at least 50 ms" in text
    (call,) = report_of(calls, now=1)["calls"]
    assert (call["gapsMs"], [attempt["gapMs"] for attempt in call["attempts"]]) == ([0.4], [None, 0.4])


def test_the_text_report_shows_invisible_characters_of_a_test_id() -> None:
    (call,) = calls_of(exchange(0, 200))
    tenant = caller_for("sk_mock_test", "a\u202e\n  1  forged").tenant
    call.attempts[0].head = replace(call.attempts[0].head, tenant=tenant)
    text = as_text(report([call], RetrySettings(), 1, 0))
    assert " tenant=sk_mock_test test=aU+202EU+000A  1  forged: succeeded\n" in text


def test_an_empty_report_is_one_line() -> None:
    assert as_text(report([], RetrySettings(), 0, 0)) == "0 calls, 0 attempts; 0 findings\n"
