import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.faults import (
    Counters,
    Delay,
    ExpressionError,
    FaultEngine,
    Match,
    Preference,
    Respond,
    Rule,
    Strike,
    When,
    parse_expression,
    parse_fault,
    parse_prefer,
)
from mock_atoms.settings import ConfigError
from mock_atoms.tenancy import caller_of

R500 = Respond(status=500)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("500", Rule(respond=R500)),
        ("429", Rule(respond=Respond(status=429))),
        ("500x2", Rule(when=When(times=2), respond=R500)),
        ("500x0", Rule(when=When(times=0), respond=R500)),
        ("500p25", Rule(when=When(probability=0.25), respond=R500)),
        ("500p0", Rule(when=When(probability=0), respond=R500)),
        ("delay250", Rule(delay=Delay(ms=250))),
        ("delay0", Rule(delay=Delay(ms=0))),
        ("delay250+500x2", Rule(when=When(times=2), delay=Delay(ms=250), respond=R500)),
        ("500+delay250x2", Rule(when=When(times=2), delay=Delay(ms=250), respond=R500)),
        ("delay250p50", Rule(when=When(probability=0.5), delay=Delay(ms=250))),
    ],
)
def test_an_expression_is_short_for_a_rule(text: str, rule: Rule) -> None:
    assert parse_expression(text) == rule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "'' is no fault: expected terms such as 500, 500x2, 500p25 or delay250, joined by +"),
        ("5oo", "'5oo' is no fault"),
        ("500 ", "'500 ' is no fault"),
        ("500x", "'500x' is no fault"),
        ("500x-1", "'500x-1' is no fault"),
        ("500x2p25", "'500x2p25' is no fault"),
        ("0500", "'0500' is no fault"),
        ("\u0665\u0660\u0660", "'\u0665\u0660\u0660' is no fault"),
        ("500+", "'' is no fault"),
        ("DELAY5", "'DELAY5' is no fault"),
        ("reset", "'reset' is no fault"),
        ("200", "200 is no fault: give a status from 400 to 599"),
        ("600", "600 is no fault: give a status from 400 to 599"),
        ("500p101", "p101 is no percentage: give 0 to 100"),
        ("delay3600001", "delay3600001 is too long: at most 3600000 ms"),
        ("500+503", "'500+503': at most one status, one delay and one count or share"),
        ("delay1+delay2", "'delay1+delay2': at most one status"),
        ("500x2+delay5x2", "'500x2+delay5x2': at most one status"),
        ("500x2+delay5p5", "'500x2+delay5p5': at most one status"),
    ],
)
def test_a_bad_expression_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert str(caught.value).startswith(reason)


@given(st.text(max_size=20) | st.from_regex(r"[0-9a-z+]{0,12}", fullmatch=True))
def test_any_text_is_a_rule_or_an_expression_error(text: str) -> None:
    try:
        rule = parse_expression(text)
    except ExpressionError:
        return
    assert rule.delay is not None or rule.respond is not None


@pytest.mark.parametrize(
    ("given_fault", "rule"),
    [
        ("500x2", Rule(when=When(times=2), respond=R500)),
        (" GET  /audience  500 ", Rule(match=Match(method="GET", path="/audience"), respond=R500)),
        ('{"delay": {"ms": 5}}', Rule(delay=Delay(ms=5))),
        (
            {"name": "n", "match": {"token": "sk_a"}, "respond": {"status": 500}},
            Rule(name="n", match=Match(token="sk_a"), respond=R500),
        ),
    ],
)
def test_a_fault_is_given_short_or_as_json(given_fault: str | dict[str, object], rule: Rule) -> None:
    assert parse_fault(given_fault) == rule


