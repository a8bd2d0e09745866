"""Runs the docker commands of the docs as written."""

import os
import subprocess
from collections.abc import Iterator
from itertools import groupby

import pytest

from tests.helpers.snippets import ROOT, Command, commands, read_snippets, run_in_one_shell

DOCKER_BLOCKS = [snippet for snippet in read_snippets() if (snippet.language, snippet.label) == ("console", "docker")]
SESSIONS = {
    page: [command for block in blocks for command in commands(block)]
    for page, blocks in groupby(DOCKER_BLOCKS, lambda block: block.page)
}


@pytest.fixture(autouse=True)
def _cleanup() -> Iterator[None]:
    """Remove the containers at the end, and those of an interrupted run."""
    remove_containers()
    yield
    remove_containers()


def remove_containers() -> None:
    subprocess.run(
        ["docker", "compose", "--profile", "scale", "down", "--volumes", "--timeout", "8"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    subprocess.run(["docker", "rm", "--force", "mock-atoms"], capture_output=True, check=False)


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS)
def test_docker_commands_of_a_page_work_in_order_and_again(session: list[Command]) -> None:
    for _ in range(2):
        run_in_one_shell(session, os.environ["PATH"])
