import json
import re
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

from mock_atoms import MockClient, MockServer
from mock_atoms.cli.causes import Causes
from mock_atoms.cli.details import detail_lines
from mock_atoms.cli.terminal import Terminal
from tests.cli.conftest import Run
from tests.helpers.audiences import bearer
from tests.helpers.cli import run_in_terminal


def send(client: httpx.Client, path: str = "/audience", token: str = "sk_acme", test_id: str | None = None) -> None:
    client.get(path, headers=bearer(token) | ({} if test_id is None else {"X-Test-Id": test_id}))


def paths(out: str) -> list[str]:
    return re.findall(r"/atoms/v1(\S*)", out)


def test_requests_are_a_table_oldest_first(client: httpx.Client, run: Run) -> None:
    send(client, "/audience?page=2")
    send(client, "/audience", "sk_mock_500x1.cli", "t1")
    send(client, "/audience", "sk_mock_500x1.cli", "t1")
    code, out, err = run("requests")
    assert (code, err) == (0, "")
    heading, *lines = out.splitlines()
    assert heading.split() == ["TIME", "METHOD", "STATUS", "MS", "TENANT", "TEST", "PATH", "NOTES"]
    assert [line.split()[1:3] for line in lines] == [["GET", "200"], ["GET", "500"], ["GET", "200"]]
    assert lines[0].endswith("/atoms/v1/audience?page=2  violations=1")
    assert lines[1].split()[4:] == ["sk_mock_500x1.cli", "t1", "/atoms/v1/audience", "fault=key"]
    assert lines[2].endswith("attempt=2")
    assert {line.index("/atoms") for line in lines} == {heading.index("PATH")}


def test_columns_without_values_are_left_out(client: httpx.Client, run: Run) -> None:
    send(client)
    heading, _ = run("requests").out.splitlines()
    assert heading.split() == ["TIME", "METHOD", "STATUS", "MS", "TENANT", "PATH"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--token", "sk_other"], ["/voices"]),
        (["--test-id", "t1"], ["/audience/x"]),
        (["--path", "/audience/{id}"], ["/audience/x"]),
        (["--status", "200"], ["/audience"]),
        (["--status", "4XX"], ["/audience/x", "/voices"]),
        (["--method", "post"], []),
        (["--failed"], ["/audience/x", "/voices"]),
        (["--limit", "1"], ["/voices"]),
        (["--since", "2001-01-01"], ["/audience", "/audience/x", "/voices"]),
        (["--since", "2999-01-01T00:00:00Z"], []),
    ],
)
def test_filters_select_requests(client: httpx.Client, run: Run, filters: list[str], expected: list[str]) -> None:
    send(client)
    send(client, "/audience/x", test_id="t1")
    send(client, "/voices", "sk_other")
    assert paths(run("requests", *filters).out) == expected
    events = json.loads(run("requests", "--json", *filters).out)["requests"]
    assert [event["request"]["url"].removeprefix("/atoms/v1") for event in events] == expected[::-1]


def test_no_requests_are_said(run: Run) -> None:
    assert run("requests").out == "no requests\n"


@pytest.mark.parametrize("filters", [("--token", "sk_acne"), ("--failed",), ("--since", "2100-01-01T00:00:00Z")])
def test_filters_that_match_nothing_are_said(client: httpx.Client, run: Run, filters: tuple[str, ...]) -> None:
    send(client)
    assert run("requests", *filters).out == "no requests match\n"


def test_a_limit_of_0_says_how_many_requests_match(client: httpx.Client, run: Run) -> None:
    send(client)
    assert run("requests", "--limit", "0").out == "none of 1 request\n"


def test_a_filter_that_is_given_twice_is_an_error(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("requests", "--status", "4xx", "--status", "5xx")
    assert capsys.readouterr().err.endswith("error: --status is given twice: give it once\n")


def test_a_limit_says_how_many_requests_match(client: httpx.Client, run: Run) -> None:
    for _ in range(3):
        send(client)
    assert run("requests", "--limit", "2").out.startswith("the latest 2 of 3 requests:\nTIME")
    out = run("requests", "--limit", "2", "--since", "2001-01-01", "--expect", "3", "--json").out
    assert len(json.loads(out)["requests"]) == 2


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (["--expect", "2"], 0, ""),
        (["--expect", "2", "--limit", "1", "--since", "2001-01-01"], 0, ""),
        (["--expect", "3", "--json"], 1, "mock-atoms: 2 requests instead of 3\n"),
        (["--expect", "0", "--status", "500"], 0, ""),
        (["--expect", "1", "--since", "2999-01-01"], 1, "mock-atoms: 0 requests instead of 1\n"),
        (["--expect", "-1"], 2, "mock-atoms: --expect: `-1` is not a whole number from 0 to 1000000\n"),
        (["--status", "6xx"], 2, "mock-atoms: status: `6xx` is not a status code such as 404 or a class such as 4xx"),
        (["--limit", "x"], 2, "mock-atoms: --limit: `x` is not a whole number from 0 to 1000000\n"),
        (["--limit", "1000000"], 0, ""),
        (["--limit", "1000001"], 2, "mock-atoms: --limit: `1000001` is not a whole number from 0 to 1000000\n"),
        (["--limit", "9" * 5000], 2, "mock-atoms: --limit: `9999"),
        (["--expect", "1", "--follow"], 2, "mock-atoms: --expect: leave it out with --follow, which does not end\n"),
        (["--path", "audience"], 2, "mock-atoms: path: `audience` does not start with a slash: use a path such as "),
    ],
)
def test_expect_turns_the_number_into_the_exit_code(
    client: httpx.Client, run: Run, args: list[str], code: int, error: str
) -> None:
    for _ in range(2):
        send(client)
    result = run("requests", *args)
    assert result.code == code
    assert result.err.startswith(error)
    assert bool(result.err) == bool(error)


