"""Runs each program against the mock, and verifies the requests that the mock received."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mock_atoms import MockServer
from tests.helpers.audiences import list_audiences

HERE = Path(__file__).parent
CONTROL_API = HERE / "control_api"
"""Programs that call the control API only. docs/clients.md, about the vendor's API, does not show them."""


class Program(NamedTuple):
    """A program of this folder.

    Attributes:
        file: its name.
        command: command that runs it.
        key: end of its tokens.
        sample: body of the vendor's own sample; `None` if the vendor has none for this client.
        extra_output: lines that only this program prints.
    """

    file: str
    command: tuple[str, ...]
    key: str
    sample: str | None = None
    extra_output: tuple[str, ...] = ()


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
    Program("node_smallestai.mjs", ("node",), "node-smallestai", extra_output=("user: 200",)),
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
    """Skip the test, or fail it in CI, like the fixture `tool`."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI skips nothing")
    pytest.skip(reason)


def require_node_modules() -> None:
    """Skip the test, or fail it in CI, if the packages of the Node.js programs are missing."""
    if not (HERE / "node_modules").is_dir():
        skip_or_fail("tests/clients/node_modules is missing: npm install --prefix tests/clients")


def require(program: Program, tool: Callable[[str], str]) -> None:
    """Skip the test, or fail it in CI, if a requirement of the program is missing."""
    tool(program.command[0])
    if program.file == "curl.sh":
        tool("curl")
    if program.file in {"node_axios.mjs", "node_smallestai.mjs"}:
        require_node_modules()
    if program.file == "client.php":
        find = "exit(stream_resolve_include_path('GuzzleHttp/autoload.php') ? 0 : 1);"
        if subprocess.run(["php", "-r", find], check=False, timeout=60).returncode:
            skip_or_fail("Guzzle is not installed")


def test_every_program_of_the_folder_is_listed() -> None:
    files = {path.name for path in HERE.iterdir() if path.is_file() and not path.name.startswith((".", "__", "test_"))}
    assert files - {"package.json", "package-lock.json"} == {program.file for program in PROGRAMS}
    assert len({program.key for program in PROGRAMS}) == len(PROGRAMS)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_a_program_lists_audiences_handles_errors_and_retries(
    program: Program, mock: MockServer, tool: Callable[[str], str]
) -> None:
    require(program, tool)
    listing_token = f"sk_clients.{program.key}"
    expected = len(list_audiences(mock.url, listing_token).json()["data"])
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
        *program.extra_output,
    ]

    _, listing, *samples = mock.requests(token=listing_token)  # the first is this test's own
    assert (listing.method, listing.body, listing.status) == ("GET", b"", 200)
    assert [(sample.method, sample.body.decode(), sample.status) for sample in samples] == (
        [] if program.sample is None else [("GET", program.sample, 200)]
    )
    assert all(sample.headers["content-type"] == "application/json" for sample in samples if program.sample)
    for status, token in ((401, "sk_mock_revoked"), (500, "sk_mock_500")):
        assert [request.status for request in mock.requests(token=f"{token}.{program.key}")] == [status]

    (call,) = mock.retries(token=f"sk_mock_500x2.{program.key}").calls
    assert (call["statuses"], call["outcome"], call["findings"]) == ([500, 500, 200], "recovered", [])


def test_wiremocks_client_for_javascript_reads_and_clears_the_mock(tool: Callable[[str], str]) -> None:
    require_node_modules()
    with MockServer() as fresh:
        done = subprocess.run(
            [tool("node"), "node_wiremock.mjs", fresh.root_url],
            cwd=CONTROL_API,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "mappings: []",
        "scenarios: []",
        "unmatched: GET /nowhere",
        "requests for /nowhere: 1",
        'stubbed: 201 {"id":7}',
        "mappings: 1",
        "requests: 0",
    ]
