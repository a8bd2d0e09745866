"""How exchanges are grouped into calls."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT, Tenant, caller_for
from mock_atoms.journal import grouping
from mock_atoms.journal.calls import (
    MAX_PAUSE_MS,
    MIN_BACKOFF_MS,
    Call,
    end_time,
    gap_ms,
    has_succeeded,
    latest_end,
    latest_retry,
)
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.grouping import group_calls
from mock_atoms.journal.retries import findings_of
from tests.helpers.exchanges import calls_of, exchange, numbers_of, post, retry_after
from tests.helpers.profiling import count_calls


def on(port: int, start: float, status: int) -> Exchange:
    return exchange(start, status, client_port=port)


def by(user_agent: str, start: float, status: int) -> Exchange:
    return exchange(start, status, headers=(("user-agent", user_agent),))


def upload(start: float, received: int, length: str) -> Exchange:
    headers = (("content-length", length),)
    return post(
        start, 500, headers=headers, body_size=received, body_tail_digest=bytes([received]), is_body_complete=False
    )


def start_times(exchanges: list[Exchange]) -> list[list[float]]:
    return [[attempt.started_at for attempt in call.attempts] for call in calls_of(*exchanges)]


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
        # The body, except a multipart boundary, and the idempotency key identify a call.
        ([post(0, 500), post(1, 200, body=b"[]")], [[0], [1]]),
        ([post(0, 500, body_tail_digest=b"1"), post(1, 200, body_tail_digest=b"2")], [[0], [1]]),
        (
            [
                post(0, 500, body=b"--aaa\r\n", headers=(("content-type", 'multipart/form-data; boundary="aaa"'),)),
                post(1, 200, body=b"--bbb\r\n", headers=(("content-type", "multipart/form-data; boundary=bbb"),)),
            ],
            [[0, 1]],
        ),
        (
            [post(0, 500, headers=(("idempotency-key", "1"),)), post(1, 200, headers=(("idempotency-key", "2"),))],
            [[0], [1]],
        ),
        # So does the response that the request asks for.
        (
            [post(0, 500, headers=(("prefer", "code=500"),)), post(1, 404, headers=(("prefer", "code=404"),))],
            [[0], [1]],
        ),
        # Broken connections, aborted requests and malformed bodies are failures.
        ([exchange(0, "reset"), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, 200, ended="truncate"), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, 200, has_malformed_body=True), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, "aborted", duration=1), exchange(0.95, 200)], [[0, 0.95]]),
        # Unauthenticated requests differ by their invalid tokens.
        (
            [exchange(0, 401, tenant=UNAUTHENTICATED_TENANT, credential_digests=(key,)) for key in (b"1", b"2")]
            + [exchange(1, 401, tenant=UNAUTHENTICATED_TENANT, credential_digests=(b"2",))],
            [[0], [0, 1]],
        ),
        (
            [exchange(0, 401, tenant=Tenant(b"t", b"", "-"), credential_digests=(key,)) for key in (b"1", b"2")],
            [[0], [0]],
        ),
        # Two values of `User-Agent` are two clients.
        ([by("curl/8", 0, 500), by("Mozilla/5.0", 1, 500), by("curl/8", 2, 200)], [[0, 2], [1]]),
        ([by("curl/8", 0, 500), exchange(1, 200)], [[0], [1]]),
        # An overlapping request is no retry; of parallel calls, the one that waited longest continues.
        ([exchange(0, 500, duration=1), exchange(0.95, 200)], [[0], [0.95]]),
        ([exchange(0, None), exchange(1, 200)], [[0], [1]]),
        ([exchange(0, 500), exchange(0, 500, duration=0.02), exchange(1, 200), exchange(1.1, 200)], [[0, 1], [0, 1.1]]),
        ([exchange(0, 500, duration=5), exchange(1, 500), exchange(6, 200)], [[0], [1, 6]]),
        ([exchange(0, "aborted", duration=200), exchange(1, 500), exchange(150, 200)], [[0], [1], [150]]),
        # A connection identifies a client, by its last failure and by its next requests.
        ([on(1, 0, 500), on(2, 0.02, 500), on(2, 1, 200), on(1, 1.1, 200)], [[0, 1.1], [0.02, 1]]),
        ([on(1, 0, 500), on(2, 0.02, 200), on(1, 1, 200)], [[0, 1], [0.02]]),
        ([on(1, 0, 500), on(2, 0.1, 500), on(1, 1, 200)], [[0, 0.1, 1]]),
        ([on(1, 0, 500), on(2, 1, 200)], [[0, 1]]),
        # A client may use its connections in turn.
        ([on(1, 0, 500), on(2, 0.02, 500), on(1, 0.04, 200)], [[0, 0.02, 0.04]]),
        ([on(1 + n % 2, n / 50, 500) for n in range(5)], [[0, 0.02, 0.04, 0.06, 0.08]]),
        ([on(1, 0, 500), on(2, 0.02, 500), on(1, 0.025, 200)], [[0, 0.025], [0.02]]),
        # An incomplete body is identified by its announced length.
        ([upload(0, 100, "500"), upload(1, 200, "500")], [[0, 1]]),
        ([upload(0, 100, "500"), upload(1, 100, "501")], [[0], [1]]),
        # A long pause starts a new call, unless `Retry-After` asked for it.
        ([exchange(0, 500), exchange(119, 200)], [[0, 119]]),
        ([exchange(0, 500), exchange(121, 200)], [[0], [121]]),
        ([exchange(0, 429, **retry_after("300")), exchange(301, 200)], [[0, 301]]),
    ],
)
def test_exchanges_are_grouped_into_calls(exchanges: list[Exchange], calls: list[list[float]]) -> None:
    assert start_times(exchanges) == calls


@pytest.mark.parametrize(
    ("exchanges", "ambiguous"),
    [
        # A request that succeeds in parallel may have been a retry of the failed one.
        ([exchange(0, 200, duration=1), exchange(0.5, 500), exchange(0.52, 200)], [True, True]),
        ([exchange(0, 500, duration=0.5), exchange(0.4, 200, duration=1), exchange(0.52, 200)], [True, True]),
        ([exchange(0, 200), exchange(0.01, 500), exchange(0.03, 200)], [False, False]),
    ],
)
def test_a_parallel_request_makes_a_call_ambiguous(exchanges: list[Exchange], ambiguous: list[bool]) -> None:
    calls = calls_of(*exchanges)
    assert [call.is_ambiguous for call in calls] == ambiguous
    assert [len(call.attempts) > 1 and bool(findings_of(call, 2)) for call in calls] == [False, not ambiguous[1]]


def test_a_retry_of_one_of_two_failed_calls_makes_both_ambiguous() -> None:
    one_client = [on(1, 0, 500), on(2, 0.02, 500)]
    calls = calls_of(*one_client, on(3, 1, 200), on(1, 1.1, 200))
    assert [(len(call.attempts), call.is_ambiguous) for call in calls] == [(2, True), (2, True)]
    calls = calls_of(*one_client, on(2, 1, 200), on(1, 1.1, 200))
    assert [(len(call.attempts), call.is_ambiguous) for call in calls] == [(2, False), (2, False)]


def test_the_longest_pause_within_a_call_is_configurable() -> None:
    assert len(run_without_pauses(group_calls([exchange(0, 500), exchange(2, 500)], max_pause=1))) == 2


EXCHANGES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([200, 404, 500, "reset", None]), st.integers(0, 2000)),
    max_size=20,
)


@given(EXCHANGES)
@settings(max_examples=300, deadline=None)
def test_each_exchange_is_one_attempt_of_one_call(history: list[tuple[str, int | str | None, int]]) -> None:
    start = 0.0
    exchanges = []
    for token, result, pause in history:
        start += pause / 1000
        exchanges.append(exchange(start, result, tenant=caller_for(token).tenant))
    calls = calls_of(*exchanges)
    attempts = [attempt for call in calls for attempt in call.attempts]
    assert sorted(attempts, key=exchanges.index) == exchanges
    numbers = numbers_of(exchanges)
    for call in calls:
        assert len({attempt.tenant for attempt in call.attempts}) == 1
        assert [numbers[attempt] for attempt in call.attempts] == list(range(1, len(call.attempts) + 1))
        assert all(attempt.status != 200 for attempt in call.attempts[:-1])


def simple_calls_of(exchanges: list[Exchange]) -> list[Call]:
    """Group similar exchanges like `group_calls`, in quadratic time: compare each one with all calls."""
    calls: list[Call] = []
    for position, current in enumerate(exchanges):
        now = current.started_at
        running = [call for call in calls if latest_end(call.attempts[-1]) > now]
        waiting = [
            call
            for call in calls
            if not has_succeeded(call.attempts[-1])
            and latest_end(call.attempts[-1]) <= now <= latest_retry(call.attempts[-1], MAX_PAUSE_MS / 1000)
        ]
        waiting.sort(key=lambda call: (waiting_since(call.attempts[-1]), exchanges.index(call.attempts[-1])))
        same_connection = [call for call in waiting if call.attempts[-1].client_port == current.client_port]
        others = [call for call in waiting if may_continue(call.attempts[-1], current, exchanges[position + 1 :])]
        for call in others if len(others) > 1 and not same_connection else []:
            call.is_ambiguous = True
        chosen = next(iter(same_connection or others), None)
        if chosen is None:
            chosen = Call()
            calls.append(chosen)
        for call in (chosen, *running) if running else ():
            call.is_ambiguous = True
        chosen.attempts.append(current)
    return calls


def waiting_since(last: Exchange) -> float:
    return max(last.started_at, latest_end(last))


def may_continue(last: Exchange, current: Exchange, upcoming: list[Exchange]) -> bool:
    """Return whether `current`, on another connection, may be the retry of `last`."""
    following = next((each for each in upcoming if each.client_port == last.client_port), None)
    return (
        gap_ms(last, current) >= MIN_BACKOFF_MS
        or following is None
        or (following.started_at >= end_time(current) and gap_ms(current, following) < MIN_BACKOFF_MS)
    )


PARALLEL = st.lists(
    st.tuples(
        st.integers(0, 60),  # pause before the request, in milliseconds
        st.sampled_from([0, 5, 50, 150, 130_000]),  # duration
        st.sampled_from([200, 500, 429, "reset", "aborted", None]),
        st.integers(1, 4),  # connection
    ),
    max_size=30,
)


@pytest.mark.slow
@given(PARALLEL)
@settings(max_examples=500, deadline=None)
def test_parallel_exchanges_are_grouped_like_by_a_comparison_of_all_with_all(
    history: list[tuple[int, int, int | str | None, int]],
) -> None:
    start, exchanges = 0.0, []
    for pause, duration, result, port in history:
        start += pause / 1000
        exchanges.append(exchange(start, result, duration / 1000, client_port=port, **retry_after("1")))
    assert calls_of(*exchanges) == simple_calls_of(exchanges)


def test_a_retry_is_compared_with_the_calls_that_waited_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "MAX_COMPARED_CALLS", 2)
    failed = [exchange(0, 500, port / 10, client_port=port) for port in range(1, 4)]
    compared = []

    def gap_of(last: Exchange, following: Exchange) -> float:
        compared.append(last)
        return gap_ms(last, following)

    monkeypatch.setattr(grouping, "gap_ms", gap_of)
    calls = calls_of(*failed, on(4, 1, 200))
    assert [len(call.attempts) for call in calls] == [2, 1, 1]
    assert compared == failed[:2]


def function_calls(exchanges: list[Exchange]) -> int:
    """Return how many functions are called to group `exchanges`."""
    return count_calls(lambda: calls_of(*exchanges))


@pytest.mark.parametrize("pause", [0.0, 0.0001, 1.0], ids=["at once", "parallel", "one after another"])
@pytest.mark.parametrize("port", [0, None], ids=["one connection", "many connections"])
def test_grouping_of_failures_takes_linear_time(pause: float, port: int | None) -> None:
    def failures(number: int) -> list[Exchange]:
        fields = {} if port is None else {"client_port": port}
        return [exchange(n * pause, 500, **fields) for n in range(number)]

    assert function_calls(failures(2_000)) < 2.5 * function_calls(failures(1_000))
