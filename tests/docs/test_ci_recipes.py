"""Checks the recipes of docs/ci.md: against the schema of each tool, and against the code.

tests/container runs them, as far as that is possible without GitHub and GitLab.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import mock_atoms
from mock_atoms.core.setting_sources import load_settings
from mock_atoms.core.settings import Settings, setting_infos, variable_name
from tests.helpers.snippets import ROOT, commands, read_snippets

GITHUB, GITLAB = ".github/workflows/tests.yml", ".gitlab-ci.yml"
COMPOSE, MAKE = "compose.yaml", "Makefile"
DEVCONTAINER, DEVCONTAINER_COMPOSE = ".devcontainer/devcontainer.json", ".devcontainer/compose.yaml"
SCHEMAS = {
    GITHUB: "vendor.github-workflows",
    GITLAB: "vendor.gitlab-ci",
    COMPOSE: "vendor.compose-spec",
    DEVCONTAINER_COMPOSE: "vendor.compose-spec",
}
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = [snippet for snippet in read_snippets() if snippet.page == "ci.md"]
RECIPES = {block.label: block.text for block in BLOCKS if block.language != "console"}
CALLERS_MAKE_VARIABLES = ("MAKEFLAGS", "MAKELEVEL", "IMAGE", "TESTS")
"""Variables that `make test` sets for these tests, and that must not reach the make that they start."""


def load_recipe(path: str) -> Any:  # noqa: ANN401 - YAML
    return yaml.safe_load(RECIPES[path])


def schema_errors(path: str, text: str, folder: Path) -> str:
    """Return the errors of check-jsonschema for `text` as the file `path`. Its schemas are built in: no network."""
    file = folder / Path(path).name
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[path], file],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (0, 1), done.stderr
    return "" if done.returncode == 0 else done.stdout + done.stderr


def mappings(node: object) -> Iterator[dict[str, object]]:
    """Yield every mapping of a parsed file, at any depth."""
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from mappings(child)


def variables(prefix: str) -> list[tuple[str, str]]:
    """Return name and value of every environment variable of the recipes whose name starts with `prefix`."""
    pairs = re.findall(rf"--env ({prefix}\w*)=(\S+)", RECIPES[MAKE])
    pairs += re.findall(rf"export ({prefix}\w*)=([^\s;]+)", RECIPES[MAKE])
    for path in SCHEMAS:
        for mapping in mappings(load_recipe(path)):
            pairs += [(name, str(value)) for name, value in mapping.items() if str(name).startswith(prefix)]
    return pairs


def test_page_shows_each_recipe_once_and_commands_for_two() -> None:
    files = [(block.language, block.label) for block in BLOCKS]
    assert sorted(files) == sorted(
        [
            *(("yaml", path) for path in SCHEMAS),
            ("make", MAKE),
            ("json", DEVCONTAINER),
            ("console", COMPOSE),
            ("console", MAKE),
        ]
    )


@pytest.mark.parametrize("path", SCHEMAS)
def test_recipe_fits_the_schema_of_its_tool(path: str, tmp_path: Path) -> None:
    assert schema_errors(path, RECIPES[path], tmp_path) == ""


@pytest.mark.parametrize(
    ("path", "text", "typo"),
    [
        (GITHUB, "runs-on:", "run-on:"),
        (GITHUB, "        options:", "        option:"),
        (GITLAB, "alias:", "aliases:"),
        (COMPOSE, "service_healthy", "healthy"),
        (DEVCONTAINER_COMPOSE, "depends_on:", "depend_on:"),
    ],
)
def test_typo_in_a_recipe_fails_the_schema(path: str, text: str, typo: str, tmp_path: Path) -> None:
    assert text in RECIPES[path]
    assert schema_errors(path, RECIPES[path].replace(text, typo), tmp_path)


@pytest.mark.parametrize("path", RECIPES)
def test_recipe_uses_the_default_port(path: str) -> None:
    assert set(re.findall(r"\b\d{4,}\b", RECIPES[path])) == {str(Settings().port)}


def test_base_urls_end_with_the_default_base_path() -> None:
    urls = [value for _, value in variables("ATOMS_BASE_URL")]
    assert len(urls) == len(RECIPES) - 1  # devcontainer.json has its compose file for that
    for url in urls:
        port = f":{Settings().port}" if "$$address" not in url else ""
        assert re.fullmatch(rf"http://[\w.$-]+{port}{Settings().base_path}", url), url


def test_settings_of_the_recipes_are_accepted() -> None:
    settings = variables("MOCK_ATOMS_")
    assert len(settings) >= len(RECIPES) - 1
    for variable, value in settings:
        assert load_settings({}, {variable: value}) != Settings(), f"{variable}={value}: changes nothing"


def test_page_names_only_variables_of_the_mock() -> None:
    names = set(re.findall(r"MOCK_ATOMS_\w+", PAGE))
    assert names
    assert names <= {variable_name(name) for name in setting_infos()}
    for variable, value in re.findall(r"`(MOCK_ATOMS_\w+)=([^`]+)`", PAGE):
        assert load_settings({}, {variable: value}) != Settings()


def test_image_has_the_current_version_and_a_placeholder_registry() -> None:
    images = re.findall(r"[\w.-]+(?:/[\w.-]+)*/mock-atoms:[\w.]+", PAGE)
    assert set(images) == {f"registry.example/mock-atoms:{mock_atoms.__version__}"}
    for path in {*RECIPES} - {DEVCONTAINER}:
        assert images[0] in RECIPES[path], path


def test_github_recipe_uses_the_health_check_of_the_image() -> None:
    (service,) = load_recipe(GITHUB)["jobs"]["tests"]["services"].values()
    flags = shlex.split(service["options"])
    health = re.search(
        r"^HEALTHCHECK .*\\\n +CMD (.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert health is not None
    assert flags[flags.index("--health-cmd") + 1].split() == json.loads(health[1])


def test_dev_container_refers_to_services_of_its_compose_file() -> None:
    container = json.loads(RECIPES[DEVCONTAINER])
    assert container.keys() == {"name", "dockerComposeFile", "service", "workspaceFolder", "forwardPorts"}
    # The path is relative to devcontainer.json.
    assert str(Path(DEVCONTAINER).parent / container["dockerComposeFile"]) == DEVCONTAINER_COMPOSE
    services = load_recipe(DEVCONTAINER_COMPOSE)["services"]
    (volume,) = services[container["service"]]["volumes"]
    assert volume.split(":") == ["..", container["workspaceFolder"]]
    assert [forwarded.partition(":")[0] in services for forwarded in container["forwardPorts"]] == [True]


def test_make_accepts_the_makefile(tool: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(RECIPES[MAKE], encoding="utf-8")
    (block,) = (block for block in BLOCKS if (block.language, block.label) == ("console", MAKE))
    (command,) = commands(block)
    program, *targets = command.line.split()
    environment = {name: value for name, value in os.environ.items() if name not in CALLERS_MAKE_VARIABLES}
    done = subprocess.run(
        [tool(program), "--dry-run", "--warn-undefined-variables", *targets],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("mock=$(docker create ")
