import json

import httpx

from mock_atoms import MockServer
from tests.cli.conftest import Run
from tests.helpers.audiences import bearer
from tests.helpers.cli import run_in_terminal


def retry_early(client: httpx.Client) -> None:
    for _ in range(2):
        client.get("/audience", headers=bearer("sk_mock_429x1.cli"))


def test_the_report_is_that_of_the_server(server: MockServer, client: httpx.Client, run: Run) -> None:
    retry_early(client)
    assert run("retries") == (0, server.retries().text, "")
    content = json.loads(run("retries", "--json").out)
    assert content["summary"]["findingsByKind"] == {"ignored-retry-after": 1}


def test_check_fails_if_there_are_findings(client: httpx.Client, run: Run) -> None:
    assert run("retries", "--check") == (0, "0 calls, 0 attempts; 0 findings\n", "")
    retry_early(client)
    code, _, err = run("retries", "--check")
    assert (code, err) == (1, "mock-atoms: 1 finding\n")
    assert run("retries", "--check", "--token", "sk_other").code == 0


def test_options_are_parameters_of_the_report(client: httpx.Client, run: Run) -> None:
    client.get("/audience", headers=bearer("sk_mock_500.cli"))
    assert "gave up" in run("retries").out
    assert "still failing" in run("retries", "--patience-ms", "60000").out
    code, _, err = run("retries", "--min-backoff-ms", "x")
    assert (code, err) == (2, "mock-atoms: minBackoffMs: `x` is not a whole number from 0 to 1000000\n")


def test_findings_are_red_in_a_terminal(server: MockServer, client: httpx.Client) -> None:
    retry_early(client)
    out = run_in_terminal("retries", environ={"MOCK_ATOMS_URL": server.url}).out
    assert "\n\x1b[31m     ! ignored-retry-after: " in out
