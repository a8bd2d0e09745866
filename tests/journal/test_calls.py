"""How attempts are numbered as they end."""

import asyncio
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.calls import AttemptCounter
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.memory_journal import MemoryJournal
from tests.helpers.exchanges import exchange, numbers_of


def is_held(_position: int) -> bool:
    return True


def in_journal(exchanges: list[Exchange]) -> list[Exchange]:
    for position, each in enumerate(exchanges):
        each.position = position
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
    counter = AttemptCounter(is_held)
    numbers = numbers_of(exchanges)
    assert [counter.number(each) for each in in_journal(exchanges)] == [numbers[each] for each in exchanges]


def test_an_attempt_after_a_dropped_exchange_is_the_first() -> None:
    held = {0, 1}
    counter = AttemptCounter(held.__contains__)
    first, second, third = in_journal([exchange(0, 500), exchange(1, 500), exchange(2, 500)])
    assert [counter.number(first), counter.number(second)] == [1, 2]
    held.remove(1)
    assert counter.number(third) == 1


def test_every_attempt_is_the_first_if_the_journal_is_off() -> None:
    counter = AttemptCounter(is_held)
    assert [counter.number(exchange(start, 500)) for start in range(3)] == [1, 1, 1]


def test_the_counter_forgets_all_attempts() -> None:
    counter = AttemptCounter(is_held)
    first, second = in_journal([exchange(0, 500), exchange(1, 500)])
    counter.number(first)
    counter.clear()
    assert counter.number(second) == 1


@pytest.mark.parametrize(("start", "number"), [(0.999, 1), (1.0, 2), (121.0, 2), (121.001, 1)])
def test_a_retry_starts_between_the_end_and_the_longest_pause(start: float, number: int) -> None:
    counter = AttemptCounter(is_held)
    first, second = in_journal([exchange(0, 500, duration=1.0), exchange(start, 500)])
    assert [counter.number(first), counter.number(second)] == [1, number]
    assert numbers_of([first, second])[second] == number


def test_a_request_parallel_to_a_failure_is_a_first_attempt() -> None:
    counter = AttemptCounter(is_held)
    first, parallel = in_journal([exchange(0, 500, duration=1), exchange(0.5, 500, duration=1)])
    assert [counter.number(first), counter.number(parallel)] == [1, 1]


def test_the_counter_remembers_a_bounded_number_of_failed_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.journal.calls.MAX_FAILED_CALLS", 2)
    counter = AttemptCounter(is_held)
    failed = in_journal([exchange(0, 500, tenant=caller_for(token).tenant) for token in "abc"])
    assert [counter.number(each) for each in failed] == [1, 1, 1]
    retries = in_journal([exchange(1, 200, tenant=caller_for(token).tenant) for token in "abc"])
    assert [counter.number(each) for each in retries] == [1, 2, 2]


def test_the_counter_keeps_no_exchange_alive() -> None:
    counter = AttemptCounter(is_held)
    (failed,) = in_journal([exchange(0, 500)])
    counter.number(failed)
    reference = ref(failed)

    del failed

    assert reference() is None


def test_an_exchange_in_flight_has_an_expected_attempt_number() -> None:
    journal = MemoryJournal(10, Credentials(b"key"))
    counter = AttemptCounter(journal.holds)
    other = exchange(0, 500, url="/atoms/v1/audience?other")
    failed, retry, late = exchange(0, 500), exchange(1, None), exchange(1_000, None)
    assert counter.expected(retry) == 1
    for each in (other, failed):
        journal.add(each)
        counter.number(each)
    assert [counter.expected(each) for each in (retry, late)] == [2, 1]
    assert counter.expected(exchange(1, None, url="/atoms/v1/audience?third")) == 1
    assert counter.expected(exchange(1, None, reason="unmocked-route")) == 1
    asyncio.run(journal.remove([failed]))
    assert counter.expected(retry) == 1
