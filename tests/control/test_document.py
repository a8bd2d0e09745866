"""The OpenAPI document of the control API is valid, complete, and true."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis

from mock_atoms import MockServer, Settings
from mock_atoms.control.access import DOCUMENT_PATH, HEALTH_PATH
from mock_atoms.control.app import control_app, endpoint_groups
from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import call
from tests.helpers.audiences import ACME
from tests.helpers.snippets import ROOT

DOCUMENT: dict[str, Any] = json.loads(call(control_app(MockAtoms(Settings())), DOCUMENT_PATH).body)
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
IDS = [" ".join(key) for key in OPERATIONS]
EVENTS = ("GET", f"{CONTROL_PREFIX}/events")
UNKNOWN_ID = "12345678-1234-4234-8234-123456789012"
ACME_TEST = {"token": "sk_acme", "testId": "t"}
CAMPAIGNS = "/audiences/{audience}/campaigns"


@pytest.fixture(scope="module")
def running() -> Iterator[MockServer]:
    with MockServer(fault=["DELETE /audience/{id} 503"], fixtures=ROOT / "fixtures") as mock:
        yield mock


def operation_of(method: str, path: str) -> tuple[str, str]:
    """Return the documented operation of a request. A literal path wins over one with an id."""
    matching = [
        key for key in OPERATIONS if key[0] == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", key[1]), path)
    ]
    return min(matching, key=lambda key: key[1].count("{"))


def status_of(method: str, url: str, query: dict[str, str], body: object) -> int:
    """Return the status code of a response, which may have no end."""
    with httpx.stream(method, url, params=query, json=body) as response:
        return response.status_code


def assert_documented(response: httpx.Response) -> tuple[str, str]:
    """Check status code, content type and body against the document, and return the operation."""
    request = response.request
    key = operation_of(request.method, request.url.path)
    documented = OPERATIONS[key]["responses"][str(response.status_code)]["content"]
    content_type = response.headers["content-type"].partition(";")[0]
    assert content_type in documented, key
    if content_type == "application/json":
        schema = {**documented[content_type]["schema"], "components": DOCUMENT["components"]}
        jsonschema_rs.validator_for(schema).validate(response.json())
    return key


def test_the_document_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_the_document_lists_every_endpoint() -> None:
    endpoints = [endpoint for group in endpoint_groups(MockAtoms(Settings())) for endpoint in group.endpoints]
    assert sorted(OPERATIONS) == sorted((endpoint.method, CONTROL_PREFIX + endpoint.path) for endpoint in endpoints)
    assert len({operation["operationId"] for operation in OPERATIONS.values()}) == len(endpoints)


@pytest.mark.parametrize("key", OPERATIONS, ids=IDS)
def test_every_endpoint_is_described(key: tuple[str, str]) -> None:
    operation = OPERATIONS[key]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in [tag["name"] for tag in DOCUMENT["tags"]]
    assert all(parameter["description"] for parameter in operation.get("parameters", []))
    for status, response in operation["responses"].items():
        schema = response["content"].get("application/json", {}).get("schema")
        if status.startswith("2"):
            assert schema is None or schema.keys() == {"$ref"}
        else:
            assert schema == {"$ref": "#/components/schemas/ErrorResponse"}


@pytest.mark.parametrize("key", [key for key in OPERATIONS if "requestBody" in OPERATIONS[key]], ids=" ".join)
def test_every_body_has_an_example_that_follows_its_schema(key: tuple[str, str]) -> None:
    content = OPERATIONS[key]["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(schema).validate(content["examples"]["example"]["value"])


def test_only_health_needs_no_admin_token() -> None:
    assert DOCUMENT["security"] == [{"AdminToken": []}, {}]
    assert DOCUMENT["components"]["securitySchemes"]["AdminToken"]["scheme"] == "bearer"
    overridden = {key[1]: operation["security"] for key, operation in OPERATIONS.items() if "security" in operation}
    assert overridden == {HEALTH_PATH: []}


def test_the_document_is_open_unless_the_control_api_is_disabled() -> None:
    guarded = control_app(MockAtoms(Settings(admin_token="secret-1", host=("0.0.0.0",))))
    assert json.loads(call(guarded, DOCUMENT_PATH).body) == DOCUMENT
    assert call(control_app(MockAtoms(Settings(admin=False))), DOCUMENT_PATH).status == 404


def send_stubs(send: Callable[..., httpx.Response], running: MockServer) -> None:
    """Call each endpoint about stubs and scenarios."""
    full_stub = {
        "name": "all fields",
        "priority": 1,
        "request": {"urlPath": "/full", "bodyPatterns": [{"absent": True}]},
        "response": {
            "status": 200,
            "statusMessage": "Fine",
            "headers": {"X-A": ["1", "2"]},
            "jsonBody": {"a": 1},
            "fixedDelayMilliseconds": 1,
            "delayDistribution": {"type": "lognormal", "median": 1, "sigma": 0.1, "maxValue": 2},
            "chunkedDribbleDelay": {"numberOfChunks": 2, "totalDuration": 2},
        },
        "scenarioName": "s",
        "requiredScenarioState": "Started",
        "newScenarioState": "two",
        "persistent": True,
        "metadata": {"suite": "nightly"},
    }
    suite = {"matchesJsonPath": "$.suite"}
    send("DELETE", "/mappings")
    stub = send("POST", "/mappings", full_stub).json()
    send("GET", f"/mappings/{stub['id']}")
    send("PUT", f"/mappings/{stub['id']}", full_stub)
    lacking = send("POST", "/mappings", {"postServeActions": [{}], "response": {"transformers": ["a"]}})
    assert len(lacking.json()["errors"]) == 2
    options = {"duplicatePolicy": "IGNORE"}
    send("POST", "/mappings/import", {"mappings": [{}], "importOptions": options, "meta": {"total": 1}})
    assert httpx.get(f"{running.root_url}/full", headers=ACME).json() == {"a": 1}
    assert send("GET", "/requests").json()["requests"][0]["stubMapping"]
    assert send("GET", "/mappings", limit="2", offset="0").json()["meta"] == {"total": 2}
    assert send("POST", "/mappings/find-by-metadata", suite).json()["mappings"]
    assert send("POST", "/requests/find-by-metadata", suite).json()["requests"]
    assert send("POST", "/requests/remove-by-metadata", suite).json()["serveEvents"]
    assert send("GET", "/scenarios", token="sk_acme").json()["scenarios"]
    assert send("POST", "/near-misses/request", {"url": "/fuller", "method": "GET"}).json()["nearMisses"]
    send("POST", "/mappings/save")
    assert send("GET", "/state").json()["tenants"][-1]["scenarios"]
    send("PUT", "/scenarios/s/state", {"state": "two"})
    send("PUT", "/state", send("GET", "/state").json())
    send("POST", "/mappings/remove-by-metadata", suite)
    send("DELETE", f"/mappings/{send('GET', '/mappings').json()['mappings'][0]['id']}")


def test_every_response_is_as_documented(running: MockServer) -> None:
    audience_id = httpx.get(f"{running.url}/audience?limit=1", headers=ACME).json()["data"][0]["_id"]
    pattern = {"method": "GET", "headers": {"Authorization": {"equalTo": "Bearer sk_acme"}}}
    no_match = {"method": "PUT", "urlPath": "/nowhere"}
    with httpx.Client(base_url=f"{running.root_url}{CONTROL_PREFIX}") as admin:

        def send(method: str, path: str, body: object = None, **query: str) -> httpx.Response:
            response = admin.request(method, path, json=body, params=query)
            seen.add(assert_documented(response))
            return response

        seen: set[tuple[str, str]] = set()
        rule = send("POST", "/faults", {"fault": "delay1+429+retry1", "match": ACME_TEST})
        send("POST", "/faults/check", {"fault": "500x2"})
        send("POST", "/faults", {"connection": "reset", "match": {"testId": "reset"}})
        send("POST", "/faults", "GET /audience nulledx1")
        for test_id in ("t", "t", "plain"):
            httpx.get(f"{running.url}/audience", headers=ACME | {"X-Test-Id": test_id})
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{running.url}/audience", headers=ACME | {"X-Test-Id": "reset"})
        httpx.patch(f"{running.url}/audience?a=1", headers=ACME, data={"form": "1"})
        httpx.delete(f"{running.url}/audience/{audience_id}", headers=ACME | {"Prefer": "code=200"})
        httpx.get(f"{running.url}/audience")

        send_stubs(send, running)
        for path in ("/health", "/server", "/metrics", "/faults", f"/faults/{rule.json()['id']}"):
            send("GET", path)
        send("PUT", "/tenants", {"token": "sk_generated", "generate": {"audiences": 1}})
        send("PUT", "/tenants", {"token": "sk_set", "testId": "t", "audiences": [{"name": "n", "omit": ["createdBy"]}]})
        other_id = httpx.get(f"{running.url}/audience", headers={"Authorization": "Bearer sk_generated"}).json()["data"]
        mine = [{"name": "Mine", "_id": "0" * 24}]
        send("PUT", f"/audiences/{other_id[0]['_id']}/campaigns", {"token": "sk_generated", "campaigns": mine})
        send("GET", "/campaigns", token="sk_generated")
        send("PUT", f"/campaigns/{'0' * 24}", {"token": "sk_generated", "status": "paused"})
        send("GET", "/tenants")
        send("GET", "/audiences", token="sk_acme")
        send("GET", f"/audiences/{audience_id}/members", token="sk_acme", size="2")
        send("PUT", "/state", send("GET", "/state").json())
        for test_id in ("t", "plain"):
            httpx.get(f"{running.url}/audience", headers=ACME | {"X-Test-Id": test_id})
        httpx.patch(f"{running.url}/audience?a=1", headers=ACME, data={"form": "1"})
        events = send("GET", "/requests", limit="2", unmatched="false", since="2020-01-01T00:00:00Z").json()["requests"]
        send("GET", f"/requests/{events[0]['id']}")
        send("DELETE", f"/requests/{events[0]['id']}")
        assert send("POST", "/requests/find", pattern, nearMisses="2").json()["requests"]
        assert send("POST", "/requests/find", no_match, nearMisses="2").json()["nearMisses"]
        send("POST", "/requests/count", pattern, atLeast="1", timeoutMs="1")
        httpx.patch(f"{running.url}/audience", headers=ACME)
        assert send("GET", "/requests/unmatched").json()["requests"]
        assert send("GET", "/requests/unmatched/near-misses").json()["nearMisses"]
        assert send("POST", "/near-misses/request-pattern", no_match).json()["nearMisses"]
        assert send("GET", "/retries", minBackoffMs="60000").json()["calls"]
        send("GET", "/retries", format="text")
        assert send("POST", "/requests/remove", pattern).json()["serveEvents"]
        send("DELETE", f"/faults/{rule.json()['id']}")
        for method, path in (
            ("GET", "/violations"),
            ("DELETE", "/faults"),
            *[("DELETE", "/requests"), ("DELETE", "/mappings"), ("GET", "/mappings"), ("GET", "/scenarios")],
            *[("POST", f"/{name}/reset") for name in ("requests", "mappings", "scenarios")],
        ):
            send(method, path)
        send("POST", "/reset")
        assert seen | {EVENTS} == set(OPERATIONS)


def test_events_are_as_documented(running: MockServer) -> None:
    with httpx.stream("GET", f"{running.root_url}{EVENTS[1]}") as response:
        assert assert_documented(response) == EVENTS


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/faults/none", None, 404),
        ("DELETE", "/faults/fault-1", None, 409),
        ("POST", "/faults/check", {"fault": "boom"}, 422),
        ("GET", "/audiences", None, 422),
        ("GET", "/audiences/x/members?token=sk_a", None, 400),
        ("GET", f"/audiences/{'0' * 24}/members?token=sk_a", None, 404),
        ("POST", "/faults", {"fault": "boom"}, 422),
        ("PUT", CAMPAIGNS.replace("{audience}", "x"), {"token": "sk_a", "campaigns": []}, 400),
        ("PUT", CAMPAIGNS.replace("{audience}", "0" * 24), {"token": "sk_a", "campaigns": []}, 404),
        ("PUT", "/campaigns/x", {"token": "sk_a", "status": "running"}, 400),
        ("PUT", f"/campaigns/{'0' * 24}", {"token": "sk_a", "status": "running"}, 404),
        (
            "PUT",
            "/state",
            {"version": "1", "seed": "other", "locale": "en_US", "rules": [], "fixtures": [], "tenants": []},
            409,
        ),
        ("GET", f"/mappings/{UNKNOWN_ID}", None, 404),
        ("PUT", f"/mappings/{UNKNOWN_ID}", {}, 404),
        ("DELETE", f"/mappings/{UNKNOWN_ID}", None, 404),
        ("DELETE", "/mappings/first", None, 400),
        ("POST", "/mappings", {"response": {"proxyBaseUrl": "http://a"}}, 422),
        ("PUT", "/scenarios/unknown/state", None, 404),
        ("GET", f"/requests/{UNKNOWN_ID}", None, 404),
        ("GET", "/requests/first", None, 400),
        ("DELETE", "/requests/first", None, 400),
    ],
)
def test_every_error_is_as_documented(running: MockServer, method: str, path: str, body: object, status: int) -> None:
    response = httpx.request(method, f"{running.root_url}{CONTROL_PREFIX}{path}", json=body)
    assert response.status_code == status
    assert_documented(response)


EXAMPLES = {"token": "sk_acme", "since": "2026-01-01T00:00:00Z", "path": "/audience", "status": "200"}
"""Values of parameters that do not accept any word."""


@pytest.mark.parametrize("key", [key for key in OPERATIONS if key[1] != HEALTH_PATH], ids=" ".join)
def test_a_call_accepts_its_documented_parameters_alone(running: MockServer, key: tuple[str, str]) -> None:
    method, path = key
    is_tenant_data = method == "GET" and path.startswith(("/__admin/audiences", "/__admin/campaigns"))
    token = {"token": "sk_acme"} if is_tenant_data else {}
    audiences = httpx.get(f"{running.url}/audience", headers=ACME).json()["data"]
    url = running.root_url + path.replace("{id}", audiences[0]["_id"] if is_tenant_data else UNKNOWN_ID)
    documented = [parameter for parameter in OPERATIONS[key].get("parameters", []) if parameter["in"] == "query"]
    httpx.post(f"{running.root_url}/__admin/mappings", json={"scenarioName": "{name}", "request": {"urlPath": "/s"}})
    body: object = {} if "requestBody" in OPERATIONS[key] else None
    response = httpx.request(method, url, params={"unknown": "1"}, json=body)
    assert (response.status_code, response.json()["errors"][0]["source"]["pointer"]) == (422, "unknown")
    for parameter in documented:
        value = parameter["schema"].get("default", EXAMPLES.get(parameter["name"], "one"))
        assert status_of(method, url, {**token, parameter["name"]: value}, body) == 200


def test_the_docs_list_every_call_with_its_summary() -> None:
    page = (ROOT / "docs" / "control-api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z]+) (/__admin/\S+)` \| (.+) \|$", page, re.MULTILINE)
    documented = [(method, path, operation["summary"]) for (method, path), operation in OPERATIONS.items()]
    assert sorted(rows) == sorted(documented)
