"""Runs each program against the mock, and then asks the mock what it really sent."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from mock_atoms import MockServer
from tests.helpers.audiences import bearer

HERE = Path(__file__).parent


class Program(NamedTuple):
    """A program of this folder.

    Attributes:
        file: its name.
        command: what it is run by.
        key: what its keys end in.
        sample: the body that the vendor's own sample sends; `None` where the vendor has no such sample.
        more: what it prints besides.
    """

    file: str
    command: tuple[str, ...]
    key: str
    sample: str | None = None
    more: tuple[str, ...] = ()


PROGRAMS = [
    Program("python_requests.py", (sys.executable,), "python-requests", sample=""),
    Program("python_httpx.py", (sys.executable,), "python-httpx"),
    Program("python_aiohttp.py", (sys.executable,), "python-aiohttp"),
    Program("python_stdlib.py", (sys.executable,), "python-stdlib"),
    Program("python_sdk.py", (sys.executable,), "python-sdk", sample=""),
    Program("python_sdk_async.py", (sys.executable,), "python-sdk-async", sample=""),
    Program("python_sdk_helpers.py", (sys.executable,), "python-sdk-helpers", sample=""),
    Program("node_fetch.mjs", ("node",), "node-fetch", sample=""),
    Program("node_axios.mjs", ("node",), "node-axios"),
    Program("node_smallestai.mjs", ("node",), "node-smallestai", more=("user: 404",)),
    Program("curl.sh", ("bash",), "curl", sample=""),
    Program("client.go", ("go", "run"), "go", sample="{}"),
    Program("client.rb", ("ruby",), "ruby", sample="{}"),
    Program("client.php", ("php",), "php", sample="{}"),
    Program("Client.java", ("java",), "java", sample="{}"),
]


@pytest.fixture(scope="module")
def mock() -> Iterator[MockServer]:
    with MockServer() as running:
        yield running


def skip_or_fail(reason: str) -> None:
    """As the fixture `tool` does for programs."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI skips nothing")
    pytest.skip(reason)


def need(program: Program, tool: Callable[[str], str]) -> None:
    """Skip the test, or fail it in CI, where what the program needs is missing."""
    tool(program.command[0])
    if program.file == "curl.sh":
        tool("curl")
    if program.file in {"node_axios.mjs", "node_smallestai.mjs"} and not (HERE / "node_modules").is_dir():
        skip_or_fail("tests/clients/node_modules is missing: npm install --prefix tests/clients")
    if program.file == "client.php":
        find = "exit(stream_resolve_include_path('GuzzleHttp/autoload.php') ? 0 : 1);"
        if subprocess.run(["php", "-r", find], check=False, timeout=60).returncode:
            skip_or_fail("Guzzle is not installed")


def ask(mock: MockServer, path: str, key: str) -> Any:  # noqa: ANN401 - the control API's JSON
    answer = httpx.get(f"{mock.root_url}/__admin/{path}", params={"token": key})
    assert answer.status_code == 200
    return answer.json()


def sent(mock: MockServer, key: str) -> list[dict[str, Any]]:
    """Return what was sent with a key, the oldest first."""
    return [entry["request"] for entry in reversed(ask(mock, "requests", key)["requests"])]


def statuses(requests: list[dict[str, Any]]) -> list[int]:
    return [request["mockAtoms"]["status"] for request in requests]


def test_every_program_of_the_folder_is_run() -> None:
    files = {path.name for path in HERE.iterdir() if path.is_file() and not path.name.startswith((".", "__", "test_"))}
    assert files - {"package.json", "package-lock.json"} == {program.file for program in PROGRAMS}
    assert len({program.key for program in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_a_program_does_what_it_says(program: Program, mock: MockServer, tool: Callable[[str], str]) -> None:
    need(program, tool)
    listing = f"sk_clients.{program.key}"
    expected = len(httpx.get(f"{mock.url}/audience", headers=bearer(listing)).json()["data"])
    assert expected > 1
    done = subprocess.run(
        [*program.command, program.file],
        cwd=HERE,
        env={**os.environ, "ATOMS_BASE_URL": mock.url, "SMALLESTAI_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        timeout=300,  # the first build of a Go program takes its time
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"list: {expected} audiences",
        "401: Unauthorized: User not found",
        "500: Internal server error",
        "retry: 200 after 3 attempts",
        *(["sample: 200"] if program.sample is not None else []),
        *program.more,
    ]

    _, listed, *samples = sent(mock, listing)  # the first is this test's own
    assert (listed["method"], listed["body"], listed["mockAtoms"]["status"]) == ("GET", "", 200)
    assert [(sample["method"], sample["body"], sample["mockAtoms"]["status"]) for sample in samples] == (
        [] if program.sample is None else [("GET", program.sample, 200)]
    )
    assert all(sample["headers"]["content-type"] == "application/json" for sample in samples if program.sample)
    assert statuses(sent(mock, f"sk_mock_revoked.{program.key}")) == [401]
    assert statuses(sent(mock, f"sk_mock_500.{program.key}")) == [500]

    (call,) = ask(mock, "retries", f"sk_mock_500x2.{program.key}")["calls"]
    assert (call["statuses"], call["outcome"], call["findings"]) == ([500, 500, 200], "recovered", [])
