import io
import os
import pty
import termios

import pytest

from mock_atoms.cli.terminal import Terminal, status_style
from tests.helpers.cli import Screen


def test_a_pipe_has_no_width_and_no_colours() -> None:
    assert Terminal.of(io.StringIO(), {"COLUMNS": "90"}) == Terminal(None, has_color=False)


@pytest.mark.parametrize(
    ("environ", "terminal"),
    [
        ({}, Terminal(80, has_color=True)),
        ({"COLUMNS": "90"}, Terminal(90, has_color=True)),
        ({"COLUMNS": "0"}, Terminal(80, has_color=True)),
        ({"COLUMNS": "x", "NO_COLOR": ""}, Terminal(80, has_color=True)),
        ({"NO_COLOR": "1"}, Terminal(80, has_color=False)),
        ({"TERM": "dumb"}, Terminal(80, has_color=False)),
    ],
)
def test_the_environment_decides(environ: dict[str, str], terminal: Terminal) -> None:
    assert Terminal.of(Screen(), environ) == terminal


@pytest.mark.parametrize(("columns", "width"), [(123, 123), (0, 80)])
def test_a_terminal_says_its_width(columns: int, width: int) -> None:
    main, other = pty.openpty()
    try:
        termios.tcsetwinsize(other, (40, columns))
        with open(other, "w", closefd=False) as stream:
            assert Terminal.of(stream, {}).width == width
    finally:
        os.close(main)
        os.close(other)


def test_statuses_have_colours() -> None:
    assert [status_style(status) for status in (200, 302, 404, 500, None)] == ["green", "green", "yellow", "red", "red"]
