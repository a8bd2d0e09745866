import pytest

from mock_atoms.contract.operations import (
    DOCUMENTED_PATHS,
    NO_OPERATION,
    OPERATIONS,
    Operation,
    RequestedOperation,
    find_operation,
)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_request_calls_the_operation_of_its_method_and_path(operation: Operation, slash: str) -> None:
    audience_id = "a1" if "{id}" in operation.path else ""
    path = operation.path.replace("{id}", "a1") + slash
    assert find_operation(operation.method, path) == RequestedOperation(operation.name, audience_id)


def test_head_calls_the_operation_of_get() -> None:
    assert find_operation("HEAD", "/audience") == RequestedOperation("GET /audience")


def test_an_undocumented_method_keeps_the_id() -> None:
    assert find_operation("PATCH", "/audience/a1") == RequestedOperation("", "a1")


@pytest.mark.parametrize("path", ["", "/", "/audiences", "/audience/a1/members/b2", "/audience/a1//members"])
def test_an_undocumented_path_calls_no_operation(path: str) -> None:
    assert find_operation("GET", path) == NO_OPERATION


def test_each_documented_path_is_listed_once() -> None:
    assert len(set(DOCUMENTED_PATHS)) == len(DOCUMENTED_PATHS)
    assert set(DOCUMENTED_PATHS) == {operation.path for operation in OPERATIONS}
