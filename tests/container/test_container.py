"""The image and the compose file, built and run for real. `make test-container` runs this; it needs a Docker engine."""

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from mock_atoms import MockServer
from tests.container.engine import IMAGE, docker, wait_until_healthy
from tests.helpers.audiences import ACME, bearer

CONTAINER = "mock-atoms-under-test"
MAX_BYTES_OVER_BASE = 80_000_000


def compose(*args: str) -> str:
    return docker("compose", "--project-name", "mock-atoms-test", *args)


@pytest.fixture
def port() -> Iterator[int]:
    """Run the image with as few privileges as possible. Yield the published port."""
    docker(
        "run", "--detach", "--name", CONTAINER, "--read-only", "--cap-drop", "ALL",
        "--security-opt", "no-new-privileges:true", "--env", "MOCK_ATOMS_PORT=9000", "--publish", "127.0.0.1::9000",
        IMAGE,
    )  # fmt: skip
    try:
        yield int(docker("port", CONTAINER, "9000/tcp").rpartition(":")[2])
    finally:
        docker("rm", "--force", CONTAINER)


def test_the_image_serves_without_privileges_and_stops_on_sigterm(port: int) -> None:
    wait_until_healthy(CONTAINER)
    base = f"http://127.0.0.1:{port}/atoms/v1"
    with MockServer() as mock:
        assert httpx.get(f"{base}/audience", headers=ACME).status_code == 200
        ordinary = bearer("sk_team")
        assert (
            httpx.get(f"{base}/audience", headers=ordinary).content
            == httpx.get(f"{mock.url}/audience", headers=ordinary).content
        )
    documented = httpx.get(f"{base}/audience", headers=bearer("sk_documented")).json()
    assert documented["data"][0]["name"] == "Spring Sale Audience"
    assert httpx.get(f"{base}/audience").status_code == 401
    assert docker("exec", CONTAINER, "id", "-u") == "10001"
    docker("stop", "--time", "9", CONTAINER)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", CONTAINER) == "0"
    assert "is ready; base URL: http://127.0.0.1:9000/atoms/v1" in docker("logs", CONTAINER)


def test_a_broken_connection_passes_a_published_port_and_is_in_the_journal(port: int) -> None:
    wait_until_healthy(CONTAINER)
    admin = f"http://127.0.0.1:{port}/__admin"
    base = f"http://127.0.0.1:{port}/atoms/v1"
    assert httpx.post(f"{admin}/faults", json={"match": {"token": "sk_acme"}, "fault": "resetx1"}).status_code == 201
    # Behind a proxy of the engine, a RST arrives as the end of the connection.
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        httpx.get(f"{base}/audience", headers=ACME)
    assert httpx.get(f"{base}/audience", headers=ACME).status_code == 200
    (call,) = httpx.get(f"{admin}/retries").json()["calls"]
    assert [attempt["ended"] for attempt in call["attempts"]] == ["reset", "responded"]
    assert call["outcome"] == "recovered"


def test_the_image_is_small_and_has_no_tools() -> None:
    config = json.loads(docker("image", "inspect", IMAGE))[0]
    base = json.loads(docker("image", "inspect", "python:3.13-slim"))[0]
    assert config["Size"] - base["Size"] <= MAX_BYTES_OVER_BASE
    assert config["Config"]["User"] == "10001:10001"
    assert config["Config"]["Entrypoint"] == ["mock-atoms"]
    assert config["Config"]["Labels"]["org.opencontainers.image.title"] == IMAGE
    for program in ("curl", "gcc", "cc"):
        found = subprocess.run(
            ["docker", "run", "--rm", "--entrypoint", "which", IMAGE, program], capture_output=True, check=False
        )
        assert (found.returncode, found.stdout) == (1, b""), program


def test_the_version_label_equals_the_version_of_the_command() -> None:
    labels = json.loads(docker("image", "inspect", IMAGE))[0]["Config"]["Labels"]
    assert docker("run", "--rm", IMAGE, "--version") == f"mock-atoms {labels['org.opencontainers.image.version']}"


def test_an_invalid_setting_stops_the_container_with_exit_code_2() -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--env", "MOCK_ATOMS_FAULT=5oo", IMAGE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("mock-atoms: MOCK_ATOMS_FAULT, fault 1: `5oo` is not a fault")


def test_the_compose_file_serves_fixtures_and_runs_its_example() -> None:
    try:
        compose("up", "--wait", "--wait-timeout", "60")
        headers = bearer("sk_documented")
        response = httpx.get("http://127.0.0.1:28667/atoms/v1/audience", headers=headers)
        assert response.json()["data"][0]["name"] == "Spring Sale Audience"
        assert compose("run", "--rm", "example").endswith("60d0fe4f5311236168a109ca Spring Sale Audience")
    finally:
        compose("--profile", "example", "down", "--volumes", "--timeout", "8")
