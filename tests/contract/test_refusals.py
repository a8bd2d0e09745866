"""What a route refuses because of its documented type is a violation; what the document allows is none."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.contract.operations import OPERATIONS, Operation
from tests.helpers.audiences import ACME

TEXTS = ("0", "-1", "1.0", " 1", "1_0", "1e1", "two", "", "TRUE", "9" * 1_001)
VALUES: tuple[object, ...] = (
    None,
    "",
    "x",
    "2026-06-01",
    "tomorrow",
    "3",
    0,
    -1,
    1.5,
    10**6,
    True,
    [],
    [1],
    ["x"],
    [{}],
    {},
    {"a": 1},
)
LONG = "x" * 5_000
CSV = {"file": ("a.csv", "phone\n+14155550188")}
FORM = {"name": "Mine", "phoneNumberColumnName": "phone"}
AGENT = "1" * 24


class Api:
    """Requests to one operation of a server that refuses violations, with ids that exist.

    Args:
        http: client of the server.
        operation: the operation.
        document: the OpenAPI document.
    """

    def __init__(self, http: httpx.Client, operation: Operation, document: dict[str, Any]) -> None:
        self._http = http
        self._method = operation.method
        self._schemas = document["components"]["schemas"]
        described = document["paths"][operation.path][operation.method.lower()]
        self.parameters = {
            each["name"]: each["schema"]
            for each in described.get("parameters", ())
            if each["in"] == "query" and each["name"] != "*"
        }
        contents = described.get("requestBody", {}).get("content", {})
        self.is_form = "multipart/form-data" in contents
        self.body = self.resolve(next(iter(contents.values()))["schema"]) if contents else {"properties": {}}
        audience = self._create("/audience", data=FORM, files=CSV)["_id"]
        campaign: dict[str, Any] = {"name": "Mine", "audienceId": audience, "agentId": AGENT}
        ids = {
            "audience": audience,
            "campaign": self._create("/campaign", json=campaign)["_id"],
            "agent": AGENT,
        }
        self._path = operation.path.replace("{id}", ids.get(operation.resource, ""))
        bodies: dict[str, dict[str, Any]] = {
            "POST /agent": {"name": "Mine"},
            "POST /campaign": campaign,
            "POST /audience": FORM | CSV,
            "POST /audience/{id}/members": {"members": [{"phone": "+14155550189"}]},
            "DELETE /audience/{id}/members": {"memberIds": [AGENT]},
        }
        self.fields = bodies.get(operation.name, {})

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return a schema, or the one that it refers to."""
        resolved: dict[str, Any] = self._schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return resolved

    def _create(self, path: str, **options: Any) -> dict[str, str]:  # noqa: ANN401 - of httpx
        response = self._http.post(path, **options)
        created: dict[str, str] = response.raise_for_status().json()["data"]
        return created

    def send(self, query: Any = None, fields: dict[str, Any] | None = None) -> tuple[int, list[str]]:  # noqa: ANN401 - of httpx
        """Send a request, and return its status and the places of its violations."""
        fields = self.fields if fields is None else fields
        options: dict[str, Any] = {"json": fields} if self.body["properties"] else {}
        if self.is_form:
            texts = {name: value for name, value in fields.items() if name != "file"}
            options = {"data": texts, "files": {"file": fields["file"]} if "file" in fields else {"x": ("a", "b")}}
        response = self._http.request(self._method, self._path, params=query, **options)
        if response.headers.get("x-mock-atoms-reason") != "contract-violation":
            return response.status_code, []
        return response.status_code, [re.split(": | is ", message)[1] for message in response.json()["errors"]]


def allows(schema: dict[str, Any], value: object) -> bool:
    """Return whether the type of a field allows a value. Further rules of a route may not."""
    if schema.get("type") == "array":
        return isinstance(value, list) and all(allows(schema["items"], each) for each in value)
    if schema.get("type") == "object":
        return isinstance(value, dict)
    return schema.get("type") == "string" and isinstance(value, str) and not schema.keys() & {"enum", "format"}


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(strict=True) as strict:
        yield strict


@pytest.fixture(scope="module")
def document(server: MockServer) -> dict[str, Any]:
    document: dict[str, Any] = httpx.get(f"{server.root_url}/openapi.json", timeout=60).json()
    return document


@pytest.fixture(params=OPERATIONS, ids=lambda operation: operation.name)
def api(request: pytest.FixtureRequest, server: MockServer, document: dict[str, Any]) -> Iterator[Api]:
    server.reset()
    with httpx.Client(base_url=server.url, headers=ACME) as http:
        yield Api(http, request.param, document)


def test_a_documented_request_has_no_violations(api: Api) -> None:
    assert api.send()[1] == []
    for name, schema in api.parameters.items():
        for value in schema.get("enum", [schema.get("default", schema.get("example", "ada"))]):
            assert api.send({name: str(value).lower() if isinstance(value, bool) else value})[1] == []


def test_a_refused_parameter_is_a_violation(api: Api) -> None:
    for name, schema in api.parameters.items():
        for query in [*({name: text} for text in TEXTS), [(name, "1"), (name, "2")]]:
            status, places = api.send(query)
            assert status != 400 or name in places or allows(schema, ""), query


def test_a_refused_field_is_a_violation(api: Api) -> None:
    for name, schema in {} if api.is_form else api.body["properties"].items():
        for value in (*VALUES, LONG):
            if not allows(schema, value) or "maxLength" in schema:
                status, places = api.send(fields={**api.fields, name: value})
                is_violation = any(f"{place}/".startswith(f"/{name}/") for place in places)
                assert status != 400 or is_violation or allows(schema, value), (name, value)


def test_a_missing_field_is_a_violation(api: Api) -> None:
    for name in api.body.get("required", ()):
        fields = {key: value for key, value in api.fields.items() if key != name}
        status, places = api.send(fields=fields)
        assert (status, f"/{name}" in places) == (400, True)
