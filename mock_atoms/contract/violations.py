"""Contract violations: what a client sent that the documented contract does not allow."""

from typing import NamedTuple

MAX_VIOLATIONS = 20
"""Maximum number of violations that an exchange keeps of its head, and of the rest of the request."""
MAX_VALUE_LENGTH = 100
"""Number of characters that a violation keeps of a value."""
MAX_PLACE_LENGTH = 200
"""Number of characters that a violation keeps of its place."""

UNKNOWN_PARAMETER = "unknown-parameter"
INVALID_PARAMETER = "invalid-parameter"
PAGE_BEYOND_END = "page-beyond-end"
UNKNOWN_FIELD = "unknown-field"
MISSING_FIELD = "missing-field"
INVALID_FIELD = "invalid-field"
UNEXPECTED_BODY = "unexpected-body"
WRONG_CONTENT_TYPE = "wrong-content-type"
UNDOCUMENTED_HEADER = "undocumented-header"
UNDOCUMENTED_OPERATION = "undocumented-operation"
KINDS = {
    UNKNOWN_PARAMETER: "a query parameter that the operation does not have",
    INVALID_PARAMETER: "a query parameter with a wrong type or value",
    PAGE_BEYOND_END: "a page after the last one",
    UNKNOWN_FIELD: "a field that the body does not have",
    MISSING_FIELD: "a required field of the body is missing",
    INVALID_FIELD: "a field of the body with a wrong type or value",
    UNEXPECTED_BODY: "a body other than `{}` for an operation without one",
    WRONG_CONTENT_TYPE: "a body with another content type",
    UNDOCUMENTED_HEADER: "credentials in another header, or in another form",
    UNDOCUMENTED_OPERATION: "an operation that the SDK calls and the API does not document",
}
"""Meaning of each kind of violation."""
_VIOLATION_BYTES = 400  # memory of a violation besides the texts that clients choose


class Violation(NamedTuple):
    """One contract violation. Credentials in it are masked.

    Attributes:
        kind: one of `KINDS`.
        place: JSON pointer into the body, name of the parameter or header, or method and path of the operation.
        value: what the client sent there; `None` if nothing.
        expected: what the contract documents.
        source: source letter of the expectation, see docs/fidelity.md.
    """

    kind: str
    place: str
    value: str | None
    expected: str
    source: str

    def __str__(self) -> str:
        value = "" if self.value is None else f" is `{self.value}`"
        return f"{self.kind}: {self.place or 'the body'}{value}: {self.expected} ({self.source})"


def violations_bytes(violations: tuple[Violation, ...]) -> int:
    """Return the memory of violations, approximately."""
    # One character of a text takes up to 4 bytes.
    return sum([_VIOLATION_BYTES + 4 * (len(each.place) + len(each.value or "")) for each in violations])
