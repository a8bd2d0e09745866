"""Commands of the Docker engine."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).parents[2]
IMAGE = "mock-atoms"


def docker(*args: str, folder: Path = ROOT) -> str:
    """Run `docker` in `folder`, and return its output."""
    done = subprocess.run(["docker", *args], cwd=folder, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait_until_healthy(container: str) -> None:
    for _ in range(150):
        status = docker("inspect", "--format", "{{.State.Health.Status}}", container)
        if status != "starting":
            break
        time.sleep(0.2)
    assert status == "healthy"


@contextmanager
def new_network(*options: str) -> Iterator[str]:
    """Create a network, and remove it at the end."""
    name = docker("network", "create", *options, f"mock-atoms-{uuid4().hex[:8]}")
    try:
        yield name
    finally:
        docker("network", "rm", name)
