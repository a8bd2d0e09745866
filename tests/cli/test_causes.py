import json
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.cli.causes import REASONS, Causes
from mock_atoms.testing.control_api import ControlApi
from tests.cli.conftest import Run
from tests.helpers.audiences import bearer

ACME = bearer("sk_acme")


def causes_of_latest(server: MockServer) -> tuple[list[str], str]:
    (event,) = server.control.call("GET", "/requests", query={"limit": 1})["requests"]
    causes = Causes(server, {"limit": "1"})
    return causes.of(event), causes.nearest(event)


@pytest.mark.parametrize(
    ("path", "headers", "causes"),
    [
        ("/audience", ACME, []),
        ("/audience", {}, [REASONS["missing-credentials"]]),
        ("/audience", bearer("sk_mock_500x1.me"), ["The magic key asks for 500x1."]),
        ("/audience", bearer("sk_mock_reset"), ["The magic key asks for reset."]),
        ("/audience", bearer("sk_mock_5oo"), [REASONS["unknown-magic-word"]]),
        ("/audience", ACME | {"Prefer": "code=500"}, ["The Prefer header asks for code=500."]),
        ("/audience", ACME | {"Prefer": "code=x"}, [REASONS["bad-prefer"]]),
        ("/audience/x", ACME, ["The mocked operation rejects the request: Invalid audience ID"]),
    ],
)
def test_a_response_is_explained(server: MockServer, path: str, headers: dict[str, str], causes: list[str]) -> None:
    try:
        httpx.get(f"{server.url}{path}", headers=headers)
    except httpx.TransportError:
        assert headers == bearer("sk_mock_reset")
    assert causes_of_latest(server) == (causes, "")


def test_a_fault_rule_is_named_with_what_it_does_while_it_exists(server: MockServer) -> None:
    rule_id = server.fail("GET /audience 500x2", token="sk_acme")
    httpx.get(f"{server.url}/audience", headers=ACME)
    httpx.get(f"{server.url}/audience", headers=ACME)
    causes = Causes(server, {})
    (cause,), (same,) = map(causes.of, server.control.call("GET", "/requests")["requests"])
    assert same == cause
    effect = "when.times=2 respond.status=500"
    assert cause == f"The fault rule {rule_id} triggered: {effect}, for GET /audience token=sk_…#665b48."
    server.clear_faults(rule_id)
    assert causes_of_latest(server)[0] == [f"The fault rule {rule_id} triggered. It has been removed since."]


def test_the_share_of_errors_is_named() -> None:
    with MockServer(error_rate=1) as server:
        httpx.get(f"{server.url}/audience", headers=ACME)
        assert causes_of_latest(server)[0] == ["--error-rate chose this request."]


@pytest.mark.parametrize(
    ("response", "rest"), [({"status": 500}, "."), ({"fault": "EMPTY_RESPONSE"}, " and breaks the connection: close.")]
)
def test_a_stub_is_named(server: MockServer, response: dict[str, Any], rest: str) -> None:
    request = {"method": "GET", "urlPath": "/atoms/v1/voices"}
    stub = server.control.call("POST", "/mappings", {"name": "Voices", "request": request, "response": response})
    try:
        httpx.get(f"{server.url}/voices", headers=ACME)
    except httpx.RemoteProtocolError:
        assert "fault" in response
    assert causes_of_latest(server)[0] == [f"The stub “Voices” matches the request{rest}"]
    server.control.call("DELETE", f"/mappings/{stub['id']}")
    assert causes_of_latest(server)[0] == [f"The stub {stub['id']} matches the request{rest}"]


def test_the_nearest_operation_or_stub_of_an_unknown_route_is_named(server: MockServer) -> None:
    httpx.get(f"{server.url}/audiences", headers=ACME)
    assert causes_of_latest(server) == (
        [REASONS["unmocked-route"]],
        "GET /atoms/v1/audience; path: expected /atoms/v1/audience, but was /atoms/v1/audiences",
    )
    server.stub("GET", "/voices")
    httpx.post(f"{server.url}/voices", headers=ACME)
    assert causes_of_latest(server)[1] == "GET /atoms/v1/voices; method: expected GET, but was POST"


