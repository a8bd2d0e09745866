import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from tests.contract.documented import OPERATIONS, SCHEMAS


def without_prose(document: Any) -> Any:  # noqa: ANN401 - any JSON
    """Drop descriptions and titles, whose wording may differ; properties of those names stay."""
    if isinstance(document, list):
        return [without_prose(item) for item in document]
    if isinstance(document, dict):
        return {
            key: {name: without_prose(schema) for name, schema in value.items()}
            if key == "properties"
            else without_prose(value)
            for key, value in document.items()
            if key not in ("description", "title")
        }
    return document


@pytest.fixture
def document(server: MockServer) -> dict[str, Any]:
    response = httpx.get(f"{server.root_url}/openapi.json")
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
        assert httpx.get(f"{mock.root_url}/openapi.json").json()["servers"][0]["url"] == "/"


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
    ("path", "document_path"), [("/docs", "/openapi.json"), ("/docs/control", "/__admin/openapi.json")]
)
def test_a_page_shows_its_document_and_loads_nothing_from_other_hosts(
    server: MockServer, path: str, document_path: str
) -> None:
    page = httpx.get(server.root_url + path).text
    assert f"url: '{document_path}'" in page
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) == 3
    for link in links:
        assert link.startswith("/docs-assets/")
        assert httpx.get(server.root_url + link).status_code == 200


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
