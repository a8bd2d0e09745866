"""The benchmarks run; what they measure is read by people, and never asserted."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(*args: str) -> str:
    # Nobody measures with a measurement of coverage in the servers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, *args],
        cwd=BENCHMARKS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_costs_of_members_and_uploads_can_be_measured() -> None:
    table = run("benchmarks/audiences.py", "--quick")
    for line in ("generated: late / early", "generated: 10,000 / 10", "as many once more", "refused / 5 MB"):
        assert line in table


def test_the_cost_of_serving_can_be_measured(tool: Callable[[str], str]) -> None:
    tool("wrk")
    table = run("benchmarks/serving.py", "--quick")
    for line in ("| 64 | **mock-atoms / raw ASGI** |", "| list of a token never seen |", "| start of the process"):
        assert line in table
