"""A contract violation as tests see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ContractViolation:
    """What clients sent that the documented contract does not allow. docs/violations.md lists the kinds.

    Attributes:
        kind: such as `unknown-parameter`.
        operation: such as `GET /audience/{id}/members`.
        place: JSON pointer into the body with `*` for any index, or name of the parameter or header.
        expected: what the contract documents.
        source: source letter of the expectation, see docs/fidelity.md.
        count: how often it was sent.
        first_request_id: `X-Request-Id` of the first response.
        last_request_id: `X-Request-Id` of the last response.
        examples: up to three values that were sent, credentials masked.
    """

    kind: str
    operation: str
    place: str
    expected: str
    source: str
    count: int
    first_request_id: str
    last_request_id: str
    examples: tuple[str, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return a violation of `GET /__admin/violations`."""
        return cls(
            kind=content["kind"],
            operation=content["operation"],
            place=content["place"],
            expected=content["expected"],
            source=content["source"],
            count=content["count"],
            first_request_id=content["firstRequestId"],
            last_request_id=content["lastRequestId"],
            examples=tuple(content["examples"]),
        )

    def __str__(self) -> str:
        """Return one line."""
        times = "" if self.count == 1 else f", {self.count} times"
        place = f" {self.place}" if self.place not in ("", self.operation) else ""
        examples = f" {', '.join(f'`{value}`' for value in self.examples)}" if self.examples else ""
        return f"{self.kind}: {self.operation}{place}{examples}{times}: {self.expected} ({self.source})"
