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
def test_schedule_selects_the_requests(when: RuleSchedule, triggered: str) -> None:
    engine = engine_of("atoms", {"r": Rule(when=when, respond=R500)})
    counters: Counters = {}
    pattern = "".join("X" if decision(engine, "sk_a", counters) else "." for _ in range(8))
    assert pattern == triggered


def decision(
    engine: FaultEngine, token: str, counters: Counters, prefer: RequestedFault | None = None, now: float = 0.0
) -> FaultDecision | None:
    request = FaultRequest(caller_for(token), "GET", "/audience", now)
    matching = engine.matching(request.caller, request.method, request.api_path)
    return engine.evaluate(request, prefer, matching, counters).apply(counters)


def pattern(engine: FaultEngine, token: str, n: int) -> str:
    counters: Counters = {}
    return "".join("X" if decision(engine, token, counters) else "." for _ in range(n))


def test_share_is_seeded_and_approximate() -> None:
    engine = engine_of("atoms", {"r": parse_expression("500p25")})
    triggered = pattern(engine, "sk_a", 1000)
    assert triggered == pattern(engine_of("atoms", {"r": parse_expression("500p25")}), "sk_a", 1000)
    assert 200 < triggered.count("X") < 300
    others = {
        pattern(engine_of("other", {"r": parse_expression("500p25")}), "sk_a", 1000),
        pattern(engine_of("atoms", {"s": parse_expression("500p25")}), "sk_a", 1000),
        pattern(engine, "sk_b", 1000),
    }
    assert len(others - {triggered}) == 3


def test_first_choices_of_a_seed_never_change() -> None:
    """Tests of users rely on them."""
    assert pattern(engine_of("atoms", {"r": parse_expression("500p25")}), "sk_a", 20) == "......X.XXX..X..X..."


@pytest.mark.parametrize(("rate", "triggered"), [(0.0, "." * 50), (1.0, "X" * 50)])
def test_error_rate_is_exact_at_0_and_1(rate: float, triggered: str) -> None:
    assert pattern(engine_of("atoms", {}, rate), "sk_a", 50) == triggered


def test_error_rate_has_the_lowest_precedence() -> None:
    engine = engine_of("atoms", {"fault-1": parse_expression("503x1")}, 1.0)
    counters: Counters = {}
    assert decision(engine, "sk_a", counters) == FaultDecision(("fault-1",), 0.0, FaultResponse(status=503))
    assert decision(engine, "sk_a", counters) == FaultDecision(("error-rate",), 0.0, R500)


def test_magic_key_precedes_rules_and_leaves_their_counters() -> None:
    engine = engine_of("atoms", {"fault-1": parse_expression("503x1")})
    counters: Counters = {}
    statuses = [(decision(engine, "sk_mock_500x2.mine", counters) or FaultDecision(())).respond for _ in range(4)]
    assert [respond and respond.status for respond in statuses] == [500, 500, 503, None]


@pytest.mark.parametrize("token", ["sk_mock_5oo", "sk_mock_500x", "sk_mock_", "sk_mock_one", "sk_500", "sk_mock_200"])
def test_key_without_a_valid_expression_has_no_fault(token: str) -> None:
    assert decision(engine_of("atoms", {}), token, {}) is None


def test_prefer_decides_alone_and_changes_no_counter() -> None:
    engine = engine_of("atoms", {"fault-1": parse_expression("503")}, 1.0)
    counters: Counters = {}
    prefer = RequestedFault(Delay(ms=7), FaultResponse(status=502))
    assert decision(engine, "sk_mock_500", counters, prefer) == FaultDecision(
        ("prefer",), 7.0, FaultResponse(status=502)
    )
    assert decision(engine, "sk_mock_500", counters, RequestedFault(Delay(ms=7))) == FaultDecision(("prefer",), 7.0)
    assert decision(engine, "sk_mock_500", counters, RequestedFault()) is None
    assert counters == {}


def test_delay_and_response_of_two_rules_combine() -> None:
    rules = {
        "slow": parse_expression("delay100"),
        "slower": parse_expression("delay200"),
        "bad": parse_expression("500"),
    }
    counters: Counters = {}
    assert decision(engine_of("atoms", rules), "sk_a", counters) == FaultDecision(("slow", "bad"), 100.0, R500)
    assert "slower" not in counters


