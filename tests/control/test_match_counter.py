"""Counting of matches in a journal that changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.control.match_counter import MatchCounter
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.wiremock.patterns import parse_pattern
from tests.helpers.exchanges import exchange, post

CREDENTIALS = Credentials(b"key")
STEPS = st.lists(
    st.sampled_from(["add", "add other", "begin", "complete", "end", "remove first", "remove last", "clear", "count"])
    | st.tuples(st.just("count"), st.integers(0, 5)),
    max_size=40,
)


def apply(step: str, journal: Journal, running: list[Exchange]) -> None:
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
            journal.update(running[-1])
        case "end" if running:
            running[-1].ended_at = 1.0
            journal.update(running.pop())
        case "remove first":
            journal.remove(present[:1])
        case "remove last":
            journal.remove(present[-1:])
        case "clear":
            journal.clear()


@pytest.mark.parametrize("pattern", [{"urlPath": "/other"}, {"bodyPatterns": [{"doesNotContain": "{"}]}])
@given(STEPS)
def test_the_counter_agrees_with_a_count_of_all_exchanges(
    pattern: dict[str, object], steps: list[str | tuple[str, int]]
) -> None:
    parsed = parse_pattern(pattern, CREDENTIALS)
    journal = Journal(5, CREDENTIALS)
    counter = MatchCounter(journal, parsed)
    running: list[Exchange] = []
    for step in [*steps, "count"]:
        if step == "count":
            assert run_without_pauses(counter.count()) == sum(map(parsed.matches, journal))
        elif isinstance(step, tuple):
            unfinished = counter.count()
            for _ in range(step[1]):
                next(unfinished, None)
            unfinished.close()
        else:
            apply(step, journal, running)


def matched_by(counts: int, changes: str = "") -> int:
    """Return how many exchanges are matched by `counts` counts of 20 exchanges, with changes before each count."""
    journal = Journal(10, CREDENTIALS)
    pattern = parse_pattern({"urlPath": "/x"}, CREDENTIALS)
    counter = MatchCounter(journal, pattern)
    matched = 0

    class Recorder:
        awaits_body = staticmethod(pattern.awaits_body)

        @staticmethod
        def matches(each: Exchange) -> bool:
            nonlocal matched
            matched += 1
            return pattern.matches(each)

    counter._pattern = Recorder  # type: ignore[assignment] # noqa: SLF001 - counts its calls
    for _ in range(20):
        apply("add", journal, [])
    for _ in range(counts):
        if changes:
            apply(changes, journal, [])
        run_without_pauses(counter.count())
    return matched


def test_each_exchange_is_matched_once() -> None:
    assert matched_by(counts=1) == 10
    assert matched_by(counts=5) == 10
    assert matched_by(counts=5, changes="add") == 14
