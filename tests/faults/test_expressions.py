import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.parsing import ConfigError
from mock_atoms.faults.effects import ConnectionFault, Delay, FaultResponse
from mock_atoms.faults.expressions import ExpressionError, parse_expression, parse_fault
from mock_atoms.faults.response_patch import ResponsePatch
from mock_atoms.faults.rule_match import RuleMatch
from mock_atoms.faults.rules import RateLimit, Rule, RuleSchedule

R500 = FaultResponse(status=500)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("500", Rule(respond=R500)),
        ("429", Rule(respond=FaultResponse(status=429))),
        (
            "429x1+retry2",
            Rule(when=RuleSchedule(times=1), respond=FaultResponse(status=429, headers={"Retry-After": "2"})),
        ),
        ("500x2", Rule(when=RuleSchedule(times=2), respond=R500)),
        ("500x0", Rule(when=RuleSchedule(times=0), respond=R500)),
        ("500p25", Rule(when=RuleSchedule(probability=0.25), respond=R500)),
        ("500p0", Rule(when=RuleSchedule(probability=0), respond=R500)),
        ("delay250", Rule(delay=Delay(ms=250))),
        ("delay0", Rule(delay=Delay(ms=0))),
        ("delay250+500x2", Rule(when=RuleSchedule(times=2), delay=Delay(ms=250), respond=R500)),
        ("500+delay250x2", Rule(when=RuleSchedule(times=2), delay=Delay(ms=250), respond=R500)),
        ("reset", Rule(connection=ConnectionFault(kind="reset"))),
        ("close", Rule(connection=ConnectionFault(kind="close"))),
        ("truncatep50", Rule(when=RuleSchedule(probability=0.5), connection=ConnectionFault(kind="truncate"))),
        ("garbage", Rule(connection=ConnectionFault(kind="garbage"))),
        ("hang", Rule(connection=ConnectionFault(kind="hang"))),
        ("hang30000x1", Rule(when=RuleSchedule(times=1), connection=ConnectionFault(kind="hang", ms=30_000))),
        ("delay5+drip2000", Rule(delay=Delay(ms=5), connection=ConnectionFault(kind="drip", ms=2000))),
        ("html", Rule(respond=parse_expression("html").respond)),
        (
            "plaintextx1",
            Rule(
                when=RuleSchedule(times=1), alter=ResponsePatch(headers={"Content-Type": "text/plain; charset=utf-8"})
            ),
        ),
        ("delay5+nulled", Rule(delay=Delay(ms=5), alter=ResponsePatch(values={"/data/*/name": None}))),
        (
            "limit1+blank",
            Rule(when=RuleSchedule(limit=RateLimit(requests=1)), respond=FaultResponse(status=200, text="")),
        ),
        ("limit10", Rule(when=RuleSchedule(limit=RateLimit(requests=10)), respond=FaultResponse(status=429))),
        (
            "limit100/60",
            Rule(when=RuleSchedule(limit=RateLimit(requests=100, seconds=60)), respond=FaultResponse(status=429)),
        ),
        ("limit10+503", Rule(when=RuleSchedule(limit=RateLimit(requests=10)), respond=FaultResponse(status=503))),
        (
            "limit10+reset",
            Rule(when=RuleSchedule(limit=RateLimit(requests=10)), connection=ConnectionFault(kind="reset")),
        ),
        ("400", Rule(respond=FaultResponse(status=400))),
        ("599", Rule(respond=FaultResponse(status=599))),
        ("500p100", Rule(when=RuleSchedule(probability=1), respond=R500)),
        ("delay3600000", Rule(delay=Delay(ms=3_600_000))),
        ("hang3600000", Rule(connection=ConnectionFault(kind="hang", ms=3_600_000))),
        (
            "limit999999/86400",
            Rule(
                when=RuleSchedule(limit=RateLimit(requests=999_999, seconds=86_400)), respond=FaultResponse(status=429)
            ),
        ),
        ("delay250p50", Rule(when=RuleSchedule(probability=0.5), delay=Delay(ms=250))),
    ],
)
def test_expression_is_parsed_into_a_rule(text: str, rule: Rule) -> None:
    assert parse_expression(text) == rule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("retry1", "`retry1` needs a status such as 429, and excludes limit"),
        ("delay5+retry1", "`retry1` needs a status"),
        ("429+retry1+limit5", "`retry1` needs a status"),
        (
            "",
            "an empty text is not a fault. Join terms such as 500, 500x2, 500p25, delay250 or limit10 with +",
        ),
        ("5oo", "`5oo` is not a fault"),
        ("500 ", "`500 ` is not a fault"),
        ("500x", "`500x` is not a fault"),
        ("500x-1", "`500x-1` is not a fault"),
        ("500x2p25", "`500x2p25` is not a fault"),
        ("0500", "`0500` is not a fault"),
        ("\u0665\u0660\u0660", "`\u0665\u0660\u0660` is not a fault"),
        ("500+", "an empty text is not a fault"),
        ("DELAY5", "`DELAY5` is not a fault"),
        ("drip", "`drip` is not a fault"),
        ("resetting", "`resetting` is not a fault"),
        ("hang3600001", "hang3600001 takes too long: at most 3600000 ms"),
        ("reset+500", "the terms of `reset+500` exclude each other: use at most one of status"),
        ("limit10x2", "the terms of `limit10x2` exclude each other: use at most one of status"),
        ("limit10+500p5", "the terms of `limit10+500p5` exclude each other: use at most one of status"),
        ("limit10/0", "`limit10/0` is out of range: use a window of 1 to 86400 seconds"),
        ("limit10/90000", "`limit10/90000` is out of range: use a window of 1 to 86400 seconds"),
        ("limit", "`limit` is not a fault"),
        ("reset+close", "the terms of `reset+close` exclude each other: use at most one of status"),
        ("200", "`200` is not a fault: use a status from 400 to 599"),
        ("399", "`399` is not a fault: use a status from 400 to 599"),
        ("limit10/86401", "`limit10/86401` is out of range: use a window of 1 to 86400 seconds"),
        ("drip3600001", "drip3600001 takes too long: at most 3600000 ms"),
        ("600", "`600` is not a fault: use a status from 400 to 599"),
        ("500p101", "`p101` is not a percentage: use 0 to 100"),
        ("delay3600001", "`delay3600001` is too long: at most 3600000 ms"),
        ("500+503", "the terms of `500+503` exclude each other: use at most one of status"),
        ("delay1+delay2", "the terms of `delay1+delay2` exclude each other: use at most one of status"),
        ("500x2+delay5x2", "the terms of `500x2+delay5x2` exclude each other: use at most one of status"),
        ("500x2+delay5p5", "the terms of `500x2+delay5p5` exclude each other: use at most one of status"),
    ],
)
def test_invalid_expression_has_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5oo", "`5oo` is not a fault. Did you mean `500`?"),
        (" 500", "` 500` is not a fault. Did you mean `500`?"),
        ("DELAY5", "`DELAY5` is not a fault. Did you mean `delay5`?"),
        ("delya250x2", "`delya250x2` is not a fault. Did you mean `delay250x2`?"),
        ("500+rest", "`rest` is not a fault. Did you mean `reset`?"),
        ("boom", "`boom` is not a fault. Join"),
        ("\u202a500", "`U+202A500` is not a fault. Join"),
    ],
)
def test_misspelt_expression_has_a_suggestion(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert str(caught.value).startswith(message)


@given(st.text(max_size=20) | st.from_regex(r"[0-9a-z+]{0,12}", fullmatch=True))
def test_any_text_is_a_rule_or_an_expression_error(text: str) -> None:
    try:
        rule = parse_expression(text)
    except ExpressionError:
        return
    assert rule.delay is not None or rule.is_terminal


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("500x2", Rule(when=RuleSchedule(times=2), respond=R500)),
        (" GET  /audience  500 ", Rule(match=RuleMatch(method="GET", path="/audience"), respond=R500)),
        ('{"delay": {"ms": 5}}', Rule(delay=Delay(ms=5))),
        (
            {"name": "n", "match": {"token": "sk_a"}, "respond": {"status": 500}},
            Rule(name="n", match=RuleMatch(token="sk_a"), respond=R500),
        ),
    ],
)
def test_fault_is_an_expression_or_json(value: str | dict[str, object], rule: Rule) -> None:
    assert parse_fault(value) == rule


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "an empty text is not a fault: write EXPRESSION, METHOD"),
        ("GET 500", "`GET 500` is not a fault: write EXPRESSION, METHOD"),
        ("G3T /audience 500", "`G3T /audience 500` is not a fault: METHOD is like GET, PATH like /audience/{id}"),
        (
            "FETCH /audience 500",
            "`FETCH /audience 500` is not a fault: a rule cannot have the method `FETCH`: use one of",
        ),
        ("GET /audience?page=1 500", "`GET /audience?page=1 500` is not a fault: a rule matches any query: leave"),
        ("GET audience 500", "`GET audience 500` is not a fault: METHOD is like GET, PATH like /audience/{id}"),
        (
            "GET /audience/{a}{b} 500",
            "`GET /audience/{a}{b} 500` is not a fault: {a}{b} has no text between its parameters: write one such as",
        ),
        ("GET /audience 5oo", "`5oo` is not a fault"),
        (
            "sk_verysecret 500",
            "`sk_ver…#38c9cb 500` is not a fault: write EXPRESSION, METHOD",
        ),
    ],
)
def test_invalid_words_have_a_reason(value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_fault(value)
    assert str(caught.value).startswith(message)


def test_rules_of_one_expression_are_independent() -> None:
    for name in ("a", "b"):
        rule = parse_fault({"fault": "500x2", "match": {"testId": name}})
        assert rule.as_json()["match"] == {"testId": name}
    assert "match" not in parse_fault("500x2").as_json()
