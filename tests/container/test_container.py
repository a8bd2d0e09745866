"""The image and the compose file, built and run for real. `make test-container` runs this; it needs a Docker engine."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from mock_atoms import MockServer
from tests.container.engine import IMAGE, docker, new_network, wait_until_healthy
from tests.helpers.audiences import ACME, bearer

CONTAINER = "mock-atoms-under-test"
HOSTNAME = "mock"
MAX_BYTES_OVER_BASE = 90_000_000
IPV6 = ("--ipv6", "--subnet", "fd00:6d6f:636b::/64")
"""Options of a network that has both families. Older engines pick no IPv6 subnet themselves."""
CLIENT = """
import http.client, sys
for host in sys.argv[1:]:
    connection = http.client.HTTPConnection(host, 28667, timeout=10)
    connection.request("GET", "/atoms/v1/audience", headers={"Authorization": "Bearer sk_acme"})
    response = connection.getresponse()
    kept = "closed" if response.will_close else "kept"
    print(f"{host}: {response.status}, {response.headers['Keep-Alive']}, {kept}")
"""
"""Sends a request to each host."""


def compose(*args: str) -> str:
    return docker("compose", "--project-name", "mock-atoms-test", *args)


@contextmanager
def running(*options: str) -> Iterator[None]:
    """Run the image with options of `docker run`, and remove the container at the end."""
    docker("run", "--detach", "--name", CONTAINER, *options, IMAGE)
    try:
        yield
    finally:
        docker("rm", "--force", CONTAINER)


@pytest.fixture
def port() -> Iterator[int]:
    """Run the image with as few privileges as possible. Yield the published port."""
    with running(
        "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true",
        "--env", "MOCK_ATOMS_PORT=9000", "--publish", "127.0.0.1::9000",
    ):  # fmt: skip
        yield int(docker("port", CONTAINER, "9000/tcp").rpartition(":")[2])


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


@pytest.fixture(scope="module")
def has_ipv6() -> bool:
    """Return whether the engine's kernel has IPv6."""
    command = ["docker", "run", "--rm", "--entrypoint", "test", IMAGE, "-e", "/proc/net/if_inet6"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def addresses() -> list[str]:
    """Return the addresses of the container in its network."""
    (network,) = json.loads(docker("inspect", CONTAINER))[0]["NetworkSettings"]["Networks"].values()
    return [address for address in (network["IPAddress"], network["GlobalIPv6Address"]) if address]


def test_other_containers_reach_the_image_on_every_family_and_keep_connections(*, has_ipv6: bool) -> None:
    with new_network(*(IPV6 if has_ipv6 else ())) as network, running("--network", network):
        wait_until_healthy(CONTAINER)
        hosts = [CONTAINER, *addresses()]
        assert len(hosts) == (3 if has_ipv6 else 2)
        lines = docker("run", "--rm", "--network", network, "--entrypoint", "python3", IMAGE, "-c", CLIENT, *hosts)
    assert lines.splitlines() == [f"{host}: 200, timeout=75, kept" for host in hosts]


def test_a_port_can_be_published_on_ipv6_too(*, has_ipv6: bool) -> None:
    if not has_ipv6:
        pytest.skip("the engine has no IPv6")
    with running("--publish", "127.0.0.1::28667", "--publish", "[::1]::28667"):
        wait_until_healthy(CONTAINER)
        published = docker("port", CONTAINER, "28667/tcp").splitlines()
        assert [httpx.get(f"http://{address}/__admin/health").status_code for address in published] == [200, 200]


def test_the_image_serves_ipv4_if_the_container_has_no_ipv6(*, has_ipv6: bool) -> None:
    disable_ipv6 = ("--sysctl", "net.ipv6.conf.all.disable_ipv6=1") if has_ipv6 else ()
    with running(*disable_ipv6):
        wait_until_healthy(CONTAINER)
        line = docker("exec", CONTAINER, "python3", "-c", CLIENT, "127.0.0.1")
    assert line == "127.0.0.1: 200, timeout=75, kept"


@pytest.mark.parametrize(
    "variables",
    [
        {"MOCK_ATOMS_HOST": "127.0.0.1;::1"},
        {"MOCK_ATOMS_HOST": "::1;127.0.0.1"},
        {"MOCK_ATOMS_HOST": "::1"},
        {"MOCK_ATOMS_HOST": "localhost"},
        {"MOCK_ATOMS_HOST": f"{HOSTNAME};localhost"},
        {"MOCK_ATOMS_HOST": "0.0.0.0;::"},
        {"MOCK_ATOMS_HOST": "::", "MOCK_ATOMS_TLS": "self-signed", "MOCK_ATOMS_PORT": "9443"},
    ],
    ids=lambda variables: ",".join(variables.values()),
)
def test_the_health_check_works_with_every_host(variables: dict[str, str], *, has_ipv6: bool) -> None:
    if "::1" in variables["MOCK_ATOMS_HOST"] and not has_ipv6:
        pytest.skip("the engine has no IPv6")
    environment = [f"--env={name}={value}" for name, value in variables.items()]
    enable_ipv6 = ("--sysctl", "net.ipv6.conf.all.disable_ipv6=0") if has_ipv6 else ()
    with running("--hostname", HOSTNAME, *enable_ipv6, *environment):
        wait_until_healthy(CONTAINER)


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


def test_the_profile_scale_is_one_mock_that_survives_the_loss_of_a_replica() -> None:
    def list_audiences(token: str = "sk_acme") -> httpx.Response:
        return httpx.get("http://127.0.0.1:28668/atoms/v1/audience", headers=bearer(token))

    try:
        compose("--profile", "scale", "up", "--wait", "--wait-timeout", "90")
        replicas = compose("ps", "--quiet", "replica").split()
        assert len(replicas) == 2
        statuses = [list_audiences("sk_mock_500x2.scale").status_code for _ in range(6)]
        assert statuses == [500, 500, 200, 200, 200, 200]
        for replica in replicas:
            assert "path=/atoms/v1/audience" in docker_log(replica)
        docker("kill", replicas[0])
        assert [list_audiences().status_code for _ in range(4)] == [200] * 4
        compose("kill", "store")
        response = list_audiences()
        assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (503, "store-unavailable")
        compose("start", "store")
        while (response := list_audiences("sk_mock_500x2.scale")).status_code == 503:
            assert response.headers["x-mock-atoms-reason"] == "store-unavailable"  # it is still starting
        assert response.status_code == 200
    finally:
        compose("--profile", "scale", "down", "--volumes", "--timeout", "8")


def docker_log(container: str) -> str:
    done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
    return done.stderr
