"""The import rule of `docs/architecture.md`: a package imports only from packages listed before it."""

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
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ORDER = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", PAGE, re.MULTILINE)
"""Packages and top-level modules in the order of the table."""
WITHOUT_FRAMEWORK = ORDER[: ORDER.index("mock")]
FRAMEWORKS = {"fastapi", "starlette", "uvicorn"}
MAX_LINES = 400


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


def imported_packages(source: str) -> set[str]:
    parts = (name.split(".") for name in imports(source))
    return {part[1] for part in parts if part[0] == "mock_atoms"}


def test_the_table_lists_every_package() -> None:
    assert {package_of(path) for path in MODULES} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


def test_the_diagram_shows_every_package_and_only_real_imports() -> None:
    diagram = PAGE.partition("```mermaid\n")[2].partition("```")[0]
    arrows = [
        (source, target)
        for source, targets in re.findall(r"^ +(\w+) --> ([\w &]+)$", diagram, re.MULTILINE)
        for target in targets.split(" & ")
    ]
    real = {
        (package_of(path), package)
        for path in MODULES
        for package in imported_packages(path.read_text(encoding="utf-8"))
    }
    assert len(arrows) == diagram.count("-->") + diagram.count(" & ")
    assert {package for arrow in arrows for package in arrow} == set(ORDER)
    assert set(arrows) <= real


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_packages_listed_before(path: Path) -> None:
    own = package_of(path)
    assert imported_packages(path.read_text(encoding="utf-8")) <= {*ORDER[: ORDER.index(own)], own}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_packages_listed_before_the_mock_import_no_web_framework(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path.read_text(encoding="utf-8"))}
    assert package_of(path) not in WITHOUT_FRAMEWORK or not roots & FRAMEWORKS


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_has_global_state(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Global)]
    assert "BaseHTTPMiddleware" not in source


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_short_enough_to_hold_one_noun(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_an_upward_import_is_found() -> None:
    source = "def f():\n    from mock_atoms.cli import main\n    import mock_atoms.app\n"
    assert imported_packages(source) == {"cli", "app"}