def test_a_terminal_gets_colours_and_lines_that_fit(server: MockServer, client: httpx.Client) -> None:
    send(client, f"/audience?x={'y' * 200}")
    environ = {"MOCK_ATOMS_URL": server.url, "COLUMNS": "90"}
    colored = run_in_terminal("requests", environ=environ).out
    assert "\x1b[32m200\x1b[0m" in colored
    plain = run_in_terminal("requests", environ=environ | {"NO_COLOR": "1"}).out
    assert re.sub(r"\x1b\[\d+m", "", colored) == plain
    assert max(map(len, plain.splitlines())) == 90
    assert "/audience?x=…  violations=1\n" in plain


def test_invisible_characters_of_a_client_do_not_reach_the_terminal(client: httpx.Client, run: Run) -> None:
    client.get("/audience", headers=[(b"Authorization", b"Bearer sk_acme"), (b"X-Test-Id", "red\u202e".encode())])
    assert " redU+202E " in run("requests").out


def test_details_are_headers_and_bodies(server: MockServer, client: httpx.Client, run: Run) -> None:
    client.post("/audience/x/members", headers=bearer("sk_acme"), content='{"members": "\u202e"}')
    out = run("requests", "--details").out
    (request,) = server.requests()
    why = "  why: The mocked operation rejects the request: members is required"
    assert f"\n  id: {request.id}\n{why}\n  violation: wrong-content-type: " in out
    assert "\n  > host: " in out
    assert '\n  >\n  > {\n  >   "members": "U+202E"\n  > }\n  < x-request-id: ' in out
    assert out.endswith("]\n  < }\n")


def test_details_say_what_the_api_does_not_document(client: httpx.Client, run: Run) -> None:
    send(client, "/audience?limit=\u202e&page=1")
    _, _, _, *lines = run("requests", "--details").out.splitlines()
    violations = [line for line in lines if line.startswith("  violation: ")]
    assert [line.split(": ")[1:3] for line in violations] == [
        ["unknown-parameter", "limit is `U+202E`"],
        ["unknown-parameter", "page is `1`"],
    ]
    reported = run("violations").out.splitlines()
    assert {line.partition("`: ")[2] for line in violations} <= {line.strip() for line in reported}


def test_long_bodies_are_cut_and_empty_ones_left_out() -> None:
    extension: dict[str, Any] = {"violations": [], "faults": [], "reason": None, "status": 200, "ended": "responded"}
    request = {"headers": {"accept": ["a", "b"]}, "body": "\n".join(["x"] * 42), "mockAtoms": extension}
    response = {"headers": {"x-request-id": "1"}, "body": ""}
    lines = [
        *("  id: 1", "  > accept: a", "  > accept: b", "  >"),
        *["  > x"] * 40,
        "  > … 2 more lines; --json has all",
    ]
    causes = Causes(MockClient("http://127.0.0.1:1"), {})
    assert detail_lines({"id": "1", "request": request}, Terminal(), causes) == lines
    assert detail_lines({"id": "1", "request": request, "response": response}, Terminal(), causes) == [
        *lines,
        "  < x-request-id: 1",
    ]


@pytest.mark.parametrize("is_json", [False, True])
def test_follow_prints_requests_as_they_end(server: MockServer, client: httpx.Client, is_json: bool) -> None:  # noqa: FBT001 - a parameter
    send(client, "/audience?number=0")
    command = [sys.executable, "-m", "mock_atoms", "requests", "--follow", "--url", server.url, "--token", "sk_acme"]
    with subprocess.Popen([*command, *["--json"] * is_json], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if not is_json:
            assert process.stdout.readline().split()[0] == "TIME"
        for number in range(1, 4):
            assert f"number={number - 1}" in (line := process.stdout.readline())
            assert not is_json or json.loads(line)["request"]["method"] == "GET"
            send(client, "/audience?number=9", "sk_other")
            send(client, f"/audience?number={number}")
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM


def test_follow_ends_with_one_line_if_the_server_stops() -> None:
    with MockServer() as mock:
        command = [sys.executable, "-m", "mock_atoms", "requests", "--follow", "--url", mock.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("TIME")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert err == "mock-atoms: the server has stopped\n"
