"""Fixtures of tests of commands for a running server."""

from collections.abc import Callable

import pytest

from mock_atoms import MockServer
from tests.helpers.cli import CommandResult, run_command

Run = Callable[..., CommandResult]


@pytest.fixture
def run(server: MockServer) -> Run:
    """Return a function that runs a command for `server`."""

    def run_for_server(*args: str) -> CommandResult:
        return run_command(*args, environ={"MOCK_ATOMS_URL": server.url})

    return run_for_server
