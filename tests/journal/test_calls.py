"""How exchanges are grouped into calls, and how attempts are numbered."""

from weakref import ref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT, caller_for
from mock_atoms.journal.calls import AttemptCounter, attempt_numbers, group_calls
from mock_atoms.journal.exchange import Exchange
from tests.helpers.exchanges import exchange, post, retry_after


def on(port: int, start: float, status: int) -> Exchange:
    return exchange(start, status, client_port=port)


def upload(start: float, received: int, length: str) -> Exchange:
    headers = (("content-length", length),)
    return post(
        start, 500, headers=headers, body_size=received, body_tail_digest=bytes([received]), is_body_complete=False
    )


def start_times(exchanges: list[Exchange]) -> list[list[float]]:
    return [[attempt.started_at for attempt in call.attempts] for call in group_calls(exchanges)]


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
                post(0, 500, body=b"--aaa\r\n", headers=(("Content-Type", 'multipart/form-data; boundary="aaa"'),)),
                post(1, 200, body=b"--bbb\r\n", headers=(("content-type", "multipart/form-data; boundary=bbb"),)),
            ],
            [[0, 1]],
        ),
        (
            [post(0, 500, headers=(("Idempotency-Key", "1"),)), post(1, 200, headers=(("idempotency-key", "2"),))],
            [[0], [1]],
        ),
        # Broken connections, aborted requests and malformed bodies are failures.
        ([exchange(0, "reset"), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, 200, ended="truncate"), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, 200, has_malformed_body=True), exchange(1, 200)], [[0, 1]]),
        ([exchange(0, "aborted", duration=1), exchange(0.95, 200)], [[0, 0.95]]),
        # Unauthenticated requests differ by their invalid tokens.
        (
            [exchange(0, 401, tenant=UNAUTHENTICATED_TENANT, secrets=frozenset({key})) for key in (b"1", b"2")]
            + [exchange(1, 401, tenant=UNAUTHENTICATED_TENANT, secrets=frozenset({b"2"}))],
            [[0], [0, 1]],
        ),
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


def test_the_longest_pause_within_a_call_is_configurable() -> None:
    assert len(group_calls([exchange(0, 500), exchange(2, 500)], max_pause=1)) == 2


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
    calls = group_calls(exchanges)
    attempts = [attempt for call in calls for attempt in call.attempts]
    assert sorted(attempts, key=exchanges.index) == exchanges
    numbers = attempt_numbers(exchanges)
    for call in calls:
        assert len({attempt.tenant for attempt in call.attempts}) == 1
        assert [numbers[attempt] for attempt in call.attempts] == list(range(1, len(call.attempts) + 1))
        assert all(attempt.status != 200 for attempt in call.attempts[:-1])


def in_journal(exchanges: list[Exchange]) -> list[Exchange]:
    for each in exchanges:
        each.is_in_journal = True
    return exchanges


STEPS = st.lists(
    st.tuples(
        st.sampled_from([1.0, 50.0, 121.0]),  # pause before the request
        st.sampled_from([200, 404, 500, "reset", "aborted"]),
        st.sampled_from(["/atoms/v1/audience", "/atoms/v1/audience/x"]),
        st.sampled_from(["sk_acme", "sk_other"]),
    ),
    max_size=20,
)


@given(STEPS)
def test_the_counter_agrees_with_the_numbers_from_the_journal(
    steps: list[tuple[float, int | str, str, str]],
) -> None:
    start, exchanges = 0.0, []
    for pause, result, url, token in steps:
        start += pause
        exchanges.append(exchange(start, result, url=url, tenant=caller_for(token).tenant))
    counter = AttemptCounter()
    numbers = attempt_numbers(exchanges)
    assert [counter.number(each) for each in in_journal(exchanges)] == [numbers[each] for each in exchanges]


def test_an_attempt_after_a_dropped_exchange_is_the_first() -> None:
    counter = AttemptCounter()
    first, second, third = in_journal([exchange(0, 500), exchange(1, 500), exchange(2, 500)])
    assert [counter.number(first), counter.number(second)] == [1, 2]
    second.is_in_journal = False
    assert counter.number(third) == 1


def test_a_request_parallel_to_a_failure_is_a_first_attempt() -> None:
    counter = AttemptCounter()
    first, parallel = in_journal([exchange(0, 500, duration=1), exchange(0.5, 500, duration=1)])
    assert [counter.number(first), counter.number(parallel)] == [1, 1]


def test_the_counter_remembers_a_bounded_number_of_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.journal.calls._MAX_TENANTS", 2)
    counter = AttemptCounter()
    failed = in_journal([exchange(0, 500, tenant=caller_for(token).tenant) for token in "abc"])
    assert [counter.number(each) for each in failed] == [1, 1, 1]
    retries = in_journal([exchange(1, 200, tenant=caller_for(token).tenant) for token in "abc"])
    assert [counter.number(each) for each in retries] == [1, 2, 2]


def test_the_counter_keeps_no_exchange_alive() -> None:
    counter = AttemptCounter()
    (failed,) = in_journal([exchange(0, 500)])
    counter.number(failed)
    reference = ref(failed)

    del failed

    assert reference() is None
    assert counter.number(in_journal([exchange(1, 500)])[0]) == 1
