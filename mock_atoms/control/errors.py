"""Errors of the control API. All have one shape."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from uuid import UUID

from starlette.responses import JSONResponse, Response

from mock_atoms.core.masking import MAX_MESSAGE_LENGTH, quote_value, show_text
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.patterns import ORIGIN

INVALID_CODE = 10
"""WireMock's number of an invalid request. Its Java client expects a number in each error."""
MAX_LISTED_ERRORS = 100
"""Number of errors that one response lists."""
INVALID_ID_CODE = 15
"""WireMock's number of an id that is not a UUID."""


class RequestError(Exception):
    """A request to the control API that fails.

    Args:
        status: status code.
        title: what is wrong in a few words.
        detail: what is wrong with which value, and how to fix it. Keys in it are masked.
        pointer: JSON pointer to the field, or the name of the query parameter. A long one is cut.
        code: WireMock's number of the error.
        headers: headers of the response.
    """

    def __init__(  # noqa: PLR0913 - the parts of an error response
        self,
        status: int,
        title: str,
        detail: str,
        pointer: str = "",
        *,
        code: int = INVALID_CODE,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers
        detail = show_text(detail, MAX_MESSAGE_LENGTH)
        error = {"code": code, "title": title, "detail": detail, "source": {"pointer": show_text(pointer)}}
        self.body = {"errors": [error]}

    def response(self) -> Response:
        """Return the error as a response."""
        return JSONResponse(self.body, self.status, self.headers)


def unprocessable(error: ConfigError) -> RequestError:
    """Return the 422 for a body that cannot be used."""
    pointer = "" if error.pointer == "/" else error.pointer
    return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "cannot be used", error.problem, pointer)


def unprocessable_list(errors: Sequence[ConfigError]) -> RequestError:
    """Return the 422 for a body with several problems, each of which it lists."""
    listed = [unprocessable(error) for error in errors[:MAX_LISTED_ERRORS]]
    combined = listed[0]
    combined.body = {"errors": [item for error in listed for item in error.body["errors"]]}
    if len(errors) > MAX_LISTED_ERRORS:
        more = RequestError(combined.status, "cannot be used", f"and {len(errors) - MAX_LISTED_ERRORS} more problems")
        combined.body["errors"] += more.body["errors"]
    return combined


def invalid_parameter(name: str, problem: str) -> RequestError:
    """Return the 422 for a query parameter that cannot be used."""
    return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid query parameter", problem, name)


def parse_uuid(text: str) -> str:
    """Return the UUID `text` in lower case.

    Raises:
        RequestError: `text` is not a UUID.
    """
    try:
        return str(UUID(text))
    except ValueError:
        detail = f"{quote_value(text)} is not a UUID"
        raise RequestError(HTTPStatus.BAD_REQUEST, "invalid id", detail, "id", code=INVALID_ID_CODE) from None


def foreign_origin(origin: str, status: int = HTTPStatus.FORBIDDEN) -> RequestError:
    """Return the error for a page that may not call the control API."""
    if re.match(ORIGIN, origin) and "://" in origin:
        fix = f"allow it with --cors-origin {origin}"
    else:
        fix = "serve the page from an origin such as http://localhost:8000, and allow that with --cors-origin"
    detail = f"{origin or 'an empty Origin'} may not call the control API: {fix}"
    return RequestError(status, "the page is of another origin", detail, headers={"vary": "Origin"})
