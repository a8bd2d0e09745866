"""Commands of the Docker engine."""

import subprocess
import time
from pathlib import Path

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
