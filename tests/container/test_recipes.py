"""The recipes of docs/ci.md with a small app under test. GitHub and GitLab: what their runners do."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from mock_atoms import MockServer
from tests.container.engine import IMAGE, ROOT, docker, new_network, wait_until_healthy
from tests.helpers.audiences import list_audiences
from tests.helpers.snippets import commands, read_snippets

BLOCKS = [snippet for snippet in read_snippets() if snippet.page == "ci.md"]
RECIPES = {block.label: block.text for block in BLOCKS if block.language != "console"}
COMMANDS = {
    block.label: [command.line for command in commands(block)] for block in BLOCKS if block.language == "console"
}
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SEED = "my-team"
PASSES, FAILS = "sk_ci", "sk_mock_500x1.ci"
REPORT = r"1 call, 1 attempts?: 1 gave up.*\n\n(?s:.*)500  fault=key"
# The test of an app that lists audiences. It passes if the mock has the seed of the recipes.
APP = """
import json
import os
import unittest
from urllib.request import Request, urlopen


class AppTest(unittest.TestCase):
    def test_it_lists_audiences(self):
        url = os.environ["ATOMS_BASE_URL"] + "/audience"
        with urlopen(Request(url, headers={{"Authorization": "Bearer {token}"}}), timeout=20) as response:
            self.assertEqual([audience["name"] for audience in json.load(response)["data"]], {names})
"""


@pytest.fixture(scope="module", autouse=True)
def _published() -> Iterator[None]:
    """Tag the image with the name in the recipes."""
    name = yaml.safe_load(RECIPES["compose.yaml"])["services"]["mock-atoms"]["image"]
    docker("tag", IMAGE, name)
    yield
    docker("rmi", name)


@pytest.fixture(scope="module")
def names() -> list[str]:
    with MockServer(seed=SEED) as mock:
        return [audience["name"] for audience in list_audiences(mock.url, PASSES).json()["data"]]


class Checkout:
    """A folder with all recipes and the app under test."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        self.names = names
        for path, text in RECIPES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        (folder / "tests").mkdir()

    def write_test(self, token: str) -> None:
        test = APP.format(token=token, names=self.names)
        (self.folder / "tests" / "test_app.py").write_text(test, encoding="utf-8")

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in this folder, with stderr in its output."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )


def clean_environment() -> dict[str, str]:
    """Return the environment with a `python`, and without the variables of a make that runs these tests."""
    make_variables = ("MAKEFLAGS", "MAKELEVEL", "IMAGE", "TESTS")
    variables = {name: value for name, value in os.environ.items() if name not in make_variables}
    return variables | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def containers(*filters: str) -> set[str]:
    return set(docker("ps", "--all", "--quiet", *(f"--filter={value}" for value in filters)).split())


@pytest.fixture
def checkout(tmp_path: Path, names: list[str]) -> Checkout:
    return Checkout(tmp_path, names)


def test_compose_runs_the_tests_and_returns_their_exit_code(checkout: Checkout) -> None:
    up, down = COMMANDS["compose.yaml"]
    project = f"recipe-{uuid4().hex[:8]}"
    try:
        for token, code in ((PASSES, 0), (FAILS, 1)):
            checkout.write_test(token)
            done = checkout.run("bash", "-c", up, COMPOSE_PROJECT_NAME=project)
            assert done.returncode == code, done.stdout
        # The other command of the page, with the failing test.
        done = checkout.run("docker", "compose", "run", "--rm", "tests", COMPOSE_PROJECT_NAME=project)
        assert done.returncode == 1, done.stdout
        left = docker("ps", "--filter", f"label=com.docker.compose.project={project}", "--format", "{{.Names}}")
        assert left == f"{project}-mock-atoms-1"
    finally:
        assert checkout.run("bash", "-c", down, COMPOSE_PROJECT_NAME=project).returncode == 0
    assert containers(f"label=com.docker.compose.project={project}") == set()


