import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

import mock_atoms
from mock_atoms import MockServer
from mock_atoms.cli.main import main
from mock_atoms.core.settings import flag_name, setting_infos, variable_name
from tests.helpers.audiences import ACME

FIXTURES = Path(__file__).parents[2] / "fixtures"


def run(*args: str, environ: dict[str, str] | None = None) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(args, environ or {}, out, err)
    return code, out.getvalue(), err.getvalue()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--version")
    assert (caught.value.code, capsys.readouterr().out) == (0, f"mock-atoms {mock_atoms.__version__}\n")


def test_help_names_every_flag_with_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("serve", "--help")
    shown = " ".join(capsys.readouterr().out.split())
    for name in setting_infos():
        assert flag_name(name) in shown
        assert variable_name(name) in shown


@pytest.mark.parametrize("args", [(), ("nothing",), ("serve", "--prot", "1"), ("serve", "--see", "1"), ("fixtures",)])
def test_a_wrong_call_is_exit_2(args: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*args)
    assert caught.value.code == 2
    assert "usage: mock-atoms" in capsys.readouterr().err


def test_a_key_in_a_wrong_call_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("serve", "--tokens", "sk_a,", "sk_verysecret")
    assert "unrecognized arguments: sk_ver…#38c9cb" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("serve", "--port", "x"), "--port: 'x': Input should be a valid integer"),
        (("serve", "--fault", "5oo"), "fault-1: '5oo' is no fault"),
        (("serve", "--fixtures", "/no/such/folder"), "/no/such/folder: the fixtures folder cannot be read"),
        (("serve", "--config", "/no/such/file"), "/no/such/file: cannot be read"),
        (("openapi", "--base-path", "x"), "--base-path: 'x': a base path is"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_2(args: tuple[str, ...], message: str) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.startswith(f"mock-atoms: {message}")
    assert err.count("\n") == 1


def test_fixtures_prints_what_the_server_answers() -> None:
    code, out, _ = run("fixtures", "sk_acme", "--seed", "x", "--locale", "de_DE")
    with MockServer(seed="x", locale="de_DE") as mock:
        served = httpx.get(f"{mock.url}/audience", headers=ACME)
    assert (code, json.loads(out)) == (0, served.json())


def test_fixtures_reads_the_folder() -> None:
    code, out, _ = run("fixtures", "sk_acme", environ={"MOCK_ATOMS_FIXTURES": str(FIXTURES)})
    assert code == 0
    assert json.loads(out)["data"][0]["name"] == "Spring open house"


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("sk_b", "--tokens", "sk_a"), "unknown-token"),
        (("sk_mock_revoked",), "revoked-token"),
        (("two words",), "malformed-authorization"),
        (("\u00e9",), "malformed-authorization"),
        (("\udcff",), "malformed-authorization"),
        (("",), "malformed-authorization"),
    ],
)
def test_fixtures_of_a_token_that_is_not_valid_are_the_401(args: tuple[str, ...], reason: str) -> None:
    code, out, err = run("fixtures", *args)
    assert (code, json.loads(out)) == (1, {"status": False, "errors": ["Unauthorized: User not found"]})
    assert err == f"mock-atoms: {reason}\n"


def test_json_leaves_the_process_as_utf_8() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mock_atoms", "fixtures", "sk_mock_unicode"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert "東京" in done.stdout.decode("utf-8")


def test_openapi_prints_what_the_server_serves() -> None:
    code, out, _ = run("openapi", "--base-path", "/x")
    with MockServer(base_path="/x") as mock:
        assert (code, json.loads(out)) == (0, httpx.get(f"{mock.root_url}/openapi.json").json())


def test_a_config_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mock.toml"
    file.write_text('base-path = "/from-file"\n')
    for args, environ in (("--config", str(file)), {}), ((), {"MOCK_ATOMS_CONFIG": str(file)}):
        _, out, _ = run("openapi", *args, environ=environ)
        assert json.loads(out)["servers"][0]["url"] == "/from-file"


@pytest.mark.parametrize("host", [None, "0.0.0.0"])
def test_healthcheck_follows_the_port_of_the_environment(server: MockServer, host: str | None) -> None:
    environ = {"MOCK_ATOMS_PORT": str(server.port)} | ({"MOCK_ATOMS_HOST": host} if host else {})
    assert run("healthcheck", environ=environ) == (0, "", "")


@pytest.mark.parametrize("host", ["127.0.0.1", "a b", "a..b", "no.such.host.invalid"])
def test_healthcheck_fails_where_nothing_listens(host: str) -> None:
    code, out, err = run("healthcheck", "--host", host, "--port", "1")
    assert (code, out) == (1, "")
    assert err.startswith(f"mock-atoms: {host}:1 is not healthy: ")
    assert err.count("\n") == 1


@pytest.fixture
def impostor() -> Iterator[HTTPServer]:
    """Serve, as the health of something else, what the test puts into `server.answer`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.answer)  # type: ignore[attr-defined] # put there by the test

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield other
        other.shutdown()
        thread.join()


@pytest.mark.parametrize("answer", [b'{"status": "starting"}', b"{}", b"[]", b"<html>", b""])
def test_healthcheck_is_not_fooled_by_another_server(impostor: HTTPServer, answer: bytes) -> None:
    impostor.answer = answer  # type: ignore[attr-defined] # read by the handler
    code, _, err = run("healthcheck", "--port", str(impostor.server_port))
    assert code == 1
    assert "is not healthy" in err


def test_importing_the_package_alone_is_light() -> None:
    code = "import sys, mock_atoms; print(any(name in sys.modules for name in ('fastapi', 'pydantic', 'faker')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mock_atoms.nothing  # noqa: B018 - the access is the test
    assert logging.getLogger("mock_atoms").handlers == []
