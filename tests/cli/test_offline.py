import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.core.settings import flag_name, validate_settings
from tests.helpers.audiences import ACME
from tests.helpers.cli import run_command

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": "x", "locale": "de_DE"},
        {"active_campaigns": "draft,completed"},
        {"audience_order": "newest"},
    ],
)
def test_fixtures_prints_the_response_of_the_server(settings: dict[str, str]) -> None:
    flags = [word for name, value in settings.items() for word in (flag_name(name), value)]
    code, out, _ = run_command("fixtures", "sk_acme", *flags)
    with MockServer(validate_settings({"port": 0, **settings})) as mock:
        response = httpx.get(f"{mock.url}/audience", headers=ACME)
    assert (code, json.loads(out)) == (0, response.json())


def test_fixtures_needs_no_shared_store() -> None:
    code, out, err = run_command("fixtures", "sk_acme", environ={"MOCK_ATOMS_STORE": "redis://127.0.0.1:1/0"})
    assert (code, out, err) == (0, run_command("fixtures", "sk_acme").out, "")


def test_invisible_characters_are_escaped() -> None:
    code, out, _ = run_command("fixtures", "sk_mock_unicode")
    assert (code, [line for line in out.splitlines() if not line.isprintable()]) == (0, [])
    assert "zero\u200bwidth" in {part for each in json.loads(out)["data"] for part in each["name"].split()}


def test_fixtures_reads_the_folder() -> None:
    code, out, _ = run_command("fixtures", "sk_acme", environ={"MOCK_ATOMS_FIXTURES": str(FIXTURES)})
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
def test_fixtures_of_an_invalid_token_prints_the_401(args: tuple[str, ...], reason: str) -> None:
    code, out, err = run_command("fixtures", *args)
    assert (code, json.loads(out)) == (1, {"status": False, "errors": ["Unauthorized: User not found"]})
    assert err == f"mock-atoms: {reason}\n"


def test_json_is_printed_as_utf_8() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mock_atoms", "fixtures", "sk_mock_unicode"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert "東京" in done.stdout.decode("utf-8")


def test_openapi_prints_the_document_of_the_server() -> None:
    code, out, _ = run_command("openapi", "--base-path", "/x")
    with MockServer(base_path="/x") as mock:
        assert (code, json.loads(out)) == (0, httpx.get(f"{mock.root_url}/openapi.json", timeout=60).json())


def test_a_config_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mock.toml"
    file.write_text('base-path = "/from-file"\n')
    for args, environ in (("--config", str(file)), {}), ((), {"MOCK_ATOMS_CONFIG": str(file)}):
        _, out, _ = run_command("openapi", *args, environ=environ)
        assert json.loads(out)["servers"][0]["url"] == "/from-file"
