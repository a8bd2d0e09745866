from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.retry_after import parse_retry_after

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("60", 60),
        ("0", 0),
        ("1.5", 1.5),
        (" 60 ", 60),
        ("\t60\t ", 60),
        ("9" * 15, 999_999_999_999_999),
        ("9" * 16, None),
        ("9" * 5_000, None),
        ("-5", None),
        ("+5", None),
        ("1.", None),
        ("1e3", None),
        ("\u0665", None),
        ("60 s", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 2026 12:00:03 GMT", 3),
        (" Thu, 01 Jan 2026 12:00:03 GMT ", 3),
        ("Thu, 01 Jan 2026 12:00:03 -0000", 3),
        ("Thu, 01 Jan 2026 13:00:03 +0100", 3),
        ("Thursday, 01-Jan-26 12:00:03 GMT", 3),
        ("Thu Jan  1 12:00:03 2026", 3),
        ("Thu, 01 Jan 2026 11:59:59 GMT", 0),
        (f"Jan 1 {'9' * 30} 00:00:00 +{'9' * 19} 2000", None),
        ("Thu, 32 Jan 2026 12:00:03 GMT", None),
    ],
)
def test_a_value_is_a_number_of_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOON) == seconds


def test_a_date_is_relative_to_the_given_time() -> None:
    date = "Thu, 01 Jan 2026 12:00:03 GMT"
    assert parse_retry_after(date, NOON.replace(microsecond=250_000)) == 2.75
    assert parse_retry_after(date, None) is None
    assert parse_retry_after("3", None) == 3


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{2,9} [0-9:]{0,9} [+-]?\d{0,6}"))
def test_any_text_is_a_pause_or_invalid(value: str) -> None:
    seconds = parse_retry_after(value, NOON)
    assert seconds is None or seconds >= 0
