"""The active stubs: precedence, index, limits, scenarios and resets."""

from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core import template_index
from mock_atoms.core.errors import CapacityError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.wiremock import stub_book
from mock_atoms.wiremock.candidate import Candidate
from mock_atoms.wiremock.scenarios import STARTED, ScenarioStates
from mock_atoms.wiremock.stub_book import StubBook
from mock_atoms.wiremock.stub_index import StubIndex, stub_key
from mock_atoms.wiremock.stub_matching import nearest_stubs, select_by_body, select_by_head
from mock_atoms.wiremock.stubs import Stub
from tests.helpers.profiling import calls_by_step, count_calls
from tests.wiremock.test_patterns import exchange
from tests.wiremock.test_stubs import parse


def stub(number: int = 0, request: dict[str, Any] | None = None, **fields: object) -> Stub:
    return parse({"id": f"00000000-0000-4000-8000-{number:012d}", "request": request or {}, **fields})


def numbers(stubs: list[Stub]) -> list[int]:
    return [int(item.id[-12:]) for item in stubs]


def found(book: StubBook, path: str, method: str = "GET") -> list[int]:
    return numbers(book.find(method, path))


def test_a_lower_priority_and_then_the_newest_stub_comes_first() -> None:
    book = StubBook()
    book.put([stub(1), stub(2), stub(3, priority=1), stub(4, priority=9)])
    assert numbers(book.in_order()) == found(book, "/") == [3, 2, 1, 4]
    assert numbers(book.by_age()) == [1, 2, 3, 4]
    assert len(book) == 4


def test_stubs_are_sorted_without_a_call_for_each() -> None:
    few, many = StubBook(), StubBook()
    few.put([stub(number, priority=number % 3) for number in range(3)])
    many.put([stub(number, priority=number % 3) for number in range(300)])
    assert count_calls(few.in_order) == count_calls(many.in_order)
    assert numbers(many.in_order()) == [number for rest in range(3) for number in range(297 + rest, -1, -3)]


def test_a_replaced_stub_keeps_its_place() -> None:
    book = StubBook()
    book.put([stub(1), stub(2)])
    book.put([stub(1, {"urlPath": "/a"})])
    assert numbers(book.in_order()) == [2, 1]
    assert found(book, "/b") == [2]


