"""The `requests` command."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mock_atoms.cli.command import Command, CommandParser, Invocation, Once
from mock_atoms.cli.details import detail_lines
from mock_atoms.cli.following import follow
from mock_atoms.cli.running_server import (
    SERVER_EPILOG,
    add_server,
    checked,
    count,
    tenant_fields,
    with_server,
)
from mock_atoms.cli.tables import Cell, Column, Table
from mock_atoms.cli.terminal import Terminal, status_style
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import MAX_JOURNAL_SIZE

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient
    from mock_atoms.testing.recorded_request import RecordedRequest

DEFAULT_LIMIT = 100
_COLUMNS = (
    Column("TIME", min_width=12),
    Column("METHOD", min_width=6),
    Column("STATUS", min_width=9),
    Column("MS", is_number=True, min_width=6),
    Column("TENANT"),
    Column("TEST"),
    Column("PATH"),
    Column("NOTES"),
)


def _add_arguments(parser: CommandParser) -> None:
    add_server(parser)
    group = parser.add_argument_group("filters")
    for flag, metavar, help_text in (
        ("--token", "TOKEN", "only requests of this token, valid or not"),
        ("--test-id", "ID", "only requests with this X-Test-Id"),
        ("--method", "METHOD", "only this method, in any case"),
        ("--path", "PATH", "only this path, such as /audience/{id}"),
        ("--status", "STATUS", "only this status code, or a class such as 5xx; 0 is no response"),
        ("--since", "TIME", "only requests that arrived after this time, such as 2026-01-31T12:00:00Z"),
    ):
        group.add_argument(flag, metavar=metavar, action=Once, help=help_text)
    group.add_argument(
        "--failed", action="store_true", help="only requests without a complete, well-formed response below 400"
    )
    parser.add_argument(
        "--limit",
        metavar="NUMBER",
        default=str(DEFAULT_LIMIT),
        help=f"print at most NUMBER requests, the latest ones; default: {DEFAULT_LIMIT}",
    )
    parser.add_argument(
        "--details",
        action="store_true",
        help="also print why each failed, the nearest operation or stub of an unknown route, ids, violations, headers "
        "and bodies",
    )
    parser.add_argument("--expect", metavar="NUMBER", help="exit with 1 unless NUMBER requests match the filters")
    parser.add_argument("--follow", action="store_true", help="print the next requests too, as they end, until Ctrl-C")


def _run(invocation: Invocation, client: "MockClient") -> int:
    limit, expected = (_whole_number(invocation, name) for name in ("limit", "expect"))
    filters = _filters(invocation)
    if invocation.arguments.follow:
        if expected is not None:
            raise ConfigError("--expect: leave it out with --follow, which does not end")
        return _follow(invocation, client, filters, limit or 0)
    # The total of the list ignores `since`.
    query = filters if "since" in filters and expected is not None else {**filters, "limit": str(limit)}
    content = _read(client, query)
    matched = len(content["requests"]) if "since" in filters else content["meta"]["total"]
    content["requests"] = content["requests"][:limit]
    printer = _Printer(invocation, client, query)
    if invocation.arguments.json:
        invocation.print_json({**content, "requests": [*map(printer.explained, content["requests"])]})
    else:
        nothing = "no requests match" if filters else "no requests"
        _print_table(content["requests"], matched, printer, nothing)
    is_as_expected = expected in (None, matched)
    return checked(invocation, None if is_as_expected else f"{count(matched, 'request')} instead of {expected}")


def _whole_number(invocation: Invocation, name: str) -> int | None:
    text = getattr(invocation.arguments, name)
    if text is None:
        return None
    if not (re.fullmatch(r"\d{1,9}", text, re.ASCII) and int(text) <= MAX_JOURNAL_SIZE):
        raise ConfigError(f"--{name}: {quote_value(text)} is not a whole number from 0 to {MAX_JOURNAL_SIZE}")
    return int(text)


def _filters(invocation: Invocation) -> dict[str, str]:
    arguments = invocation.arguments
    fields = {name: getattr(arguments, name) for name in ("method", "path", "status", "since")}
    if arguments.failed:
        fields["failed"] = "true"
    return {name: value for name, value in fields.items() if value is not None} | tenant_fields(invocation)


def _read(client: "MockClient", query: Mapping[str, str]) -> dict[str, Any]:
    """Return requests, the newest first."""
    from mock_atoms.testing.client import journal_content  # noqa: PLC0415 - `--help` starts faster without it

    return journal_content(client.control.call("GET", "/requests", query=query))


class _Printer:
    """Prints lines of the table, with details if the command line asks for them.

    Args:
        invocation: the run of the command.
        client: client of the server.
        query: query parameters that selected the requests.
    """

    def __init__(self, invocation: Invocation, client: "MockClient", query: Mapping[str, str]) -> None:
        from mock_atoms.cli.causes import Causes  # noqa: PLC0415 - `--help` starts faster without it

        self.terminal = Terminal.of(invocation.out, invocation.environ)
        self.print = invocation.print
        self._has_details = invocation.arguments.details
        self._causes = Causes(client, {name: value for name, value in query.items() if name != "since"})

    def explained(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an exchange, with `why` and `nearest` if details are asked for."""
        if not self._has_details:
            return event
        return {**event, "why": self._causes.of(event), "nearest": self._causes.nearest(event) or None}

    def print_request(self, event: Mapping[str, Any], line: str) -> None:
        """Print the line of a request."""
        details = detail_lines(event, self.terminal, self._causes) if self._has_details else []
        self.print("\n".join([line, *details]))


