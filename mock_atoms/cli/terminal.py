"""What a command knows of the terminal that it writes to: width, and whether to use colours."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TextIO

Style = Literal["", "dim", "bold", "red", "green", "yellow", "cyan"]
_CODES: dict[Style, int] = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_DEFAULT_WIDTH = 80


@dataclass(frozen=True)
class Terminal:
    """Where text is written.

    Attributes:
        width: columns of a terminal; `None` for a file or a pipe.
        has_color: whether to use colours.
    """

    width: int | None = None
    has_color: bool = False

    @classmethod
    def of(cls, stream: TextIO, environ: Mapping[str, str]) -> "Terminal":
        """Return the terminal of a stream. `NO_COLOR`, and `TERM=dumb`, turn colours off."""
        if not stream.isatty():
            return cls()
        has_color = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        columns = environ.get("COLUMNS", "")
        if columns.isdecimal() and int(columns):
            return cls(int(columns), has_color)
        try:
            return cls(os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH, has_color)
        except OSError:
            return cls(_DEFAULT_WIDTH, has_color)

    def paint(self, text: str, style: Style) -> str:
        """Return `text` in a style, if there are colours."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and self.has_color else text


def status_style(status: int | None) -> Style:
    """Return the style of a status code; `None` is a broken connection, or a request in flight."""
    if status is None or status >= 500:  # noqa: PLR2004 - server errors
        return "red"
    return "yellow" if status >= 400 else "green"  # noqa: PLR2004 - client errors
