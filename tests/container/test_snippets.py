"""The docker commands of our documents, literally."""

import os
import subprocess

from tests.helpers.snippets import ROOT, commands, run, snippets


def test_the_docker_commands_work_as_written() -> None:
    found = [snippet for snippet in snippets() if (snippet.language, snippet.word) == ("console", "docker")]
    assert found
    for snippet in found:
        try:
            for command in commands(snippet):
                run(command, os.environ["PATH"], ("", ""))
        finally:
            subprocess.run(["docker", "compose", "down", "--timeout", "8"], cwd=ROOT, capture_output=True, check=True)
            subprocess.run(["docker", "rm", "--force", "mock-atoms"], capture_output=True, check=True)
