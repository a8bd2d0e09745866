"""The documented operations of the API that the mock serves.

To add one, list it in `OPERATIONS`. Its shapes belong in a module beside this one, its errors in `errors.py`, its
route in `api/`.
"""

from http import HTTPStatus
from typing import NamedTuple

from mock_atoms.core.http_text import PathTemplate


class Operation(NamedTuple):
    """One documented operation.

    Attributes:
        name: method and path template below the base path, such as `GET /audience/{id}` (S, D).
        operation_id: its id in the OpenAPI document (S; of all but `GET /audience`: A, in the same pattern).
        group: the vendor's group of operations, such as `audience` or `campaigns`.
        resource: what `{id}` in the path names, such as `audience`.
        success_status: HTTP status of a success (D).
    """

    name: str
    operation_id: str
    group: str = "audience"
    resource: str = "audience"
    success_status: int = HTTPStatus.OK

    @property
    def method(self) -> str:
        """HTTP method, such as `GET`."""
        return self.name.partition(" ")[0]

    @property
    def path(self) -> str:
        """Path template below the base path, such as `/audience/{id}`."""
        return self.name.partition(" ")[2]


LIST_AUDIENCES = Operation("GET /audience", "get-all-audiences")
CREATE_AUDIENCE = Operation("POST /audience", "create-audience-with-csv-upload")
GET_AUDIENCE = Operation("GET /audience/{id}", "get-audience-by-id")
DELETE_AUDIENCE = Operation("DELETE /audience/{id}", "delete-audience")
GET_MEMBERS = Operation("GET /audience/{id}/members", "get-audience-members")
ADD_MEMBERS = Operation("POST /audience/{id}/members", "add-audience-members")
DELETE_MEMBERS = Operation("DELETE /audience/{id}/members", "delete-audience-members")
SEARCH_MEMBERS = Operation("GET /audience/{id}/members/search", "search-audience-members")

GET_ACCOUNT_DETAILS = Operation("GET /account/get-account-details", "get-account-details", "account", "account")
GET_USER = Operation("GET /user", "get-user-details", "user", "user")
LIST_PHONE_NUMBERS = Operation("GET /product/phone-numbers", "get-acquired-phone-numbers", "phone_numbers", "product")
CREATE_AGENT = Operation("POST /agent", "create-agent", "agents", "agent", HTTPStatus.CREATED)
ARCHIVE_AGENT = Operation("DELETE /agent/{id}/archive", "archive-agent", "agents", "agent")
LIST_CAMPAIGNS = Operation("GET /campaign", "retrieve-all-campaigns", "campaigns", "campaign")
CREATE_CAMPAIGN = Operation("POST /campaign", "create-a-campaign", "campaigns", "campaign", HTTPStatus.CREATED)
GET_CAMPAIGN = Operation("GET /campaign/{id}", "get-a-campaign", "campaigns", "campaign")
DELETE_CAMPAIGN = Operation("DELETE /campaign/{id}", "delete-a-campaign", "campaigns", "campaign")
START_CAMPAIGN = Operation(
    "POST /campaign/{id}/start", "start-or-resume-a-campaign", "campaigns", "campaign", HTTPStatus.ACCEPTED
)
PAUSE_CAMPAIGN = Operation("POST /campaign/{id}/pause", "pause-a-campaign", "campaigns", "campaign")
EXPORT_RESULTS = Operation(
    "GET /campaign/{id}/export/by-audience-member",
    "export-campaign-results-by-audience-member",
    "campaigns",
    "campaign",
)
EXPORT_LOGS = Operation("GET /campaign/{id}/logs/export", "export-campaign-logs", "campaigns", "campaign")

OPERATIONS = (
    LIST_AUDIENCES,
    CREATE_AUDIENCE,
    GET_AUDIENCE,
    DELETE_AUDIENCE,
    GET_MEMBERS,
    ADD_MEMBERS,
    DELETE_MEMBERS,
    SEARCH_MEMBERS,
    GET_ACCOUNT_DETAILS,
    GET_USER,
    LIST_PHONE_NUMBERS,
    CREATE_AGENT,
    ARCHIVE_AGENT,
    LIST_CAMPAIGNS,
    CREATE_CAMPAIGN,
    GET_CAMPAIGN,
    DELETE_CAMPAIGN,
    START_CAMPAIGN,
    PAUSE_CAMPAIGN,
    EXPORT_RESULTS,
    EXPORT_LOGS,
)
"""All documented operations."""
DOCUMENTED_PATHS = tuple(dict.fromkeys(operation.path for operation in OPERATIONS))
"""The path template of each documented path, below the base path."""
_TEMPLATES: dict[str, list[tuple[str, PathTemplate]]] = {}
"""The templates of the paths with parameters, by their first segment, such as `/audience/`."""
for _path in DOCUMENTED_PATHS:
    if "{" in _path:
        _TEMPLATES.setdefault(_path[: _path.find("/", 1) + 1], []).append(
            (_path, PathTemplate(_path, trailing_slash=True))
        )
OPERATIONS_BY_NAME = {operation.name: operation for operation in OPERATIONS}
_NAMES = {(operation.method, operation.path): operation.name for operation in OPERATIONS}


class RequestedOperation(NamedTuple):
    """The operation that a request calls.

    Attributes:
        name: see `Operation.name`; empty if the request calls no documented operation.
        resource_id: value of `{id}` in the path; empty if the path has none.
    """

    name: str = ""
    resource_id: str = ""


NO_OPERATION = RequestedOperation()
_LITERALS = {
    (operation.method, path): RequestedOperation(operation.name)
    for operation in OPERATIONS
    if "{" not in operation.path
    for path in (operation.path, f"{operation.path}/")
}
"""The operations whose path has no parameters, by method and path, also with a trailing slash."""


def find_operation(method: str, api_path: str) -> RequestedOperation:
    """Return the documented operation that a request calls. HEAD counts as GET."""
    routed_method = "GET" if method == "HEAD" else method
    literal = _LITERALS.get((routed_method, api_path))
    if literal is not None:
        return literal
    for path, template in _TEMPLATES.get(api_path[: api_path.find("/", 1) + 1], ()):
        values = template.match(api_path)
        if values is not None:
            return RequestedOperation(_NAMES.get((routed_method, path), ""), *values)
    return NO_OPERATION
