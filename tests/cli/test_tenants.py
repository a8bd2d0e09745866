import json
from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from tests.cli.conftest import Run
from tests.helpers.audiences import ACME
from tests.helpers.cli import standard_input


def names(client: httpx.Client, headers: dict[str, str]) -> list[str]:
    return [audience["name"] for audience in client.get("/audience", headers=headers).json()["data"]]


def test_tenants_are_listed(client: httpx.Client, run: Run) -> None:
    assert run("tenants", "list").out == "no tenants\n"
    client.get("/audience", headers={**ACME, "X-Test-Id": "t1"})
    heading, line = run("tenants", "list").out.splitlines()
    assert (heading.split(), line.split()) == (["TOKEN", "TEST", "REQUESTS"], ["sk_…#665b48", "t1", "1"])
    assert json.loads(run("tenants", "list", "--json").out)["tenants"][0]["testId"] == "t1"


def test_the_data_of_a_tenant_is_shown(server: MockServer, run: Run) -> None:
    members = [{"phoneNumber": "+14155550100", "city": "Oslo"}, {"phoneNumber": "+14155550101", "name": "Ada"}]
    campaigns = [{"name": "Spring calls", "status": "active"}]
    audiences = [{"name": "Pioneers", "members": members, "campaigns": campaigns}]
    (audience,) = server.set_audiences(audiences, token="sk_acme", test_id="t1")
    tenant = ("tenants", "show", "sk_acme", "--test-id", "t1")
    heading, line = run(*tenant).out.splitlines()
    assert heading.split() == ["ID", "NAME", "MEMBERS", "CAMPAIGNS"]
    assert line.split() == [audience["_id"], "Pioneers", "2", "Spring", "calls", "(active)"]
    assert json.loads(run(*tenant, "--json").out)["audiences"] == [audience]
    heading, first, summary = run(*tenant, "--audience", audience["_id"], "--size", "1").out.splitlines()
    assert (heading.split(), first.split()[1:]) == (["ID", "phoneNumber", "city"], ["+14155550100", "Oslo"])
    assert summary == "page 1 of 2, 2 members"
    assert server.requests() == []


def test_audiences_without_keys_are_shown(run: Run) -> None:
    assert run("tenants", "show", "sk_mock_empty").out == "no audiences\n"
    assert run("tenants", "show", "sk_mock_sparse").code == 0


def test_an_unknown_audience_is_exit_1(run: Run) -> None:
    code, out, err = run("tenants", "show", "sk_acme", "--audience", "65a01285f0c7adc6c2c9a7a2")
    assert (code, out) == (1, "")
    assert err.startswith("mock-atoms: 65a01285f0c7adc6c2c9a7a2: ")
    assert run("tenants", "show", "sk_acme", "--audience", "a b").code == 2


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
    monkeypatch.setattr("sys.stdin", standard_input('[{"name": "Pioneers"}]'))
    content = json.loads(run("tenants", "set", "sk_acme", "-", "--json").out)
    assert [audience["name"] for audience in content["audiences"]] == ["Pioneers"]


def test_standard_input_is_utf_8_in_any_locale(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", standard_input('\ufeff[{"name": "東京"}]'))
    content = json.loads(run("tenants", "set", "sk_acme", "-", "--json").out)
    assert [audience["name"] for audience in content["audiences"]] == ["東京"]


def test_a_closed_standard_input_is_exit_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    error = "mock-atoms: -: standard input is closed: redirect a file to it, or name the file\n"
    assert run("tenants", "set", "sk_acme", "-") == (2, "", error)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"5", "must be a list of audiences, or an object such as"),
        (b'{"audiences": [}', "not YAML: "),
        (b"[!!binary eA==]", "data.yaml:1: the tag `!!binary` is not supported: remove it, and put text in quotes"),
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
