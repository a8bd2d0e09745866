import json
import re

import pytest

from mock_atoms import MockServer
from tests.helpers.cli import run_command


def test_the_server_is_that_of_the_option_before_that_of_the_environment(server: MockServer) -> None:
    result = run_command("status", "--json", "--url", server.root_url, environ={"MOCK_ATOMS_URL": "http://127.0.0.1:1"})
    assert json.loads(result.out)["url"] == server.url


def test_without_a_url_the_settings_of_the_environment_lead_to_the_server() -> None:
    with MockServer(base_path="/", admin_token="verysecret") as mock:
        environ = {
            "MOCK_ATOMS_PORT": str(mock.port),
            "MOCK_ATOMS_HOST": "::",
            "MOCK_ATOMS_BASE_PATH": "/",
            "MOCK_ATOMS_ADMIN_TOKEN": "verysecret",
        }
        code, out, _ = run_command("status", environ=environ)
        assert (code, out.split("\n")[0]) == (0, f"base URL     {mock.url}")


def test_a_missing_admin_token_is_one_line_and_exit_1() -> None:
    with MockServer(admin_token="verysecret") as mock:
        code, out, err = run_command("faults", "list", "--url", mock.url)
        fix = "give --admin-token or MOCK_ATOMS_ADMIN_TOKEN"
        assert (code, out, err) == (1, "", f"mock-atoms: {mock.root_url} requires a token: {fix}\n")
        assert run_command("faults", "list", "--url", mock.url, "--admin-token", "verysecret").code == 0
        code, _, err = run_command("faults", "list", "--url", mock.url, "--admin-token", "othersecret")
        assert (code, "othersecret" in err) == (1, False)
        assert err.startswith(
            f"mock-atoms: {mock.root_url} rejects the token of --admin-token or MOCK_ATOMS_ADMIN_TOKEN: "
        )


def test_an_unreachable_server_is_one_line_and_exit_1() -> None:
    code, out, err = run_command("requests", "--url", "http://127.0.0.1:1")
    assert (code, out) == (1, "")
    assert err.startswith("mock-atoms: no mock server responds at http://127.0.0.1:1: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "args",
    [
        ("requests", "--token", "\udcff"),
        ("requests", "--path", "/\udcff"),
        ("retries", "--test-id", "\udcff"),
        ("tenants", "show", "\udcff"),
        ("faults", "remove", "\udcff"),
    ],
)
def test_an_argument_that_is_not_utf_8_is_exit_2(server: MockServer, args: tuple[str, ...]) -> None:
    code, out, err = run_command(*args, "--url", server.url)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"mock-atoms: `.*U\+DCFF.*` is not UTF-8\n", err)


@pytest.mark.parametrize(
    ("args", "environ", "place"),
    [(("--url", "localhost"), {}, "--url"), ((), {"MOCK_ATOMS_URL": "localhost"}, "MOCK_ATOMS_URL")],
)
def test_an_invalid_url_is_exit_2(args: tuple[str, ...], environ: dict[str, str], place: str) -> None:
    code, _, err = run_command("status", *args, environ=environ)
    assert code == 2
    assert err.startswith(f"mock-atoms: {place}: `localhost` is not a base URL")


@pytest.mark.parametrize(
    "args",
    [("requests", "--token"), ("reset", "--token"), ("faults", "add", "500", "--token"), ("tenants", "show")],
)
@pytest.mark.parametrize("token", ["Bearer sk_acme", "bearer  sk_acme"])
def test_a_token_with_its_scheme_is_exit_2(args: tuple[str, ...], token: str) -> None:
    error = "mock-atoms: the token: leave out `Bearer`, give only what follows it\n"
    assert run_command(*args, token) == (2, "", error)


def test_a_misspelt_variable_is_exit_2() -> None:
    code, _, err = run_command("status", environ={"MOCK_ATOMS_ULR": "http://127.0.0.1:1"})
    assert (code, "Did you mean `MOCK_ATOMS_URL`?" in err) == (2, True)


def test_a_ca_file_is_trusted() -> None:
    with MockServer(tls="self-signed") as mock:
        assert run_command("status", "--url", mock.url).code == 1
        assert run_command("status", "--url", mock.url, "--ca-file", str(mock.ca_file)).code == 0
        environ = {"MOCK_ATOMS_URL": mock.url, "SSL_CERT_FILE": str(mock.ca_file)}
        assert run_command("status", environ=environ).code == 0


def test_a_journal_that_is_off_is_one_line_and_exit_1() -> None:
    with MockServer(journal_size=0) as mock:
        for command in ("requests", "retries"):
            code, out, err = run_command(command, "--url", mock.url)
            assert (code, out) == (1, "")
            assert err == "mock-atoms: the journal is off: start the server without --journal-size 0\n"
        code, out, _ = run_command("status", "--url", mock.url)
        assert (code, out.rstrip("\n").split("\n")[-1]) == (0, "requests     the journal is off")
