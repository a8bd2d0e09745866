"""Operations that are similar to a request."""

import pytest

from mock_atoms.contract.similar_operations import operation_at_end, similar_operation


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/audiences", "GET /audience"),
        ("HEAD", "/Audience/", "GET /audience"),
        ("POST", "/audience", "POST /audience"),
        ("PATCH", "/audience", None),
        ("GET", "/audiences/7/member", "GET /audience/{id}/members"),
        ("GET", "/v1/audience", None),
        ("GET", "/webhook", None),
        ("GET", "/agent/7", None),
        ("GET", "/", None),
    ],
)
def test_an_operation_has_the_method_and_a_similar_path(method: str, path: str, name: str | None) -> None:
    operation = similar_operation(method, path)
    assert (operation and operation.name) == name


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/audience", "GET /audience"),
        ("/v1/audience", "GET /audience"),
        ("/api/atoms/v1/audience/7/members/search", "GET /audience/{id}/members/search"),
        ("/v1/webhook", None),
        ("/audience/7/webhook", None),
        ("/", None),
        ("", None),
    ],
)
def test_the_end_of_a_path_is_similar_to_an_operation(path: str, name: str | None) -> None:
    operation = operation_at_end("GET", path)
    assert (operation and operation.name) == name
