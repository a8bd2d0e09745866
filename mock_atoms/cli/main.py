"""The `mock-atoms` command: parses the arguments, runs one command and returns its exit code."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

from mock_atoms.cli.command import (
    EXIT_FAILED,
    EXIT_USAGE,
    Command,
    CommandParser,
    Invocation,
    OutputError,
    print_error,
    write,
)
from mock_atoms.cli.healthcheck import HEALTHCHECK
from mock_atoms.cli.offline import FIXTURES, OPENAPI
from mock_atoms.cli.serve import SERVE
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.suggestions import did_you_mean
from mock_atoms.core.version import __version__

if TYPE_CHECKING:
    import io

COMMANDS: dict[str, Command] = {command.name: command for command in (SERVE, FIXTURES, OPENAPI, HEALTHCHECK)}
_MAIN_OPTIONS = ("-h", "--help", "--version")


def entry_point() -> NoReturn:
    """Run the command with the arguments, environment and streams of the process; write JSON as UTF-8."""
    out, err = cast("io.TextIOWrapper | None", sys.stdout), cast("TextIO | None", sys.stderr)
    if err is None:  # closed by the shell, as in `2>&-`
        err = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for the rest of the process
    if out is None:
        print_error("cannot write to standard output: it is closed", err)
        sys.exit(EXIT_FAILED)
    out.reconfigure(encoding="utf-8")
    try:
        try:
            code = main(sys.argv[1:], os.environ, out, err)
        finally:
            write("", out)
    except (BrokenPipeError, OutputError) as error:
        # What cannot be written must not be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        code = EXIT_FAILED
        if isinstance(error, OutputError):
            print_error(error, err)
    sys.exit(code)


def main(args: Sequence[str], environ: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """Run one command.

    Args:
        args: arguments without the program's name.
        environ: the environment.
        out: stream of results and the ready message.
        err: stream of the log and errors.

    Returns:
        The exit code: 0 for success, 1 for failure, 2 for invalid arguments or settings.

    Raises:
        SystemExit: from argparse, after `--help`, `--version` or an invalid argument.
    """
    parser, command_parsers = _build_parsers()
    if args and args[0] not in COMMANDS and args[0] not in _MAIN_OPTIONS:
        name = args[0].partition("=")[0]
        if name.startswith("-"):
            parser.error(f"`{name}` is not an option here: options follow a command, as in `mock-atoms serve --port 0`")
        parser.error(f"`{name}` is not a command.{did_you_mean(name, COMMANDS)}")
    arguments, unknown = parser.parse_known_args(args)
    if unknown:
        command_parsers[arguments.command].reject(unknown[0])
    try:
        return COMMANDS[arguments.command].run(Invocation(arguments, environ, out, err))
    except ConfigError as error:
        print_error(error, err)
        return EXIT_USAGE


def _build_parsers() -> tuple[CommandParser, dict[str, CommandParser]]:
    parser = CommandParser(
        prog="mock-atoms",
        description="A local mock server of the Atoms audience API.",
        epilog="`mock-atoms COMMAND --help` lists the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"mock-atoms {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command_parsers: dict[str, CommandParser] = {}
    for command in COMMANDS.values():
        command_parser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            epilog="Flags override environment variables, which override the --config file.",
        )
        command.add_arguments(command_parser)
        command_parsers[command.name] = command_parser
    return parser, command_parsers
