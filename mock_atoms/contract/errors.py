"""The errors that the vendor's API answers with, and which operation has which."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from mock_atoms.contract.operations import (
    ADD_MEMBERS,
    CREATE_AUDIENCE,
    DELETE_AUDIENCE,
    DELETE_MEMBERS,
    GET_AUDIENCE,
    GET_MEMBERS,
    NO_OPERATION,
    SEARCH_MEMBERS,
    RequestedOperation,
)
from mock_atoms.contract.schemas import MAX_MEMBERS


class ApiError(Exception):
    """An error that a handler answers with: its status and the vendor's envelope around `errors`.

    Args:
        status: HTTP status.
        errors: the messages; the documented ones where none are given.
        reason: why, a slug, where it is the mock's doing and not the API's.
    """

    def __init__(self, status: int, *errors: str, reason: str | None = None) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = list(errors) or None
        self.reason = reason


MISSING_SEARCH_PARAMETER = (
    "At least one search parameter is required. Use 'query' for general search across all fields, or use "
    "field-specific searches like 'firstName=john' or 'phoneNumber=123456'."
)
"""What a search for nothing is told (D)."""
MISSING_FILE = "CSV file is required"
"""What an upload without a file is told (D)."""
INVALID_PHONE_NUMBER = "Invalid phone number: {number}. Give text, country code and digits, such as +14155550123"
"""What the API says of a phone number that is none (A; that it is checked, and how: G)."""
DUPLICATE_NUMBERS = (
    "Some phone numbers in your CSV already exist in this audience. Please remove duplicate entries and try again."
)
"""What an upload is told in which a number stands twice (D)."""
TOO_MANY_MEMBERS = f"Audience cannot exceed {MAX_MEMBERS} members"
"""What an upload with too many rows is told (D)."""
_MESSAGES = {
    400: "Invalid input",  # D, of campaigns
    401: "Unauthorized: User not found",  # D
    403: "Forbidden",  # A
    404: "Audience not found",  # A
    500: "Internal server error",  # D
}
_OPERATION_MESSAGES = {
    # D's first example of each 400, and the two operations whose 500 says more.
    (CREATE_AUDIENCE.name, 400): MISSING_FILE,
    (GET_AUDIENCE.name, 400): "Audience ID missing",
    (DELETE_AUDIENCE.name, 400): "can't delete audience, campaign with this audience {audience_id} exists",
    (GET_MEMBERS.name, 400): "Audience ID is required",
    (GET_MEMBERS.name, 500): "Failed to fetch audience members",
    (ADD_MEMBERS.name, 400): "Each member must have a phoneNumber field",
    (DELETE_MEMBERS.name, 400): "Audience ID missing",
    (SEARCH_MEMBERS.name, 400): MISSING_SEARCH_PARAMETER,
    (SEARCH_MEMBERS.name, 500): "Failed to search audience members",
}
RETRY_AFTER_SECONDS = 60
"""What the documented 429 asks a client to wait (G)."""


def error_headers(status: int) -> dict[str, str]:
    """Return the headers that belong to the documented error `status`, by lower-case name.

    A 401 names its scheme, as RFC 9110 wants; a 429 carries `Retry-After` in seconds (G: it may).
    """
    if status == HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return {"retry-after": str(RETRY_AFTER_SECONDS)}
    return {}


def error_body(
    status: int, errors: list[str] | None, headers: Mapping[str, str], operation: RequestedOperation = NO_OPERATION
) -> dict[str, Any]:
    """Return the JSON of an error: the documented body where there is one, else the envelope (D, A).

    Args:
        status: HTTP status, 400 to 599.
        errors: messages in place of the documented ones.
        headers: the answer's headers by lower-case name; a 429's body repeats its `retry-after`.
        operation: what was asked for: some have messages of their own, and one has an envelope of its own.
    """
    if errors is None and status == HTTPStatus.TOO_MANY_REQUESTS:
        asked = headers.get("retry-after", "")
        return {
            "status": False,
            "error": "Rate limit exceeded",
            "code": "RATE_LIMIT_EXCEEDED",
            "retry_after": int(asked) if asked.isascii() and asked.isdigit() else RETRY_AFTER_SECONDS,
        }
    of_members = (operation.name, status) == (GET_MEMBERS.name, HTTPStatus.BAD_REQUEST)
    return {
        "status": "error" if of_members else False,
        "errors": [documented_message(status, operation)] if errors is None else errors,
    }


def documented_message(status: int, operation: RequestedOperation = NO_OPERATION) -> str:
    """Return the message of `status`: the one that is documented for `operation`, for all, or else its phrase."""
    own = _OPERATION_MESSAGES.get((operation.name, status))
    if own is not None:
        return own.replace("{audience_id}", operation.audience_id)
    if status in _MESSAGES:
        return _MESSAGES[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Error {status}"
