"""The documented operations, and which of them a request asks for."""

import re
from typing import NamedTuple


class Operation(NamedTuple):
    """What a request asks for.

    Attributes:
        name: the documented method and path, such as `GET /audience/{id}`; empty where there is no such operation.
        audience_id: what stands in the place of `{id}`.
    """

    name: str = ""
    audience_id: str = ""


NO_OPERATION = Operation()
CREATE_AUDIENCE = "POST /audience"
GET_AUDIENCE = "GET /audience/{id}"
DELETE_AUDIENCE = "DELETE /audience/{id}"
GET_MEMBERS = "GET /audience/{id}/members"
ADD_MEMBERS = "POST /audience/{id}/members"
DELETE_MEMBERS = "DELETE /audience/{id}/members"
SEARCH_MEMBERS = "GET /audience/{id}/members/search"
OPERATIONS = (
    "GET /audience",
    CREATE_AUDIENCE,
    GET_AUDIENCE,
    DELETE_AUDIENCE,
    GET_MEMBERS,
    ADD_MEMBERS,
    DELETE_MEMBERS,
    SEARCH_MEMBERS,
)
"""The documented operations, as `Operation.name` has them."""
_OPERATION_PATH = re.compile(r"/audience(?:/([^/]+)(/members(?:/search)?)?)?/?")


def find_operation(method: str, api_path: str) -> Operation:
    """Return the operation of a request to the path `api_path` the base path. HEAD asks for what GET does."""
    match = _OPERATION_PATH.fullmatch(api_path)
    if match is None:
        return NO_OPERATION
    audience_id, rest = match.groups(default="")
    name = f"{'GET' if method == 'HEAD' else method} /audience{'/{id}' if audience_id else ''}{rest}"
    return Operation(name, audience_id)


def documented_operation(method: str, api_path: str) -> str:
    """Return the name of the documented operation of a request, empty where there is none."""
    name = find_operation(method, api_path).name
    return next((documented for documented in OPERATIONS if documented == name), "")  # one text for all


DOCUMENTED_PATHS = ("/audience", "/audience/{id}", "/audience/{id}/members", "/audience/{id}/members/search")
"""Every path of the audience API, below the base path (S)."""
