"""Counting of matches in a journal that changes."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.control.match_counter import MatchCounter
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.journal.query import JournalQuery
from mock_atoms.wiremock import steps
from mock_atoms.wiremock.patterns import parse_pattern
from tests.helpers.exchanges import exchange, post

CREDENTIALS = Credentials(b"key")


@pytest.fixture(autouse=True, scope="module")
def pause_after_each_exchange() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "STEPS_PER_PAUSE", 1)
        yield


Result = TypeVar("Result")
STEPS = st.lists(
    st.sampled_from(
        ["add", "add other", "begin", "complete", "respond", "end", "remove first", "remove last", "clear", "count"]
    )
    | st.tuples(st.just("count"), st.integers(0, 5)),
    max_size=40,
)


def apply(step: str, journal: MemoryJournal, running: list[Exchange]) -> None:
    """Change `journal` as a server does."""
    present = [*journal]
    match step:
        case "add":
            journal.add(exchange(0, 200))
        case "add other":
            journal.add(exchange(0, 200, url="/other"))
        case "begin":
            running.append(post(0, None, is_body_complete=False, body=b""))
            journal.add(running[-1])
        case "complete" if running:
            running[-1].body, running[-1].is_body_complete = b"{}", True
            asyncio.run(journal.update(running[-1]))
        case "respond" if running:
            running[-1].status = 503
        case "end" if running:
            running[-1].ended_at = 1.0
            asyncio.run(journal.update(running.pop()))
        case "remove first":
            asyncio.run(journal.remove(present[:1]))
        case "remove last":
            asyncio.run(journal.remove(present[-1:]))
        case "clear":
            asyncio.run(journal.clear())


async def run(steps: Steps[Result]) -> Result:
    return run_without_pauses(steps)


async def cancelled_count(counter: MatchCounter, steps: int) -> None:
    """Begin to count, and end after a number of steps."""

    async def run_some(work: Steps[Result]) -> Result:
        for _ in range(steps):
            next(work, None)
        work.close()
        raise asyncio.CancelledError

    with suppress(asyncio.CancelledError):
        await counter.count(run_some)


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", [JournalQuery(), JournalQuery(statuses=range(503, 504)), JournalQuery(statuses=range(1))]
)
@pytest.mark.parametrize("pattern", [{"urlPath": "/other"}, {"bodyPatterns": [{"doesNotContain": "{"}]}, {}])
@given(STEPS)
def test_the_counter_agrees_with_a_count_of_all_exchanges(
    query: JournalQuery, pattern: dict[str, object], steps: list[str | tuple[str, int]]
) -> None:
    parsed = parse_pattern(pattern, CREDENTIALS)
    journal = MemoryJournal(5, CREDENTIALS)
    counter = MatchCounter(journal, query, parsed)
    running: list[Exchange] = []
    for step in [*steps, "count"]:
        if step == "count":
            assert asyncio.run(counter.count(run)) == sum(map(parsed.matches, filter(query.matches, journal)))
        elif isinstance(step, tuple):
            asyncio.run(cancelled_count(counter, step[1]))
        else:
            apply(step, journal, running)


def matched_by(counts: int, changes: str = "") -> int:
    """Return how many exchanges are matched by `counts` counts of 20 exchanges, with changes before each count."""
    journal = MemoryJournal(10, CREDENTIALS)
    pattern = parse_pattern({"urlPath": "/x"}, CREDENTIALS)
    counter = MatchCounter(journal, JournalQuery(), pattern)
    matched = 0

    class Recorder:
        awaits_body = staticmethod(pattern.awaits_body)
        conditions = pattern.conditions

        @staticmethod
        def compare(each: Exchange) -> tuple[bool, int]:
            nonlocal matched
            matched += 1
            return pattern.compare(each)

    counter._pattern = Recorder  # type: ignore[assignment] # noqa: SLF001 - counts its calls
    for _ in range(20):
        apply("add", journal, [])
    for _ in range(counts):
        if changes:
            apply(changes, journal, [])
        asyncio.run(counter.count(run))
    return matched


@pytest.mark.parametrize("in_flight", [False, True])
def test_each_count_reports_an_exchange_that_cannot_be_compared(in_flight: bool) -> None:  # noqa: FBT001 - a table
    journal = MemoryJournal(10, CREDENTIALS)
    pattern = parse_pattern({"bodyPatterns": [{"matches": "a*b"}]}, CREDENTIALS)
    sent = post(0, None if in_flight else 200, body=b"a")
    if in_flight:
        sent.is_body_complete = False
    journal.add(sent)
    counter = MatchCounter(journal, JournalQuery(), pattern)
    if in_flight:
        assert asyncio.run(counter.count(run)) == 0

    def refuse(_exchange: Exchange) -> tuple[bool, int]:
        raise ConfigError("takes too many steps")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pattern), "compare", lambda _pattern, each: refuse(each))
        for _ in range(2):
            with pytest.raises(ConfigError, match="too many steps"):
                asyncio.run(counter.count(run))
    assert asyncio.run(counter.count(run)) == 0


def test_each_exchange_is_matched_once() -> None:
    assert matched_by(counts=1) == 10
    assert matched_by(counts=5) == 10
    assert matched_by(counts=5, changes="add") == 14


def test_an_exchange_that_is_dropped_during_a_count_does_not_count() -> None:
    journal = MemoryJournal(2, CREDENTIALS)
    counter = MatchCounter(journal, JournalQuery(), parse_pattern({}, CREDENTIALS))
    apply("add", journal, [])

    async def run_late(work: Steps[Result]) -> Result:
        for _ in range(2):
            apply("add", journal, [])
        return run_without_pauses(work)

    assert asyncio.run(counter.count(run_late)) == 0
    assert asyncio.run(counter.count(run)) == 2
    apply("add", journal, [])
    assert asyncio.run(counter.count(run)) == 2


def test_only_exchanges_of_the_query_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STEPS_PER_PAUSE", 1_000)
    journal = MemoryJournal(10, CREDENTIALS)
    counter = MatchCounter(journal, JournalQuery(path="/other"), parse_pattern({"method": "GET"}, CREDENTIALS))
    for step in ("add", "add other", "begin", "add other"):
        apply(step, journal, [])
    assert asyncio.run(counter.count(run)) == 2


def test_a_status_counts_from_the_end_of_its_exchange_on() -> None:
    journal = MemoryJournal(10, CREDENTIALS)
    counter = MatchCounter(journal, JournalQuery(statuses=range(503, 504)), parse_pattern({}, CREDENTIALS))
    running: list[Exchange] = []
    apply("begin", journal, running)
    assert asyncio.run(counter.count(run)) == 0
    for step in ("respond", "end"):
        apply(step, journal, running)
    assert asyncio.run(counter.count(run)) == 1


def test_the_memory_of_a_count_does_not_depend_on_positions() -> None:
    journal = MemoryJournal(10, CREDENTIALS)
    counter = MatchCounter(journal, JournalQuery(), parse_pattern({}, CREDENTIALS))
    apply("add", journal, [])
    journal._next = 10_000_000  # noqa: SLF001 - as after so many removed exchanges
    apply("add", journal, [])
    assert asyncio.run(counter.count(run)) == 2
    assert counter._matches == [0, 10_000_000]  # noqa: SLF001 - the memory that it takes


def test_an_exchange_in_flight_counts_until_it_is_dropped() -> None:
    journal = MemoryJournal(1, CREDENTIALS)
    counter = MatchCounter(journal, JournalQuery(statuses=range(1)), parse_pattern({}, CREDENTIALS))
    apply("begin", journal, [])
    assert asyncio.run(counter.count(run)) == 1
    apply("add", journal, [])
    assert asyncio.run(counter.count(run)) == 0


def test_counts_at_the_same_time_count_each_exchange_once() -> None:
    journal = MemoryJournal(10, CREDENTIALS)
    counter = MatchCounter(journal, JournalQuery(), parse_pattern({}, CREDENTIALS))
    for _ in range(5):
        apply("add", journal, [])

    async def run_slowly(work: Steps[Result]) -> Result:
        await asyncio.sleep(0)
        return run_without_pauses(work)

    async def two_counts() -> list[int]:
        return [*await asyncio.gather(counter.count(run_slowly), counter.count(run_slowly))]

    assert asyncio.run(two_counts()) == [5, 5]
