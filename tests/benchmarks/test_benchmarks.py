"""The benchmarks run. Their figures are never asserted."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(*args: str) -> str:
    # Servers must not measure their coverage meanwhile.
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


@pytest.mark.slow
def test_the_costs_of_members_and_uploads_can_be_measured() -> None:
    table = run("benchmarks/audiences.py", "--quick")
    for line in ("generated: late / early", "generated: 10,000 / 10", "as many again", "rejected / 5 MB"):
        assert line in table


@pytest.mark.slow
def test_the_cost_of_serving_can_be_measured(tool: Callable[[str], str]) -> None:
    tool("wrk")
    report = run("-m", "benchmarks.serving", "--quick", "--against", ".")
    for line in (
        "| 64 connections | CPU a request, µs |",
        "| list, 16 connections: CPU time per request | raw ASGI | **",
        "| start of the process to its first list | `import fastapi, uvicorn` | ",
        "| first list of a new token, beyond a repeated list: CPU time | a request to raw ASGI | **",
        "| list: 10 tenants | 1 | **",
        "| list: 10 stubs | 0 | **",
        "| stubbed route: 10 stubs | 1 | **",
        "| list: journal full | while it fills | **",
        "- **WireMock was not measured**: ",
        "| **mock-atoms, a new token each time**: not cached, like the first list of a test | ",
        "| **mock-atoms, different headers each time**: response cached, like further lists | ",
        "| fault 500 by key: CPU time per request | raw ASGI | **",
        "| mock.requests: 20 requests of other tests | none | **",
        "| pytest: fixtures of each further test | no fixture | ",
        "| a test of the suite, 2 workers: 20 requests of other tests | none | **",
    ):
        assert line in report
    assert report.count("not measured |") == 13  # the comparisons with other servers


@pytest.mark.slow
def test_the_cost_of_a_suite_can_be_measured_against_another_checkout() -> None:
    report = run("-m", "benchmarks.suite", "--quick", "--against", ".")
    for line in (
        "| hand-written stub | 1 | 0 | ",
        "| mock-atoms | 2 | 20 | ",
        f"| mock-atoms of {BENCHMARKS.parent} | 2 | 20 | ",
        "| a test of the suite, 2 workers: slowest list of another client |  |  | **",
    ):
        assert line in report


def test_a_missing_wrk_is_reported_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving"],
        cwd=BENCHMARKS.parent,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "wrk is not installed: apt-get install wrk\n")


@pytest.mark.slow
def test_many_clients_that_watch_can_be_measured() -> None:
    report = run("-m", "benchmarks.events", "--watchers", "5", "--slow", "1", "--rate", "200", "--seconds", "1")
    for line in (
        "5 clients watch, 1 of them read slowly; ",
        "clients with losses that were not reported: 0",
        "bystander's slowest of ",
    ):
        assert line in report
