"""The tests of the suite, and the goals of what a test costs."""

import argparse
import contextlib
from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks import calls, paths, per_test_goals, pytest_sessions
from benchmarks.audiences import Cost
from benchmarks.findings import Findings
from benchmarks.loads import Run
from benchmarks.servers import FLOOR, OURS
from benchmarks.suite import parse_count
from benchmarks.suite_runs import Setting, Suite
from benchmarks.suite_tests import (
    CONTROLS,
    TESTS,
    UNIT,
    Http,
    Test,
    WorkerArguments,
    choose,
    expect,
    one_call,
    polled,
    upload,
)
from mock_atoms import MockServer


def test_the_choice_of_tests_follows_from_the_seed() -> None:
    assert choose(100, 1) == choose(100, 1)
    assert choose(100, 1) != choose(100, 2)
    assert Counter(choose(1_000, 1)) == dict(zip(TESTS, (800, 100, 50, 50), strict=True))


@pytest.mark.parametrize("count", [UNIT, 7 * UNIT, 1_000])
def test_as_many_tests_are_chosen_as_asked_for(count: int) -> None:
    assert parse_count(str(count)) == len(choose(count, 1)) == count


@pytest.mark.parametrize("text", ["0", "-20", "30", "many"])
def test_a_number_of_tests_without_exact_shares_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text} is not a multiple of 20, such as 20 or 200$"):
        parse_count(text)


def test_workers_get_their_arguments_as_strings() -> None:
    arguments = WorkerArguments("ours", 8000, 1_000, 15, 0, 8, 3)
    assert arguments.as_strings() == ["ours", "8000", "1000", "15", "0", "8", "3"]


@pytest.fixture
def api(server: MockServer) -> Iterator[Http]:
    with contextlib.closing(Http(server.port)) as api:
        yield api


@pytest.mark.parametrize("test", TESTS)
def test_each_test_passes_and_resets_its_token(test: Test, server: MockServer, api: Http) -> None:
    control = CONTROLS["ours"](server.port)
    test(control, api, "sk_suite")
    assert control.requests("sk_suite")
    control.reset("sk_suite")
    assert not control.requests("sk_suite")


@pytest.mark.parametrize("test", [one_call, upload])
def test_a_test_that_finds_other_requests_fails(test: Test, server: MockServer, api: Http) -> None:
    api.send("GET", "/atoms/v1/audience", token="sk_suite")
    with pytest.raises(SystemExit, match="a test failed"):
        test(CONTROLS["ours"](server.port), api, "sk_suite")


def test_an_expectation_names_both_values() -> None:
    with pytest.raises(SystemExit, match="a test failed: expected 2, found 1"):
        expect(1, 2)


def test_polling_ends_when_enough_requests_arrived() -> None:
    counts = iter(range(3))
    assert polled(lambda token: [("GET", token)] * next(counts), "sk_a", 2) == [("GET", "sk_a")] * 2


def a_run(microseconds: float) -> Run:
    return Run(microseconds / 1e6, 1e6 / microseconds, 0.001, 0.002, 0.0, 0.0)


def costs(milliseconds: float) -> list[Cost]:
    return [Cost(milliseconds / 1e3, 2 * milliseconds / 1e3)]


