"""The import rule of `docs/architecture.md`: a package imports only from packages below it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mock_atoms
from tests.helpers.snippets import ROOT

PACKAGE = Path(mock_atoms.__file__).parent
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem not in ("__init__", "__main__")
)
ORDER = re.findall(
    r"^\| `(\w+)(?:/|\.py)` \|", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE
)
"""Packages and top-level modules in the order of the table, those that import nothing of ours first."""
WITHOUT_FRAMEWORK = ORDER[: ORDER.index("mock")]
FRAMEWORKS = {"fastapi", "starlette", "uvicorn"}


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(source: str) -> Iterator[str]:
    """Yield the dotted names of all imports of `source`, lazy ones included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the package"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages_used(source: str) -> set[str]:
    parts = (name.split(".") for name in imports(source))
    return {part[1] for part in parts if part[0] == "mock_atoms"}


def test_the_table_lists_every_package() -> None:
    assert {package_of(path) for path in MODULES} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_lower_packages(path: Path) -> None:
    own = package_of(path)
    assert packages_used(path.read_text(encoding="utf-8")) <= {*ORDER[: ORDER.index(own)], own}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_lower_packages_import_no_web_framework(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path.read_text(encoding="utf-8"))}
    assert package_of(path) not in WITHOUT_FRAMEWORK or not roots & FRAMEWORKS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_has_global_state(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Global)]
    assert "BaseHTTPMiddleware" not in source


def test_an_upward_import_is_found() -> None:
    source = "def f():\n    from mock_atoms.cli import main\n    import mock_atoms.app\n"
    assert packages_used(source) == {"cli", "app"}
