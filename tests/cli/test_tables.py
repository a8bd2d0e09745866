import pytest

from mock_atoms.cli.tables import Cell, Column, Table, text_width
from mock_atoms.cli.terminal import Terminal

COLUMNS = (Column("NAME"), Column("COUNT", is_number=True), Column("TEXT"))


def lines(*rows: tuple[str, str, str], width: int | None = None) -> list[str]:
    return Table(COLUMNS, Terminal(width)).lines([[Cell(text) for text in row] for row in rows])


def test_numbers_are_aligned_to_the_right() -> None:
    assert lines(("one", "1", "a"), ("seventeen", "17", "b")) == [
        "NAME       COUNT  TEXT",
        "one            1  a",
        "seventeen     17  b",
    ]


def test_empty_columns_are_left_out() -> None:
    assert lines(("one", "", "a")) == ["NAME  TEXT", "one   a"]


def test_the_widest_columns_are_cut_to_the_width_of_the_terminal() -> None:
    heading, line = lines(("n" * 40, "1", "t" * 30), width=39)
    assert line == "nnnnnnnnnnnnnn…      1  tttttttttttttt…"
    assert len(heading) <= 39


def test_columns_are_not_cut_below_a_minimum() -> None:
    _, line = lines(("n" * 40, "1", "t" * 30), width=5)
    assert line == "nnnnnnn…      1  ttttttt…"


def test_wide_characters_take_two_columns_and_marks_none() -> None:
    assert [text_width(text) for text in ("abc", "東京", "e\u0301")] == [3, 4, 1]
    assert lines(("東京", "1", "a"), ("four", "1", "b"))[1].index("a") == 11


@pytest.mark.parametrize(("width", "cut"), [(16, "東京東京東京東京"), (15, "東京東京東京東…"), (14, "東京東京東京…")])
def test_wide_characters_are_cut_whole(width: int, cut: str) -> None:
    _, line = Table((Column("T"),), Terminal(width)).lines([[Cell("東京東京東京東京")]])
    assert line == cut


def test_a_long_text_is_cut_in_linear_time() -> None:
    _, line = Table((Column("T"),), Terminal(10)).lines([[Cell("é" * 200_000)]])
    assert line == "ééééééééé…"


def test_later_rows_widen_the_columns() -> None:
    table = Table(COLUMNS, Terminal(20))
    rows = [("a", "1", "x"), ("a" * 30, "2", "y"), ("a", "3", "z")]
    assert [table.next_line([Cell(text) for text in row]) for row in rows] == [
        "a         1  x",
        f"{'a' * 30}      2  y",
        f"a{' ' * 29}      3  z",
    ]


def test_only_a_terminal_with_colours_gets_them() -> None:
    rows = [[Cell("a", "red")]]
    assert Table((Column("T"),), Terminal(80, has_color=True)).lines(rows) == ["\x1b[1mT\x1b[0m", "\x1b[31ma\x1b[0m"]
    assert Table((Column("T"),), Terminal(80)).lines(rows) == ["T", "a"]


def test_control_characters_are_shown() -> None:
    assert Table((Column("T"),), Terminal(80)).lines([[Cell("\x1b[31mred")]])[1] == "U+001B[31mred"
