import json
from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.cli.command import OutputError
from tests.cli.conftest import Run
from tests.helpers.audiences import ACME, bearer
from tests.helpers.cli import run_command, standard_input


def test_reset_without_options_resets_everything(server: MockServer, client: httpx.Client, run: Run) -> None:
    server.fail("500")
    client.get("/audience", headers=ACME)
    assert run("reset") == (0, f"reset {server.root_url}\n", "")
    assert server.requests() == []
    assert client.get("/audience", headers=ACME).status_code == 200


def test_reset_of_a_token_keeps_others(server: MockServer, client: httpx.Client, run: Run) -> None:
    for headers in (ACME, bearer("sk_other")):
        client.get("/audience", headers=headers)
    assert run("reset", "--token", "sk_acme") == (0, f"reset sk_…#665b48 at {server.root_url}\n", "")
    assert len(server.requests()) == 1
    assert server.requests(token="sk_acme") == []


def test_reset_of_a_token_keeps_its_stubs_as_the_help_says(
    server: MockServer, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    stub_id = server.stub("GET", "/voices", token="sk_acme")
    assert run("reset", "--token", "sk_acme").code == 0
    assert stub_id in run("stubs", "list").out
    with pytest.raises(SystemExit):
        run_command("reset", "--help")
    description, _, options = " ".join(capsys.readouterr().out.split()).partition("options:")
    assert "With a token or a test, reset only what belongs to it, and keep all stubs." in description
    assert "stubs" not in options


@pytest.mark.parametrize(
    ("args", "scope"),
    [
        (("--test-id", "red\u202e"), "test redU+202E"),
        (("--token", "sk_acme", "--test-id", "of sk_acme"), "sk_…#665b48, test of sk_…#665b48"),
    ],
)
def test_reset_names_the_test(server: MockServer, run: Run, args: tuple[str, ...], scope: str) -> None:
    assert run("reset", *args) == (0, f"reset {scope} at {server.root_url}\n", "")


def test_a_url_with_a_password_is_refused_and_not_shown(server: MockServer) -> None:
    result = run_command("reset", "--url", f"http://me:verysecret@127.0.0.1:{server.port}")
    assert (result.code, result.out, "verysecret" in result.err) == (2, "", False)
    assert "--url: the base URL is invalid, or has a user name or a password before `@`: use " in result.err


def test_a_state_moves_by_file(server: MockServer, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    rule_id = server.fail("500", token="sk_acme")
    assert run("state", "export", str(file)) == (0, "", "")
    assert json.loads(run("state", "export").out) == json.loads(file.read_text())
    server.reset()
    assert run("state", "import", str(file)) == (0, f"imported {file} to {server.root_url}\n", "")
    assert [rule["id"] for rule in server.control.call("GET", "/faults")["faults"]] == [rule_id]


def test_a_state_comes_from_standard_input(server: MockServer, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", standard_input(run("state", "export").out))
    assert run("state", "import", "-") == (0, f"imported standard input to {server.root_url}\n", "")


def test_a_file_that_is_no_state_is_exit_2(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    for text, error in (("{", f"{file}: not JSON: "), ("{}", f"{file}: not an exported state: /version: ")):
        file.write_text(text)
        code, _, err = run("state", "import", str(file))
        assert code == 2
        assert err.startswith(f"mock-atoms: {error}")


def test_a_file_that_cannot_be_read_is_one_error(run: Run) -> None:
    error = "mock-atoms: /no/such/state.json: cannot be read: No such file or directory\n"
    assert run("state", "import", "/no/such/state.json") == (2, "", error)


def test_a_state_of_another_seed_is_exit_1(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    with MockServer(seed="other") as mock:
        file.write_text(json.dumps(mock.control.call("GET", "/state")))
    assert run("state", "import", str(file)).code == 1


def test_a_file_that_cannot_be_written_is_an_error(run: Run) -> None:
    with pytest.raises(OutputError, match=r"^/no/such/state\.json: cannot be written: No such file or directory$"):
        run("state", "export", "/no/such/state.json")
