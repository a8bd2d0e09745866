import io
import json
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import Run
from tests.helpers.audiences import ACME


def names(client: httpx.Client, headers: dict[str, str]) -> list[str]:
    return [audience["name"] for audience in client.get("/audience", headers=headers).json()["data"]]


def test_tenants_are_listed(client: httpx.Client, run: Run) -> None:
    assert run("tenants", "list").out == "no tenants\n"
    client.get("/audience", headers={**ACME, "X-Test-Id": "t1"})
    heading, line = run("tenants", "list").out.splitlines()
    assert (heading.split(), line.split()) == (["TOKEN", "TEST", "REQUESTS"], ["sk_…#665b48", "t1", "1"])
    assert json.loads(run("tenants", "list", "--json").out)["tenants"][0]["testId"] == "t1"


@pytest.mark.parametrize("test_id", [None, "t1"])
def test_a_fixture_file_sets_the_data_of_a_tenant(
    client: httpx.Client, run: Run, tmp_path: Path, test_id: str | None
) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text("tokens: [sk_x]\naudiences:\n  - name: Pioneers\n  - name: Guests\n")
    args = [] if test_id is None else ["--test-id", test_id]
    assert run("tenants", "set", "sk_acme", str(file), *args) == (0, "sk_…#665b48: 2 audiences\n", "")
    assert names(client, ACME | ({} if test_id is None else {"X-Test-Id": test_id})) == ["Pioneers", "Guests"]
    assert (names(client, ACME) == ["Pioneers", "Guests"]) == (test_id is None)


def test_a_list_from_standard_input_sets_the_audiences(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('[{"name": "Pioneers"}]'))
    content = json.loads(run("tenants", "set", "sk_acme", "-", "--json").out)
    assert [audience["name"] for audience in content["audiences"]] == ["Pioneers"]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"5", "must be a list of audiences, or an object such as"),
        (b'{"audiences": [}', "not YAML: "),
        (b"\xff", "not UTF-8: "),
        (b'{"x": 1}', "/x: unknown key"),
    ],
)
def test_an_invalid_file_is_exit_2(run: Run, tmp_path: Path, content: bytes, error: str) -> None:
    file = tmp_path / "data.yaml"
    file.write_bytes(content)
    code, out, err = run("tenants", "set", "sk_acme", str(file))
    assert (code, out) == (2, "")
    assert error in err


def test_a_missing_file_is_exit_2(run: Run) -> None:
    code, _, err = run("tenants", "set", "sk_acme", "/no/such/file")
    assert (code, err) == (2, "mock-atoms: /no/such/file: cannot be read: No such file or directory\n")
