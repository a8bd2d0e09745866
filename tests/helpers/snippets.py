"""Reads the fenced code blocks of README and docs, and runs the console blocks."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\S*) ?(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)
_END_OF_OUTPUT = "--- end of output, exit code"


class Snippet(NamedTuple):
    """A fenced code block.

    Attributes:
        page: name of the file, such as `README.md`.
        line: number of the line of its opening fence.
        language: such as `console`.
        label: what follows the language, such as a file name; may be empty.
        text: the lines inside.
    """

    page: str
    line: int
    language: str
    label: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


class Command(NamedTuple):
    """A command of a console block, and the output shown below it; `…` in it matches any text."""

    line: str
    output: str


def read_snippets() -> list[Snippet]:
    snippets = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            snippets.append(Snippet(path.name, line, *match.groups()))
    return snippets


def commands(snippet: Snippet) -> list[Command]:
    parts = re.split(r"^\$ (.*)\n", snippet.text, flags=re.MULTILINE)
    assert parts[0] == "", f"{snippet}: a console block starts with a command"
    return [Command(line, output) for line, output in zip(parts[1::2], parts[2::2], strict=True)]


def run_in_one_shell(session: Iterable[Command], path: str, base_url: tuple[str, str] = ("", "")) -> None:
    """Run all commands in one shell, in the project's folder, and compare each output with the one shown.

    Args:
        session: the commands.
        path: the `PATH` of the shell.
        base_url: the address written in the commands, and the address to use.
    """
    session = list(session)
    lines = [f"{command.line.replace(*base_url)}\nprintf '\\n{_END_OF_OUTPUT} %d\\n' $?" for command in session]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    outputs = re.split(rf"^{_END_OF_OUTPUT} (\d+)$", done.stdout, flags=re.MULTILINE)
    for command, output, exit_code in zip(session, outputs[::2], outputs[1::2], strict=False):
        assert exit_code == "0", f"{command.line}\n{output}{done.stderr}"
        expected = ".*".join(re.escape(part) for part in command.output.strip().split("…"))
        if expected:
            assert re.fullmatch(expected, output.strip(), re.DOTALL), f"{command.line}\n{output}"
    assert len(outputs) == 2 * len(session) + 1, f"the shell ended early: {done.stderr}"
