"""The `tenants` commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mock_atoms.cli.command import EXIT_OK, Command, CommandGroup, CommandParser, Invocation
from mock_atoms.cli.running_server import SERVER_EPILOG, add_server, count, with_server
from mock_atoms.cli.tables import Cell, Column, Table
from mock_atoms.cli.terminal import Terminal
from mock_atoms.core.masking import mask_token
from mock_atoms.core.parsing import ConfigError

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient

_COLUMNS = (Column("TOKEN"), Column("TEST"), Column("REQUESTS", is_number=True))


def _list(invocation: Invocation, client: "MockClient") -> int:
    content = client.control.call("GET", "/tenants")
    if invocation.arguments.json:
        invocation.print_json(content)
    elif not content["tenants"]:
        invocation.print("no tenants")
    else:
        rows = [
            [Cell(tenant["token"], "cyan"), Cell(tenant["testId"] or ""), Cell(str(tenant["requests"]))]
            for tenant in content["tenants"]
        ]
        table = Table(_COLUMNS, Terminal.of(invocation.out, invocation.environ))
        invocation.print("\n".join(table.lines(rows)))
    return EXIT_OK


def _add_set_arguments(parser: CommandParser) -> None:
    parser.add_argument("token", metavar="TOKEN", help="the token, without Bearer")
    parser.add_argument(
        "file",
        metavar="FILE",
        help="fixture file in YAML or JSON, or a list of audiences; its tokens are ignored; - is standard input",
    )
    parser.add_argument("--test-id", metavar="ID", help="set only the data of this X-Test-Id")
    add_server(parser)


def _set(invocation: Invocation, client: "MockClient") -> int:
    arguments = invocation.arguments
    data = _read_data(invocation, arguments.file)
    data.pop("tokens", None)
    test = {} if arguments.test_id is None else {"testId": arguments.test_id}
    content = client.control.call("PUT", "/tenants", {**data, "token": arguments.token, **test})
    if arguments.json:
        invocation.print_json(content)
    else:
        invocation.print(f"{mask_token(arguments.token)}: {count(len(content['audiences']), 'audience')}")
    return EXIT_OK


def _read_data(invocation: Invocation, name: str) -> dict[str, Any]:
    """Return the keys of a fixture file."""
    from mock_atoms.data.fixture_folder import parse_text  # noqa: PLC0415 - other commands start faster without it

    data = parse_text(Path(name), invocation.read_file(name))
    if isinstance(data, list):
        data = {"audiences": data}
    if not isinstance(data, dict):
        raise ConfigError(f'{name}: must be a list of audiences, or an object such as {{"audiences": […]}}')
    return data


TENANTS = CommandGroup(
    "tenants",
    "list the tenants of a running server, and set their data",
    "List the tenants of a running server, and set their data. A tenant is a token, or a token and an X-Test-Id.",
    (
        Command(
            "list",
            "list the tenants",
            "List the tenants of a running server, the least recently used first. Tokens are masked.",
            add_server,
            with_server(_list),
            SERVER_EPILOG,
        ),
        Command(
            "set",
            "set the data of a tenant",
            "Set the initial data of a token, or of one test of it. Changes that clients have made are lost.",
            _add_set_arguments,
            with_server(_set),
            SERVER_EPILOG,
        ),
    ),
)
