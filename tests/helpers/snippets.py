"""Reads the fenced blocks out of our documents, and runs the console ones."""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\S*) ?(.*)\n((?:.*\n)*?)^```$", re.MULTILINE)


class Snippet(NamedTuple):
    """A fenced block: where it stands, its language, the word behind that, and its text."""

    document: str
    line: int
    language: str
    word: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


class Command(NamedTuple):
    """A line after `$` of a console block, and what it is said to print; `…` stands for anything."""

    line: str
    output: str


def snippets() -> list[Snippet]:
    found = []
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Snippet(path.name, line, *match.groups()))
    return found


def commands(snippet: Snippet) -> list[Command]:
    parts = re.split(r"^\$ (.*)\n", snippet.text, flags=re.MULTILINE)
    assert parts[0] == "", f"{snippet}: a console block begins with a command"
    return [Command(line, output) for line, output in zip(parts[1::2], parts[2::2], strict=True)]


def run(command: Command, path: str, replace: tuple[str, str]) -> None:
    """Run `command` from the project's folder, and compare what it prints."""
    done = subprocess.run(
        ["bash", "-c", command.line.replace(*replace)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = ".*".join(re.escape(part) for part in command.output.strip().split("…"))
    if expected:
        assert re.fullmatch(expected, done.stdout.strip(), re.DOTALL), done.stdout
