"""The commands `reset`, `state export` and `state import`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mock_atoms.cli.command import EXIT_OK, Command, CommandGroup, CommandParser, Invocation, OutputError, parse_json
from mock_atoms.cli.running_server import (
    SERVER_EPILOG,
    USAGE_STATUSES,
    add_server,
    add_tenant,
    tenant_fields,
    with_server,
)
from mock_atoms.core.masking import mask_token, show_text
from mock_atoms.core.parsing import ConfigError

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient


def _add_reset_arguments(parser: CommandParser) -> None:
    add_server(parser, has_json=False)
    add_tenant(parser, "the data, fault rules, scenarios, counters and requests")


def _reset(invocation: Invocation, client: "MockClient") -> int:
    client.control.call("POST", "/reset", tenant_fields(invocation) or None)
    token, test_id = invocation.arguments.token, invocation.arguments.test_id
    scopes = [] if token is None else [mask_token(token)]
    if test_id is not None:
        scopes.append(f"test {show_text(test_id, token=token)}")
    invocation.confirm(f"reset {', '.join(scopes)} at {client.root_url}" if scopes else f"reset {client.root_url}")
    return EXIT_OK


def _add_export_arguments(parser: CommandParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", nargs="?", default="-", help="file to write; standard output by default"
    )
    add_server(parser, has_json=False)


def _export(invocation: Invocation, client: "MockClient") -> int:
    text = json.dumps(client.control.call("GET", "/state"), ensure_ascii=False)
    name = invocation.arguments.file
    if name == "-":
        invocation.print(text)
        return EXIT_OK
    try:
        Path(name).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{name}: cannot be written: {error.strerror}") from None
    return EXIT_OK


def _add_import_arguments(parser: CommandParser) -> None:
    parser.add_argument("file", metavar="FILE", help="file that state export wrote; - is standard input")
    add_server(parser, has_json=False)


def _import(invocation: Invocation, client: "MockClient") -> int:
    from mock_atoms.testing.control_api import ControlError  # noqa: PLC0415 - `--help` starts faster without it

    name = invocation.arguments.file
    source = "standard input" if name == "-" else name
    try:
        client.control.call("PUT", "/state", parse_json(name, invocation.read_file(name)))
    except ControlError as error:
        if error.status not in USAGE_STATUSES:
            raise
        raise ConfigError(show_text(f"{source}: not an exported state: {error.detail}")) from None
    invocation.confirm(f"imported {source} to {client.root_url}")
    return EXIT_OK


RESET = Command(
    "reset",
    "reset a running server, a token or a test",
    "Reset data, fault rules, stubs, counters and recorded requests of a running server. With a token or a test, reset "
    "only what belongs to it, and keep all stubs.",
    _add_reset_arguments,
    with_server(_reset),
    SERVER_EPILOG,
)
STATE = CommandGroup(
    "state",
    "export and import the state of a running server",
    "Export and import the state of a running server: fault rules, stubs, fixtures and tenants, not its requests.",
    (
        Command(
            "export",
            "export the state",
            "Export the state of a running server as JSON. Tokens are masked.",
            _add_export_arguments,
            with_server(_export),
            SERVER_EPILOG,
        ),
        Command(
            "import",
            "import a state",
            "Replace the state of a running server, and empty its request journal. The server needs the seed and the "
            "locale of the one that exported the state.",
            _add_import_arguments,
            with_server(_import),
            SERVER_EPILOG,
        ),
    ),
)
