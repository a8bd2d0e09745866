"""The tutorial, followed literally by somebody who has nothing yet but a clone, Python and pip."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.snippets import ROOT, commands, snippets


def test_the_tutorial_goes_as_shown(tmp_path: Path) -> None:
    (tmp_path / "mock-atoms").symlink_to(ROOT)
    folder = tmp_path / "tutorial"
    folder.mkdir()
    # What this run of the tests was told is nothing to somebody new.
    told = ("PYTEST", "COVERAGE", "MOCK_ATOMS", "PIP_CONSTRAINT")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    environment["PATH"] = f"{sys.base_prefix}/bin{os.pathsep}{environment['PATH']}"
    shown = [snippet for snippet in snippets() if snippet.document == "tutorial.md"]
    assert {snippet.language for snippet in shown} == {"python", "console"}
    for snippet in shown:
        if snippet.language == "python":
            (folder / snippet.word).write_text(snippet.text, encoding="utf-8")
            continue
        assert snippet.word == "tutorial"
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
                pytest.skip(f"nothing can be installed here: {done.stdout}")
            # What is shown may leave lines out, before it and between.
            expected = "[^§]*".join(re.escape(part) for part in re.split("…|\n", command.output.strip()))
            assert done.returncode == (" failed" in command.output), done.stdout
            assert re.fullmatch(f"{expected}[^§]*", done.stdout.strip()), done.stdout
