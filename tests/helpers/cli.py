"""Runs `mock-atoms` in the process of the test."""

import io
from collections.abc import Mapping
from typing import NamedTuple

from mock_atoms.cli.main import main


class CommandResult(NamedTuple):
    code: int
    out: str
    err: str


def run_command(*args: str, environ: Mapping[str, str] | None = None) -> CommandResult:
    out, err = io.StringIO(), io.StringIO()
    code = main(args, environ or {}, out, err)
    return CommandResult(code, out.getvalue(), err.getvalue())


def standard_input(text: str) -> io.TextIOWrapper:
    """Return a stream in place of `sys.stdin`, in a locale that is not UTF-8."""
    return io.TextIOWrapper(io.BytesIO(text.encode()), encoding="latin-1")


class Screen(io.StringIO):
    """A terminal whose size is unknown."""

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


def run_in_terminal(*args: str, environ: Mapping[str, str] | None = None) -> CommandResult:
    out, err = Screen(), io.StringIO()
    code = main(args, environ or {}, out, err)
    return CommandResult(code, out.getvalue(), err.getvalue())
