import json

import httpx

from mock_atoms import MockServer
from tests.cli.conftest import Run
from tests.helpers.audiences import ACME
from tests.helpers.cli import run_in_terminal


def test_violations_are_reported(client: httpx.Client, run: Run) -> None:
    assert run("violations", "--check") == (0, "no contract violations\n", "")
    client.get("/audience?limit=10", headers=ACME)
    code, out, err = run("violations", "--check")
    assert (code, err) == (1, "mock-atoms: 1 contract violation\n")
    assert out.startswith("1 contract violation in 1 request\nunknown-parameter: GET /audience limit, such as `10`\n  ")
    assert out.endswith(
        " (S)\n(S), (D): the vendor's documents; (K): its Python SDK; (A): an assumption; docs/fidelity.md lists all\n"
    )
    assert run("violations").code == 0
    assert json.loads(run("violations", "--json").out)["summary"]["byKind"] == {"unknown-parameter": 1}


def test_filters_select_requests(client: httpx.Client, run: Run) -> None:
    client.get("/audience?limit=10", headers=ACME)
    selected = [
        run("violations", "--check", *args).code
        for args in (
            ("--token", "sk_acme", "--method", "get", "--path", "/audience"),
            ("--token", "sk_other"),
            ("--test-id", "t1"),
            ("--method", "POST"),
            ("--path", "/audience/{id}"),
        )
    ]
    assert selected == [1, 0, 0, 0, 0]


def test_violations_are_yellow_in_a_terminal(server: MockServer, client: httpx.Client) -> None:
    client.get("/audience?limit=10", headers=ACME)
    out = run_in_terminal("violations", environ={"MOCK_ATOMS_URL": server.url}).out
    assert out.startswith("1 contract violation in 1 request\n\x1b[33munknown-parameter: ")


def test_requests_name_the_number_of_their_violations(client: httpx.Client, run: Run) -> None:
    client.get("/audience?limit=10", headers=ACME)
    assert run("requests").out.endswith(" violations=1\n")
