"""The benchmarks run; what they measure is read by people, and never asserted."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(*args: str) -> str:
    command = [sys.executable, *args]
    return subprocess.run(
        command, cwd=BENCHMARKS.parent, capture_output=True, text=True, check=True, timeout=300
    ).stdout


def test_the_costs_of_members_and_uploads_can_be_measured() -> None:
    table = run("benchmarks/audiences.py", "--quick")
    for line in ("generated: late / early", "generated: 10,000 / 10", "as many once more", "refused / 5 MB"):
        assert line in table


def test_the_cost_of_serving_can_be_measured(tool: Callable[[str], str]) -> None:
    tool("wrk")
    table = run("benchmarks/serving.py", "--quick")
    for line in ("| 64 | **mock-atoms / raw ASGI** |", "| list of a token never seen |", "| start of the process"):
        assert line in table
