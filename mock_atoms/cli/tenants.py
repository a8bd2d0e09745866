"""The `tenants` commands."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mock_atoms.cli.command import EXIT_OK, Command, CommandGroup, CommandParser, Invocation
from mock_atoms.cli.running_server import SERVER_EPILOG, add_server, count, with_server
from mock_atoms.cli.tables import Cell, Column, Table, print_table
from mock_atoms.cli.terminal import Terminal
from mock_atoms.core.masking import mask_token
from mock_atoms.core.parsing import ConfigError

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient

_COLUMNS = (Column("TOKEN"), Column("TEST"), Column("REQUESTS", is_number=True))
_AUDIENCE_COLUMNS = (Column("ID"), Column("NAME"), Column("MEMBERS", is_number=True), Column("CAMPAIGNS"))


def _list(invocation: Invocation, client: "MockClient") -> int:
    content = client.control.call("GET", "/tenants")
    if invocation.arguments.json:
        invocation.print_json(content)
    else:
        rows = [
            [Cell(tenant["token"], "cyan"), Cell(tenant["testId"] or ""), Cell(str(tenant["requests"]))]
            for tenant in content["tenants"]
        ]
        print_table(invocation, _COLUMNS, rows, "tenants")
    return EXIT_OK


def _add_show_arguments(parser: CommandParser) -> None:
    parser.add_argument("token", metavar="TOKEN", help="the token, without Bearer")
    parser.add_argument("--test-id", metavar="ID", help="show the data of this X-Test-Id")
    parser.add_argument("--audience", metavar="ID", help="show the members of this audience")
    parser.add_argument("--page", metavar="NUMBER", default="1", help="page of the members; default: 1")
    parser.add_argument("--size", metavar="NUMBER", default="20", help="members on a page, up to 1000; default: 20")
    add_server(parser)


def _show(invocation: Invocation, client: "MockClient") -> int:
    arguments = invocation.arguments
    query = {"token": arguments.token} | ({} if arguments.test_id is None else {"testId": arguments.test_id})
    path = "/audiences"
    if arguments.audience is not None:
        path += f"/{quote(arguments.audience, safe='')}/members"
        query |= {"page": arguments.page, "size": arguments.size}
    content = client.control.call("GET", path, query=query)
    if arguments.json:
        invocation.print_json(content)
        return EXIT_OK
    if arguments.audience is None:
        print_table(invocation, _AUDIENCE_COLUMNS, [*map(_audience_row, content["audiences"])], "audiences")
        return EXIT_OK
    terminal = Terminal.of(invocation.out, invocation.environ)
    invocation.print("\n".join(_member_lines(content["members"], terminal)))
    invocation.print(f"page {arguments.page} of {content['totalPages']}, {count(content['totalCount'], 'member')}")
    return EXIT_OK


def _audience_row(audience: Mapping[str, Any]) -> list[Cell]:
    campaigns = audience.get("campaigns") or []
    return [
        *(Cell(str(audience.get(name, ""))) for name in ("_id", "name", "memberCount")),
        Cell(", ".join(f"{campaign.get('name', '-')} ({campaign.get('status', '-')})" for campaign in campaigns)),
    ]


def _member_lines(members: Sequence[Mapping[str, Any]], terminal: Terminal) -> list[str]:
    """Return a table of members with a column for each of their fields."""
    names = list(dict.fromkeys(name for member in members for name in member["data"]))
    columns = [Column("ID"), *map(Column, names)]
    rows = [[Cell(member["_id"]), *(Cell(str(member["data"].get(name, ""))) for name in names)] for member in members]
    return Table(columns, terminal).lines(rows)


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
    "list the tenants of a running server, show and set their data",
    "List the tenants of a running server, show and set their data. A tenant is a token, or a token and an X-Test-Id.",
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
            "show",
            "show the data of a tenant",
            "Show the audiences of a token as its clients see them, or the members of one. The call is not recorded.",
            _add_show_arguments,
            with_server(_show),
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
