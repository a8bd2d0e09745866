"""How a call ended and which retry mistakes are found."""

from typing import Any

import pytest

from mock_atoms.journal.calls import Call
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.retries import CallOutcome, RetrySettings, findings_of, outcome
from tests.helpers.exchanges import calls_of, exchange, post, retry_after


def findings(call: Call) -> list[dict[str, Any]]:
    return [finding for number in range(1, len(call.attempts) + 1) for finding in findings_of(call, number)]


@pytest.mark.parametrize(
    ("exchanges", "patience_ms", "expected"),
    [
        ([exchange(0, 200)], 0, "succeeded"),
        ([exchange(0, 500), exchange(1, 200)], 0, "recovered"),
        ([exchange(0, 500), exchange(1, 500)], 0, "gave up"),
        ([exchange(0, 401)], 0, "refused"),
        ([exchange(0, 500), exchange(1, 404)], 0, "refused"),
        ([exchange(0, 429)], 0, "gave up"),
        ([exchange(0, 500), exchange(1, None)], 0, "still failing"),
        ([exchange(0, 500), exchange(1, 500)], 10_000, "still failing"),
        ([exchange(0, 500), exchange(1, 500)], 8_000, "gave up"),
    ],
)
def test_a_call_has_an_outcome(exchanges: list[Exchange], patience_ms: float, expected: str) -> None:
    (call,) = calls_of(*exchanges)
    assert outcome(call, RetrySettings(patience_ms=patience_ms), now=10) == CallOutcome(expected)


@pytest.mark.parametrize(
    ("exchanges", "kinds"),
    [
        ([exchange(0, 500), exchange(0.5, 503), exchange(1.5, 200)], []),
        ([exchange(0, 500), exchange(0.02, 200)], ["no-backoff"]),
        ([exchange(0, "reset"), exchange(0.02, 200)], ["no-backoff"]),
        ([exchange(0, "aborted"), exchange(0.011, 200)], []),  # the client may have waited before it disconnected
        ([exchange(0, 404), exchange(1, 404)], ["retried-final-status"]),
        ([exchange(0, 401), exchange(0.02, 401)], ["retried-final-status", "no-backoff"]),
        *(([exchange(0, status), exchange(1, 200)], []) for status in (408, 409, 425, 429)),
        ([exchange(0, 429, **retry_after("2")), exchange(1, 200)], ["ignored-retry-after"]),
        ([exchange(0, 503, **retry_after("2")), exchange(2.01, 200)], []),
        ([exchange(0, 429, **retry_after("2")), exchange(1.98, 200)], []),  # clocks differ
        ([exchange(0, 429, **retry_after("0")), exchange(0.011, 200)], []),
        ([exchange(0, 429, **retry_after("Thu, 01 Jan 2026 12:00:03 GMT")), exchange(1, 200)], ["ignored-retry-after"]),
        ([exchange(0, 429, **retry_after("Thu, 01 Jan 2026 12:00:03 -0000")), exchange(3.01, 200)], []),
        ([exchange(0, 429, duration=0, **retry_after("2")), exchange(1.95, 200)], []),  # exactly the tolerance
        ([exchange(0, 429, duration=0, **retry_after("2")), exchange(1.949, 200)], ["ignored-retry-after"]),
        ([exchange(0, 500, duration=0), exchange(0.05, 200)], []),  # exactly the shortest backoff
        ([exchange(0, 429, **retry_after("soon")), exchange(1, 200)], []),
        ([exchange(0, 429, **retry_after(" 2\t")), exchange(1, 200)], ["ignored-retry-after"]),
        ([exchange(0, 429, **retry_after("1.5")), exchange(1, 200)], ["ignored-retry-after"]),
        ([exchange(0, 429, **retry_after("1.5")), exchange(1.51, 200)], []),
        ([exchange(0, 429, **retry_after("-2")), exchange(1, 200)], []),
        ([exchange(0, 429, **retry_after("Thu, 01 Jan 2026 11:00:00 GMT")), exchange(0.011, 200)], []),
        ([post(0, 500), post(1, 200)], ["retried-unsafe-request"]),
        ([post(0, "reset", method="PATCH"), post(1, 200, method="PATCH")], ["retried-unsafe-request"]),
        ([post(0, "aborted"), post(1, 200)], ["retried-unsafe-request"]),
        ([post(0, 500, method="PUT"), post(1, 200, method="PUT")], []),
        ([post(0, 429), post(1, 503), post(2, 200)], []),
        ([post(0, 400), post(1, 200)], ["retried-final-status"]),
        (
            [post(start, "reset", is_body_complete=False, headers=(("content-length", "2"),)) for start in (0, 1)],
            [],
        ),
        ([post(start, 500, headers=(("Idempotency-Key", "1"),)) for start in (0, 1)], []),
    ],
)
def test_retry_mistakes_are_found(exchanges: list[Exchange], kinds: list[str]) -> None:
    (call,) = calls_of(*exchanges)
    assert [finding["kind"] for finding in findings(call)] == kinds


def test_the_shortest_backoff_is_configurable() -> None:
    (call,) = calls_of(exchange(0, 500), exchange(0.5, 200))
    assert [finding["kind"] for finding in findings_of(call, 2, min_backoff_ms=600)] == ["no-backoff"]


@pytest.mark.parametrize(
    ("exchanges", "detail"),
    [
        ([exchange(0, 404), exchange(1, 404)], "retried after 404, a final status: the request cannot succeed"),
        (
            [exchange(0, 429, **retry_after("60")), exchange(0.017, 200)],
            "retried after 7 ms; `Retry-After` asked for 60 s",
        ),
        (
            [exchange(0, 429, **retry_after("1.25")), exchange(0.017, 200)],
            "retried after 7 ms; `Retry-After` asked for 1.2 s",
        ),
        (
            [exchange(0, 500), exchange(0.02, 200)],
            "retried after 10 ms (500); wait at least 50 ms, and longer each time",
        ),
        (
            [post(0, "aborted"), post(1, 200)],
            "retried a POST that may have taken effect (aborted); check whether it did before you retry",
        ),
    ],
)
def test_a_finding_says_what_happened(exchanges: list[Exchange], detail: str) -> None:
    (call,) = calls_of(*exchanges)
    assert [finding["detail"] for finding in findings(call)] == [detail]
