"""The `completion` command: scripts that complete commands and options in a shell."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mock_atoms.cli.command import EXIT_OK, Command, CommandGroup, CommandParser, Invocation
from mock_atoms.cli.main import COMMANDS, load_command, parsers


class Word(NamedTuple):
    """A word to complete: a command, an option or a value.

    Attributes:
        text: the word.
        help: its meaning.
        takes_value: whether a value follows it.
    """

    text: str
    help: str
    takes_value: bool = False


Words = dict[tuple[str, ...], list[Word]]
"""The words that may follow each command, by the words that name it. `()` is `mock-atoms` itself."""


def _words() -> Words:
    words: Words = {(): []}
    for name in COMMANDS:
        command = load_command(name)
        words[()].append(Word(name, command.summary))
        if isinstance(command, CommandGroup):
            words[name,] = [Word(each.name, each.summary) for each in command.commands]
    for path, _, parser in parsers():
        words[path] = list(_options(parser))
    return words


def _options(parser: CommandParser) -> Iterator[Word]:
    for action in parser.options():
        help_text = (action.help or "").replace("%%", "%").partition(" [")[0]
        if action.choices is not None:
            yield from (Word(choice, help_text) for choice in action.choices)
        for option in action.option_strings:
            yield Word(option, help_text, takes_value=action.nargs != 0)


def _bash(words: Words) -> str:
    lines = [
        "# usage: source <(mock-atoms completion bash)",
        "_mock_atoms() {",
        '  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path="" words=""',
        "  COMPREPLY=()",
        "  ((COMP_CWORD > 1)) && path=${COMP_WORDS[1]}",
        f"  case $path in {_groups(words)}) ((COMP_CWORD > 2)) && path+=_${{COMP_WORDS[2]}} ;; esac",
        f"  case $previous in {'|'.join(_options_with_values(words))}) return ;; esac",
        "  case $path in",
        *(f'    "{"_".join(path)}") words="{" ".join(word.text for word in each)}" ;;' for path, each in words.items()),
        "  esac",
        '  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")',
        "}",
        "complete -o default -F _mock_atoms mock-atoms",
    ]
    return "\n".join(lines)


def _zsh(words: Words) -> str:
    lines = [
        "#compdef mock-atoms",
        "# usage: source <(mock-atoms completion zsh)",
        "_mock_atoms() {",
        '  local name=""; local -a found',
        "  (( CURRENT > 2 )) && name=$words[2]",
        f"  case $name in {_groups(words)}) (( CURRENT > 3 )) && name+=_$words[3] ;; esac",
        f"  case $words[CURRENT-1] in {'|'.join(_options_with_values(words))}) _files; return ;; esac",
        "  case $name in",
    ]
    for path, each in words.items():
        described = " ".join(_quoted(f"{word.text}:{word.help}") for word in each)
        lines.append(f'    "{"_".join(path)}") found=({described}) ;;')
    lines += [
        "  esac",
        "  _describe mock-atoms found || _files",
        "}",
        "compdef _mock_atoms mock-atoms",
    ]
    return "\n".join(lines)


def _fish(words: Words) -> str:
    lines = ["# usage: mock-atoms completion fish | source"]
    for path, each in words.items():
        conditions = [f"__fish_seen_subcommand_from {name}" for name in path] or ["__fish_use_subcommand"]
        if len(path) == 1 and _is_group(path, words):
            actions = " ".join(word.text for word in each)
            conditions.append(f"not __fish_seen_subcommand_from {actions}")
        start = f"complete -c mock-atoms -n '{'; and '.join(conditions)}'"
        for word in each:
            if word.text.startswith("--"):
                value = " -r" if word.takes_value else ""
                lines.append(f"{start} -l {word.text[2:]}{value} -d {_quoted(word.help)}")
            else:
                lines.append(f"{start} -f -a {word.text} -d {_quoted(word.help)}")
    return "\n".join(lines)


def _is_group(path: tuple[str, ...], words: Words) -> bool:
    return any(len(other) > len(path) and other[: len(path)] == path for other in words)


def _groups(words: Words) -> str:
    return "|".join(sorted({path[0] for path in words if len(path) > 1}))


def _options_with_values(words: Words) -> list[str]:
    return sorted({word.text for each in words.values() for word in each if word.takes_value})


def _quoted(text: str) -> str:
    """Return `text` in single quotes, for all three shells."""
    return "'" + text.replace("\\", "").replace("'", "") + "'"


_SCRIPTS: dict[str, Callable[[Words], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}


def _add_arguments(parser: CommandParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=_SCRIPTS, help=f"{', '.join(_SCRIPTS)}")


def _run(invocation: Invocation) -> int:
    invocation.print(_SCRIPTS[invocation.arguments.shell](_words()))
    return EXIT_OK


COMPLETION = Command(
    "completion",
    "print a script that completes commands in a shell",
    "Print a script for bash, zsh or fish that completes commands and options.",
    _add_arguments,
    _run,
    "Add it to the start-up file of your shell. Its first lines say how.",
)
