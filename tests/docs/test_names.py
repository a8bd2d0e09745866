"""Checks that the names in README and docs exist: flags, variables, files, control API paths, make targets, slugs."""

import re
from pathlib import Path

import httpx
import pytest

from mock_atoms.cli.main import parsers
from mock_atoms.core.settings import flag_name, setting_infos, variable_name
from mock_atoms.testing.server import MockServer
from tests.helpers.snippets import PAGES, ROOT

DOCUMENTS = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
PAGES_OF_OTHER_TOOLS = {"ci.md", "clients.md"}
"""Pages that are full of flags of curl, docker and others."""
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
CODE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "mock_atoms").rglob("*.py"))
OTHER_FLAGS = {
    *("--config", "--help", "--version"),  # of the command itself
    *("--mock-atoms-url", "--strict-markers"),  # pytest
    *("--build", "--detach", "--force", "--name", "--profile", "--publish", "--rm", "--volume", "--volumes"),  # docker
    "--wait",  # docker
    *("--appendfsync", "--appendonly", "--maxmemory", "--maxmemory-policy", "--requirepass", "--save"),  # Valkey
    *("--scan", "--pattern"),  # redis-cli
    *("--cacert", "--fail", "--retry", "--retry-all-errors", "--retry-delay"),  # curl
    *("--factory", "--quiet", "--root-path"),  # uvicorn, pip
}
OTHER_VARIABLES = {
    *("MOCK_ATOMS_CONFIG", "MOCK_ATOMS_URL"),
    *("MOCK_ATOMS_HSOT", "MOCK_ATOMS_SERVICE_HOST"),  # a misspelt one, and one of Kubernetes
}
EXAMPLE_ID = re.compile(r"/(?:[0-9a-f]{24}|rule-\w+)")


@pytest.mark.parametrize("page", [path for path in DOCUMENTS if path.name not in PAGES_OF_OTHER_TOOLS], ids=str)
def test_flags_exist(page: Path) -> None:
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", page.read_text(encoding="utf-8")))
    settings = {flag_name(name) for name in setting_infos()}
    options = {option for _, _, parser in parsers() for option in parser.long_options()}
    switches = {flag.replace("--", "--no-", 1) for flag in ("--admin", "--response-cache")}
    assert flags <= settings | options | switches | OTHER_FLAGS


def test_environment_variables_exist() -> None:
    variables = set(re.findall(r"MOCK_ATOMS_[A-Z_]*[A-Z]", TEXT))
    assert variables == {variable_name(name) for name in setting_infos()} | OTHER_VARIABLES


def test_files_exist() -> None:
    packages = "|".join(path.name for path in (ROOT / "mock_atoms").iterdir() if path.is_dir())
    files = re.findall(r"`((?:mock_atoms|tests|docs|benchmarks|\.ci|\.github)/[\w./-]*)`", TEXT)
    modules = re.findall(rf"`((?:{packages})/[\w/]*(?:\.py)?)`", TEXT)
    assert files
    assert modules
    for file in files:
        assert (ROOT / file).exists(), file
    for module in modules:
        assert (ROOT / "mock_atoms" / module).exists() or (ROOT / "tests" / module).exists(), module


def test_docs_name_every_path_of_the_control_api_and_no_other() -> None:
    with MockServer() as mock:
        document = httpx.get(f"{mock.root_url}/__admin/openapi.json", timeout=60).json()
    text = EXAMPLE_ID.sub("/{id}", TEXT)
    assert set(re.findall(r"/__admin/[a-z/{}.-]*[a-z}]", text)) - {"/__admin/openapi.json"} == set(document["paths"])


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"`make ([a-z-]+)`|^\$? ?make ([a-z-]+)", TEXT, re.MULTILINE)
    assert targets
    for target in (first or second for first, second in targets):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_reasons_and_headers_exist() -> None:
    headers = set(re.findall(r"X-Mock-Atoms-[A-Z][a-z]+", TEXT))
    assert headers == {"X-Mock-Atoms-Fault", "X-Mock-Atoms-Reason", "X-Mock-Atoms-Dropped"}
    for header in headers:
        assert header.lower() in CODE.lower(), header
    for reason in re.findall(r"X-Mock-Atoms-Reason: ([a-z-]+)", TEXT):
        assert f'"{reason}"' in CODE, reason
