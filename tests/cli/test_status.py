import json
import re
from pathlib import Path

import httpx
import pytest

import mock_atoms
from mock_atoms import MockServer
from mock_atoms.cli.status import _duration
from tests.cli.conftest import Run
from tests.helpers.audiences import ACME
from tests.helpers.cli import run_command


def test_status_counts_what_the_server_has(server: MockServer, client: httpx.Client, run: Run) -> None:
    client.get("/audience", headers=ACME)
    server.fail("500", token="sk_other")
    assert json.loads(run("status", "--json").out) | {"uptimeInSeconds": 0} == {
        "url": server.url,
        "status": "healthy",
        "version": mock_atoms.__version__,
        "uptimeInSeconds": 0,
        "tenants": 1,
        "faultRules": 1,
        "requests": 1,
        "lastReload": None,
    }
    code, out, _ = run("status")
    assert code == 0
    assert out.startswith(f"base URL     {server.url}\nstatus       healthy, version {mock_atoms.__version__}, up ")
    assert out.endswith("\ntenants      1\nfault rules  1\nrequests     1\n")


@pytest.mark.parametrize("path", ["", "/", "/__admin/", "/atoms/v1", "/mock/v2/"])
def test_the_base_url_is_that_of_the_server(path: str) -> None:
    with MockServer(base_path="/mock/v2") as server:
        out = run_command("status", "--url", server.root_url + path).out
        assert out.startswith(f"base URL     {server.root_url}/mock/v2\n")


def test_status_shows_why_files_were_not_read(tmp_path: Path, run: Run) -> None:
    with MockServer(fixtures=tmp_path, reload=True) as server, server.events() as events:
        for content, outcome in (
            ("- 1\n", f"{tmp_path}/a.yaml:1: the file: "),
            ("", "fixtures and stubs were reloaded"),
        ):
            if content:
                (tmp_path / "a.yaml").write_text(content, encoding="utf-8")
            else:
                (tmp_path / "a.yaml").unlink()
            assert next(events).name == "files-reloaded"
            code, out, _ = run("status", "--url", server.url)
            assert code == 0
            assert re.search(rf"\nreload       20\S+Z: {re.escape(outcome)}", out)


@pytest.mark.parametrize(("seconds", "text"), [(59, "59 s"), (61, "1 min 1 s"), (7_265, "2 h 1 min")])
def test_durations_are_short(seconds: int, text: str) -> None:
    assert _duration(seconds) == text
