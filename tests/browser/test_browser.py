"""Checks the dashboard's code, and uses it in Chromium."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mock_atoms import MockServer
from tests.helpers.audiences import send
from tests.helpers.snippets import ROOT

HERE = Path(__file__).parent
ADMIN_TOKEN = "sk_admin_of_the_dashboard"


def require_node_modules() -> None:
    """Skip the test, or fail it in CI, if the packages of this folder are missing."""
    if (HERE / "node_modules").is_dir():
        return
    reason = "tests/browser/node_modules is missing: npm ci --prefix tests/browser"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, and CI skips nothing")
    pytest.skip(reason)


@pytest.mark.parametrize("script", ["types", "lint", "format"])
def test_the_code_passes_its_checks(script: str, tool: Callable[[str], str]) -> None:
    require_node_modules()
    arguments = ["--", "--check"] if script == "format" else []
    done = subprocess.run(
        [tool("npm"), "run", "--silent", script, *arguments], cwd=HERE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/audience", None),
        ("GET", '/audience?page=2&q=a%20"b"&page=3&empty=', None),
        ("POST", "/audience/x/members?q=%C3%A9", {"members": [None, True, "é\U0001f600"]}),
    ],
)
def test_a_copied_assertion_of_pytest_runs(
    server: MockServer, tool: Callable[[str], str], method: str, url: str, body: object
) -> None:
    send(server.url, "sk_acme", url, method, json=body)
    (event,) = server.control.call("GET", "/requests")["requests"]
    module = (ROOT / "mock_atoms/dashboard/static/copy.js").as_uri()
    program = f"import {{ asPytest }} from {module!r}; console.log(asPytest({json.dumps(event)}, '/atoms/v1'));"
    command = [tool("node"), "--input-type=module", "--eval", program]
    copied = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    exec(copied, {"mock_atoms": server})
    assert copied.count("request.query ==") == ("?" in url)
    assert copied.count("request.json() ==") == (body is not None)


def test_the_page_works_in_chromium(tool: Callable[[str], str], tmp_path: Path) -> None:
    require_node_modules()
    chromium, node = tool("chromium"), tool("node")
    # SCREENSHOTS=1 replaces the pictures of docs/dashboard.md.
    folder = str(ROOT / "docs") if os.environ.get("SCREENSHOTS") else ""
    (tmp_path / "acme.yaml").write_text("{tokens: [sk_acme], audiences: [{name: First}]}\n", encoding="utf-8")
    with (
        MockServer() as server,
        MockServer(admin_token=ADMIN_TOKEN) as guarded,
        MockServer(fixtures=tmp_path, reload=True) as reloading,
    ):
        environment = {
            "CHROMIUM": chromium,
            "DASHBOARD_SERVER": server.root_url,
            "DASHBOARD_GUARDED_SERVER": guarded.root_url,
            "DASHBOARD_ADMIN_TOKEN": ADMIN_TOKEN,
            "DASHBOARD_RELOADING_SERVER": reloading.root_url,
            "DASHBOARD_FIXTURE": str(tmp_path / "acme.yaml"),
            "DASHBOARD_SCREENSHOTS": folder,
        }
        done = subprocess.run(
            [node, "--test", "--test-reporter=spec", "dashboard.test.mjs"],
            cwd=HERE,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
