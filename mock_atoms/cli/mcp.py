"""The `mcp` command."""

import os
import signal
from typing import TYPE_CHECKING, NoReturn

from mock_atoms.cli.command import EXIT_OK, Command, CommandParser, Invocation
from mock_atoms.cli.running_server import add_server, with_server
from mock_atoms.core.errors import missing_package

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient


def _add_arguments(parser: CommandParser) -> None:
    add_server(parser, has_json=False)


def _run(invocation: Invocation, client: "MockClient") -> int:
    try:
        from mock_atoms.cli.mcp_server import build_server  # noqa: PLC0415 - an optional package, and slow
    except ModuleNotFoundError:
        return invocation.fail(missing_package("mcp", "mcp"))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    build_server(client).run("stdio")
    return EXIT_OK


def _end(_signal: int, _frame: object) -> NoReturn:
    # Skips asyncio's shutdown, which would log an error. A tool call in progress gets no response.
    os._exit(EXIT_OK)


MCP = Command(
    "mcp",
    "serve the control API of a running server to coding agents",
    "Serve the control API of a running server to a coding agent, as an MCP server over standard input and output.",
    _add_arguments,
    with_server(_run),
    "It needs the extra mcp (docs/python.md). The server may start later.",
)