REQUESTS: list[dict[str, Any]] = [
    {},
    {"method": "GET", "urlPath": "/a"},
    {"method": "ANY", "urlPath": "/a"},
    {"method": {"oneOf": ["GET", "PUT"]}, "urlPath": "/a"},
    {"method": "GET_OR_HEAD", "urlPath": "/a"},
    {"method": "put", "urlPath": "/a/b"},
    {"method": "GET", "url": "/a?b=c"},
    {"method": "GET", "urlPathTemplate": "/a/{id}"},
    {"urlPathTemplate": "/a/x-{id}/b"},
    {"urlPathTemplate": "/{a}/{b}"},
    {"urlPathPattern": "/a/.*"},
    {"urlPathPattern": "^/a+/b?"},
    {"urlPathPattern": "/a|/c"},
    {"urlPattern": r"/a\?b=.*"},
    {"urlPattern": "(?i)/A.*"},
]
paths = st.lists(st.sampled_from(["a", "b", "x-1", "c", ""]), max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(st.sampled_from(["GET", "HEAD", "PUT"]), paths, st.sampled_from(["", "?b=c"]))
def test_the_index_finds_every_stub_that_matches(method: str, path: str, query: str) -> None:
    book = StubBook()
    book.put([stub(number, request) for number, request in enumerate(REQUESTS)])
    sent = exchange(path + query, method=method)
    candidates = book.find(method, path)
    matching = [item for item in book.in_order() if item.pattern.matches(sent)]
    assert matching == [item for item in candidates if item.pattern.matches(sent)]


@pytest.mark.parametrize(
    ("request_json", "start"),
    [
        ({"urlPathPattern": "/a/b.*"}, "/a/b"),
        ({"urlPattern": "^/a/b*"}, "/a/"),
        ({"urlPathPattern": "/a|/b"}, ""),
        ({"urlPathPattern": "(/a)"}, ""),
        ({"headers": {"a": {"absent": True}}}, ""),
    ],
)
def test_the_start_of_an_expression_is_indexed(request_json: dict[str, Any], start: str) -> None:
    assert stub_key(request_json).start == start


def test_removed_stubs_leave_the_index() -> None:
    book = StubBook()
    book.put([stub(number, request) for number, request in enumerate(REQUESTS)])
    run_without_pauses(book.remove_steps([item.id for item in book.in_order()]))
    assert found(book, "/a") == []
    assert book.is_empty
    run_without_pauses(book.remove_steps(["unknown"]))


def test_removed_stubs_leave_nothing_in_the_index() -> None:
    index = StubIndex()
    stubs = [stub(number, request) for number, request in enumerate([*REQUESTS, {"method": "PURGE", "urlPath": "/x"}])]
    for item in stubs:
        index.add(item)
    assert index.may_have("/x")
    for item in stubs:
        index.remove(item)
    assert index.parts() == []
    assert not index.may_have("/x")


def test_a_thousand_stubs_of_other_routes_are_no_candidates() -> None:
    book = StubBook()
    templates = [{"urlPathTemplate": f"/atoms/v1/other{number}/{{id}}"} for number in range(500)]
    literals = [{"urlPath": f"/atoms/v1/agent/{number}"} for number in range(500)]
    book.put([stub(number, request) for number, request in enumerate([*templates, *literals])])
    assert found(book, "/atoms/v1/agent/7") == [507]
    assert found(book, "/atoms/v1/other7/x") == [7]
    assert found(book, "/atoms/v1/audience") == []


def test_templates_of_many_shapes_cost_a_bounded_number_of_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    book = StubBook()
    shapes = product(("a", "{p%d}"), repeat=10)
    templates = ["/" + "/".join(item % n if "%" in item else item for n, item in enumerate(shape)) for shape in shapes]
    book.put([stub(number, {"urlPathTemplate": template}) for number, template in enumerate(templates)])
    lookups = 0
    without = template_index._without  # noqa: SLF001 - called once for each look-up

    def count(segments: list[str], positions: tuple[int, ...]) -> tuple[str, ...]:
        nonlocal lookups
        lookups += 1
        return without(segments, positions)

    monkeypatch.setattr(template_index, "_without", count)
    assert sorted(found(book, "/b" * 10)) == [1_016, 1_017, 1_018, 1_019, 1_020, 1_021, 1_022, 1_023]
    assert lookups == 128


def test_an_import_can_keep_known_stubs_and_remove_others() -> None:
    book = StubBook()
    book.put([stub(1), stub(2)])
    book.put([stub(2, priority=1), stub(3)], keeps_existing=True)
    assert [item.priority for item in book.in_order()] == [5, 5, 5]
    book.put([stub(3)], removes_others=True)
    assert numbers(book.in_order()) == [3]


def test_too_many_or_too_large_stubs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    book = StubBook()
    monkeypatch.setattr(stub_book, "MAX_STUBS", 2)
    book.put([stub(1), stub(2)])
    book.put([stub(2)])
    with pytest.raises(CapacityError, match="at most 2 stubs"):
        book.put([stub(2), stub(3)])
    monkeypatch.setattr(stub_book, "MAX_STUBS_BYTES", 1_000)
    with pytest.raises(CapacityError, match="the maximum is 1000"):
        book.put([stub(2)])
    assert numbers(book.in_order()) == [2, 1]


def test_a_reset_restores_the_stubs_of_files_and_keeps_persistent_ones() -> None:
    book = StubBook([stub(1), stub(2)])
    version = book.version
    book.put([stub(2, priority=1), stub(3), stub(4, persistent=True)])
    run_without_pauses(book.remove_steps([stub(1).id]))
    book.reset()
    assert numbers(book.in_order()) == [4, 2, 1]
    assert book.in_order()[1].priority == 5
    assert book.version > version


def scenario_stubs() -> list[Stub]:
    first = stub(1, scenarioName="s", requiredScenarioState=STARTED, newScenarioState="two")
    second = stub(2, scenarioName="s", requiredScenarioState="two")
    return [first, second, stub(3, scenarioName="t", newScenarioState="done")]


def choose(book: StubBook, states: ScenarioStates, *ids: int) -> int | None:
    chosen = book.choose([stub(number).id for number in ids], states)
    return None if chosen is None else int(chosen.id[-12:])


def test_a_scenario_moves_for_one_tenant() -> None:
    book = StubBook()
    book.put(scenario_stubs())
    one: ScenarioStates = {}
    other: ScenarioStates = {}
    assert [choose(book, one, 1, 2) for _ in range(3)] == [1, 2, 2]
    assert choose(book, other, 2) is None
    assert choose(book, other, 9, 1) == 1
    assert choose(book, one, 3) == 3
    assert book.scenarios["t"].latest_state == "done"
    assert book.scenarios["s"].possible_states == [STARTED, "two"]


def test_a_stub_without_scenario_is_chosen_in_any_state() -> None:
    book = StubBook()
    book.put([stub(1), *scenario_stubs()[1:]])
    assert choose(book, {}, 2, 1) == 1


def test_setting_a_state_applies_to_all_tenants() -> None:
    book = StubBook()
    book.put(scenario_stubs())
    states: ScenarioStates = {}
    choose(book, states, 1)
    book.set_scenarios()
    assert choose(book, states, 2) is None
    book.set_scenarios("two", "s")
    assert choose(book, states, 2) == choose(book, {}, 2) == 2
    assert book.moved_scenarios() == [("s", "two")]


def test_a_scenario_ends_with_its_last_stub() -> None:
    book = StubBook()
    book.put(scenario_stubs())
    states: ScenarioStates = {}
    choose(book, states, 1)
    run_without_pauses(book.remove_steps([stub(1).id]))
    assert "s" in book.scenarios
    book.put([stub(2, scenarioName="u")])
    assert book.scenarios.keys() == {"t", "u"}
    book.put(scenario_stubs())
    assert choose(book, states, 2) is None
    book.reset()
    book.put(scenario_stubs())
    assert choose(book, states, 2) is None


def test_an_import_restores_scenarios() -> None:
    book = StubBook()
    run_without_pauses(book.import_steps(scenario_stubs(), [("s", "two"), ("unknown", "a")]))
    assert choose(book, {}, 2) == 2
    assert choose(book, {"s": (0, STARTED)}, 2) is None
    run_without_pauses(book.import_steps(scenario_stubs(), []))
    assert choose(book, {"s": (0, "two")}, 2) == 2


def select(book: StubBook, sent: str, *headers: str, body: str = "") -> list[int]:
    request = exchange(sent, *headers, body=body)
    heads = run_without_pauses(select_by_head(book.in_order(), request))
    return numbers(run_without_pauses(select_by_body(heads, request)))


def test_stubs_are_selected_up_to_the_first_that_matches_in_any_case() -> None:
    book = StubBook()
    with_body = stub(4, {"bodyPatterns": [{"contains": "x"}]})
    book.put([stub(1), stub(2), stub(3, scenarioName="s"), with_body, stub(5, {"urlPath": "/b"})])
    assert select(book, "/a") == [3, 2]
    assert select(book, "/a", body="x") == [4]
    assert select(book, "/b") == [5]


def test_a_pattern_with_too_many_steps_does_not_match(monkeypatch: pytest.MonkeyPatch) -> None:
    book = StubBook()
    book.put([stub(1, {"urlPath": "/a", "headers": {"a": {"equalTo": "b"}}}, priority=1), stub(2)])
    monkeypatch.setattr(Candidate, "remaining", 8)
    assert [distance for distance, _ in run_without_pauses(nearest_stubs(book.in_order(), exchange("/c"), 3))] == [1]
    monkeypatch.setattr(Candidate, "remaining", 3)
    assert select(book, "/a", "a: b") == [2]
    assert run_without_pauses(nearest_stubs(book.in_order(), exchange("/c", "a: b"), 3)) == []


def test_near_misses_are_ranked_by_distance() -> None:
    book = StubBook()
    patterns: list[dict[str, Any]] = [{"urlPath": "/agents"}, {"urlPath": "/zzz"}, {"method": "PUT", "urlPath": "/z"}]
    book.put([stub(number, request) for number, request in enumerate(patterns)])
    nearest = run_without_pauses(nearest_stubs(book.in_order(), exchange("/agent"), 2))
    assert numbers([nearest[0][1]]) == [0]
    assert 0 < nearest[0][0] < nearest[1][0] <= 1


def test_a_step_to_find_near_stubs_does_not_depend_on_their_number() -> None:
    def most_calls(number: int) -> int:
        stubs = [stub(position, {"urlPath": f"/agent/{position:03}"}) for position in range(number)]
        return max(calls_by_step(nearest_stubs(stubs, exchange("/agent"), 3)))

    assert most_calls(60) == most_calls(600)


def test_a_long_selection_pauses() -> None:
    book = StubBook()
    book.put([stub(number, {"headers": {"a": {"equalTo": "b"}}}) for number in range(300)])
    pauses = sum(1 for _ in select_by_head(book.in_order(), exchange("/a")))
    assert pauses > 1


def test_a_long_change_is_seen_as_a_whole_and_keeps_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 2)
    book = StubBook([stub(1)])
    book.put(scenario_stubs())
    states: ScenarioStates = {}
    change = book.change(partial(StubBook.put_steps, stubs=[stub(number) for number in range(4, 8)]), 4)
    pauses = 0
    while True:
        try:
            next(change)
        except StopIteration as stop:
            removed = stop.value
            break
        pauses += 1
        assert len(book) == 3
        if pauses == 2:
            choose(book, states, 1)
    assert pauses > 6
    assert len(removed) == 1
    assert numbers(book.in_order()) == [7, 6, 5, 4, 3, 2, 1]
    assert choose(book, {}, 1) == 1
    assert book.scenarios["s"].latest_state == "two"
    run_without_pauses(book.change(StubBook.reset_steps, book.reset_size))
    assert numbers(book.in_order()) == [1]
    assert choose(book, states, 1) == 1