@pytest.mark.parametrize(
    ("given_fault", "message"),
    [
        ("", "--fault: '': write EXPRESSION, METHOD PATH EXPRESSION, or a rule as JSON"),
        ("GET 500", "--fault: 'GET 500': write EXPRESSION, METHOD PATH EXPRESSION, or a rule as JSON"),
        ("get /audience 500", "--fault: 'get /audience 500': METHOD is like GET, PATH like /audience/{id}"),
        ("GET audience 500", "--fault: 'GET audience 500': METHOD is like GET, PATH like /audience/{id}"),
        ("GET /audience 5oo", "--fault: '5oo' is no fault"),
        ("{", "--fault: not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("{}", "--fault: /: give delay or respond, or both"),
        ({"respond": {"status": 99}}, "--fault: /respond/status: Input should be greater than or equal to 200"),
        ({"respond": {"status": 600}}, "--fault: /respond/status: Input should be less than or equal to 599"),
        ({"respond": {"status": 500, "erors": []}}, "--fault: /respond/erors: Extra inputs are not permitted"),
        ({"respond": {"status": 500, "errors": [], "body": 1}}, "--fault: /respond: give errors or body, not both"),
        ({"respond": {"status": 200}}, "--fault: /respond: a 200 is no error: give its body"),
        ({"respond": {"status": 204, "body": 1}}, "--fault: /respond: a 204 has no body"),
        ({"respond": {"status": 500, "headers": {"a b": "c"}}}, "--fault: /respond/headers: 'a b' is not a header na"),
        ({"respond": {"status": 500, "headers": {"a": "\n"}}}, "--fault: /respond/headers: the value of a is not pri"),
        ({"respond": {"status": 500, "headers": {"Content-Length": "1"}}}, "--fault: /respond/headers: Content-Length"),
        ({"delay": {}}, "--fault: /delay: give ms, or minMs and maxMs, or medianMs and sigma"),
        ({"delay": {"ms": 1, "sigma": 1}}, "--fault: /delay: give ms, or minMs and maxMs, or medianMs and sigma"),
        ({"delay": {"ms": None}}, "--fault: /delay: give numbers, not null"),
        ({"delay": {"minMs": 2, "maxMs": 1}}, "--fault: /delay: minMs is greater than maxMs"),
        ({"delay": {"ms": 1e9}}, "--fault: /delay/ms: Input should be less than or equal to 3600000"),
        ({"delay": {"ms": 1}, "when": {"every": 0}}, "--fault: /when/every: Input should be greater than or equal to"),
        ({"delay": {"ms": 1}, "when": {"probability": 2}}, "--fault: /when/probability: Input should be less than"),
    ],
)
def test_a_bad_fault_is_refused_with_its_place(given_fault: str | dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_fault(given_fault)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_bad_token_in_a_rule_is_not_repeated() -> None:
    with pytest.raises(ConfigError, match=r"/match/token: String should match") as caught:
        parse_fault({"match": {"token": "sk_verysecret token"}, "delay": {"ms": 1}})
    assert "verysecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("match", "hit", "miss"),
    [
        (Match(), ("sk_a", "GET", "/audience"), None),
        (Match(token="sk_a"), ("sk_a", "GET", "/x"), ("sk_b", "GET", "/x")),
        (Match(method="GET"), ("sk_a", "GET", "/x"), ("sk_a", "POST", "/x")),
        (Match(path="/audience"), ("sk_a", "GET", "/audience/"), ("sk_a", "GET", "/audience/1")),
        (Match(path="/audience/{id}"), ("sk_a", "GET", "/audience/1"), ("sk_a", "GET", "/audience/1/members")),
        (Match(path="/audience/{id}/members"), ("sk_a", "GET", "/audience/1/members"), ("sk_a", "GET", "/audience")),
        (Match(path="/a.b"), ("sk_a", "GET", "/a.b"), ("sk_a", "GET", "/axb")),
        (Match(path="/"), ("sk_a", "GET", "/"), ("sk_a", "GET", "/a")),
    ],
)
def test_a_match_strikes_whom_it_names(
    match: Match, hit: tuple[str, str, str], miss: tuple[str, str, str] | None
) -> None:
    def asked(token: str, method: str, path: str) -> bool:
        return match(caller_of(token).tenant, method, path)

    assert asked(*hit)
    assert miss is None or not asked(*miss)


@pytest.mark.parametrize(
    ("when", "struck"),
    [
        (When(), "XXXXXXXX"),
        (When(times=2), "XX......"),
        (When(times=0), "........"),
        (When(after=3), "...XXXXX"),
        (When(after=1, times=2), ".XX....."),
        (When(every=3), "..X..X.."),
        (When(after=1, every=2, times=2), "..X.X..."),
        (When(probability=0), "........"),
        (When(probability=1), "XXXXXXXX"),
    ],
)
def test_when_says_how_often(when: When, struck: str) -> None:
    engine = FaultEngine("atoms", {"r": Rule(when=when, respond=R500)})
    counters: Counters = {}
    pattern = "".join("X" if strike(engine, "sk_a", counters) else "." for _ in range(8))
    assert pattern == struck


def strike(engine: FaultEngine, token: str, counters: Counters, prefer: Preference | None = None) -> Strike | None:
    return engine.decide(caller_of(token), "GET", "/audience", prefer, counters)


def pattern(engine: FaultEngine, token: str, n: int) -> str:
    counters: Counters = {}
    return "".join("X" if strike(engine, token, counters) else "." for _ in range(n))


def test_a_share_is_seeded_and_about_right() -> None:
    engine = FaultEngine("atoms", {"r": parse_expression("500p25")})
    shown = pattern(engine, "sk_a", 1000)
    assert shown == pattern(FaultEngine("atoms", {"r": parse_expression("500p25")}), "sk_a", 1000)
    assert 200 < shown.count("X") < 300
    others = {
        pattern(FaultEngine("other", {"r": parse_expression("500p25")}), "sk_a", 1000),
        pattern(FaultEngine("atoms", {"s": parse_expression("500p25")}), "sk_a", 1000),
        pattern(engine, "sk_b", 1000),
    }
    assert len(others - {shown}) == 3


def test_the_first_choices_of_a_share_are_known() -> None:
    """A change here breaks what users' tests have come to expect of a seed."""
    assert pattern(FaultEngine("atoms", {"r": parse_expression("500p25")}), "sk_a", 20) == "......X.XXX..X..X..."


@pytest.mark.parametrize(("rate", "shown"), [(0.0, "." * 50), (1.0, "X" * 50)])
def test_the_error_rate_is_exact_at_its_ends(rate: float, shown: str) -> None:
    assert pattern(FaultEngine("atoms", {}, rate), "sk_a", 50) == shown


def test_the_error_rate_comes_last_and_answers_500() -> None:
    engine = FaultEngine("atoms", {"fault-1": parse_expression("503x1")}, 1.0)
    counters: Counters = {}
    assert strike(engine, "sk_a", counters) == Strike(("fault-1",), 0.0, Respond(status=503))
    assert strike(engine, "sk_a", counters) == Strike(("error-rate",), 0.0, R500)


def test_a_magic_key_comes_before_rules_and_leaves_their_counters() -> None:
    engine = FaultEngine("atoms", {"fault-1": parse_expression("503x1")})
    counters: Counters = {}
    statuses = [(strike(engine, "sk_mock_500x2.mine", counters) or Strike(())).respond for _ in range(4)]
    assert [respond and respond.status for respond in statuses] == [500, 500, 503, None]


@pytest.mark.parametrize("token", ["sk_mock_5oo", "sk_mock_500x", "sk_mock_", "sk_mock_one", "sk_500", "sk_mock_200"])
def test_a_bad_expression_in_a_key_is_just_a_key(token: str) -> None:
    assert strike(FaultEngine("atoms", {}), token, {}) is None


def test_prefer_decides_alone_and_touches_no_counter() -> None:
    engine = FaultEngine("atoms", {"fault-1": parse_expression("503")}, 1.0)
    counters: Counters = {}
    prefer = Preference(Delay(ms=7), Respond(status=502))
    assert strike(engine, "sk_mock_500", counters, prefer) == Strike(("prefer",), 7.0, Respond(status=502))
    assert strike(engine, "sk_mock_500", counters, Preference(Delay(ms=7))) == Strike(("prefer",), 7.0)
    assert strike(engine, "sk_mock_500", counters, Preference()) is None
    assert counters == {}


def test_a_delay_and_an_answer_of_two_rules_come_together() -> None:
    rules = {
        "slow": parse_expression("delay100"),
        "slower": parse_expression("delay200"),
        "bad": parse_expression("500"),
    }
    counters: Counters = {}
    assert strike(FaultEngine("atoms", rules), "sk_a", counters) == Strike(("slow", "bad"), 100.0, R500)
    assert "slower" not in counters


def test_the_first_delay_wins() -> None:
    rules = {"slow": parse_expression("delay100"), "bad": parse_expression("delay200+500")}
    assert strike(FaultEngine("atoms", rules), "sk_a", {}) == Strike(("slow", "bad"), 100.0, R500)


def test_a_rule_for_another_token_is_not_asked() -> None:
    engine = FaultEngine("atoms", {"r": Rule(match=Match(token="sk_a"), respond=R500)})
    counters: Counters = {}
    assert strike(engine, "sk_b", counters) is None
    assert counters == {}


@pytest.mark.parametrize(
    ("values", "preference"),
    [
        (["code=500"], Preference(respond=R500)),
        (["code=500, delay=250"], Preference(Delay(ms=250), R500)),
        (["delay=250", "code=500"], Preference(Delay(ms=250), R500)),
        (['CODE = "500"'], Preference(respond=R500)),
        (["fault=delay5+503"], Preference(Delay(ms=5), Respond(status=503))),
        (["fault=503, delay=5"], Preference(Delay(ms=5), Respond(status=503))),
        (["code=200"], Preference()),
        (["code=200, delay=5"], Preference(Delay(ms=5))),
        (["respond-async, wait=100; code=500"], None),
        (["return=minimal", "example=x", "code"], None),
        ([""], None),
    ],
)
def test_a_prefer_header_is_read(values: list[str], preference: Preference | None) -> None:
    assert parse_prefer(values) == preference


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("code=abc", "code=abc: give 200, or a status from 400 to 599"),
        ("code=500x2", "code=500x2: give 200, or a status from 400 to 599"),
        ("code=", "code=: give 200, or a status from 400 to 599"),
        ("code=301", "301 is no fault: give a status from 400 to 599"),
        ("code=500, code=503", "code stands twice"),
        ("delay=abc", "'delayabc' is no fault"),
        ("delay=-1", "'delay-1' is no fault"),
        ("fault=5oo", "'5oo' is no fault"),
        ("fault=500x2", "one request has no count or share: leave out x and p"),
        ("fault=500p50", "one request has no count or share: leave out x and p"),
        ("fault=503, code=500", "'503+500': at most one status"),
    ],
)
def test_a_bad_preference_says_what_is_wrong(value: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_prefer([value])
    assert str(caught.value).startswith(reason)


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_prefer_header_is_read_or_refused(values: list[str]) -> None:
    with suppress(ExpressionError):
        assert isinstance(parse_prefer(values), Preference | None)


@pytest.mark.parametrize(
    ("delay", "lowest", "middle", "highest"),
    [
        (Delay(ms=250), 250, 250, 250),
        (Delay(minMs=100, maxMs=200), 100, 150, 200),
        (Delay(medianMs=100, sigma=0), 100, 100, 100),
        (Delay(medianMs=100, sigma=0.5), 0, 100, 10_000),
        (Delay(medianMs=3_000_000, sigma=10), 0, 3_000_000, 3_600_000),
    ],
)
def test_a_delay_has_its_distribution(delay: Delay, lowest: float, middle: float, highest: float) -> None:
    assert delay.milliseconds(0.5) == pytest.approx(middle)
    assert lowest <= delay.milliseconds(0.0) <= middle <= delay.milliseconds(1 - 2**-53) <= highest


def test_a_drawn_delay_is_seeded() -> None:
    engine = FaultEngine("atoms", {"r": Rule(delay=Delay(minMs=0, maxMs=1000))})
    first: Counters = {}
    second: Counters = {}
    one = [(strike(engine, "sk_a", first) or Strike(())).delay_ms for _ in range(20)]
    assert one == [(strike(engine, "sk_a", second) or Strike(())).delay_ms for _ in range(20)]
    assert len(set(one)) == 20


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, {"status": False, "errors": ["Internal server error"]}),
        (401, {"www-authenticate": "Bearer"}, {"status": False, "errors": ["Unauthorized: User not found"]}),
        (
            429,
            {"retry-after": "60"},
            {"status": False, "error": "Rate limit exceeded", "code": "RATE_LIMIT_EXCEEDED", "retry_after": 60},
        ),
        (400, {}, {"status": False, "errors": ["Invalid input"]}),
        (404, {}, {"status": False, "errors": ["Audience not found"]}),
        (503, {}, {"status": False, "errors": ["Service Unavailable"]}),
        (599, {}, {"status": False, "errors": ["Error 599"]}),
    ],
)
def test_a_status_has_its_documented_answer(status: int, headers: dict[str, str], body: object) -> None:
    sent, content = Respond(status=status).render()
    assert sent == {"content-type": "application/json; charset=utf-8"} | headers
    assert json.loads(content) == body


