"""The retry report: what belongs to one call, how it ended, and what the client did wrong."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT, caller_for
from mock_atoms.journal.exchange import Exchange, RequestHead, ResponseHead
from mock_atoms.journal.retries import AttemptCounter, Outcome, RetrySettings, attempt_numbers, fold, outcome
from mock_atoms.journal.retry_report import as_json, as_text, report

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NUMBERS = count()


def exchange(start: float, met: int | str | None, took: float = 0.01, **other: Any) -> Exchange:  # noqa: ANN401 - any field
    """Return an exchange that began at `start` seconds and met a status, an ending, or nothing so far."""
    said: dict[str, Any] = {
        "tenant": caller_for("sk_acme").tenant,
        "secrets": frozenset(),
        "method": "GET",
        "url": "/atoms/v1/audience",
        "scheme": "http",
        "http_version": "1.1",
        "host": "",
        "headers": (),
    }
    said |= {name: other.pop(name) for name in said.keys() & other.keys()}
    answered = isinstance(met, int)
    fields: dict[str, Any] = {
        "head": RequestHead(**said),
        "id": str(next(NUMBERS)),
        "arrived_at": NOON + timedelta(seconds=start),
        "started": start,
        "client_address": "127.0.0.1",
        "client_port": next(NUMBERS),
        "is_body_complete": True,
        "ended": None if met is None else start + took,
        "ending": "answered" if answered else met,
        "status": met if answered else 0,
    }
    return Exchange(**(fields | other))


def asks(seconds: str) -> dict[str, Any]:
    return {"response_head": ResponseHead([(b"content-type", b"application/json"), (b"retry-after", seconds.encode())])}


def post(start: float, met: int | str | None, **other: Any) -> Exchange:  # noqa: ANN401 - the same
    fields: dict[str, Any] = {"method": "POST", "body": b"{}", "body_size": 2}
    return exchange(start, met, **(fields | other))


def on(port: int, start: float, met: int) -> Exchange:
    return exchange(start, met, client_port=port)


def upload(start: float, came: int, length: str) -> Exchange:
    headers = (("content-length", length),)
    return post(start, 500, headers=headers, body_size=came, body_tail_digest=bytes([came]), is_body_complete=False)


def shape(exchanges: list[Exchange]) -> list[list[float]]:
    return [[attempt.started for attempt in call.attempts] for call in fold(exchanges)]


@pytest.mark.parametrize(
    ("exchanges", "calls"),
    [
        ([], []),
        ([exchange(0, 200), exchange(1, 200)], [[0], [1]]),
        ([exchange(0, 500), exchange(1, 500), exchange(3, 200), exchange(4, 200)], [[0, 1, 3], [4]]),
        ([exchange(0, 500), exchange(1, 200, method="HEAD")], [[0], [1]]),
        ([exchange(0, 500), exchange(1, 200, url="/atoms/v1/audience?x=1")], [[0], [1]]),
        ([exchange(0, 500), exchange(1, 200, tenant=caller_for("sk_other").tenant)], [[0], [1]]),
        ([exchange(0, 500), exchange(1, 200, tenant=caller_for("sk_acme", "t1").tenant)], [[0], [1]]),
        ([exchange(0, 500), exchange(1, 404, url="/x"), exchange(2, 200)], [[0, 2], [1]]),
        # By body, in which a boundary drawn anew counts for nothing, and by idempotency key.
        ([post(0, 500), post(1, 200, body=b"[]")], [[0], [1]]),
        ([post(0, 500, body_tail_digest=b"1"), post(1, 200, body_tail_digest=b"2")], [[0], [1]]),
        (
            [
                post(0, 500, body=b"--aaa\r\n", headers=(("Content-Type", 'multipart/form-data; boundary="aaa"'),)),
                post(1, 200, body=b"--bbb\r\n", headers=(("content-type", "multipart/form-data; boundary=bbb"),)),
            ],
            [[0, 1]],
        ),
        (
            [post(0, 500, headers=(("Idempotency-Key", "1"),)), post(1, 200, headers=(("idempotency-key", "2"),))],
            [[0], [1]],
        ),
        # What broke, was given up or is wrong on purpose has failed.
        ([exchange(0, "reset"), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, 200, ending="truncate"), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, 200, has_malformed_body=True), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, "aborted", took=1), exchange(0.95, 200)], [[0, 0.95]]),
        # Nobody's requests are told apart by the keys that are not valid.
        (
            [exchange(0, 401, tenant=UNAUTHENTICATED_TENANT, secrets=frozenset({key})) for key in (b"1", b"2")]
            + [exchange(1, 401, tenant=UNAUTHENTICATED_TENANT, secrets=frozenset({b"2"}))],
            [[0], [0, 1]],
        ),
        # Who overlaps another is not its successor, and of parallel calls the one goes on that has waited longest.
        ([exchange(0, 500, took=1), exchange(0.95, 200)], [[0], [0.95]]),
        ([exchange(0, None), exchange(1, 200)], [[0], [1]]),
        ([exchange(0, 500), exchange(0, 500, took=0.02), exchange(1, 200), exchange(1.1, 200)], [[0, 1], [0, 1.1]]),
        ([exchange(0, 500, took=5), exchange(1, 500), exchange(6, 200)], [[0], [1, 6]]),
        ([exchange(0, "aborted", took=200), exchange(1, 500), exchange(150, 200)], [[0], [1], [150]]),
        # A connection tells clients apart: by the failure that it goes on from, and by what is still to come on it.
        ([on(1, 0, 500), on(2, 0.02, 500), on(2, 1, 200), on(1, 1.1, 200)], [[0, 1.1], [0.02, 1]]),
        ([on(1, 0, 500), on(2, 0.02, 200), on(1, 1, 200)], [[0, 1], [0.02]]),
        ([on(1, 0, 500), on(2, 0.1, 500), on(1, 1, 200)], [[0, 0.1, 1]]),
        ([on(1, 0, 500), on(2, 1, 200)], [[0, 1]]),
        # A client may take the connections that it has in turn.
        ([on(1, 0, 500), on(2, 0.02, 500), on(1, 0.04, 200)], [[0, 0.02, 0.04]]),
        ([on(1 + n % 2, n / 50, 500) for n in range(5)], [[0, 0.02, 0.04, 0.06, 0.08]]),
        ([on(1, 0, 500), on(2, 0.02, 500), on(1, 0.025, 200)], [[0, 0.025], [0.02]]),
        # A body that did not come whole is known by what it was to be.
        ([upload(0, 100, "500"), upload(1, 200, "500")], [[0, 1]]),
        ([upload(0, 100, "500"), upload(1, 100, "501")], [[0], [1]]),
        # After a long pause it is another call, unless the pause was asked for.
        ([exchange(0, 500), exchange(119, 200)], [[0, 119]]),
        ([exchange(0, 500), exchange(121, 200)], [[0], [121]]),
        ([exchange(0, 429, **asks("300")), exchange(301, 200)], [[0, 301]]),
    ],
)
def test_attempts_are_folded_into_calls(exchanges: list[Exchange], calls: list[list[float]]) -> None:
    assert shape(exchanges) == calls


@pytest.mark.parametrize(
    ("exchanges", "patience", "ended"),
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
def test_a_call_has_an_outcome(exchanges: list[Exchange], patience: float, ended: str) -> None:
    (call,) = fold(exchanges)
    assert outcome(call, RetrySettings(patience_ms=patience), now=10) == Outcome(ended)


@pytest.mark.parametrize(
    ("exchanges", "kinds"),
    [
        ([exchange(0, 500), exchange(0.5, 503), exchange(1.5, 200)], []),
        ([exchange(0, 500), exchange(0.02, 200)], ["no-backoff"]),
        ([exchange(0, "reset"), exchange(0.02, 200)], ["no-backoff"]),
        ([exchange(0, "aborted"), exchange(0.011, 200)], []),  # it may have waited before it hung up
        ([exchange(0, 404), exchange(1, 404)], ["retried-final-status"]),
        ([exchange(0, 401), exchange(0.02, 401)], ["retried-final-status", "no-backoff"]),
        *(([exchange(0, status), exchange(1, 200)], []) for status in (408, 409, 425, 429)),
        ([exchange(0, 429, **asks("2")), exchange(1, 200)], ["ignored-retry-after"]),
        ([exchange(0, 503, **asks("2")), exchange(2.01, 200)], []),
        ([exchange(0, 429, **asks("2")), exchange(1.98, 200)], []),  # clocks differ
        ([exchange(0, 429, **asks("0")), exchange(0.011, 200)], []),
        ([exchange(0, 429, **asks("Thu, 01 Jan 2026 12:00:03 GMT")), exchange(1, 200)], ["ignored-retry-after"]),
        ([exchange(0, 429, **asks("Thu, 01 Jan 2026 12:00:03 -0000")), exchange(3.01, 200)], []),
        ([exchange(0, 429, **asks("soon")), exchange(1, 200)], []),
        ([exchange(0, 429, **asks(f"Jan 1 {'9' * 30} 00:00:00 +{'9' * 19} 2000")), exchange(1, 200)], []),
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
def test_what_a_client_did_wrong_is_found(exchanges: list[Exchange], kinds: list[str]) -> None:
    (call,) = fold(exchanges)
    assert [finding["kind"] for finding in as_json(call, RetrySettings(), now=10)["findings"]] == kinds


def test_of_requests_that_ran_in_parallel_nothing_is_said_for_certain() -> None:
    before, after = [exchange(10, 500), exchange(11, 200)], [exchange(30, 500), exchange(31, 200)]
    parallel = [exchange(20, 500, took=1), exchange(20.5, 500, took=1), exchange(21.51, 200), exchange(21.52, 200)]
    assert [call.is_ambiguous for call in fold([*before, *parallel, *after])] == [False, True, True, False]
    waiting = [
        exchange(0, 500, took=1),
        exchange(2, 500, url="/x"),
        exchange(0.999, "aborted", took=0.1),
        exchange(3, 200),
    ]
    assert [call.is_ambiguous for call in fold(waiting)] == [True, False, True]
    told = [as_json(call, RetrySettings(), now=99) for call in fold([*parallel])]
    assert [(call["ambiguous"], call["findings"]) for call in told] == [(True, []), (True, [])]
    text = as_text(report(fold(parallel), RetrySettings(), now=99, dropped=0))
    assert "  ? requests like these ran in parallel: which belongs to which call is a guess\n" in text


def test_a_client_that_does_not_try_again_is_told_of() -> None:
    calls = fold([exchange(0, "aborted", took=0.5), exchange(300, 403)])
    told = report(calls, RetrySettings(), now=400, dropped=0)
    assert {key: told["summary"][key] for key in ("gaveUp", "gaveUpAtOnce", "refused")} == {
        "gaveUp": 1,
        "gaveUpAtOnce": 1,
        "refused": 1,
    }
    text = as_text(told)
    assert text.startswith("2 calls, 2 attempts: 1 refused, 1 gave up; 0 findings\n")
    assert ": gave up without a retry\n   1                 aborted by the client after 500 ms\n" in text


def test_after_how_long_a_pause_a_new_call_begins_is_the_readers_choice() -> None:
    assert len(fold([exchange(0, 500), exchange(2, 500)], longest_pause=1)) == 2


def test_how_short_a_pause_may_be_is_the_readers_choice() -> None:
    (call,) = fold([exchange(0, 500), exchange(0.5, 200)])
    assert [found["kind"] for found in as_json(call, RetrySettings(min_backoff_ms=600), now=10)["findings"]] == [
        "no-backoff"
    ]


def test_a_call_is_told_attempt_by_attempt() -> None:
    limited = exchange(0, 429, faults=("rule-1",), **asks("1"))
    (call,) = fold([limited, exchange(0.51, 500), exchange(1.72, 200)])
    told = as_json(call, RetrySettings(), now=10)
    assert told["findings"][0] == {
        "kind": "ignored-retry-after",
        "attempt": 2,
        "detail": "it came 500 ms after a 429 that asked for 1000 ms",
    }
    first, second, third = told.pop("attempts")
    assert {key: told[key] for key in ("testId", "method", "url", "outcome", "statuses", "gapsMs")} == {
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
        "ended": "answered",
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
def test_whether_a_wait_was_honoured_shows_once_the_client_is_back(pause: float | None, honoured: bool | None) -> None:  # noqa: FBT001 - a table
    later = [] if pause is None else [exchange(pause, 200)]
    (call,) = fold([exchange(0, 429, **asks("1")), *later])
    assert as_json(call, RetrySettings(), now=10)["attempts"][0]["retryAfterHonoured"] is honoured


def test_the_report_for_people_has_a_line_for_each_attempt() -> None:
    tenant = caller_for("sk_acme", "t1").tenant
    label = tenant.label
    exchanges = [
        exchange(0, 429, faults=("rule-1",), tenant=tenant, **asks("1")),
        exchange(0.51, 503, tenant=tenant, **asks("1")),
        exchange(1.72, 200, tenant=tenant),
        exchange(5, "reset", url="/x", faults=("fault-1",)),
        exchange(6, 200, url="/x", has_malformed_body=True),
        exchange(6.02, None, url="/x"),
    ]
    told = report(fold(exchanges), RetrySettings(), now=7, dropped=1)
    assert told["summary"] == {
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
    assert as_text(told) == (
        "2 calls, 6 attempts: 1 recovered, 1 still failing; 2 findings\n"
        "the journal has dropped 1 exchange: some calls may be cut\n"
        "\n"
        f"GET /atoms/v1/audience tenant={label} test=t1: recovered\n"
        "   1                 429  fault=rule-1  Retry-After 1 s, ignored\n"
        "   2  after 500 ms   503  Retry-After 1 s, honoured\n"
        "     ! ignored-retry-after: it came 500 ms after a 429 that asked for 1000 ms\n"
        "   3  after 1200 ms  200\n"
        "\n"
        f"GET /x tenant={label}: still failing\n"
        "   1                 reset  fault=fault-1\n"
        "   2  after 990 ms   200, malformed body\n"
        "   3  after 10 ms    in flight\n"
        "     ! no-backoff: it came 10 ms after the failure (200, malformed body): wait, and longer each time\n"
    )


def test_the_report_of_nothing_is_one_line() -> None:
    assert as_text(report([], RetrySettings(), 0, 0)) == "0 calls, 0 attempts; 0 findings\n"


EXCHANGES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([200, 404, 500, "reset", None]), st.integers(0, 2000)),
    max_size=20,
)


@given(EXCHANGES)
@settings(max_examples=300, deadline=None)
def test_each_exchange_is_one_attempt_of_one_call(history: list[tuple[str, int | str | None, int]]) -> None:
    start = 0.0
    exchanges = []
    for token, met, pause in history:
        start += pause / 1000
        exchanges.append(exchange(start, met, tenant=caller_for(token).tenant))
    calls = fold(exchanges)
    attempts = [attempt for call in calls for attempt in call.attempts]
    assert sorted(attempts, key=exchanges.index) == exchanges
    numbers = attempt_numbers(exchanges)
    for call in calls:
        assert len({attempt.tenant for attempt in call.attempts}) == 1
        assert [numbers[attempt] for attempt in call.attempts] == list(range(1, len(call.attempts) + 1))
        assert all(attempt.status != 200 for attempt in call.attempts[:-1])


def kept(exchanges: list[Exchange]) -> list[Exchange]:
    for each in exchanges:
        each.is_in_journal = True
    return exchanges


STEPS = st.lists(
    st.tuples(
        st.sampled_from([1.0, 50.0, 121.0]),  # the pause before it
        st.sampled_from([200, 404, 500, "reset", "aborted"]),
        st.sampled_from(["/atoms/v1/audience", "/atoms/v1/audience/x"]),
        st.sampled_from(["sk_acme", "sk_other"]),
    ),
    max_size=20,
)


@given(STEPS)
def test_attempts_are_numbered_as_they_end_as_they_are_afterwards(
    steps: list[tuple[float, int | str, str, str]],
) -> None:
    moment, exchanges = 0.0, []
    for pause, met, url, token in steps:
        moment += pause
        exchanges.append(exchange(moment, met, url=url, tenant=caller_for(token).tenant))
    attempts = AttemptCounter()
    afterwards = attempt_numbers(exchanges)
    assert [attempts.number(each) for each in kept(exchanges)] == [afterwards[each] for each in exchanges]


def test_an_attempt_after_what_is_forgotten_is_the_first() -> None:
    attempts = AttemptCounter()
    first, second, third = kept([exchange(0, 500), exchange(1, 500), exchange(2, 500)])
    assert [attempts.number(first), attempts.number(second)] == [1, 2]
    second.is_in_journal = False
    assert attempts.number(third) == 1


def test_what_ran_beside_a_failure_is_a_first_attempt() -> None:
    attempts = AttemptCounter()
    first, beside = kept([exchange(0, 500, took=1), exchange(0.5, 500, took=1)])
    assert [attempts.number(first), attempts.number(beside)] == [1, 1]


def test_failures_are_remembered_of_a_thousand_tenants_and_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.journal.retries._MOST_REMEMBERED", 2)
    attempts = AttemptCounter()
    urls = ["/a", "/b", "/c"]
    for moment, url in enumerate(urls):
        assert attempts.number(kept([exchange(moment, 500, url=url)])[0]) == 1
    again = [attempts.number(kept([exchange(10 + moment, 200, url=url)])[0]) for moment, url in enumerate(urls)]
    assert again == [1, 2, 2]
    for token in "abc":
        assert attempts.number(kept([exchange(0, 500, tenant=caller_for(token).tenant)])[0]) == 1
    again = [attempts.number(kept([exchange(1, 200, tenant=caller_for(token).tenant)])[0]) for token in "abc"]
    assert again == [1, 2, 2]
