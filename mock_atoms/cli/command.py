"""The parts of every command: its parser, its options and one invocation."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

from mock_atoms.core.masking import mask_text
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.printable import escape_invisible, show_invisible
from mock_atoms.core.setting_sources import CONFIG_VARIABLE, load_settings
from mock_atoms.core.settings import SettingInfo, Settings, flag_name, setting_infos, variable_name
from mock_atoms.core.suggestions import did_you_mean

EXIT_OK, EXIT_FAILED, EXIT_USAGE = 0, 1, 2
SETTINGS_EPILOG = "Flags override environment variables, which override the --config file."

_SYNONYMS = {"--server": "--url", "--port": "--url", "--tenant": "--token"}
"""Options by the names that newcomers give them."""


class CommandParser(argparse.ArgumentParser):
    """Accepts unabbreviated flags only, suggests the right one, and masks keys in its errors."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - options of argparse
        super().__init__(**options, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Print usage and `message`, and exit with code 2."""
        super().error(show_invisible(mask_text(message)))

    def reject(self, argument: str) -> NoReturn:
        """Exit with an error about `argument`, which this command does not have."""
        name = mask_text(argument.partition("=")[0])
        options = self.long_options()
        if not name.startswith("-"):
            is_token = argument.startswith("sk_") and "--token" in options
            fix = "give the token as --token" if is_token else "quote values that contain spaces"
            self.error(f"unexpected argument `{name}`; {fix}")
        synonym = _SYNONYMS.get(name)
        suggestion = f" Did you mean `{synonym}`?" if synonym in options else did_you_mean(name, options, "--")
        self.error(f"`{name}` is not an option.{suggestion}")

    def long_options(self) -> list[str]:
        """Return the options that start with two dashes."""
        return [option for option in self._option_string_actions if option.startswith("--")]

    def options(self) -> list[argparse.Action]:
        """Return the actions of all options and arguments, except `--help`."""
        return [action for action in self._actions if action.dest != "help"]


class Once(argparse.Action):
    """Stores a value, and refuses a second one: filters that repeat would lose all but the last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,  # noqa: ANN401 - the type of argparse
        option_string: str | None = None,
    ) -> None:
        """Store the value."""
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} is given twice: give it once")
        setattr(namespace, self.dest, values)


class OutputError(Exception):
    """A result cannot be written."""


def write(text: str, out: TextIO) -> None:
    """Write `text`, and what `out` has buffered.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: the reader has closed the pipe.
    """
    try:
        out.write(text)
        out.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}") from None


def print_error(message: object, err: TextIO) -> None:
    """Print an error as one line, if `err` can be written."""
    with suppress(OSError):
        print(f"mock-atoms: {message}", file=err, flush=True)


@dataclass(frozen=True)
class Invocation:
    """One run of a command.

    Attributes:
        arguments: the parsed arguments.
        environ: the environment, for variables that start with `MOCK_ATOMS_`.
        out: stream of results and the ready message.
        err: stream of the log and errors.
        wrapped: the words after `--`, for commands that run another program.
    """

    arguments: argparse.Namespace
    environ: Mapping[str, str]
    out: TextIO
    err: TextIO
    wrapped: Sequence[str] = ()

    def load_settings(self) -> Settings:
        """Return the settings from flags, environment and file.

        Raises:
            ConfigError: a setting is unknown or invalid.
        """
        config = self.arguments.config
        return load_settings(vars(self.arguments), self.environ, Path(config) if config else None)

    def print(self, text: str) -> None:
        """Print a result.

        Raises:
            OutputError: the text cannot be written.
        """
        write(f"{text}\n", self.out)

    def confirm(self, text: str) -> None:
        """Print what was done as one line, with keys masked.

        Raises:
            OutputError: the text cannot be written.
        """
        self.print(show_invisible(mask_text(text)))

    def explain(self, text: str) -> None:
        """Print text that is no result to the stream of errors, if that can be written."""
        with suppress(OSError):
            print(text, file=self.err, flush=True)

    def print_json(self, value: object, indent: int | None = 2) -> None:
        """Print a value as JSON, in one line without `indent`. Invisible characters are escaped.

        Raises:
            OutputError: the text cannot be written.
        """
        lines = json.dumps(value, ensure_ascii=False, indent=indent).split("\n")
        self.print("\n".join(map(escape_invisible, lines)))

    def read_file(self, name: str) -> str:
        """Return the text of a file, or of standard input if its name is `-`.

        Raises:
            ConfigError: it cannot be read, or is not UTF-8.
        """
        try:
            return (_read_stdin() if name == "-" else Path(name).read_bytes()).decode("utf-8-sig")
        except OSError as error:
            raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{name}: not UTF-8: {error}") from None

    def fail(self, message: object) -> int:
        """Print an error, and return the exit code 1."""
        print_error(show_invisible(mask_text(str(message))), self.err)
        return EXIT_FAILED


