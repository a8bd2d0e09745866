"""The tools of `mock-atoms mcp`, called by the client of the package `mcp`."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from mock_atoms import MockServer
from mock_atoms.cli.mcp_server import MAX_BODY_CHARACTERS, build_server
from tests.helpers.audiences import ACME, bearer
from tests.helpers.cli import run_command
from tests.helpers.snippets import ROOT

Call = Callable[..., CallToolResult]


@pytest.fixture
def call(server: MockServer) -> Call:
    """Return a function that calls one tool in this process."""

    def call_tool(name: str, **arguments: object) -> CallToolResult:
        async def connect_and_call() -> CallToolResult:
            async with Client(build_server(server)) as client:
                return await client.call_tool(name, arguments)

        return asyncio.run(connect_and_call())

    return call_tool


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def json_of(result: CallToolResult) -> Any:  # noqa: ANN401 - any JSON
    assert not result.is_error, text_of(result)
    return json.loads(text_of(result))


def test_requests_are_listed_briefly_and_shown_completely(client: httpx.Client, call: Call) -> None:
    client.post("/audience/x/members", headers=ACME, json={"members": []})
    client.get("/audience?page=2", headers=bearer("sk_mock_500x1.mcp"))
    listed = json_of(call("list_requests"))
    assert (listed["baseUrl"], listed["total"]) == (str(client.base_url).rstrip("/"), 2)
    failed, posted = listed["requests"]
    assert {name: failed[name] for name in ("method", "url", "status", "tenant", "attempt", "faults")} == {
        "method": "GET",
        "url": "/atoms/v1/audience?page=2",
        "status": 500,
        "tenant": "sk_mock_500x1.mcp",
        "attempt": 1,
        "faults": ["key"],
    }
    assert "body" not in failed
    assert posted["body"] == '{"members":[]}'
    filtered = json_of(call("list_requests", token="sk_acme", method="POST", path="/audience/{id}/members", limit=1))
    assert filtered["requests"] == [posted]
    shown = json_of(call("show_request", request_id=failed["id"]))
    assert shown["request"]["headers"]["accept"] == "*/*"
    assert shown["why"] == ["The magic key asks for 500x1."]
    assert "nearest" not in shown
    client.get("/audiences", headers=ACME)
    unmatched = json_of(call("show_request", request_id=json_of(call("list_requests"))["requests"][0]["id"]))
    assert unmatched["nearest"].startswith("GET /atoms/v1/audience; path: expected ")


def test_retries_are_reported(client: httpx.Client, call: Call) -> None:
    for _ in range(2):
        client.get("/audience", headers=bearer("sk_mock_429x1.mcp"))
    assert "ignored-retry-after" in text_of(call("retry_report", token="sk_mock_429x1.mcp"))


def test_violations_are_listed(client: httpx.Client, call: Call) -> None:
    client.get("/audience?limit=10", headers=ACME)
    (violation,) = json_of(call("list_violations", token="sk_acme"))["violations"]
    assert (violation["kind"], violation["place"]) == ("unknown-parameter", "limit")


def test_a_fault_is_added_listed_and_removed(client: httpx.Client, call: Call) -> None:
    rule = json_of(call("add_fault", fault="503x1", token="sk_acme", method="GET", path="/audience"))
    assert client.get("/audience", headers=ACME).status_code == 503
    assert json_of(call("list_faults"))["faults"] == [rule | {"evaluated": 1, "triggered": 1}]
    assert text_of(call("remove_fault", rule_id=rule["id"])) == "removed"
    call("add_fault", fault="500")
    call("remove_fault")
    assert json_of(call("list_faults"))["faults"] == []


def test_a_stub_is_added_listed_and_removed(client: httpx.Client, call: Call) -> None:
    stub_id = text_of(call("add_stub", method="GET", path="/voices/{id}", status=202, body={"ok": True}))
    assert client.get("/voices/1", headers=ACME).json() == {"ok": True}
    assert [stub["id"] for stub in json_of(call("list_stubs"))["mappings"]] == [stub_id]
    assert text_of(call("remove_stub", stub_id=stub_id)) == "removed"
    call("add_stub", method="GET", path="/voices", token="sk_other")
    assert client.get("/voices", headers=ACME).status_code == 404
    call("remove_stub")
    assert json_of(call("list_stubs"))["mappings"] == []


def test_requests_are_selected_and_their_bodies_cut(client: httpx.Client, call: Call) -> None:
    client.post("/audience/x/members", headers=ACME, content="a" * (MAX_BODY_CHARACTERS + 1))
    client.get("/audience", headers=ACME)
    (request,) = json_of(call("list_requests", path="/audience/{id}/members"))["requests"]
    assert request["body"] == "a" * MAX_BODY_CHARACTERS


def test_data_of_a_tenant_is_set_and_reset(client: httpx.Client, call: Call) -> None:
    call("set_tenant", token="sk_acme", audiences=[{"name": "Pioneers", "memberCount": 30}])
    listed = client.get("/audience", headers=ACME).json()["data"]
    assert [audience["name"] for audience in listed] == ["Pioneers"]
    assert len(json_of(call("list_tenants"))["tenants"]) == 1
    assert json_of(call("show_tenant", token="sk_acme"))["audiences"] == listed
    members = json_of(call("show_tenant", token="sk_acme", audience_id=listed[0]["_id"], page=2))
    assert (len(members["members"]), members["totalCount"]) == (10, 30)
    assert text_of(call("reset", token="sk_acme")) == "reset"
    assert len(client.get("/audience", headers=ACME).json()["data"]) > 1


@pytest.mark.parametrize(
    ("tool", "arguments", "error"),
    [
        ("add_fault", {"fault": "5oo"}, "`5oo` is not a fault. Did you mean `500`?"),
        ("add_stub", {"method": "GET", "path": "x"}, "`x` does not start with a slash"),
        ("remove_stub", {"stub_id": "a b?x"}, "`a b?x` is not a UUID"),
        ("show_request", {"request_id": "x"}, "`x` is not a UUID"),
        ("list_requests", {"limit": 0}, "/limit: must be at least 1"),
        ("list_requests", {"token": {"is": "sk_live_secret"}}, "/token: must be text"),
        ("set_tenant", {"token": "sk_acme", "audiences": "sk_live_secret"}, "/audiences: must be a list"),
        ("set_tenant", {"audiences": []}, "/token: is missing"),
    ],
)
def test_an_error_says_what_to_fix(call: Call, tool: str, arguments: dict[str, object], error: str) -> None:
    result = call(tool, **arguments)
    assert result.is_error
    assert error in text_of(result)
    assert "secret" not in text_of(result)


def test_every_tool_and_argument_is_described(server: MockServer) -> None:
    for tool in asyncio.run(build_server(server).list_tools()):
        assert tool.description
        for name, schema in tool.input_schema["properties"].items():
            assert schema["description"], f"{tool.name}: {name}"


def test_an_agent_starts_the_command(server: MockServer) -> None:
    async def ask() -> tuple[str, str]:
        command = StdioServerParameters(command=sys.executable, args=["-m", "mock_atoms", "mcp", "--url", server.url])
        async with Client(command) as client:
            names = ",".join(sorted(tool.name for tool in (await client.list_tools()).tools))
            return names, text_of(await client.call_tool("retry_report", {}))

    names, report = asyncio.run(ask())
    assert "add_fault" in names.split(",")
    assert report == "0 calls, 0 attempts; 0 findings\n"


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_quietly(number: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "mock_atoms", "mcp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        if number is not None:
            process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")


def test_a_missing_package_is_one_line(server: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    monkeypatch.delitem(sys.modules, "mock_atoms.cli.mcp_server")
    code, _, err = run_command("mcp", "--url", server.url)
    assert code == 1
    assert err == (
        "mock-atoms: the package mcp is missing: install mock-atoms with the extra `mcp` (docs/python.md#install)\n"
    )


def test_page_lists_every_tool(server: MockServer) -> None:
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8").partition("| tool | |")[2].partition("\n\n")[0]
    tools = asyncio.run(build_server(server).list_tools())
    names = [name for line in page.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(names) == sorted(tool.name for tool in tools)
