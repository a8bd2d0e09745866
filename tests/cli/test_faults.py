import json

import httpx
import pytest

from mock_atoms import MockServer
from tests.cli.conftest import Run
from tests.helpers.audiences import ACME
from tests.helpers.cli import run_command


def test_a_rule_is_added_listed_and_removed(server: MockServer, client: httpx.Client, run: Run) -> None:
    code, out, err = run("faults", "add", "GET /audience 500x1", "--token", "sk_acme")
    rule_id = out.rstrip("\n")
    assert (code, err) == (0, "")
    assert [client.get("/audience", headers=ACME).status_code for _ in range(2)] == [500, 200]
    _, line = run("faults", "list").out.splitlines()
    fields = [rule_id, "GET", "/audience", "token=sk_…#665b48", "when.times=1", "respond.status=500", "2", "1"]
    assert line.split() == fields
    assert run("faults", "remove", rule_id) == (0, f"removed {rule_id} at {server.root_url}\n", "")
    assert run("faults", "list").out == "no fault rules\n"


def test_a_rule_of_the_settings_cannot_be_removed() -> None:
    with MockServer(fault=["500"]) as server:
        result = run_command("faults", "remove", "fault-1", "--url", server.url)
    assert (result.code, result.out) == (1, "")
    assert "fault-1 comes from the server's settings" in result.err
    assert "mock-atoms faults list" not in result.err


def test_options_narrow_a_rule(server: MockServer, run: Run) -> None:
    args = ("--method", "GET", "--path", "/audience/{id}", "--test-id", "t1")
    rule = json.loads(run("faults", "add", "delay5+429+retry1", *args, "--json").out)
    assert rule["match"] == {"method": "GET", "path": "/audience/{id}", "testId": "t1"}
    assert json.loads(run("faults", "list", "--json").out) == server.control.call("GET", "/faults")


def test_a_rule_may_be_json(run: Run) -> None:
    run("faults", "add", '{"name": "cut", "connection": "reset", "when": {"limit": {"requests": 2}}}')
    _, line = run("faults", "list").out.splitlines()
    assert line.split()[1:-2] == ["all", "name=cut", "when.limit.requests=2", "connection=reset"]


def test_all_rules_are_removed(server: MockServer, run: Run) -> None:
    server.fail("500")
    server.fail("429")
    removed = f"removed all fault rules at {server.root_url}, except those of its settings\n"
    assert run("faults", "remove", "--all") == (0, removed, "")
    assert run("faults", "list").out == "no fault rules\n"


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (("add", "5oo"), 2, "/fault: `5oo` is not a fault. Did you mean `500`?"),
        (("add", "{"), 2, "FAULT: not JSON: "),
        (("add", "GET /audience 500", "--method", "POST"), 2, "--method: FAULT has a method already, `GET`: leave out"),
        (
            ("add", "GET /audience 500", "--path", "/audience"),
            2,
            "--path: FAULT has a path already, `/audience`: leave",
        ),
        (("add", "not a fault", "--path", "/audience"), 2, "/fault: `not a fault` is not a fault"),
        (("remove",), 2, "faults remove: give the ids of rules, or --all"),
        (("remove", "rule-1", "--all"), 2, "faults remove: give the ids of rules, or --all"),
        (("remove", "a b?x"), 1, "no rule has the id a b?x; `mock-atoms faults list` lists faults\n"),
        (("remove", "rule-1"), 1, "no rule has the id rule-1; `mock-atoms faults list` lists faults\n"),
    ],
)
def test_errors_are_one_line(run: Run, args: tuple[str, ...], code: int, error: str) -> None:
    result = run("faults", *args)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"mock-atoms: {error}")
