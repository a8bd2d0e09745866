"""Compares the request definitions with the OpenAPI document: both say what requests may have."""

from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

from mock_atoms import MockServer
from mock_atoms.contract.operations import OPERATIONS, Operation
from mock_atoms.contract.requests import REQUESTS, SDK_OPERATIONS, SearchQuery, find_sdk_operation
from mock_atoms.contract.schemas import request_schema

PROSE = ("title", "description", "example", "default", "additionalProperties")


def without_prose(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(schema, list):
        return sorted(map(str, map(without_prose, schema)))
    if isinstance(schema, dict):
        return {
            name: {key: without_prose(each) for key, each in value.items()}
            if name == "properties"
            else without_prose(value)
            for name, value in schema.items()
            if name not in PROSE
        }
    return schema


@pytest.fixture(scope="module")
def document(session_server: MockServer) -> dict[str, Any]:
    paths: dict[str, Any] = httpx.get(f"{session_server.root_url}/openapi.json", timeout=60).json()["paths"]
    return paths


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_query_parameters_are_those_of_the_document(operation: Operation, document: dict[str, Any]) -> None:
    described = document[operation.path][operation.method.lower()]
    parameters = [each for each in described.get("parameters", ()) if each["in"] == "query"]
    query = REQUESTS[operation.name].query
    schema = TypeAdapter(query).json_schema()
    assert schema.get("required", []) == [each["name"] for each in parameters if each["required"]]
    named = {each["name"]: without_prose(each["schema"]) for each in parameters}
    assert ("*" in named) == (query is SearchQuery)
    named.pop("*", None)
    assert without_prose(schema.get("properties", {})) == named


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_bodies_are_those_of_the_document(operation: Operation, document: dict[str, Any]) -> None:
    described = document[operation.path][operation.method.lower()]
    definition = REQUESTS[operation.name]
    assert definition.has_body == ("requestBody" in described)
    if definition.has_body:
        ((content_type, content),) = described["requestBody"]["content"].items()
        assert content_type == definition.content_type
        assert without_prose(request_schema(definition.body())) == without_prose(content["schema"])
    else:
        assert definition.body() is None


def test_every_operation_has_a_definition() -> None:
    assert REQUESTS.keys() == {operation.name for operation in OPERATIONS}


def test_operations_of_the_sdk_are_undocumented(document: dict[str, Any]) -> None:
    for operation in SDK_OPERATIONS:
        method, path = operation.name.split(" ")
        assert method.lower() not in document.get(path, {})
        assert find_sdk_operation(method, path.replace("{id}", "a1")) is operation
        assert find_sdk_operation("GET", path) is None
