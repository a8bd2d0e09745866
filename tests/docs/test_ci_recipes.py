"""The recipes of docs/ci.md: each fits its tool's schema, and says what is true of the mock.

tests/container runs them, as far as they can be run without GitHub and GitLab.
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
from mock_atoms.core.settings import Settings, load_settings, setting_infos, variable_name
from tests.helpers.snippets import ROOT, commands, snippets

GITHUB, GITLAB = ".github/workflows/tests.yml", ".gitlab-ci.yml"
COMPOSE, MAKE = "compose.yaml", "Makefile"
DEVCONTAINER, DEVCONTAINER_COMPOSE = ".devcontainer/devcontainer.json", ".devcontainer/compose.yaml"
SCHEMAS = {
    GITHUB: "vendor.github-workflows",
    GITLAB: "vendor.gitlab-ci",
    COMPOSE: "vendor.compose-spec",
    DEVCONTAINER_COMPOSE: "vendor.compose-spec",
}
DOCUMENT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = [snippet for snippet in snippets() if snippet.document == "ci.md"]
RECIPES = {block.word: block.text for block in BLOCKS if block.language != "console"}


def parsed(path: str) -> Any:  # noqa: ANN401 - what a YAML file holds
    return yaml.safe_load(RECIPES[path])


def complaints(path: str, text: str, folder: Path) -> str:
    """Return what check-jsonschema has against `text` as the file `path`. It brings the schemas: nothing is fetched."""
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
    """Yield every mapping in a parsed file."""
    if isinstance(node, dict):
        yield node
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from mappings(child)


def given(prefix: str) -> list[tuple[str, str]]:
    """Return all variables whose name begins with `prefix` that a recipe sets, and to what."""
    found = re.findall(rf"--env ({prefix}\w*)=(\S+)", RECIPES[MAKE])
    found += re.findall(rf"export ({prefix}\w*)=([^\s;]+)", RECIPES[MAKE])
    for path in SCHEMAS:
        for mapping in mappings(parsed(path)):
            found += [(name, str(value)) for name, value in mapping.items() if str(name).startswith(prefix)]
    return found


def test_every_file_is_there_once_and_every_command_belongs_to_one() -> None:
    files = [(block.language, block.word) for block in BLOCKS]
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
def test_a_recipe_fits_the_schema_of_its_tool(path: str, tmp_path: Path) -> None:
    assert complaints(path, RECIPES[path], tmp_path) == ""


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        (GITHUB, "runs-on:", "run-on:"),
        (GITHUB, "        options:", "        option:"),
        (GITLAB, "alias:", "aliases:"),
        (COMPOSE, "service_healthy", "healthy"),
        (DEVCONTAINER_COMPOSE, "depends_on:", "depend_on:"),
    ],
)
def test_a_slip_in_a_recipe_is_seen(path: str, right: str, wrong: str, tmp_path: Path) -> None:
    assert right in RECIPES[path]
    assert complaints(path, RECIPES[path].replace(right, wrong), tmp_path)


@pytest.mark.parametrize("path", RECIPES)
def test_the_port_of_a_recipe_is_the_default_one(path: str) -> None:
    assert set(re.findall(r"\b\d{4,}\b", RECIPES[path])) == {str(Settings().port)}


def test_the_base_url_of_a_recipe_ends_in_the_default_path() -> None:
    urls = [value for _, value in given("ATOMS_BASE_URL")]
    assert len(urls) == len(RECIPES) - 1  # devcontainer.json leaves it to its compose file
    for url in urls:
        end = f":{Settings().port}" if "$$address" not in url else ""
        assert re.fullmatch(rf"http://[\w.$-]+{end}{Settings().base_path}", url), url


def test_the_settings_that_recipes_give_are_accepted() -> None:
    settings = given("MOCK_ATOMS_")
    assert len(settings) >= len(RECIPES) - 1
    for variable, value in settings:
        assert load_settings({}, {variable: value}) != Settings(), f"{variable}={value}: changes nothing"


def test_every_variable_that_is_named_is_one_of_the_mock() -> None:
    known = {variable_name(name) for name in setting_infos()}
    named = set(re.findall(r"MOCK_ATOMS_\w+", DOCUMENT))
    assert named
    assert named <= known
    for variable, value in re.findall(r"`(MOCK_ATOMS_\w+)=([^`]+)`", DOCUMENT):
        assert load_settings({}, {variable: value}) != Settings()


def test_the_image_is_this_release_under_a_name_that_is_nobodys() -> None:
    images = re.findall(r"[\w.-]+(?:/[\w.-]+)*/mock-atoms:[\w.]+", DOCUMENT)
    assert set(images) == {f"registry.example/mock-atoms:{mock_atoms.__version__}"}
    for path in {*RECIPES} - {DEVCONTAINER}:
        assert images[0] in RECIPES[path], path


def test_github_checks_the_health_as_the_image_does() -> None:
    (service,) = parsed(GITHUB)["jobs"]["tests"]["services"].values()
    flags = shlex.split(service["options"])
    health = re.search(
        r"^HEALTHCHECK .*\\\n +CMD (.*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert health is not None
    assert flags[flags.index("--health-cmd") + 1].split() == json.loads(health[1])


def test_the_dev_container_works_in_a_service_that_there_is() -> None:
    container = json.loads(RECIPES[DEVCONTAINER])
    assert container.keys() == {"name", "dockerComposeFile", "service", "workspaceFolder", "forwardPorts"}
    # The path is relative to devcontainer.json.
    assert str(Path(DEVCONTAINER).parent / container["dockerComposeFile"]) == DEVCONTAINER_COMPOSE
    services = parsed(DEVCONTAINER_COMPOSE)["services"]
    (volume,) = services[container["service"]]["volumes"]
    assert volume.split(":") == ["..", container["workspaceFolder"]]
    assert [forwarded.partition(":")[0] in services for forwarded in container["forwardPorts"]] == [True]


def test_make_understands_the_makefile(tool: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(RECIPES[MAKE], encoding="utf-8")
    (shown,) = (block for block in BLOCKS if (block.language, block.word) == ("console", MAKE))
    (command,) = commands(shown)
    program, *targets = command.line.split()
    # When make runs these tests, its flags and variables are not for the make that is run here.
    of_make = ("MAKEFLAGS", "MAKELEVEL", "IMAGE", "TESTS")
    environment = {name: value for name, value in os.environ.items() if name not in of_make}
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
