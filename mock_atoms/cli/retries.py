"""The `retries` command."""

from typing import TYPE_CHECKING

from mock_atoms.cli.command import EXIT_OK, Command, CommandParser, Invocation
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

_PARAMETERS = {
    "min_backoff_ms": ("minBackoffMs", "a shorter pause is not a backoff; default: 50"),
    "patience_ms": ("patienceMs", "how long after a failure a client may still retry; default: 0"),
    "new_call_after_ms": ("newCallAfterMs", "a longer pause starts a new call; default: 120000"),
}
"""Options and the parameters of `GET /__admin/retries`, as in docs/retries.md."""


def _add_arguments(parser: CommandParser) -> None:
    add_server(parser)
    add_tenant(parser, "calls")
    for name, (_, help_text) in _PARAMETERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="MS", help=help_text)
    parser.add_argument("--check", action="store_true", help="exit with 1 if there are findings")


def _run(invocation: Invocation, client: "MockClient") -> int:
    from mock_atoms.testing.client import journal_content  # noqa: PLC0415 - `--help` starts faster without it
    from mock_atoms.testing.retry_report import RetryReport  # noqa: PLC0415 - the same

    options = {parameter: getattr(invocation.arguments, name) for name, (parameter, _) in _PARAMETERS.items()}
    query = {name: value for name, value in options.items() if value is not None} | tenant_fields(invocation)
    content = journal_content(client.control.call("GET", "/retries", query=query))
    if invocation.arguments.json:
        invocation.print_json(content)
    else:
        report = RetryReport(content["calls"], content["summary"], content["dropped"], content["unattributed"])
        invocation.print(paint_report(report.text, Terminal.of(invocation.out, invocation.environ)))
    findings = content["summary"]["findings"]
    if not invocation.arguments.check:
        return EXIT_OK
    return checked(invocation, count(findings, "finding") if findings else None)


def paint_report(text: str, terminal: Terminal) -> str:
    """Return the text of a report with its findings in red."""
    lines = text.rstrip("\n").split("\n")
    return "\n".join(terminal.paint(line, "red" if line.startswith("     ! ") else "") for line in lines)


RETRIES = Command(
    "retries",
    "report how clients retried",
    "Print the retry report of a running server: each call with its attempts, and what the client did wrong.",
    _add_arguments,
    with_server(_run),
    SERVER_EPILOG,
)
