"""The `violations` command."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mock_atoms.cli.command import EXIT_OK, Command, CommandParser, Invocation, Once
from mock_atoms.cli.running_server import (
    SERVER_EPILOG,
    add_server,
    add_tenant,
    checked,
    count,
    tenant_fields,
    with_server,
)
from mock_atoms.cli.terminal import Terminal

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient

_LETTERS = "(S), (D): the vendor's documents; (K): its Python SDK; (A): an assumption; docs/fidelity.md lists all"


def _add_arguments(parser: CommandParser) -> None:
    add_server(parser)
    add_tenant(parser, "requests")
    parser.add_argument("--method", metavar="METHOD", action=Once, help="only this method, in any case")
    parser.add_argument("--path", metavar="PATH", action=Once, help="only this path, such as /audience/{id}")
    parser.add_argument("--check", action="store_true", help="exit with 1 if there are violations")


def _run(invocation: Invocation, client: "MockClient") -> int:
    fields = {name: getattr(invocation.arguments, name) for name in ("method", "path")}
    query = {name: value for name, value in fields.items() if value is not None} | tenant_fields(invocation)
    report = read_violations(client, query)
    if invocation.arguments.json:
        invocation.print_json(report)
    else:
        invocation.print(violations_text(report, Terminal.of(invocation.out, invocation.environ)))
    number = report["summary"]["violations"]
    if not invocation.arguments.check:
        return EXIT_OK
    return checked(invocation, count(number, "contract violation") if number else None)


def read_violations(client: "MockClient", query: Mapping[str, str]) -> dict[str, Any]:
    """Return the report of contract violations as JSON.

    Raises:
        ControlError: the journal is off, or the control API is not available.
    """
    from mock_atoms.testing.client import journal_content  # noqa: PLC0415 - `--help` starts faster without it

    return journal_content(client.control.call("GET", "/violations", query=query))


def violations_text(report: dict[str, Any], terminal: Terminal) -> str:
    """Return the report as text, with the violations in yellow and the meaning of their letters."""
    from mock_atoms.core.slices import run_without_pauses  # noqa: PLC0415 - `--help` starts faster without it
    from mock_atoms.journal.violations import violation_lines  # noqa: PLC0415 - the same

    summary, *lines = "".join(run_without_pauses(violation_lines(report))).rstrip("\n").split("\n")
    painted = (terminal.paint(line, "" if line.startswith(" ") else "yellow") for line in lines)
    return "\n".join([summary, *painted, *([_LETTERS] if report["violations"] else [])])


VIOLATIONS = Command(
    "violations",
    "report what clients sent that the API does not document",
    "Report what clients sent to a running server that the API does not document. docs/violations.md lists the kinds.",
    _add_arguments,
    with_server(_run),
    SERVER_EPILOG,
)
