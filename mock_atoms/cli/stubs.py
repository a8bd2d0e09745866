"""The `stubs` commands."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mock_atoms.cli.command import EXIT_OK, Command, CommandGroup, CommandParser, Invocation, parse_json
from mock_atoms.cli.running_server import SERVER_EPILOG, add_server, count, remove_each, with_server
from mock_atoms.cli.tables import Cell, Column, print_table
from mock_atoms.cli.terminal import status_style
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient

_COLUMNS = (Column("ID"), Column("METHOD"), Column("PATH"), Column("STATUS"), Column("SCENARIO"), Column("NAME"))
_RESPONSE_OPTIONS = ("status", "json_body", "body", "header", "token", "test_id")


def _list(invocation: Invocation, client: "MockClient") -> int:
    content = client.control.call("GET", "/mappings")
    if invocation.arguments.json:
        invocation.print_json(content)
    else:
        print_table(invocation, _COLUMNS, [*map(_row, content["mappings"])], "stubs")
    return EXIT_OK


def _row(stub: Mapping[str, Any]) -> list[Cell]:
    from mock_atoms.wiremock.conditions import URL_FIELDS  # noqa: PLC0415 - `--help` starts faster without it

    request, response = stub.get("request") or {}, stub.get("response") or {}
    method = request.get("method") or "ANY"
    status = int(float(response.get("status", 200)))  # the server accepts "200" and "200.0" too
    states = [stub[name] for name in ("requiredScenarioState", "newScenarioState") if stub.get(name)]
    return [
        Cell(stub["id"]),
        Cell(method if isinstance(method, str) else json.dumps(method)),
        Cell(next((request[name] for name in URL_FIELDS if request.get(name) is not None), "all")),
        Cell(response["fault"], "red") if response.get("fault") else Cell(str(status), status_style(status)),
        Cell(" ".join(filter(None, [stub.get("scenarioName"), " → ".join(states)]))),
        Cell(stub.get("name") or ""),
    ]


def _add_stub_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "source",
        metavar="FILE|METHOD",
        help='file with one stub or {"mappings": […]}, as WireMock has them, - is standard input; or an HTTP method',
    )
    parser.add_argument("path", metavar="PATH", nargs="?", help="path of the method, such as /agent/{id}")
    group = parser.add_argument_group("response to METHOD PATH")
    group.add_argument("--status", metavar="STATUS", type=int, help="status code; default: 200")
    group.add_argument("--json-body", metavar="JSON", help="body as JSON")
    group.add_argument("--body", metavar="TEXT", help="body as text")
    group.add_argument("--header", metavar="HEADER", action="append", help="header such as Content-Type: text/plain")
    group.add_argument("--token", metavar="TOKEN", help="match only this token")
    group.add_argument("--test-id", metavar="ID", help="match only this X-Test-Id")
    add_server(parser, has_json=False)


def _add(invocation: Invocation, client: "MockClient") -> int:
    arguments = invocation.arguments
    words = arguments.source.split()
    if arguments.path is None and len(words) == 2 and words[1].startswith("/"):  # noqa: PLR2004 - method, path
        arguments.source, arguments.path = words
    if arguments.path is not None:
        invocation.print(_add_response(invocation, client))
        return EXIT_OK
    used = [name for name in _RESPONSE_OPTIONS if getattr(arguments, name) is not None]
    if used:
        option = f"--{used[0].replace('_', '-')}"
        raise ConfigError(f"{option}: give a method and a path too, as in `mock-atoms stubs add GET /agent {option} …`")
    name = arguments.source
    content = parse_json(name, invocation.read_file(name))
    if isinstance(content, dict) and "mappings" in content:
        client.control.call("POST", "/mappings/import", content)
        invocation.print(count(len(content["mappings"]), "stub"))
    else:
        invocation.print(client.control.call("POST", "/mappings", content)["id"])
    return EXIT_OK


def _add_response(invocation: Invocation, client: "MockClient") -> str:
    """Add a stub for one route, and return its id."""
    arguments = invocation.arguments
    headers: dict[str, list[str]] = {}
    for header in arguments.header or ():
        name, colon, value = header.partition(":")
        if not colon:
            raise ConfigError(
                f"--header: {quote_value(header)} has no colon: write a header such as `Content-Type: text/plain`"
            )
        headers.setdefault(name.strip(), []).append(value.strip())
    body = None if arguments.json_body is None else parse_json("--json-body", arguments.json_body)
    try:
        return client.stub(
            arguments.source,
            arguments.path,
            status=200 if arguments.status is None else arguments.status,
            json=body,
            body=arguments.body,
            headers=headers,
            token=arguments.token,
            test_id=arguments.test_id,
        )
    except ValueError as error:
        raise ConfigError(f"PATH: {error}") from None


def _add_remove_arguments(parser: CommandParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="*", help="id of a stub, as stubs list prints it")
    parser.add_argument("--all", action="store_true", help="remove all stubs, also those of files")
    add_server(parser, has_json=False)


def _remove(invocation: Invocation, client: "MockClient") -> int:
    ids = invocation.arguments.ids
    if bool(ids) == invocation.arguments.all:
        raise ConfigError("stubs remove: give the ids of stubs, or --all")
    if not ids:
        client.control.call("DELETE", "/mappings")
        invocation.confirm(f"removed all stubs at {client.root_url}")
    remove_each(invocation, client, "stubs", client.remove_stub)
    return EXIT_OK


STUBS = CommandGroup(
    "stubs",
    "list, add and remove the stubs of a running server",
    "List, add and remove the stubs of a running server: responses to routes that the mock does not have.",
    (
        Command(
            "list",
            "list the stubs",
            "List the stubs of a running server in order of precedence.",
            add_server,
            with_server(_list),
            SERVER_EPILOG,
        ),
        Command(
            "add",
            "add stubs",
            "Add a stub and print its id, or add all stubs of a file. docs/stubs.md describes stubs.",
            _add_stub_arguments,
            with_server(_add),
            SERVER_EPILOG,
        ),
        Command("remove", "remove stubs", "Remove stubs.", _add_remove_arguments, with_server(_remove), SERVER_EPILOG),
    ),
)
