"""The dashboard's files as the server sends them."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import mock_atoms
from mock_atoms import MockServer, Settings, create_app
from mock_atoms.cli.causes import MAX_DISTANCE, REASONS
from mock_atoms.dashboard.files import CONTENT_SECURITY_POLICY
from mock_atoms.journal.retries import Finding
from mock_atoms.mock import MockAtoms
from tests.docs.test_fields import table_names
from tests.helpers.asgi import call
from tests.helpers.snippets import ROOT

STATIC = Path(mock_atoms.__file__).parent / "dashboard" / "static"
BROWSER = [(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")]


@pytest.mark.parametrize(
    ("path", "content_type", "file"),
    [
        ("/__admin/", "text/html; charset=utf-8", "index.html"),
        ("/__admin/dashboard/app.js", "text/javascript; charset=utf-8", "app.js"),
        ("/__admin/dashboard/style.css", "text/css; charset=utf-8", "style.css"),
        ("/__admin/dashboard/icon.svg", "image/svg+xml", "icon.svg"),
    ],
)
def test_a_file_has_its_type_and_a_strict_policy(path: str, content_type: str, file: str) -> None:
    response = call(create_app(Settings()), path)
    assert (response.status, response.headers["content-type"]) == (200, content_type)
    assert response.body == (STATIC / file).read_bytes()
    assert response.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert response.headers["x-content-type-options"] == "nosniff"


def test_the_policy_allows_no_inline_code_and_no_other_host() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; ")


def test_a_browser_revalidates_a_file() -> None:
    app = create_app(Settings())
    first = call(app, "/__admin/")
    assert first.headers["cache-control"] == "no-cache"
    for etag in (first.headers["etag"], f'"other", W/{first.headers["etag"]}'):
        again = call(app, "/__admin/", [(b"if-none-match", etag.encode())])
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert call(app, "/__admin/", [(b"if-none-match", b'"other"')]).status == 200


@pytest.mark.parametrize("name", ["none.js", "../files.py", "..%2Ffiles.py", "__init__.py", "", "a/b.js"])
def test_no_other_file_is_served(name: str) -> None:
    response = call(create_app(Settings()), f"/__admin/dashboard/{name}")
    assert (response.status, response.headers["content-type"]) == (404, "application/json")


@pytest.mark.parametrize("path", ["/", "/__admin"])
def test_a_browser_is_led_to_the_page(path: str) -> None:
    response = call(create_app(Settings()), path, BROWSER)
    assert (response.status, response.headers["location"]) == (307, "__admin/")


@pytest.mark.parametrize("settings", [{"base_path": "/"}, {"admin": False}])
def test_the_root_stays_the_api_if_it_is_served_there_or_the_control_api_is_disabled(settings: dict[str, Any]) -> None:
    assert call(create_app(Settings(**settings)), "/", BROWSER).status == 404


@pytest.mark.parametrize(
    ("method", "headers"), [("GET", []), ("GET", [(b"accept", b"*/*")]), ("POST", BROWSER), ("DELETE", BROWSER)]
)
def test_other_clients_get_the_same_response_as_before(method: str, headers: list[tuple[bytes, bytes]]) -> None:
    mock = MockAtoms(Settings())
    response = call(create_app(mock=mock), "/", headers, method)
    assert (response.status, f"Cannot {method} /" in response.body.decode()) == (404, True)
    assert response.headers["x-mock-atoms-reason"] == "outside-base-path"


def test_a_real_server_leads_a_browser_to_the_page() -> None:
    with MockServer() as mock, httpx.Client(base_url=mock.root_url, headers={"Accept": "text/html"}) as http:
        response = http.get("/", follow_redirects=True)
        assert (response.status_code, response.url.path) == (200, "/__admin/")
        assert http.head("/").status_code == 307
        assert mock.requests() == []


@pytest.mark.parametrize("settings", [{"admin_token": "secret-1"}, {"host": "0.0.0.0"}, {}])
def test_everyone_may_load_the_page_but_not_its_data(settings: dict[str, Any]) -> None:
    app = create_app(Settings(**settings))
    assert call(app, "/__admin/", [(b"host", b"evil.test")]).status == 200
    assert call(app, "/__admin/requests", [(b"host", b"evil.test")]).status in (401, 403)


def test_a_disabled_control_api_has_no_page() -> None:
    app = create_app(Settings(admin=False))
    assert {call(app, path).status for path in ("/__admin", "/__admin/", "/__admin/dashboard/app.js")} == {404}


def test_no_file_refers_to_another_host_or_inserts_markup() -> None:
    for file in STATIC.iterdir():
        text = file.read_text(encoding="utf-8")
        hosts = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
        assert hosts == set(), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file.name


def test_the_help_page_has_the_filters_of_the_documentation_and_all_findings() -> None:
    page = (STATIC / "help.js").read_text(encoding="utf-8")
    document = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    terms, findings = (re.search(rf"const {name} = .*?\n\]\);", page, re.DOTALL) for name in ("FILTERS", "FINDINGS"))
    assert terms is not None
    assert findings is not None
    documented = re.findall(r"^\| `([^`]+)` \|", document.partition("## Filter")[2].partition("\n## ")[0], re.MULTILINE)
    assert re.findall(r'^  \["([^"]+)", ', terms[0], re.MULTILINE) == documented
    assert set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', findings[0])) == set(Finding)


def test_the_page_and_the_command_line_explain_each_documented_reason_alike() -> None:
    table = (STATIC / "explain.js").read_text(encoding="utf-8").partition("const REASONS")[2].partition("});")[0]
    sentences = re.findall(r'^  ([a-z"-]+): (".*"),$', table, re.MULTILINE)
    assert {name.strip('"'): json.loads(text) for name, text in sentences} == REASONS
    assert f"const MAX_DISTANCE = {MAX_DISTANCE};" in (STATIC / "detail.js").read_text(encoding="utf-8")
    documented = table_names("journal.md", "reason | meaning")
    assert REASONS.keys() == {reason for reason in documented if not reason.startswith("connection-")} - {"stub"}
