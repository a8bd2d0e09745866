"""A request and its response in full, as text."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mock_atoms.cli.terminal import Style, Terminal
from mock_atoms.core.printable import show_invisible

if TYPE_CHECKING:
    from mock_atoms.cli.causes import Causes

MAX_BODY_LINES = 40


def detail_lines(event: Mapping[str, Any], terminal: Terminal, causes: "Causes") -> list[str]:
    """Return why a request got its response, its contract violations, and both messages.

    Lines of the request start with `>`, those of the response with `<`.

    Args:
        event: an exchange as `GET /__admin/requests` returns it.
        terminal: where the lines are written.
        causes: explains the response.
    """
    from mock_atoms.contract.violations import Violation  # noqa: PLC0415 - `--help` starts faster without it

    lines = [f"  id: {event['id']}"]
    lines += [terminal.paint(f"  why: {show_invisible(cause)}", "yellow") for cause in causes.of(event)]
    if nearest := causes.nearest(event):
        lines.append(f"  nearest: {show_invisible(nearest)}")
    for content in event["request"]["mockAtoms"]["violations"]:
        violation = Violation(*(content[name] for name in Violation._fields))
        lines.append(terminal.paint(f"  violation: {show_invisible(str(violation))}", "yellow"))
    parts: list[tuple[str, Style, Mapping[str, Any]]] = [(">", "cyan", event["request"])]
    if "response" in event:
        parts.append(("<", "green", event["response"]))
    for mark, style, message in parts:
        painted = terminal.paint(f"  {mark}", style)
        lines += [f"{painted} {show_invisible(line)}".rstrip() for line in _message_lines(message)]
    return lines


def _message_lines(message: Mapping[str, Any]) -> Iterator[str]:
    for name, values in message["headers"].items():
        for value in [values] if isinstance(values, str) else values:
            yield f"{name}: {value}"
    if message["body"]:
        yield ""
        lines = _pretty(message["body"]).split("\n")
        yield from lines[:MAX_BODY_LINES]
        if len(lines) > MAX_BODY_LINES:
            yield f"… {len(lines) - MAX_BODY_LINES} more lines; --json has all"


def _pretty(body: str) -> str:
    """Return a body with JSON on several lines."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return body.replace("\r\n", "\n").rstrip("\n")
