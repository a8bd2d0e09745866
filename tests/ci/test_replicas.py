"""The functional tests with two replicas in place of each server."""

import ast
from collections.abc import Iterator

import pytest

from tests.helpers.snippets import ROOT

EXCEPTIONS = {
    "api": 1,
    "control": 37,
    "journal": 4,
    "middleware": 3,
    "testing": 20,
}
"""Number of test functions in each folder that do not run with replicas."""


def functions_alone(source: str) -> Iterator[str]:
    """Yield the reason of each test function that is marked, by itself or by its module."""
    module = ast.parse(source)
    of_all = [reason for node in module.body if isinstance(node, ast.Assign) for reason in reasons(node.value)]
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield from of_all or [reason for decorator in node.decorator_list for reason in reasons(decorator)]


def reasons(node: ast.expr) -> list[str]:
    """Return the reason if `node` is the mark."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.alone":
        return [ast.literal_eval(argument) for argument in node.args] or [""]
    return []


def test_few_functional_tests_do_not_run_with_replicas_and_each_has_a_reason() -> None:
    counts: dict[str, int] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for reason in functions_alone(path.read_text(encoding="utf-8")):
            assert len(reason) > 20, path
            folder = path.relative_to(ROOT / "tests").parts[0]
            counts[folder] = counts.get(folder, 0) + 1
    assert counts == EXCEPTIONS


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@pytest.mark.alone('why')\n@other\ndef test_a(): ...\ndef test_b(): ...", ["why"]),
        ("pytestmark = pytest.mark.alone('why')\ndef test_a(): ...\ndef test_b(): ...", ["why", "why"]),
        ("@pytest.mark.alone()\ndef test_a(): ...", [""]),
        ("@pytest.mark.slow\ndef test_a(): ...", []),
    ],
)
def test_exceptions_are_counted(source: str, found: list[str]) -> None:
    assert list(functions_alone(source)) == found