def test_a_long_change_copies_scenarios_and_saves_stubs_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 0)
    book = StubBook()
    book.put([stub(number, scenarioName=f"s{number}") for number in range(20)])
    scenarios, copied, saved, put = [20] * 4
    assert sum(1 for _ in book.change(StubBook.save_steps, len(book))) == scenarios + copied + saved + put
    assert len(book.scenarios) == 20
    assert all(item.is_persistent for item in book.in_order())


def test_a_long_change_keeps_the_state_that_a_request_reaches_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 0)
    book = StubBook()
    book.put(scenario_stubs())
    change = book.change(partial(StubBook.put_steps, stubs=[stub(4)]), 1)
    for _ in range(4):
        next(change)
    choose(book, {}, 1)
    run_without_pauses(change)
    assert len(book) == 4
    assert book.scenarios["s"].latest_state == "two"


def test_a_long_reset_changes_no_precedence_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 0)
    book = StubBook([stub(1)])
    book.put([stub(2), stub(3, persistent=True), stub(4, persistent=True)])
    run_without_pauses(book.remove_steps([stub(1).id]))
    change = book.change(StubBook.reset_steps, book.reset_size)
    for _ in range(6):  # all but the last step
        next(change)
        assert numbers(book.in_order()) == found(book, "/") == [4, 3, 2]
    run_without_pauses(change)
    assert numbers(book.in_order()) == found(book, "/") == [4, 3, 1]