def test_make_runs_the_tests_prints_retries_and_removes_the_container(checkout: Checkout) -> None:
    (command,) = COMMANDS["Makefile"]
    before = containers()
    checkout.write_test(PASSES)
    done = checkout.run("bash", "-c", command)
    assert done.returncode == 0, done.stdout
    checkout.write_test(FAILS)
    done = checkout.run("bash", "-c", command)
    assert done.returncode == 2
    assert re.search(REPORT, done.stdout), done.stdout
    assert re.search(r"make.*\[Makefile:\d+: test\] Error 1", done.stdout), done.stdout
    assert containers() == before


def test_make_prints_why_the_mock_does_not_start(checkout: Checkout) -> None:
    before = containers()
    done = checkout.run("make", "test", f"IMAGE=--env MOCK_ATOMS_FAULT=5oo {IMAGE}")
    assert done.returncode == 2
    assert "`5oo` is not a fault" in done.stdout
    assert containers() == before


def test_make_removes_the_container_when_the_job_is_cancelled(checkout: Checkout) -> None:
    before = containers()
    command = ["make", "test", "TESTS=touch started; sleep 60"]
    with subprocess.Popen(command, cwd=checkout.folder, env=clean_environment(), start_new_session=True) as running:
        for _ in range(300):
            if (checkout.folder / "started").exists():
                break
            time.sleep(0.1)
        assert len(containers() - before) == 1
        os.killpg(running.pid, signal.SIGTERM)
        assert running.wait(timeout=30) != 0
    # The shell that removes the container may outlive make.
    for _ in range(100):
        if containers() == before:
            break
        time.sleep(0.1)
    assert containers() == before


@pytest.fixture
def network() -> Iterator[str]:
    """Create a network for one job, as the runners do."""
    with new_network() as name:
        yield name


@pytest.fixture
def github_service(network: str) -> Iterator[None]:
    """Start the service of the job as GitHub's runner does, and wait until it is healthy."""
    ((name, service),) = yaml.safe_load(RECIPES[".github/workflows/tests.yml"])["jobs"]["tests"]["services"].items()
    assert service.keys() == {"image", "ports", "env", "options"}
    container = docker(
        "create", "--network", network, "--network-alias", name,
        *(f"--publish={port}" for port in service["ports"]),
        *shlex.split(service["options"]),
        *(f"--env={variable}={value}" for variable, value in service["env"].items()),
        service["image"],
    )  # fmt: skip
    try:
        docker("start", container)
        wait_until_healthy(container)
        yield
    finally:
        docker("rm", "--force", container)


@pytest.mark.usefixtures("github_service")
@pytest.mark.parametrize(("token", "ran"), [(PASSES, {"Test": 0}), (FAILS, {"Test": 1, "report": 0})])
def test_the_steps_of_github_pass_or_print_the_retry_report(
    token: str, ran: dict[str, int], checkout: Checkout
) -> None:
    checkout.write_test(token)
    job = yaml.safe_load(RECIPES[".github/workflows/tests.yml"])["jobs"]["tests"]
    codes: dict[str, int] = {}
    output = ""
    for step in job["steps"]:
        # Only GitHub runs actions, and an installation needs a package index.
        if "uses" in step or step["name"] == "Install":
            continue
        on_failure = step.get("if") == "failure()"
        assert on_failure == ("if" in step)
        if on_failure == any(codes.values()):
            done = checkout.run("bash", "-e", "-c", step["run"], **job["env"])
            codes["report" if on_failure else step["name"]] = done.returncode
            output = done.stdout
    assert codes == ran, output
    assert bool(re.search(REPORT, output)) == ("report" in ran), output


@pytest.mark.usefixtures("github_service")
def test_a_github_job_in_a_container_reaches_the_mock_by_the_name_of_its_service(network: str) -> None:
    (root_url,) = re.findall(r"`(http://\S+)`, without\s+`ports`", PAGE)
    script = f"from urllib.request import urlopen; print(urlopen('{root_url}/__admin/health', timeout=10).status)"
    assert docker("run", "--rm", "--network", network, "python:3.13-slim", "python", "-c", script) == "200"


