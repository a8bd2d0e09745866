"""The `faults` commands."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mock_atoms.cli.command import EXIT_OK, Command, CommandGroup, CommandParser, Invocation, parse_json
from mock_atoms.cli.running_server import SERVER_EPILOG, add_server, remove_each, with_server
from mock_atoms.cli.tables import Cell, Column, print_table
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace

    from mock_atoms.testing.client import MockClient

_COLUMNS = (
    Column("ID"),
    Column("REQUESTS"),
    Column("EFFECT"),
    Column("EVALUATED", is_number=True),
    Column("TRIGGERED", is_number=True),
)
_NOT_SHOWN = {"id", "match", "evaluated", "triggered", "tokenDigest", "testIdDigest"}


def _list(invocation: Invocation, client: "MockClient") -> int:
    content = client.control.call("GET", "/faults")
    if invocation.arguments.json:
        invocation.print_json(content)
    else:
        print_table(invocation, _COLUMNS, [*map(_row, content["faults"])], "fault rules")
    return EXIT_OK


def describe_requests(rule: Mapping[str, Any]) -> str:
    """Return which requests a fault rule matches, as `GET /audience token=sk_acme`."""
    match = dict(rule.get("match") or {})
    operation = [match.pop(name) for name in ("method", "path") if match.get(name)]
    return " ".join([*map(str, operation), *_fields(match)]) or "all"


def describe_effect(rule: Mapping[str, Any]) -> str:
    """Return what a fault rule does, as `respond.status=500 when.times=2`."""
    return " ".join(_fields(rule))


def _row(rule: Mapping[str, Any]) -> list[Cell]:
    return [
        Cell(rule["id"]),
        Cell(describe_requests(rule)),
        Cell(describe_effect(rule), "yellow"),
        Cell(str(rule["evaluated"])),
        Cell(str(rule["triggered"]), "red" if rule["triggered"] else ""),
    ]


def _fields(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the fields of a JSON object, nested ones included, as `respond.status=500`."""
    for name, field in value.items():
        if name in _NOT_SHOWN:
            continue
        if isinstance(field, Mapping):
            yield from _fields(field, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}={field if isinstance(field, str) else json.dumps(field, ensure_ascii=False)}"


def _add_rule_arguments(parser: CommandParser) -> None:
    parser.add_argument("fault", metavar="FAULT", help="500x2, GET /audience 500x2, or a rule as JSON")
    parser.add_argument("--method", metavar="METHOD", help="match only this method, in any case")
    parser.add_argument("--path", metavar="PATH", help="match only this path, such as /audience/{id}")
    parser.add_argument("--token", metavar="TOKEN", help="match only this token")
    parser.add_argument("--test-id", metavar="ID", help="match only this X-Test-Id")
    add_server(parser)


def _add(invocation: Invocation, client: "MockClient") -> int:
    arguments = invocation.arguments
    fault: str | dict[str, Any] = arguments.fault
    if arguments.fault.lstrip().startswith("{"):
        fault = parse_json("FAULT", arguments.fault)
    else:
        _check_named_once(arguments)
    rule_id = client.fail(
        fault, method=arguments.method, path=arguments.path, token=arguments.token, test_id=arguments.test_id
    )
    if arguments.json:
        invocation.print_json(client.control.call("GET", f"/faults/{rule_id}"))
    else:
        invocation.print(rule_id)
    return EXIT_OK


def _check_named_once(arguments: "Namespace") -> None:
    """Raise `ConfigError` if an option repeats the method or the path of `GET /audience 500x2`."""
    words = arguments.fault.split()
    if len(words) == 3 and words[1].startswith("/"):  # noqa: PLR2004 - method, path, expression
        for name, word in zip(("method", "path"), words, strict=False):
            if getattr(arguments, name) is not None:
                problem = f"--{name}: FAULT has a {name} already, {quote_value(word)}"
                raise ConfigError(f"{problem}: leave out --{name}, or the method and the path in FAULT")


def _add_remove_arguments(parser: CommandParser) -> None:
    parser.add_argument("ids", metavar="ID", nargs="*", help="id of a rule, as faults list prints it")
    parser.add_argument("--all", action="store_true", help="remove all rules, except those of the server's settings")
    add_server(parser, has_json=False)


def _remove(invocation: Invocation, client: "MockClient") -> int:
    ids = invocation.arguments.ids
    if bool(ids) == invocation.arguments.all:
        raise ConfigError("faults remove: give the ids of rules, or --all")
    if not ids:
        client.control.call("DELETE", "/faults")
        invocation.confirm(f"removed all fault rules at {client.root_url}, except those of its settings")
    remove_each(invocation, client, "faults", client.clear_faults)
    return EXIT_OK


FAULTS = CommandGroup(
    "faults",
    "list, add and remove the fault rules of a running server",
    "List, add and remove the fault rules of a running server.",
    (
        Command(
            "list",
            "list the fault rules",
            "List the fault rules of a running server, with the requests that they matched and changed.",
            add_server,
            with_server(_list),
            SERVER_EPILOG,
        ),
        Command(
            "add",
            "add a fault rule",
            "Add a fault rule and print its id. docs/faults.md describes faults.",
            _add_rule_arguments,
            with_server(_add),
            SERVER_EPILOG,
        ),
        Command(
            "remove",
            "remove fault rules",
            "Remove fault rules.",
            _add_remove_arguments,
            with_server(_remove),
            SERVER_EPILOG,
        ),
    ),
)