@pytest.fixture
def found() -> Findings:
    pages = {f"{kind}, 10, index 0": costs(0.2) for kind in ("generated", "uploaded")}
    return Findings(
        paths={FLOOR: [a_run(20)], **{name: [a_run(50)] for name in paths.KINDS}},
        calls={
            **{(name, 0): costs(1) for name in CALLS},
            **{(name, 9_000): costs(1.25) for name in CALLS},
            (f"{calls.FIND}, WireMock", 9_000): costs(10),
        },
        full={name: costs(2) for name in FULL},
        pages=pages,
        members={
            **{f"one member added, {kind}, 10": costs(0.2) for kind in ("generated", "uploaded")},
            **{f"search, {kind}, 10,000": costs(50) for kind in ("generated", "uploaded")},
            "upload, 10,000": costs(60),
        },
        sessions={
            pytest_sessions.WITHOUT: costs(100),
            pytest_sessions.UNUSED: costs(105),
            pytest_sessions.FIRST: costs(305),
            pytest_sessions.MANY_UNUSED: costs(200),
            pytest_sessions.MANY: costs(600),
        },
        session_tests=201,
        suites={
            **{Setting(OURS, workers, 0): [Suite(0.001, 0.002, 0.003)] for workers in (1, 8)},
            **{Setting(OURS, workers, 10_000): [Suite(0.002, 0.002, 0.003)] for workers in (1, 8)},
            **{Setting("WireMock", workers, 10_000): [Suite(0.008, 0.010, 0.003)] for workers in (1, 8)},
        },
    )


A_REQUEST = f"a request to {FLOOR}"
"""It takes 20 µs in `found`."""
CALLS = ("mock.requests", "mock.wait_for_requests", "mock.retries", "mock.reset", calls.FIND)
FULL = (calls.NAMED, calls.UNNAMED, calls.SLOWEST_FIND, calls.SLOWEST_COUNT, calls.RULE)


def test_every_goal_of_a_test_has_a_figure(found: Findings) -> None:
    figures = {(row.what, row.against): row.figure for row in per_test_goals.per_test_rows(found)}
    others = "9,000 requests of other tests"
    assert figures == {
        **{
            (f"{name}: CPU time per request", FLOOR): pytest.approx(2.5)
            for name in paths.KINDS
            if name != paths.NEW_TOKENS
        },
        **{(f"{name}: {others}", "none"): pytest.approx(1.25) for name in CALLS},
        **{(f"{name}, {others}", ""): pytest.approx(2.5) for name in (*CALLS[:2], calls.FIND)},
        (f"{calls.FIND}, {others}", "WireMock"): pytest.approx(0.125),
        **{
            (f"{name}: CPU time", A_REQUEST): pytest.approx(2_000 / 20)
            for name in (calls.NAMED, calls.UNNAMED, calls.RULE)
        },
        (calls.SLOWEST_FIND, ""): pytest.approx(4),
        (calls.SLOWEST_COUNT, ""): pytest.approx(4),
        **{
            (f"{what}, {kind}: CPU time", A_REQUEST): pytest.approx(200 / 20)
            for what in ("page of 10 members, uncached", "one member added")
            for kind in ("generated", "uploaded")
        },
        ("upload of 10,000 rows: each row: CPU time", A_REQUEST): pytest.approx(6 / 20),
        **{
            (f"search over 10,000 members, {kind}: each member: CPU time", A_REQUEST): pytest.approx(5 / 20)
            for kind in ("generated", "uploaded")
        },
        ("pytest: first fixture `mock_atoms`", "no fixture"): pytest.approx(400),
        ("pytest: plugin unused", "no plugin"): pytest.approx(5),
        ("pytest: fixtures of each further test", "no fixture"): pytest.approx(2),
        **{
            (f"a test of the suite, {workers}, 10,000 requests of other tests", "WireMock"): pytest.approx(0.25)
            for workers in ("1 worker", "8 workers")
        },
        **{
            (f"a test of the suite, {workers}, 0 requests of other tests", "WireMock"): None
            for workers in ("1 worker", "8 workers")
        },
        **{
            (f"a test of the suite, {workers}: 10,000 requests of other tests", "none"): pytest.approx(2)
            for workers in ("1 worker", "8 workers")
        },
        **{
            (f"a test of the suite, {workers}: slowest list of another client", ""): pytest.approx(3)
            for workers in ("1 worker", "8 workers")
        },
    }


def test_goals_of_a_test_without_a_measurement_have_no_figure() -> None:
    rows = list(per_test_goals.per_test_rows(Findings()))
    assert rows
    assert [row.figure for row in rows] == [None] * len(rows)