@pytest.fixture
def gitlab_service(network: str) -> Iterator[str]:
    """Start the service as GitLab's runner does: in the network of the job, with its alias."""
    (service,) = yaml.safe_load(RECIPES[".gitlab-ci.yml"])["tests"]["services"]
    container = docker(
        "run", "--detach",
        "--network", network, "--network-alias", service["alias"], "--network-alias", default_alias(service),
        *(f"--env={variable}={value}" for variable, value in service["variables"].items()),
        service["name"],
    )  # fmt: skip
    try:
        yield container
    finally:
        docker("rm", "--force", container)


def default_alias(service: dict[str, str]) -> str:
    """Return the host name that GitLab derives from the image for a service without an alias."""
    return service["name"].rpartition(":")[0].replace("/", "-")


def test_a_gitlab_job_reaches_the_mock_under_its_alias(network: str, gitlab_service: str, checkout: Checkout) -> None:
    job = yaml.safe_load(RECIPES[".gitlab-ci.yml"])["tests"]

    def run(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return checkout.run(
            "docker", "run", "--rm", "--network", network, f"--volume={checkout.folder}:/job:ro", "--workdir=/job",
            *(f"--env={variable}={value}" for variable, value in {**job["variables"], **variables}.items()),
            job["image"], "sh", "-c", script,
        )  # fmt: skip

    (service,) = job["services"]
    # Like GitLab: wait only for the port, then run the script immediately.
    wait = "import socket; socket.create_connection(('{}', 28667)).close()".format(service["alias"])
    waiting = f'until python -c "{wait}" 2>/dev/null; do :; done\n'
    script = "set -e\n" + "\n".join(job["script"])
    after = "set -e\n" + "\n".join(job["after_script"])

    checkout.write_test(PASSES)
    done = run(waiting + script)
    assert done.returncode == 0, done.stdout
    assert run(after, CI_JOB_STATUS="success").stdout == ""
    checkout.write_test(FAILS)
    assert run(script).returncode == 1
    done = run(after, CI_JOB_STATUS="failed")
    assert done.returncode == 0
    assert "500  fault=key" in done.stdout
    # Without the alias, only the control API refuses the host name.
    with_default_alias = after.replace(f"//{service['alias']}:", f"//{default_alias(service)}:")
    assert "HTTP Error 403" in run(with_default_alias, CI_JOB_STATUS="failed").stdout
    # The log has the format that the recipe sets.
    lines = checkout.run("docker", "logs", gitlab_service).stdout.splitlines()
    log = [json.loads(line) for line in lines]
    assert any(line["message"] == "mock-atoms is ready" for line in log if "baseUrl" in line)
    assert [line["status"] for line in log if line.get("path") == "/atoms/v1/audience"] == [200, 500]


def test_the_dev_container_reaches_the_mock_from_its_workspace(checkout: Checkout) -> None:
    container = json.loads(RECIPES[".devcontainer/devcontainer.json"])
    file = str(Path(".devcontainer", container["dockerComposeFile"]))
    compose = ("compose", "--project-name", f"recipe-{uuid4().hex[:8]}", "--file", file)
    services = docker(*compose, "config", "--services", folder=checkout.folder).split()
    assert sorted(services) == ["mock-atoms", "workspace"]
    try:
        docker(*compose, "up", "--detach", "--wait", "--wait-timeout", "60", folder=checkout.folder)
        for token, code in ((PASSES, 0), (FAILS, 1)):
            checkout.write_test(token)
            done = checkout.run(
                "docker", *compose, "exec", "-T", f"--workdir={container['workspaceFolder']}", container["service"],
                "python", "-m", "unittest", "discover", "tests",
            )  # fmt: skip
            assert done.returncode == code, done.stdout
    finally:
        docker(*compose, "down", "--timeout", "8", folder=checkout.folder)
