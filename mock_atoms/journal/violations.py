"""Contract violations of exchanges: one log line for each kind and operation, and a report."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mock_atoms.contract.violations import UNDOCUMENTED_OPERATION, Violation
from mock_atoms.core.printable import count_of, show_invisible
from mock_atoms.core.slices import Steps
from mock_atoms.journal.access_log import LOGGER, EventLine
from mock_atoms.journal.exchange import Exchange

MAX_GROUPS = 1_000
"""Number of different violations in a report."""
MAX_EXAMPLES = 3
"""Number of different values that a report shows of each."""
_INDEX = re.compile(r"/\d+(?=/|$)")


def violated_operation(exchange: Exchange, violation: Violation) -> str:
    """Return the operation that a violation belongs to."""
    return violation.place if violation.kind == UNDOCUMENTED_OPERATION else exchange.head.operation


class ViolationLog:
    """Logs the first violation of each kind and operation."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def report_new(self, exchange: Exchange) -> None:
        """Log the violations of an exchange whose kind and operation are new."""
        for violation in exchange.violations:
            operation = violated_operation(exchange, violation)
            if (violation.kind, operation) in self._logged:
                continue
            self._logged.add((violation.kind, operation))
            fields = {
                "violation": violation.kind,
                "operation": operation,
                "place": violation.place,
                "value": violation.value,
                "expected": f"{violation.expected} ({violation.source})",
                "id": exchange.id,
            }
            LOGGER.warning(EventLine(fields))


@dataclass(slots=True)
class _Group:
    """Equal violations of several exchanges."""

    violation: Violation
    operation: str
    place: str
    first: str
    last: str = ""
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, exchange: Exchange, violation: Violation) -> None:
        self.count += 1
        self.last = exchange.id
        if len(self.examples) < MAX_EXAMPLES and violation.value is not None and violation.value not in self.examples:
            self.examples.append(violation.value)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.violation.kind,
            "operation": self.operation,
            "place": self.place,
            "expected": self.violation.expected,
            "source": self.violation.source,
            "count": self.count,
            "firstRequestId": self.first,
            "lastRequestId": self.last,
            "examples": self.examples,
        }


def violation_report(exchanges: Iterable[Exchange], dropped: int) -> Steps[dict[str, Any]]:
    """Return the report as JSON: equal violations are counted together, those that came first are first.

    Args:
        exchanges: the exchanges to report, oldest first.
        dropped: number of exchanges that the journal has dropped and that may be missing.
    """
    groups: dict[tuple[str, str, str, str], _Group] = {}
    kinds: Counter[str] = Counter()
    requests = 0
    for exchange in exchanges:
        violations = exchange.violations
        requests += bool(violations)
        for violation in violations:
            kinds[violation.kind] += 1
            operation = violated_operation(exchange, violation)
            place = _INDEX.sub("/*", violation.place) if violation.place.startswith("/") else violation.place
            key = (violation.kind, operation, place, violation.expected)
            group = groups.get(key)
            if group is None and len(groups) < MAX_GROUPS:
                group = groups[key] = _Group(violation, operation, place, exchange.id)
            if group is not None:
                group.add(exchange, violation)
        yield
    listed = sum(group.count for group in groups.values())
    return {
        "violations": [group.as_json() for group in groups.values()],
        "summary": {"violations": kinds.total(), "requests": requests, "byKind": dict(kinds)},
        "unlisted": kinds.total() - listed,
        "dropped": dropped,
    }


def violation_lines(reported: dict[str, Any]) -> Steps[list[str]]:
    """Return the lines of the text of a report, as `violation_report` returns it or as JSON."""
    violations, requests = reported["summary"]["violations"], reported["summary"]["requests"]
    title = f"{count_of(violations, 'contract violation')} in {count_of(requests, 'request')}"
    lines = [f"{title}\n" if violations else "no contract violations\n"]
    if reported["unlisted"]:
        lines.append(f"not listed, because there are too many different ones: {reported['unlisted']}\n")
    if reported["dropped"]:
        lines.append(
            f"the journal has dropped {count_of(reported['dropped'], 'exchange')}: violations may be missing\n"
        )
    for group in reported["violations"]:
        lines += [f"{line}\n" for line in group_lines(group)]
        yield
    return lines


def group_lines(group: dict[str, Any]) -> list[str]:
    """Return the lines of one violation of a report."""
    times = "" if group["count"] == 1 else f", {group['count']} times"
    place = f" {group['place']}" if group["place"] not in ("", group["operation"]) else ""
    examples = f", such as {', '.join(f'`{value}`' for value in group['examples'])}" if group["examples"] else ""
    title = f"{group['kind']}: {group['operation']}{place}{examples}{times}"
    return [show_invisible(line) for line in (title, f"  {group['expected']} ({group['source']})")]
