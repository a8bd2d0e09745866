"""The pages for contributors name files, make targets and functions that exist."""

import re
from pathlib import Path

import pytest

from tests.helpers.snippets import ROOT

PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "docs" / "architecture.md"]
PACKAGE = ROOT / "mock_atoms"
NAMED_IN = re.compile(r"`(\w+)`(?: with a `\w+`)?(?: to `\w+`)? (?:of|in)\s+`(mock_atoms/[\w/]+\.py)`")


def inline_code(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_folder_exists(page: Path) -> None:
    paths = [text for text in inline_code(page) if re.fullmatch(r"[\w./-]+(\.(py|md|toml|txt|yml|css|js)|/)", text)]
    missing = [
        text for text in paths if not text.startswith("/") and not any(_exists(base, text) for base in (ROOT, PACKAGE))
    ]
    assert not missing


def _exists(base: Path, text: str) -> bool:
    path = base / text
    return path.is_dir() if text.endswith("/") else path.is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_in_a_file_is_defined_there(page: Path) -> None:
    found = NAMED_IN.findall(page.read_text(encoding="utf-8"))
    missing = [(name, path) for name, path in found if not re.search(rf"\b{name}\b", (ROOT / path).read_text("utf-8"))]
    assert not missing


def test_the_steps_of_ci_are_listed_in_order() -> None:
    found = re.search(r"^steps=\(tools (.*)\)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == found[1].split()
