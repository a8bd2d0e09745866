from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.faults.effects import ConnectionFault, Delay, FaultResponse
from mock_atoms.faults.expressions import ExpressionError
from mock_atoms.faults.prefer import RequestedFault, parse_prefer

R500 = FaultResponse(status=500)


@pytest.mark.parametrize(
    ("values", "preference"),
    [
        (["code=500"], RequestedFault(respond=R500)),
        (["code=500, delay=250"], RequestedFault(Delay(ms=250), R500)),
        (["delay=250", "code=500"], RequestedFault(Delay(ms=250), R500)),
        (['CODE = "500"'], RequestedFault(respond=R500)),
        (["fault=delay5+503"], RequestedFault(Delay(ms=5), FaultResponse(status=503))),
        (["fault=503, delay=5"], RequestedFault(Delay(ms=5), FaultResponse(status=503))),
        (["fault=reset"], RequestedFault(connection=ConnectionFault(kind="reset"))),
        (["code=200"], RequestedFault()),
        (["code=200, delay=5"], RequestedFault(Delay(ms=5))),
        (["respond-async, wait=100; code=500"], None),
        (["return=minimal", "example=x"], None),
        (['foo="a,code=500,b"'], None),
        (['foo="a\\",code=503", code=500'], RequestedFault(respond=R500)),
        ([""], None),
    ],
)
def test_prefer_header_is_parsed(values: list[str], preference: RequestedFault | None) -> None:
    assert parse_prefer(values) == preference


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("code=abc", "`code=abc` is invalid: use 200, or a status from 400 to 599"),
        ("code=500x2", "`code=500x2` is invalid: use 200, or a status from 400 to 599"),
        ("code=", "`code=` is invalid: use 200, or a status from 400 to 599"),
        ("code=301", "`301` is not a fault: use a status from 400 to 599"),
        ("code=500, code=503", "code is duplicated"),
        ("code", "`code=` is invalid: use 200, or a status from 400 to 599"),
        ("delay=abc", "`delay=abc` is invalid: use at most 3600000 milliseconds"),
        ("delay=-1", "`delay=-1` is invalid: use at most 3600000 milliseconds"),
        ("delay=3600001", "`delay3600001` is too long"),
        ("fault=5oo", "`5oo` is not a fault"),
        ("fault=500x2", "one request has no count, share or limit: omit x, p and limit"),
        ("fault=limit5", "one request has no count, share or limit"),
        ("fault=500p50", "one request has no count, share or limit: omit x, p and limit"),
        ("fault=503, code=500", "the terms of `503+500` exclude each other: use at most one of status"),
    ],
)
def test_invalid_preference_has_a_reason(value: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_prefer([value])
    assert str(caught.value).startswith(reason)


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_prefer_header_is_parsed_or_rejected(values: list[str]) -> None:
    with suppress(ExpressionError):
        assert isinstance(parse_prefer(values), RequestedFault | None)
