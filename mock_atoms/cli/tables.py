"""Tables of text that fit a terminal."""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import accumulate, takewhile
from typing import NamedTuple

from mock_atoms.cli.command import Invocation
from mock_atoms.cli.terminal import Style, Terminal
from mock_atoms.core.printable import show_invisible

_GAP = "  "
_MIN_WIDTH = 8
"""Columns are not made narrower than this."""


class Cell(NamedTuple):
    """A cell of a table."""

    text: str
    style: Style = ""


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its heading.
        is_number: whether to align it to the right.
        min_width: width without longer cells.
    """

    title: str
    is_number: bool = False
    min_width: int = 0


class Table:
    """Aligns cells below headings. A column grows with its cells.

    Args:
        columns: the columns. Columns without cells are left out if the table is complete.
        terminal: where the table is written. Its width limits the columns.
    """

    def __init__(self, columns: Sequence[Column], terminal: Terminal) -> None:
        self._columns = columns
        self._terminal = terminal
        self._widths = [max(len(column.title), column.min_width) for column in columns]

    def lines(self, rows: Iterable[Sequence[Cell]]) -> list[str]:
        """Return the complete table with headings. The widest columns are cut if it is wider than the terminal."""
        rows = [[_visible(cell) for cell in row] for row in rows]
        used = [any(row[index].text for row in rows) for index in range(len(self._columns))]
        self._grow(rows)
        self._widths = [width if is_used else 0 for width, is_used in zip(self._widths, used, strict=True)]
        self._shrink()
        return [self.heading(), *map(self._line, rows)]

    def heading(self) -> str:
        """Return the line of the titles."""
        return self._line([Cell(column.title, "bold") for column in self._columns])

    def next_line(self, row: Sequence[Cell]) -> str:
        """Return the line of one more row, in a table whose later rows are not known yet."""
        row = [_visible(cell) for cell in row]
        self._grow([row])
        return self._line(row)

    def _grow(self, rows: Iterable[Sequence[Cell]]) -> None:
        for row in rows:
            self._widths = [max(width, text_width(cell.text)) for width, cell in zip(self._widths, row, strict=True)]

    def _shrink(self) -> None:
        if self._terminal.width is None:
            return
        max_width = max(self._terminal.width, _MIN_WIDTH)
        self._widths = [min(width, max_width) for width in self._widths]
        used = sum(1 for width in self._widths if width)
        excess = sum(self._widths) + len(_GAP) * (used - 1) - self._terminal.width
        while excess > 0 and max(self._widths) > _MIN_WIDTH:
            self._widths[self._widths.index(max(self._widths))] -= 1
            excess -= 1

    def _line(self, row: Sequence[Cell]) -> str:
        parts = []
        for column, width, cell in zip(self._columns, self._widths, row, strict=True):
            if width:
                text = _cut(cell.text, width)
                padding = " " * (width - text_width(text))
                painted = self._terminal.paint(text, cell.style)
                parts.append(padding + painted if column.is_number else painted + padding)
        return _GAP.join(parts).rstrip()


def print_table(invocation: Invocation, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], noun: str) -> None:
    """Print a complete table, or `no` and `noun` if it has no rows.

    Raises:
        OutputError: it cannot be written.
    """
    terminal = Terminal.of(invocation.out, invocation.environ)
    invocation.print("\n".join(Table(columns, terminal).lines(rows)) if rows else f"no {noun}")


def text_width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _visible(cell: Cell) -> Cell:
    return cell._replace(text=show_invisible(cell.text))


def _cut(text: str, width: int) -> str:
    """Return `text`, cut with an ellipsis if it is too wide."""
    if text_width(text) <= width:
        return text
    widths = accumulate(map(_character_width, text))
    end = sum(1 for _ in takewhile(lambda used: used < width, widths))
    return f"{text[:end]}…"
