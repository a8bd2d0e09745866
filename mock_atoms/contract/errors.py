"""The vendor's errors: documented messages, bodies and headers by status and operation."""

import math
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from mock_atoms.contract.accounts import NO_PHONE_NUMBERS_IN_PLAN
from mock_atoms.contract.agents import ALREADY_ARCHIVED
from mock_atoms.contract.campaigns import UNKNOWN_CAMPAIGN
from mock_atoms.contract.operations import (
    ADD_MEMBERS,
    ARCHIVE_AGENT,
    CREATE_AUDIENCE,
    DELETE_AUDIENCE,
    DELETE_MEMBERS,
    EXPORT_LOGS,
    GET_AUDIENCE,
    GET_MEMBERS,
    LIST_PHONE_NUMBERS,
    NO_OPERATION,
    OPERATIONS_BY_NAME,
    SEARCH_MEMBERS,
    RequestedOperation,
)
from mock_atoms.contract.schemas import MAX_FILE_BYTES, MAX_MEMBERS
from mock_atoms.core.masking import MAX_MESSAGE_LENGTH
from mock_atoms.core.printable import show_invisible
from mock_atoms.core.retry_after import HEADER, parse_retry_after


class ApiError(Exception):
    """An error response of a handler, in the vendor's envelope.

    Args:
        status: HTTP status.
        errors: messages; the documented ones by default. Invisible characters in them are shown as `U+202A`.
        reason: slug that says why the mock, not the API, caused the error.
    """

    def __init__(self, status: int, *errors: str, reason: str | None = None) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = [show_invisible(error[: 2 * MAX_MESSAGE_LENGTH]) for error in errors] or None
        self.reason = reason


def bad_request(*errors: str) -> ApiError:
    """Return a 400 with these messages."""
    return ApiError(HTTPStatus.BAD_REQUEST, *errors)


MISSING_SEARCH_PARAMETER = (
    "At least one search parameter is required. Use 'query' for general search across all fields, or use "
    "field-specific searches like 'firstName=john' or 'phoneNumber=123456'."
)
"""Search without parameters (D)."""
MISSING_FILE = "CSV file is required"
"""Upload without a file (D)."""
FILE_TOO_LARGE = f"File too large: at most {MAX_FILE_BYTES} bytes (5 MB)"
"""Upload with too large a file (A; that there is a limit: D)."""
INVALID_PHONE_NUMBER = "Invalid phone number: {number}. Use a string of 7 to 15 digits, such as +14155550123"
"""Invalid phone number (A; that numbers are checked, and how: G)."""
DUPLICATE_NUMBERS = (
    "Some phone numbers in your CSV already exist in this audience. Please remove duplicate entries and try again."
)
"""Upload with a duplicate phone number (D)."""
TOO_MANY_MEMBERS = f"Audience cannot exceed {MAX_MEMBERS} members"
"""Upload with too many rows (D)."""
_MESSAGES = {
    400: "Invalid input",  # D, of campaigns
    401: "Unauthorized: User not found",  # D
    403: "Forbidden",  # A
    500: "Internal server error",  # D
}
_OPERATION_MESSAGES = {
    # D's first example of each 400, the two operations with their own 500, and the one with a 409.
    (CREATE_AUDIENCE.name, 400): MISSING_FILE,
    (GET_AUDIENCE.name, 400): "Audience ID missing",
    (DELETE_AUDIENCE.name, 400): "can't delete audience, campaign with this audience {id} exists",
    (GET_MEMBERS.name, 400): "Audience ID is required",
    (GET_MEMBERS.name, 500): "Failed to fetch audience members",
    (ADD_MEMBERS.name, 400): "Each member must have a phoneNumber field",
    (DELETE_MEMBERS.name, 400): "Audience ID missing",
    (SEARCH_MEMBERS.name, 400): MISSING_SEARCH_PARAMETER,
    (SEARCH_MEMBERS.name, 500): "Failed to search audience members",
    (EXPORT_LOGS.name, 400): UNKNOWN_CAMPAIGN,
    (ARCHIVE_AGENT.name, 409): ALREADY_ARCHIVED,
    (LIST_PHONE_NUMBERS.name, 400): NO_PHONE_NUMBERS_IN_PLAN,  # K
}
RETRY_AFTER_SECONDS = 60
"""`Retry-After` of the documented 429 (G)."""


def error_headers(status: int) -> dict[str, str]:
    """Return the headers of the documented error `status`, by lower-case name.

    A 401 names its scheme, as RFC 9110 requires; a 429 carries `Retry-After` in seconds (G: it may).
    """
    if status == HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return {"retry-after": str(RETRY_AFTER_SECONDS)}
    return {}


def error_body(
    status: int,
    errors: list[str] | None,
    headers: Mapping[str, str],
    operation: RequestedOperation = NO_OPERATION,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Return the JSON body of an error: the documented one if it exists, otherwise the envelope (D, A).

    Args:
        status: HTTP status, 400 to 599.
        errors: messages that replace the documented ones.
        headers: response headers by lower-case name; a 429's body repeats its `retry-after` in full seconds.
        operation: the requested operation; some have their own messages, and one its own envelope.
        now: wall-clock time of the response, which a `retry-after` with a date needs.
    """
    if errors is None and status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = parse_retry_after(headers.get(HEADER, ""), now)
        return {
            "status": False,
            "error": "Rate limit exceeded",
            "code": "RATE_LIMIT_EXCEEDED",
            "retry_after": RETRY_AFTER_SECONDS if seconds is None else math.ceil(seconds),
        }
    is_members_error = (operation.name, status) == (GET_MEMBERS.name, HTTPStatus.BAD_REQUEST)
    return {
        "status": "error" if is_members_error else False,
        "errors": [documented_message(status, operation)] if errors is None else errors,
    }


def documented_message(status: int, operation: RequestedOperation = NO_OPERATION) -> str:
    """Return the message of `status`: that of `operation`, else the common one, else the standard phrase."""
    message = _OPERATION_MESSAGES.get((operation.name, status), _MESSAGES.get(status))
    if message is not None:
        return message.replace("{id}", operation.resource_id)
    if status == HTTPStatus.NOT_FOUND:
        return not_found_message(operation)
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Error {status}"


def not_found_message(operation: RequestedOperation) -> str:
    """Return the message of a 404, such as `Audience not found` (audiences: A; campaigns: D)."""
    documented = OPERATIONS_BY_NAME.get(operation.name)
    resource = "audience" if documented is None else documented.resource
    return f"{resource.capitalize()} not found"
