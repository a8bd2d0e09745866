"""Each module imports only from those above it, and the upper half knows no web framework."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mock_atoms

PACKAGE = Path(mock_atoms.__file__).parent
UPPER = [
    "client",
    "tokens",
    "validation",
    "settings",
    "tls",
    "contract",
    "errors",
    "tenancy",
    "exchange",
    "holdings",
    "vocabulary",
    "phone_numbers",
    "generator",
    "people",
    "personas",
    "fixture_files",
    "fixtures",
    "rules",
    "rulebook",
    "expressions",
    "faults",
    "recent",
    "store",
    "catalogue",
    "csv_file",
    "credentials",
    "journal",
    "logs",
    "metrics",
    "json_matching",
    "operators",
    "patterns",
    "wiremock",
    "retries",
    "retry_report",
    "telemetry",
    "state",
    "rendering",
    "shortcuts",
]
LOWER = [
    "vendor",
    "uploads",
    "audiences",
    "members",
    "holding",
    "mock",
    "connections",
    "observing",
    "middleware",
    "replay",
    "control",
    "verification",
    "admin",
    "openapi",
    "app",
    "protocol",
    "server",
    "mock_server",
    "cli",
    "container",
    "pytest_plugin",
]
LAYERS = UPPER + LOWER
FRAMEWORKS = {"fastapi", "starlette", "uvicorn"}


def imports(source: str) -> Iterator[str]:
    """Yield the dotted names of all that `source` imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layers_used(source: str) -> set[str]:
    parts = (name.split(".") for name in imports(source))
    return {part[1] for part in parts if part[0] == "mock_atoms" and part[1] in LAYERS}


def test_every_module_has_a_layer() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {*LAYERS, "__init__", "__main__"}


@pytest.mark.parametrize("name", LAYERS)
def test_a_module_imports_only_from_above(name: str) -> None:
    above = set(LAYERS[: LAYERS.index(name)])
    assert layers_used((PACKAGE / f"{name}.py").read_text()) <= above


@pytest.mark.parametrize("name", UPPER)
def test_the_upper_half_knows_no_framework(name: str) -> None:
    roots = {imported.split(".")[0] for imported in imports((PACKAGE / f"{name}.py").read_text())}
    assert not roots & FRAMEWORKS


@pytest.mark.parametrize("name", LAYERS)
def test_no_module_has_state_of_its_own(name: str) -> None:
    source = (PACKAGE / f"{name}.py").read_text()
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Global)]
    assert "BaseHTTPMiddleware" not in source


def test_an_upward_import_would_be_seen() -> None:
    source = "def f():\n    from mock_atoms.cli import main\n    import mock_atoms.app\n"
    assert layers_used(source) == {"cli", "app"}
