"""The `open` command."""

from typing import TYPE_CHECKING

from mock_atoms.cli.command import EXIT_OK, Command, CommandParser, Invocation
from mock_atoms.cli.running_server import SERVER_EPILOG, add_server, with_server
from mock_atoms.core.addresses import CONTROL_PREFIX

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient


def _add_arguments(parser: CommandParser) -> None:
    add_server(parser, has_json=False)
    parser.add_argument("--print", action="store_true", help="print the address only")


def _run(invocation: Invocation, client: "MockClient") -> int:
    client.control.check_health()
    url = f"{client.root_url}{CONTROL_PREFIX}/"
    invocation.print(url)
    if invocation.out.isatty() and not invocation.arguments.print:
        import webbrowser  # noqa: PLC0415 - only a terminal needs it

        webbrowser.open(url)
    return EXIT_OK


OPEN = Command(
    "open",
    "open the dashboard of a running server",
    "Print the address of the dashboard of a running server, and open it in a browser if the output is a terminal.",
    _add_arguments,
    with_server(_run),
    SERVER_EPILOG,
)