def test_first_delay_wins() -> None:
    rules = {"slow": parse_expression("delay100"), "bad": parse_expression("delay200+500")}
    assert decision(engine_of("atoms", rules), "sk_a", {}) == FaultDecision(("slow", "bad"), 100.0, R500)


def test_rule_for_another_token_is_not_evaluated() -> None:
    engine = engine_of("atoms", {"r": Rule(match=RuleMatch(token="sk_a"), respond=R500)})
    counters: Counters = {}
    assert decision(engine, "sk_b", counters) is None
    assert counters == {}


def test_random_delay_is_seeded() -> None:
    engine = engine_of("atoms", {"r": Rule(delay=Delay(minMs=0, maxMs=1000))})
    first: Counters = {}
    second: Counters = {}
    one = [(decision(engine, "sk_a", first) or FaultDecision(())).delay_ms for _ in range(20)]
    assert one == [(decision(engine, "sk_a", second) or FaultDecision(())).delay_ms for _ in range(20)]
    assert len(set(one)) == 20


TOKENS = st.sampled_from(["sk_a", "sk_b", "sk_mock_500x2.c"])


RULES = st.sampled_from(["500x2", "500p40", "delay5p30", "delay5+503x3"])


@given(st.lists(RULES, max_size=3), st.lists(TOKENS, max_size=40), st.floats(0, 1))
def test_faults_of_a_tenant_do_not_depend_on_others(rules: list[str], order: list[str], rate: float) -> None:
    def run(tokens: list[str]) -> Callable[[str], list[FaultDecision | None]]:
        engine = engine_of("atoms", {f"r{i}": parse_expression(text) for i, text in enumerate(rules)}, rate)
        counters: dict[str, Counters] = {token: {} for token in tokens}
        decisions = [(token, decision(engine, token, counters[token])) for token in tokens]
        return lambda selected: [faults for token, faults in decisions if token == selected]

    together = run(order)
    for token in set(order):
        assert together(token) == run([other for other in order if other == token])(token)


@pytest.mark.parametrize(
    ("expression", "timestamps", "triggered"),
    [
        ("limit2", [0.0, 0.1, 0.2, 0.9, 1.0, 1.1, 1.2], "..XX..X"),
        ("limit2/60", [5, 6, 7, 64.9, 65, 66, 67], "..XX..X"),
        ("limit0", [0, 1, 2], "XXX"),
        ("limit1", [100, 50, 50.5], "..X"),
        ("limit1+503", [0, 0.5], ".X"),
    ],
)
def test_rate_limit_triggers_beyond_it(expression: str, timestamps: list[float], triggered: str) -> None:
    engine = engine_of("atoms", {"r": parse_expression(expression)})
    counters: Counters = {}
    actual = "".join("X" if decision(engine, "sk_a", counters, now=timestamp) else "." for timestamp in timestamps)
    assert actual == triggered


@pytest.mark.parametrize(("expression", "used"), [("limit1/60", 1), ("500x1", 0)])
def test_only_a_rate_limit_has_a_window(expression: str, used: int) -> None:
    engine, counters = engine_of("atoms", {"r": parse_expression(expression)}), Counters()
    for _ in range(3):
        decision(engine, "sk_a", counters, now=1000.0)
    assert counters["r"].as_json()["evaluated"] == 3
    assert counters["r"].as_json()["windowUsed"] == used


def test_rate_limit_response_has_the_time_until_the_window_ends() -> None:
    engine = engine_of("atoms", {"r": parse_expression("limit1/60")})
    counters: Counters = {}
    assert decision(engine, "sk_a", counters, now=1000.5) is None
    limited = decision(engine, "sk_a", counters, now=1012.0)
    assert limited is not None
    assert limited.extra_headers == {
        "retry-after": "49",
        "x-ratelimit-limit": "1",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1061",
    }
    assert decision(engine, "sk_a", counters, now=1012.0 + 49) is None


def test_each_tenant_has_its_own_rate_limit() -> None:
    engine = engine_of("atoms", {"r": parse_expression("limit1")})
    one: Counters = {}
    other: Counters = {}
    assert [decision(engine, "sk_a", one) is None, decision(engine, "sk_b", other) is None] == [True, True]
    assert [decision(engine, "sk_a", one) is None, decision(engine, "sk_b", other) is None] == [False, False]