def test_saved_stubs_stay_in_place_and_survive_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 0)
    book = StubBook([stub(1)])
    book.put([stub(2, response={"body": "key=sk_live_abcdef123456"}), stub(3, priority=1)])
    run_without_pauses(book.change(StubBook.save_steps, len(book)))
    assert numbers(book.in_order()) == [3, 2, 1]
    book.reset()
    assert numbers(book.in_order()) == [3, 2, 1]
    assert [item.response.body for item in book.find("GET", "/")] == [b"", b"key=sk_live_abcdef123456", b""]
    assert [item.as_json().get("persistent") for item in book.in_order()] == [True, True, None]


def test_a_long_change_that_fails_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 2)
    monkeypatch.setattr(stub_book, "MAX_STUBS", 3)
    book = StubBook()
    book.put([stub(1)])
    with pytest.raises(CapacityError):
        run_without_pauses(book.change(partial(StubBook.put_steps, stubs=[stub(2), stub(3), stub(4)]), 3))
    assert numbers(book.in_order()) == [1]


def test_a_long_reset_forgets_the_states_of_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_IMMEDIATE_CHANGES", 0)
    book = StubBook(scenario_stubs())
    choose(book, {}, 1)
    assert book.scenarios["s"].latest_state == "two"
    run_without_pauses(book.change(StubBook.reset_steps, book.reset_size))
    assert book.scenarios["s"].latest_state == STARTED


def test_stubs_are_removed_in_steps() -> None:
    book = StubBook()
    book.put([stub(number) for number in range(5)])
    steps = book.remove_steps([item.id for item in book.in_order()])
    assert sum(1 for _ in steps) == 5
    assert len(book) == 0
