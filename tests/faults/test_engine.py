from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.tenancy import caller_for
from mock_atoms.faults.effects import Delay, FaultResponse
from mock_atoms.faults.engine import (
    ERROR_RATE_RULE,
    Counters,
    FaultDecision,
    FaultEngine,
    FaultRequest,
    error_rate_rule,
)
from mock_atoms.faults.expressions import parse_expression
from mock_atoms.faults.prefer import RequestedFault
from mock_atoms.faults.rule_match import RuleMatch
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import Rule, RuleSchedule

R500 = FaultResponse(status=500)


def engine_of(seed: str, rules: dict[str, Rule], error_rate: float = 0.0) -> FaultEngine:
    last = {ERROR_RATE_RULE: error_rate_rule(error_rate)} if error_rate else {}
    return FaultEngine(seed, RuleBook(rules | last))


@pytest.mark.parametrize(
    ("when", "triggered"),
    [
        (RuleSchedule(), "XXXXXXXX"),
        (RuleSchedule(times=2), "XX......"),
        (RuleSchedule(times=0), "........"),
        (RuleSchedule(after=3), "...XXXXX"),
        (RuleSchedule(after=1, times=2), ".XX....."),
        (RuleSchedule(every=3), "..X..X.."),
        (RuleSchedule(after=1, every=2, times=2), "..X.X..."),
        (RuleSchedule(probability=0), "........"),
        (RuleSchedule(probability=1), "XXXXXXXX"),
    ],
)
def test_when_says_how_often(when: RuleSchedule, triggered: str) -> None:
    engine = engine_of("atoms", {"r": Rule(when=when, respond=R500)})
    counters: Counters = {}
    pattern = "".join("X" if decision(engine, "sk_a", counters) else "." for _ in range(8))
    assert pattern == triggered


def decision(
    engine: FaultEngine, token: str, counters: Counters, prefer: RequestedFault | None = None, now: float = 0.0
) -> FaultDecision | None:
    return engine.decide(FaultRequest(caller_for(token), "GET", "/audience", now), prefer, counters)


def pattern(engine: FaultEngine, token: str, n: int) -> str:
    counters: Counters = {}
    return "".join("X" if decision(engine, token, counters) else "." for _ in range(n))


def test_a_share_is_seeded_and_about_right() -> None:
    engine = engine_of("atoms", {"r": parse_expression("500p25")})
    shown = pattern(engine, "sk_a", 1000)
    assert shown == pattern(engine_of("atoms", {"r": parse_expression("500p25")}), "sk_a", 1000)
    assert 200 < shown.count("X") < 300
    others = {
        pattern(engine_of("other", {"r": parse_expression("500p25")}), "sk_a", 1000),
        pattern(engine_of("atoms", {"s": parse_expression("500p25")}), "sk_a", 1000),
        pattern(engine, "sk_b", 1000),
    }
    assert len(others - {shown}) == 3


def test_the_first_choices_of_a_share_are_known() -> None:
    """A change here breaks what users' tests have come to expect of a seed."""
    assert pattern(engine_of("atoms", {"r": parse_expression("500p25")}), "sk_a", 20) == "......X.XXX..X..X..."


@pytest.mark.parametrize(("rate", "shown"), [(0.0, "." * 50), (1.0, "X" * 50)])
def test_the_error_rate_is_exact_at_its_ends(rate: float, shown: str) -> None:
    assert pattern(engine_of("atoms", {}, rate), "sk_a", 50) == shown


def test_the_error_rate_comes_last_and_answers_500() -> None:
    engine = engine_of("atoms", {"fault-1": parse_expression("503x1")}, 1.0)
    counters: Counters = {}
    assert decision(engine, "sk_a", counters) == FaultDecision(("fault-1",), 0.0, FaultResponse(status=503))
    assert decision(engine, "sk_a", counters) == FaultDecision(("error-rate",), 0.0, R500)


def test_a_magic_key_comes_before_rules_and_leaves_their_counters() -> None:
    engine = engine_of("atoms", {"fault-1": parse_expression("503x1")})
    counters: Counters = {}
    statuses = [(decision(engine, "sk_mock_500x2.mine", counters) or FaultDecision(())).respond for _ in range(4)]
    assert [respond and respond.status for respond in statuses] == [500, 500, 503, None]


@pytest.mark.parametrize("token", ["sk_mock_5oo", "sk_mock_500x", "sk_mock_", "sk_mock_one", "sk_500", "sk_mock_200"])
def test_a_bad_expression_in_a_key_is_just_a_key(token: str) -> None:
    assert decision(engine_of("atoms", {}), token, {}) is None