@pytest.mark.parametrize(
    ("respond", "headers", "body"),
    [
        (Respond(status=500, errors=["a", "é"]), {}, '{"status":false,"errors":["a","é"]}'),
        (Respond(status=200, body={"data": 1}), {}, '{"data":1}'),
        (Respond(status=500, body="text"), {}, '"text"'),
        (Respond(status=429, errors=["slow down"]), {"retry-after": "60"}, '{"status":false,"errors":["slow down"]}'),
        (
            Respond(status=429, headers={"Retry-After": "1"}),
            {"retry-after": "1"},
            '{"status":false,"error":"Rate limit exceeded","code":"RATE_LIMIT_EXCEEDED","retry_after":1}',
        ),
        (
            Respond(status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
            {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"},
            '{"status":false,"error":"Rate limit exceeded","code":"RATE_LIMIT_EXCEEDED","retry_after":60}',
        ),
        (Respond(status=500, body=1, headers={"Content-Type": "text/html"}), {"content-type": "text/html"}, "1"),
    ],
)
def test_an_answer_can_be_written_out(respond: Respond, headers: dict[str, str], body: str) -> None:
    sent, content = respond.render()
    assert sent == {"content-type": "application/json; charset=utf-8"} | headers
    assert content.decode() == body


def test_a_204_has_neither_body_nor_type() -> None:
    assert Respond(status=204).render() == ({}, b"")


TOKENS = st.sampled_from(["sk_a", "sk_b", "sk_mock_500x2.c"])
RULES = st.sampled_from(["500x2", "500p40", "delay5p30", "delay5+503x3"])


@given(st.lists(RULES, max_size=3), st.lists(TOKENS, max_size=40), st.floats(0, 1))
def test_what_befalls_a_tenant_does_not_depend_on_the_others(rules: list[str], order: list[str], rate: float) -> None:
    def run(tokens: list[str]) -> Callable[[str], list[Strike | None]]:
        engine = FaultEngine("atoms", {f"r{i}": parse_expression(text) for i, text in enumerate(rules)}, rate)
        counters: dict[str, Counters] = {token: {} for token in tokens}
        seen = [(token, strike(engine, token, counters[token])) for token in tokens]
        return lambda wanted: [befallen for token, befallen in seen if token == wanted]

    together = run(order)
    for token in set(order):
        assert together(token) == run([other for other in order if other == token])(token)