def _read_stdin() -> bytes:
    stdin = cast("TextIO | None", sys.stdin)
    if stdin is None:  # closed by the shell, as in `<&-`
        raise ConfigError("-: standard input is closed: redirect a file to it, or name the file")
    return stdin.buffer.read()


def parse_json(place: str, text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a JSON text.

    Args:
        place: name of the file, option or argument that has the text.
        text: the text.

    Raises:
        ConfigError: it is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place}: not JSON: {error}") from None


@dataclass(frozen=True)
class Command:
    """A command of `mock-atoms`.

    Attributes:
        name: its name on the command line.
        summary: its line in `mock-atoms --help`.
        description: the first paragraph of the command's `--help`.
        add_arguments: adds its arguments to its parser.
        run: runs it and returns the exit code.
        epilog: the last paragraph of the command's `--help`.
        wraps_program: whether it runs a program that follows `--`.
    """

    name: str
    summary: str
    description: str
    add_arguments: Callable[[CommandParser], None]
    run: Callable[[Invocation], int]
    epilog: str = SETTINGS_EPILOG
    wraps_program: bool = False

    def parser(self, prog: str) -> CommandParser:
        """Return the parser of its arguments.

        Args:
            prog: how it is called, such as `mock-atoms serve`.
        """
        usage = None
        if self.wraps_program:
            usage = f"{prog} [OPTION…] -- PROGRAM [ARGUMENT…]"
        parser = CommandParser(prog=prog, usage=usage, description=self.description, epilog=self.epilog)
        self.add_arguments(parser)
        return parser


@dataclass(frozen=True)
class CommandGroup:
    """Commands about the same thing, such as `mock-atoms faults add`.

    Attributes:
        name: its name on the command line.
        summary: its line in `mock-atoms --help`.
        description: the first paragraph of its `--help`.
        commands: its commands.
    """

    name: str
    summary: str
    description: str
    commands: tuple[Command, ...]


def add_settings(
    parser: CommandParser, names: Sequence[str] = (), defaults: Mapping[str, str] | None = None, **help_texts: str
) -> None:
    """Add the flags of settings, in titled groups.

    Args:
        parser: the command's parser.
        names: field names of the settings; all by default.
        defaults: defaults in words by field name, where they differ from those of `serve`.
        help_texts: help by field name, for commands that use a setting in another sense than `serve`.
    """
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, info in setting_infos().items():
        if names and name not in names:
            continue
        if info.group not in groups:
            groups[info.group] = parser.add_argument_group(info.group)
        default = (defaults or {}).get(name) or _default(name, info)
        _add_setting(groups[info.group], name, info, help_texts.get(name, info.help), default)
    parser.add_argument("--config", metavar="FILE", help=f"TOML file of settings [{CONFIG_VARIABLE}]")


def _add_setting(group: "argparse._ArgumentGroup", name: str, info: SettingInfo, help_text: str, default: str) -> None:
    shown_default = f"; default: {default}" if default else ""
    text = f"{help_text.replace('`', '').replace('%', '%%')} [{variable_name(name)}{shown_default}]"
    if not info.metavar:
        action = argparse.BooleanOptionalAction
        group.add_argument(flag_name(name), dest=name, action=action, default=None, help=text)
        return
    action_name = "append" if info.repeatable else "store"
    group.add_argument(flag_name(name), dest=name, metavar=info.metavar, action=action_name, help=text)


def _default(name: str, info: SettingInfo) -> str:
    default = Settings.model_fields[name].default
    values = default if isinstance(default, tuple) else ["" if default is None else str(default)]
    return info.default or ", ".join(values)
