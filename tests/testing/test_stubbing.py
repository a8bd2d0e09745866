"""`mock.stub` and `mock.remove_stub`."""

import inspect

import httpx
import pytest

from mock_atoms import ControlError, MockClient, MockServer
from tests.helpers.audiences import bearer

A = "sk_mock_test.stubbing-a"


@pytest.fixture
def mock(server: MockServer) -> MockServer:
    return server


def test_a_stub_responds_with_json_text_or_bytes(mock: MockServer) -> None:
    mock.stub("get", "/json", json={"a": 1})
    mock.stub("GET", "/text", body="text", headers={"X-A": ["1", "2"], "Content-Type": "text/x"})
    mock.stub("GET", "/bytes", body=b"\0\xff", status=201)
    mock.stub("GET", "/other-json", json=[], headers={"content-type": "application/problem+json"})
    mock.stub("ANY", "/empty")
    responses = [httpx.get(f"{mock.url}/{path}") for path in ("json", "text", "bytes", "other-json", "empty")]
    assert [response.content for response in responses] == [b'{"a":1}', b"text", b"\0\xff", b"[]", b""]
    assert [response.headers.get("content-type") for response in responses] == [
        "application/json; charset=utf-8",
        "text/x",
        None,
        "application/problem+json",
        None,
    ]
    assert responses[1].headers.get_list("x-a") == ["1", "2"]
    assert responses[2].status_code == 201


def test_a_path_may_have_parameters_a_query_or_the_base_path(mock: MockServer) -> None:
    mock.stub("GET", "/agents/{id}", json="template")
    mock.stub("GET", "/agents?page=2", json="query")
    mock.stub("GET", "/atoms/v1/agents", json="full", priority=9)
    paths = ["/agents/7", "/agents?page=2", "/agents"]
    assert [httpx.get(mock.url + path).json() for path in paths] == ["template", "query", "full"]
    with pytest.raises(ValueError, match="does not start with a slash"):
        mock.stub("GET", "agents")


def test_a_stub_of_a_tenant_matches_that_tenant_alone(mock: MockServer) -> None:
    mock.stub("GET", "/agents", json=1, token=A)
    mock.stub("GET", "/tests", json=2, test_id="t1")
    mock.for_tenant(A, "t1").stub("GET", "/both", json=3, request={"headers": {"X-A": {"equalTo": "b"}}})
    assert httpx.get(f"{mock.url}/agents", headers=bearer(A)).json() == 1
    assert httpx.get(f"{mock.url}/agents", headers=bearer("sk_other")).status_code == 404
    assert httpx.get(f"{mock.url}/tests", headers={"X-Test-Id": "t1"}).json() == 2
    assert httpx.get(f"{mock.url}/both", headers=bearer(A, "t1")).status_code == 404
    assert httpx.get(f"{mock.url}/both", headers=bearer(A, "t1") | {"X-A": "b"}).json() == 3


def test_a_header_of_the_request_wins_over_that_of_the_tenant(mock: MockServer) -> None:
    pattern = {"headers": {"Authorization": {"equalTo": "Bearer sk_other"}}}
    mock.stub("GET", "/agents", json=1, token=A, request=pattern)
    assert httpx.get(f"{mock.url}/agents", headers=bearer("sk_other")).json() == 1


def test_scenario_and_delay_are_parts_of_a_stub(mock: MockServer) -> None:
    stub_id = mock.stub("GET", "/agents", delay_ms=5, scenario="life", required_state="Started", new_state="over")
    stub = mock.control.call("GET", f"/mappings/{stub_id}")
    states = [stub[name] for name in ("scenarioName", "requiredScenarioState", "newScenarioState")]
    assert (states, stub["response"]["fixedDelayMilliseconds"]) == (["life", "Started", "over"], 5)


def test_stubs_are_removed_one_by_one_or_together(mock: MockServer) -> None:
    first = mock.stub("GET", "/agents", json=1)
    other = MockClient(mock.url)
    other.stub("GET", "/others", json=2)
    mock.stub("GET", "/agents", json=3)
    mock.remove_stub(first)
    with pytest.raises(ControlError, match="there is no stub"):
        mock.remove_stub(first)
    mock.remove_stub()
    assert httpx.get(f"{mock.url}/agents").status_code == 404
    assert httpx.get(f"{mock.url}/others").json() == 2


def test_errors_are_raised(mock: MockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ControlError, match="templates"):
        mock.stub("GET", "/agents", response={"transformers": ["response-template"]})
    mock.stub("GET", "/agents")

    def refuse(*_args: object) -> None:
        raise ControlError("no mock server responds")

    monkeypatch.setattr(type(mock.control), "call", refuse)
    with pytest.raises(ControlError, match="no mock server responds"):
        mock.remove_stub()


def test_every_parameter_is_documented() -> None:
    names = [name for name in inspect.signature(MockClient.stub).parameters if name != "self"]
    assert all(f"\n    {name}: " in (inspect.getdoc(MockClient.stub) or "") for name in names)
