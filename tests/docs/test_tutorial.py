"""Follows docs/tutorial.md literally, with nothing but a checkout, Python and pip."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.snippets import ROOT, commands, read_snippets

INHERITED_PREFIXES = ("PYTEST", "COVERAGE", "MOCK_ATOMS", "PIP_CONSTRAINT", "PYTHONPATH")


def new_user_environment() -> dict[str, str]:
    """Return the environment without the variables that this test run has set."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(INHERITED_PREFIXES)}
    return environment | {"PATH": f"{sys.base_prefix}/bin{os.pathsep}{environment['PATH']}"}


def output_pattern(output: str) -> str:
    """Return a pattern for the output that the page shows. The page may leave lines out, between and at the end."""
    return "[^§]*".join(re.escape(part) for part in re.split("…|\n", output.strip())) + "[^§]*"


@pytest.mark.slow
def test_tutorial_works_as_written(tmp_path: Path) -> None:
    (tmp_path / "mock-atoms").symlink_to(ROOT)
    folder = tmp_path / "tutorial"
    folder.mkdir()
    environment = new_user_environment()
    snippets = [snippet for snippet in read_snippets() if snippet.page == "tutorial.md"]
    assert {snippet.language for snippet in snippets} == {"python", "console"}
    for snippet in snippets:
        if snippet.language == "python":
            (folder / snippet.label).write_text(snippet.text, encoding="utf-8")
            continue
        assert snippet.label == "tutorial"
        for command in commands(snippet):
            done = subprocess.run(
                ["bash", "-c", command.line],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=300,
            )
            if done.returncode and "pip install" in command.line and not os.environ.get("CI"):
                pytest.skip(f"pip cannot install here: {done.stdout}")
            assert done.returncode == (" failed" in command.output), done.stdout
            assert re.fullmatch(output_pattern(command.output), done.stdout.strip()), done.stdout
