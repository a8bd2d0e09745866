import json
from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from tests.cli.conftest import Run
from tests.helpers.audiences import ACME, bearer
from tests.helpers.cli import standard_input


def test_a_stub_is_added_listed_and_removed(server: MockServer, client: httpx.Client, run: Run) -> None:
    code, out, err = run("stubs", "add", "get", "/voices/{id}", "--status", "202", "--json-body", '{"ok": true}')
    stub_id = out.rstrip("\n")
    assert (code, err) == (0, "")
    response = client.get("/voices/1")
    assert (response.status_code, response.json()) == (202, {"ok": True})
    heading, line = run("stubs", "list").out.splitlines()
    assert heading.split() == ["ID", "METHOD", "PATH", "STATUS"]
    assert line.split() == [stub_id, "GET", "/atoms/v1/voices/{id}", "202"]
    assert run("stubs", "remove", stub_id) == (0, f"removed {stub_id} at {server.root_url}\n", "")
    assert run("stubs", "list").out == "no stubs\n"


def test_method_and_path_may_be_one_argument(client: httpx.Client, run: Run) -> None:
    assert run("stubs", "add", "GET /voices", "--status", "202").code == 0
    assert client.get("/voices").status_code == 202


@pytest.mark.parametrize(
    ("stub", "cells"),
    [
        ({"request": {"urlPath": "/a"}, "response": {"status": "404"}}, ["ANY", "/a", "404"]),
        ({"request": {"urlPath": "/a"}, "response": {"status": "404.0"}}, ["ANY", "/a", "404"]),
        ({"request": {"url": None, "method": None}}, ["ANY", "all", "200"]),
        ({"request": {"url": None, "urlPattern": "/a.*"}, "response": None}, ["ANY", "/a.*", "200"]),
    ],
)
def test_unusual_stubs_are_listed(server: MockServer, run: Run, stub: dict[str, object], cells: list[str]) -> None:
    httpx.post(f"{server.root_url}/__admin/mappings", json=stub).raise_for_status()
    code, out, _ = run("stubs", "list")
    assert (code, out.split()[-3:]) == (0, cells)


def test_options_make_the_response_and_narrow_the_request(client: httpx.Client, run: Run) -> None:
    headers = ("--header", "Content-Type: text/plain", "--header", "X-A: 1", "--header", "x-b:2", "--header", "x-b : 3")
    run("stubs", "add", "POST", "/voices", "--body", "done", *headers, "--token", "sk_acme", "--test-id", "t1")
    response = client.post("/voices", headers={**ACME, "X-Test-Id": "t1"})
    assert (response.status_code, response.text) == (200, "done")
    assert [response.headers[name] for name in ("content-type", "x-a", "x-b")] == ["text/plain", "1", "2, 3"]
    assert client.post("/voices", headers=bearer("sk_other", "t1")).status_code == 404


def test_a_file_has_one_stub_or_several(server: MockServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stub.json"
    stubs = [
        {"name": "broken", "request": {"urlPath": "/a"}, "response": {"fault": "EMPTY_RESPONSE"}},
        {
            "scenarioName": "life",
            "requiredScenarioState": "Started",
            "newScenarioState": "over",
            "request": {"method": {"oneOf": ["GET", "PUT"]}},
            "response": {},
        },
    ]
    file.write_text(json.dumps(stubs[0]))
    stub_id = run("stubs", "add", str(file)).out.rstrip("\n")
    assert server.control.call("GET", f"/mappings/{stub_id}")["name"] == "broken"
    assert run("stubs", "remove", "--all") == (0, f"removed all stubs at {server.root_url}\n", "")
    file.write_text(json.dumps({"mappings": stubs}))
    assert run("stubs", "add", str(file)) == (0, "2 stubs\n", "")
    _, broken, life = run("stubs", "list").out.splitlines()
    assert broken.split()[1:] == ["ANY", "/a", "EMPTY_RESPONSE", "broken"]
    assert life.split()[1:] == ['{"oneOf":', '["GET",', '"PUT"]}', "all", "200", "life", "Started", "→", "over"]
    assert json.loads(run("stubs", "list", "--json").out)["meta"] == {"total": 2}


def test_a_stub_comes_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", standard_input('{"request": {"urlPath": "/a"}, "response": {}}'))
    assert run("stubs", "add", "-").code == 0


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (("add", "file", "--json-body", "1"), 2, "--json-body: give a method and a path too, as in `mock-atoms stubs"),
        (("add", "GET", "a"), 2, "PATH: `a` does not start with a slash"),
        (("add", "GET", "/a", "--json-body", "{"), 2, "--json-body: not JSON: "),
        (("add", "GET", "/a", "--header", "x"), 2, "--header: `x` has no colon: write a header such as"),
        (("add", "GET", "/a", "--status", "1000"), 2, "/response/status: "),
        (("add", "/no/such/file"), 2, "/no/such/file: cannot be read: No such file or directory"),
        (("remove",), 2, "stubs remove: give the ids of stubs, or --all"),
        (("remove", "a b?x"), 2, "id: `a b?x` is not a UUID; `mock-atoms stubs list` lists stubs\n"),
        (
            ("remove", "4d6a50d6-5d52-4a5e-a21b-8a7e7ca9bd2a"),
            1,
            "there is no stub 4d6a50d6-5d52-4a5e-a21b-8a7e7ca9bd2a; `mock-atoms stubs list` lists stubs\n",
        ),
    ],
)
def test_errors_are_one_line(run: Run, args: tuple[str, ...], code: int, error: str) -> None:
    result = run("stubs", *args)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"mock-atoms: {error}")
    assert result.err.count("\n") == 1
