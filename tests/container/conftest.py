"""Builds the image for all tests of this folder, and provides the other images of the compose file."""

import subprocess

import pytest
import yaml

from tests.container.engine import IMAGE, ROOT, docker

STAND_IN = """
FROM python:3.13-slim
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends {packages} && mkdir --parents {folder}
CMD {command}
"""
"""The same programs in Debian's packages."""


@pytest.fixture(scope="session", autouse=True)
def _image() -> None:
    docker("build", "--tag", IMAGE, ".")


@pytest.fixture(scope="session", autouse=True)
def _other_images() -> None:
    """Pull the images of the profile `scale`, or build stand-ins on a machine that reaches no registry."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    configuration = services["balancer"]["configs"][0]["target"]
    provide(services["store"]["image"], "valkey-server valkey-tools", "/data", '["valkey-server"]')
    folder = configuration.rpartition("/")[0]
    provide(services["balancer"]["image"], "haproxy", folder, f'["haproxy", "-W", "-f", "{configuration}"]')


def provide(image: str, packages: str, folder: str, command: str) -> None:
    for get in ("image inspect", "pull"):
        if subprocess.run(["docker", *get.split(), image], capture_output=True, check=False).returncode == 0:
            return
    dockerfile = STAND_IN.format(packages=packages, folder=folder, command=command)
    build = ["docker", "build", "--tag", image, "-"]
    subprocess.run(build, input=dockerfile, text=True, capture_output=True, check=True, timeout=500)