def _print_table(events: Sequence[dict[str, Any]], matched: int, printer: _Printer, nothing: str) -> None:
    if not events:
        printer.print(f"none of {count(matched, 'request')}" if matched else nothing)
        return
    heading, *lines = Table(_COLUMNS, printer.terminal).lines([_row(event) for event in reversed(events)])
    if matched > len(events):
        printer.print(f"the latest {len(events)} of {matched} requests:")
    printer.print(heading)
    for event, line in zip(reversed(events), lines, strict=True):
        printer.print_request(event, line)


def _row(event: Mapping[str, Any]) -> list[Cell]:
    from mock_atoms.testing.recorded_request import RecordedRequest  # noqa: PLC0415 - `--help` starts faster without it

    request = RecordedRequest.from_event(event)
    duration = "" if request.duration_ms is None else f"{request.duration_ms:.1f}"
    _, _, query = event["request"]["url"].partition("?")
    return [
        Cell(f"{request.arrived:%H:%M:%S.%f}"[:-3], "dim"),
        Cell(request.method),
        Cell(request.outcome, status_style(request.status)),
        Cell(duration),
        Cell(request.tenant, "cyan"),
        Cell(request.test_id or ""),
        Cell(f"{request.path}?{query}" if query else request.path),
        Cell(_notes(request), "yellow"),
    ]


def _notes(request: "RecordedRequest") -> str:
    notes = {
        "attempt": str(request.attempt) if request.attempt > 1 else "",
        "fault": ",".join(request.faults),
        "reason": request.reason,
        "violations": str(len(request.violations)) if request.violations else "",
    }
    return " ".join(f"{name}={value}" for name, value in notes.items() if value)


def _follow(invocation: Invocation, client: "MockClient", filters: Mapping[str, str], limit: int) -> int:
    """Print requests as they end, until the server stops or a signal ends the process."""
    query = {**filters, "limit": str(limit)}
    printer = _Printer(invocation, client, query)
    table = Table(_COLUMNS, printer.terminal)

    def read() -> list[dict[str, Any]]:
        exchanges: list[dict[str, Any]] = _read(client, query)["requests"]
        if not invocation.arguments.json:
            printer.print(table.heading())
        return exchanges

    def explain_missed(number: int | None) -> None:
        missed = "some events" if number is None else count(number, "event")
        invocation.explain(f"mock-atoms: missed {missed}: the server sent faster than this command could print")

    for exchange in follow(client, read, filters, explain_missed):
        if invocation.arguments.json:
            invocation.print_json(printer.explained(exchange), indent=None)
        else:
            printer.print_request(exchange, table.next_line(_row(exchange)))
    return invocation.fail("the server has stopped")


REQUESTS = Command(
    "requests",
    "list the requests that a running server received",
    "List the requests that a running server received and its responses, the oldest first. Times are in UTC. "
    "Filters combine. --json prints what GET /__admin/requests responds, the newest first.",
    _add_arguments,
    with_server(_run),
    SERVER_EPILOG,
)
