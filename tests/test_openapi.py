import json
import re
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer, Settings, create_app
from tests.contract import documented, documented_accounts, documented_campaigns
from tests.contract.documented import without_prose
from tests.helpers.asgi import bearer_pairs, call
from tests.helpers.control import problem

OPERATIONS = documented.OPERATIONS | documented_accounts.OPERATIONS | documented_campaigns.OPERATIONS
SCHEMAS = documented.SCHEMAS | documented_accounts.SCHEMAS | documented_campaigns.SCHEMAS


@pytest.fixture
def document(server: MockServer) -> dict[str, Any]:
    response = httpx.get(f"{server.root_url}/openapi.json", timeout=60)
    assert response.headers["content-type"] == "application/json"
    served: dict[str, Any] = response.json()
    return served


def test_the_document_states_the_contract(document: dict[str, Any]) -> None:
    for path, operations in OPERATIONS.items():
        for method, expected in operations.items():
            operation = without_prose(document["paths"][path][method])
            assert operation.pop("security") == [{"BearerAuth": []}]
            assert operation == expected
    assert without_prose(document["components"]["schemas"]) == SCHEMAS


def test_the_document_names_the_security_scheme(document: dict[str, Any]) -> None:
    assert without_prose(document["components"]["securitySchemes"]) == {
        "BearerAuth": {"type": "http", "scheme": "bearer"}
    }


def test_the_document_lists_this_server_and_the_real_one(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == ["/atoms/v1", "https://api.smallest.ai/atoms/v1"]


def test_at_the_root_the_server_is_a_slash() -> None:
    with MockServer(base_path="/") as mock:
        assert httpx.get(f"{mock.root_url}/openapi.json", timeout=60).json()["servers"][0]["url"] == "/"


def test_the_document_has_the_mocked_operations_only(document: dict[str, Any]) -> None:
    served = {path: sorted(operations) for path, operations in document["paths"].items()}
    assert served == {path: sorted(operations) for path, operations in OPERATIONS.items()}


def test_every_operation_and_response_has_a_description(document: dict[str, Any]) -> None:
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["description"]
            assert all(response["description"] for response in operation["responses"].values())
            assert all(parameter["description"] for parameter in operation.get("parameters", []))


@pytest.mark.parametrize(
    ("path", "document_path"), [("/docs", "./openapi.json"), ("/docs/control", "../__admin/openapi.json")]
)
def test_a_page_has_only_relative_addresses(server: MockServer, path: str, document_path: str) -> None:
    page = httpx.get(server.root_url + path)
    assert f"url: '{document_path}'" in page.text
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 3
    for link in links:
        assert link.startswith(("./docs-assets/", "../docs-assets/"))
        assert httpx.get(page.url.join(link)).status_code == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/__admin/openapi.json"])
def test_servers_follow_the_prefix_of_a_proxy(server: MockServer, path: str) -> None:
    own, behind = (
        httpx.get(server.root_url + path, headers=headers, timeout=60)
        for headers in ({}, {"X-Forwarded-Prefix": "/mock"})
    )
    url = own.json()["servers"][0]["url"]
    assert behind.json()["servers"][0]["url"] == f"/mock{url}".rstrip("/")
    assert "X-Forwarded-Prefix" in behind.headers["vary"]


def test_the_location_of_a_rule_follows_the_prefix_of_a_proxy(server: MockServer) -> None:
    headers = {"X-Forwarded-Prefix": "/mock"}
    created = httpx.post(f"{server.root_url}/__admin/faults", json="500", headers=headers)
    assert created.headers["location"] == f"/mock/__admin/faults/{created.json()['id']}"


@pytest.mark.parametrize("raw_path", [None, b"/mock"])
def test_an_app_may_be_mounted_below_a_path(raw_path: bytes | None) -> None:
    app = create_app(Settings())
    mounted = partial(call, app, root_path="/mock")
    full_path = raw_path and raw_path + b"/atoms/v1/audience"
    assert mounted("/mock/atoms/v1/audience", bearer_pairs("sk_acme"), raw_path=full_path).status == 200
    document = json.loads(mounted("/mock/openapi.json").body)
    assert document["servers"][0]["url"] == "/mock/atoms/v1"
    assert mounted("/mock/docs").status == 200
    assert mounted("/mock/__admin/health").status == 200
    assert json.loads(mounted("/mock/__admin/requests").body)["requests"][0]["request"]["url"] == "/atoms/v1/audience"
    assert mounted("/mock", bearer_pairs("sk_acme"), raw_path=raw_path).status == 404


def test_a_browser_without_network_shows_the_operations(
    server: MockServer, tool: Callable[[str], str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            tool("chromium"),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-sync",
            "--disable-component-update",
            "--disable-background-networking",
            "--no-first-run",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=20000",
            "--dump-dom",
            f"{server.root_url}/docs",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert 'id="operations-subpackage_audience-get-all-audiences"' in done.stdout
    assert "Audience_getAllAudiences_Response_200" in done.stdout


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("POST", "/docs", 405, {"GET", "HEAD"}),
        ("PUT", "/docs/control", 405, {"GET", "HEAD"}),
        ("DELETE", "/openapi.json", 405, {"GET", "HEAD"}),
        ("GET", "/docs-assets/nothing", 404, {""}),
    ],
)
def test_an_error_has_the_shape_of_the_control_api(
    server: MockServer, method: str, path: str, status: int, allow: set[str]
) -> None:
    response = httpx.request(method, server.root_url + path)
    assert problem(response) == (status, "", f"{method} {path}: the documentation is at /docs and /openapi.json")
    assert set(response.headers.get("allow", "").split(", ")) == allow


def test_a_disabled_control_api_has_no_page() -> None:
    with MockServer(admin=False) as mock:
        assert httpx.get(f"{mock.root_url}/docs/control").status_code == 404
        assert "docs/control" not in httpx.get(f"{mock.root_url}/openapi.json", timeout=60).text
        assert httpx.get(f"{mock.root_url}/docs").status_code == 200