def test_prefer_decides_alone_and_touches_no_counter() -> None:
    engine = engine_of("atoms", {"fault-1": parse_expression("503")}, 1.0)
    counters: Counters = {}
    prefer = RequestedFault(Delay(ms=7), FaultResponse(status=502))
    assert decision(engine, "sk_mock_500", counters, prefer) == FaultDecision(
        ("prefer",), 7.0, FaultResponse(status=502)
    )
    assert decision(engine, "sk_mock_500", counters, RequestedFault(Delay(ms=7))) == FaultDecision(("prefer",), 7.0)
    assert decision(engine, "sk_mock_500", counters, RequestedFault()) is None
    assert counters == {}


def test_a_delay_and_an_answer_of_two_rules_come_together() -> None:
    rules = {
        "slow": parse_expression("delay100"),
        "slower": parse_expression("delay200"),
        "bad": parse_expression("500"),
    }
    counters: Counters = {}
    assert decision(engine_of("atoms", rules), "sk_a", counters) == FaultDecision(("slow", "bad"), 100.0, R500)
    assert "slower" not in counters


def test_the_first_delay_wins() -> None:
    rules = {"slow": parse_expression("delay100"), "bad": parse_expression("delay200+500")}
    assert decision(engine_of("atoms", rules), "sk_a", {}) == FaultDecision(("slow", "bad"), 100.0, R500)


def test_a_rule_for_another_token_is_not_asked() -> None:
    engine = engine_of("atoms", {"r": Rule(match=RuleMatch(token="sk_a"), respond=R500)})
    counters: Counters = {}
    assert decision(engine, "sk_b", counters) is None
    assert counters == {}


def test_a_drawn_delay_is_seeded() -> None:
    engine = engine_of("atoms", {"r": Rule(delay=Delay(minMs=0, maxMs=1000))})
    first: Counters = {}
    second: Counters = {}
    one = [(decision(engine, "sk_a", first) or FaultDecision(())).delay_ms for _ in range(20)]
    assert one == [(decision(engine, "sk_a", second) or FaultDecision(())).delay_ms for _ in range(20)]
    assert len(set(one)) == 20


TOKENS = st.sampled_from(["sk_a", "sk_b", "sk_mock_500x2.c"])


RULES = st.sampled_from(["500x2", "500p40", "delay5p30", "delay5+503x3"])


@given(st.lists(RULES, max_size=3), st.lists(TOKENS, max_size=40), st.floats(0, 1))
def test_what_befalls_a_tenant_does_not_depend_on_the_others(rules: list[str], order: list[str], rate: float) -> None:
    def run(tokens: list[str]) -> Callable[[str], list[FaultDecision | None]]:
        engine = engine_of("atoms", {f"r{i}": parse_expression(text) for i, text in enumerate(rules)}, rate)
        counters: dict[str, Counters] = {token: {} for token in tokens}
        seen = [(token, decision(engine, token, counters[token])) for token in tokens]
        return lambda wanted: [befallen for token, befallen in seen if token == wanted]

    together = run(order)
    for token in set(order):
        assert together(token) == run([other for other in order if other == token])(token)


@pytest.mark.parametrize(
    ("expression", "moments", "triggered"),
    [
        ("limit2", [0.0, 0.1, 0.2, 0.9, 1.0, 1.1, 1.2], "..XX..X"),
        ("limit2/60", [5, 6, 7, 64.9, 65, 66, 67], "..XX..X"),
        ("limit0", [0, 1, 2], "XXX"),
        ("limit1", [100, 50, 50.5], "..X"),
        ("limit1+503", [0, 0.5], ".X"),
    ],
)
def test_a_limit_strikes_what_is_over_it(expression: str, moments: list[float], triggered: str) -> None:
    engine = engine_of("atoms", {"r": parse_expression(expression)})
    counters: Counters = {}
    shown = "".join("X" if decision(engine, "sk_a", counters, now=moment) else "." for moment in moments)
    assert shown == triggered


def test_a_limit_tells_truly_when_to_come_back() -> None:
    engine = engine_of("atoms", {"r": parse_expression("limit1/60")})
    counters: Counters = {}
    assert decision(engine, "sk_a", counters, now=1000.5) is None
    refused = decision(engine, "sk_a", counters, now=1012.0)
    assert refused is not None
    assert refused.extra_headers == {
        "retry-after": "49",
        "x-ratelimit-limit": "1",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1061",
    }
    assert decision(engine, "sk_a", counters, now=1012.0 + 49) is None


def test_each_tenant_has_a_limit_of_its_own() -> None:
    engine = engine_of("atoms", {"r": parse_expression("limit1")})
    one: Counters = {}
    other: Counters = {}
    assert [decision(engine, "sk_a", one) is None, decision(engine, "sk_b", other) is None] == [True, True]
    assert [decision(engine, "sk_a", one) is None, decision(engine, "sk_b", other) is None] == [False, False]
