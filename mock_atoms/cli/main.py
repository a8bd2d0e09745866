"""The `mock-atoms` command: parses the arguments, runs one command and returns its exit code."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

from mock_atoms.cli.command import (
    EXIT_FAILED,
    EXIT_USAGE,
    Command,
    CommandGroup,
    CommandParser,
    Invocation,
    OutputError,
    print_error,
    write,
)
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.suggestions import did_you_mean
from mock_atoms.core.version import __version__

if TYPE_CHECKING:
    import io

COMMANDS = {
    "serve": "serve",
    "run": "run",
    "fixtures": "offline",
    "openapi": "offline",
    "healthcheck": "healthcheck",
    "status": "status",
    "requests": "requests",
    "retries": "retries",
    "violations": "violations",
    "faults": "faults",
    "stubs": "stubs",
    "tenants": "tenants",
    "reset": "state",
    "state": "state",
    "open": "browser",
    "mcp": "mcp",
    "completion": "completion",
}
"""Each command and the module that has it. Only the module of the command that runs is imported."""


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
    command, parser, args = _select(args)
    wrapped: Sequence[str] = ()
    if command.wraps_program and "--" in args:
        end = args.index("--")
        args, wrapped = args[:end], args[end + 1 :]
    arguments, unknown = parser.parse_known_args(args)
    if unknown:
        if command.wraps_program and not unknown[0].startswith("-"):
            parser.error(f"put `--` before the program, as in `mock-atoms {command.name} -- {unknown[0]}`")
        parser.reject(unknown[0])
    try:
        return command.run(Invocation(arguments, environ, out, err, wrapped))
    except ConfigError as error:
        print_error(error, err)
        return EXIT_USAGE


def load_command(name: str) -> Command | CommandGroup:
    """Import the command `name` of `COMMANDS`."""
    command: Command | CommandGroup = getattr(import_module(f"mock_atoms.cli.{COMMANDS[name]}"), name.upper())
    return command


def parsers() -> Iterator[tuple[tuple[str, ...], Command, CommandParser]]:
    """Yield the words that name each command, such as `faults` and `add`, the command and its parser."""
    for name in COMMANDS:
        found = load_command(name)
        commands = found.commands if isinstance(found, CommandGroup) else (found,)
        for command in commands:
            words = (name,) if command is found else (name, command.name)
            yield words, command, command.parser(" ".join(["mock-atoms", *words]))


def _select(args: Sequence[str]) -> tuple[Command, CommandParser, Sequence[str]]:
    """Return the command that the first arguments name, its parser, and the other arguments."""
    if not args or args[0] not in COMMANDS:
        parser = _overview(
            "mock-atoms",
            "A local mock server of the Atoms audience API.",
            "`mock-atoms COMMAND --help` lists the options of a command.",
            map(load_command, COMMANDS),
        )
        parser.add_argument("--version", action="version", version=f"mock-atoms {__version__}")
        _stop(parser, args, COMMANDS)
    command, prog, args = load_command(args[0]), f"mock-atoms {args[0]}", args[1:]
    if isinstance(command, CommandGroup):
        commands = {each.name: each for each in command.commands}
        if not args or args[0] not in commands:
            _stop(_overview(prog, command.description, None, command.commands), args, commands)
        command, prog, args = commands[args[0]], f"{prog} {args[0]}", args[1:]
    return command, command.parser(prog), args


def _overview(
    prog: str, description: str, epilog: str | None, commands: Iterable[Command | CommandGroup]
) -> CommandParser:
    """Return a parser whose help lists commands."""
    parser = CommandParser(prog=prog, description=description, epilog=epilog)
    subparsers = parser.add_subparsers(metavar="COMMAND")
    for command in commands:
        subparsers.add_parser(command.name, help=command.summary)
    return parser


def _stop(parser: CommandParser, args: Sequence[str], commands: Iterable[str]) -> NoReturn:
    """Print the help or the version, or exit with an error, because `args` do not start with a command."""
    if not args:
        parser.error("the following arguments are required: COMMAND")
    name = args[0].partition("=")[0]
    if name in ("-h", *parser.long_options()):
        parser.parse_args([name])
    if name.startswith("-"):
        example = f"{parser.prog} {next(iter(commands))} --help"
        parser.error(f"`{name}` is not an option here: options follow a command, as in `{example}`")
    parser.error(f"`{name}` is not a command.{did_you_mean(name, commands)}")