def test_a_distant_operation_is_not_suggested(server: MockServer) -> None:
    httpx.get(f"{server.url}/webhook", headers=ACME)
    assert causes_of_latest(server) == ([REASONS["unmocked-route"]], "")


def test_removed_rules_and_distant_routes_are_looked_up_once(
    server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule_id = server.fail("GET /audience 500", token="sk_acme")
    for path in ("/audience", "/audience", "/webhook", "/webhook"):
        httpx.get(f"{server.url}{path}", headers=ACME)
    server.clear_faults(rule_id)
    events = server.control.call("GET", "/requests")["requests"]
    call, paths = ControlApi.call, list[str]()

    def recorded(api: ControlApi, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 - any JSON
        paths.append(path)
        return call(api, method, path, **options)

    monkeypatch.setattr(ControlApi, "call", recorded)
    causes = Causes(server, {})
    for event in events:
        causes.of(event)
        causes.nearest(event)
    assert paths == ["/requests/unmatched/near-misses", "/faults"]


def test_another_method_is_nearer_than_another_path(server: MockServer) -> None:
    httpx.get(f"{server.url}/agent", headers=ACME)
    assert causes_of_latest(server)[1] == "POST /atoms/v1/agent; method: expected POST, but was GET"


def test_a_path_outside_the_base_path_is_explained(server: MockServer) -> None:
    explanation = "The path is not below the base path /atoms/v1."
    for path, suggestion in (("/audience?page=2", " Did you mean GET /atoms/v1/audience?"), ("/webhook", "")):
        httpx.get(f"{server.root_url}{path}", headers=ACME)
        assert causes_of_latest(server)[0] == [explanation + suggestion]


def test_a_client_that_gave_up_is_named_besides_other_causes(server: MockServer) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{server.url}/audience", headers=bearer("sk_mock_hang"), timeout=0.2)
    while server.requests()[0].ended is None:
        pass
    assert causes_of_latest(server)[0] == ["The magic key asks for hang.", REASONS["aborted"]]


def test_a_connection_that_a_fault_without_a_rule_broke_is_explained(server: MockServer) -> None:
    own: dict[str, Any] = {"faults": [], "reason": "connection-reset", "status": None, "ended": "reset"}
    event = {"id": "1", "request": {"mockAtoms": own}}
    assert Causes(server, {}).of(event) == ["A fault broke the connection: reset."]


@pytest.mark.parametrize("body", ["", "[]", "<html>", '{"errors":null}', '{"error":1}'])
def test_a_body_without_the_error_envelope_is_no_error(server: MockServer, body: str) -> None:
    own: dict[str, Any] = {"faults": [], "reason": None, "status": 404, "ended": "responded"}
    event = {"id": "1", "request": {"mockAtoms": own}, "response": {"body": body}}
    assert Causes(server, {}).of(event) == ["The mocked operation rejects the request."]


def test_details_have_causes_and_the_nearest_operation(server: MockServer, run: Run) -> None:
    httpx.get(f"{server.url}/audiences\N{RIGHT-TO-LEFT OVERRIDE}", headers=ACME)
    out = run("requests", "--details", "--since", "2001-01-01", "--token", "sk_acme").out
    assert f"\n  why: {REASONS['unmocked-route']}\n  nearest: GET /atoms/v1/audience; path: " in out
    assert "why" not in run("requests").out
    for options, why in (([], None), (["--details"], [REASONS["unmocked-route"]])):
        (event,) = json.loads(run("requests", "--json", *options).out)["requests"]
        assert event.get("why") == why
        assert (event.get("nearest") is not None) is bool(why)
