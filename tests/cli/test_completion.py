import subprocess
from collections.abc import Callable

import pytest

from mock_atoms.cli.main import COMMANDS
from tests.helpers.cli import run_command

BASH = """
{script}
COMP_WORDS=({words}) COMP_CWORD=$(({count} - 1))
_mock_atoms
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ : }}
_describe() {{ print -l -- ${{(P)2}} }}
_files() {{ print files }}
{script}
words=({words}) CURRENT={count}
_mock_atoms
"""


def script(shell: str) -> str:
    code, out, err = run_command("completion", shell)
    assert (code, err) == (0, "")
    return out


def run(program: str, text: str) -> list[str]:
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=True, timeout=20)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


LINES = [
    ("mock-atoms re", {"requests", "retries", "reset"}),
    ("mock-atoms faults ''", {"list", "add", "remove"}),
    ("mock-atoms faults add --to", {"--token"}),
    ("mock-atoms requests --follow --ex", {"--expect"}),
    ("mock-atoms completion z", {"zsh"}),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_bash_completes(tool: Callable[[str], str], line: str, expected: set[str]) -> None:
    text = BASH.format(script=script("bash"), words=line, count=len(line.split()))
    assert {*run(tool("bash"), text)} == expected


def test_bash_completes_values_as_files(tool: Callable[[str], str]) -> None:
    text = BASH.format(script=script("bash"), words="mock-atoms serve --fixtures ''", count=4)
    assert run(tool("bash"), text) == [""]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_zsh_completes(tool: Callable[[str], str], line: str, expected: set[str]) -> None:
    text = ZSH.format(script=script("zsh"), words=line, count=len(line.split()))
    start = line.rpartition(" ")[2].strip("'")
    assert {word.partition(":")[0] for word in run(tool("zsh"), text) if word.startswith(start)} == expected


def test_zsh_completes_values_as_files(tool: Callable[[str], str]) -> None:
    text = ZSH.format(script=script("zsh"), words="mock-atoms serve --fixtures ''", count=4)
    assert run(tool("zsh"), text) == ["files"]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_fish_completes(tool: Callable[[str], str], line: str, expected: set[str]) -> None:
    text = f'{script("fish")}\ncomplete -C "{line}"\n'.replace("''", "")
    assert {word.partition("\t")[0] for word in run(tool("fish"), text)} == expected


def test_every_command_is_completed() -> None:
    for shell in ("bash", "zsh", "fish"):
        text = script(shell)
        assert [name for name in COMMANDS if name not in text] == []


def test_another_shell_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run_command("completion", "tcsh")
    assert caught.value.code == 2
    assert "bash" in capsys.readouterr().err
