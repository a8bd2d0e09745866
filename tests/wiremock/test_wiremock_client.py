"""WireMock's own Python client, unmodified, asks our journal."""

from collections.abc import Iterator

import httpx
import pytest
from wiremock.client import (  # type: ignore[import-untyped] # it has no types
    Mapping,
    MappingRequest,
    MappingResponse,
    Mappings,
    NearMisses,
    NearMissMatchPatternRequest,
    NearMissMatchRequest,
    Requests,
    Scenarios,
)
from wiremock.constants import Config  # type: ignore[import-untyped] # it has no types
from wiremock.exceptions import InvalidInputException, NotFoundException  # type: ignore[import-untyped] # it has no types

from mock_atoms import MockServer
from tests.helpers.audiences import bearer

PATH = "/atoms/v1/audience"


@pytest.fixture(scope="module", autouse=True)
def mock() -> Iterator[MockServer]:
    with MockServer() as running, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Config, "base_url", f"{running.root_url}/__admin")
        yield running


@pytest.fixture(autouse=True)
def _requests(mock: MockServer) -> None:
    Requests.reset_request_journal()
    headers = bearer("sk_wiremock")
    httpx.get(f"{mock.url}/audience?page=1", headers=headers)
    httpx.patch(f"{mock.url}/audience", headers=headers, json={"name": "Spring", "tags": ["a", "b"]})
    httpx.get(f"{mock.url}/audience")


def pattern(**fields: object) -> NearMissMatchPatternRequest:
    return NearMissMatchPatternRequest(**fields)


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 3),
        ({"method": "GET", "url": f"{PATH}?page=1"}, 1),
        ({"method": "ANY", "url_path": PATH}, 3),
        ({"url_path_pattern": "/atoms/.*", "headers": {"Authorization": {"equalTo": "Bearer sk_wiremock"}}}, 2),
        ({"headers": {"authorization": {"absent": True}}}, 1),
        ({"query_parameters": {"page": {"matches": r"\d"}}}, 1),
        ({"body_patterns": [{"equalToJson": '{"tags": ["b", "a"], "name": "Spring"}', "ignoreArrayOrder": True}]}, 1),
        ({"body_patterns": [{"matchesJsonPath": "$.tags[?(@ == 'c')]"}]}, 0),
    ],
)
def test_the_client_counts_matching_requests(fields: dict[str, object], count: int) -> None:
    assert Requests.get_matching_request_count(pattern(**fields)).count == count


def test_the_client_finds_the_oldest_and_lists_the_newest_first() -> None:
    found = Requests.get_matching_requests(pattern(url_path=PATH)).requests
    assert [(request.method, request.url) for request in found] == [
        ("GET", f"{PATH}?page=1"),
        ("PATCH", PATH),
        ("GET", PATH),
    ]
    assert found[1].body == '{"name":"Spring","tags":["a","b"]}'
    assert found[1].headers["authorization"].startswith("Bearer sk_wi…#")
    everything = Requests.get_all_received_requests(limit=2, parameters={})
    assert [event.request.method for event in everything.requests] == ["GET", "PATCH"]
    assert [event.response_definition.status for event in everything.requests] == [401, 404]
    assert everything.meta.total == 3
    assert everything.request_journal_disabled is False


def test_the_client_gets_a_request_by_id() -> None:
    newest = Requests.get_all_received_requests(parameters={}).requests[0]
    assert Requests.get_request(newest.id).request.url == newest.request.url
    with pytest.raises(NotFoundException):
        Requests.get_request("12345678-1234-4234-8234-123456789012")


def test_the_client_reads_unmatched_requests_and_near_misses() -> None:
    assert [request.method for request in Requests.get_unmatched_requests().requests] == ["PATCH"]
    (miss,) = Requests.get_unmatched_requests_near_misses().near_misses
    assert (miss.request.method, miss.request_pattern.method) == ("PATCH", "POST")
    assert 0 < miss.match_result.distance < 1
    near = NearMisses.find_nearest_misses_by_request_pattern(pattern(method="PUT", url_path=PATH)).near_misses
    assert [miss.request.method for miss in near] == ["PATCH", "GET", "GET"]


def test_the_client_raises_for_an_invalid_pattern() -> None:
    with pytest.raises(InvalidInputException, match="equalToXml"):
        Requests.get_matching_request_count(pattern(body_patterns=[{"equalToXml": "<a/>"}]))


def test_the_client_empties_the_journal() -> None:
    Requests.reset_request_journal()
    assert Requests.get_matching_request_count(pattern()).count == 0


def create(path: str, body: str, **fields: object) -> str:
    request = MappingRequest(method="GET", url_path=path)
    response = MappingResponse(status=200, body=body, headers={"X-A": "b"})
    created = Mappings.create_mapping(Mapping(request=request, response=response, **fields))
    assert created.response.body == body
    return str(created.id)


def text(mock: MockServer, path: str) -> str:
    return httpx.get(f"{mock.root_url}{path}").text


def test_the_client_creates_reads_updates_and_deletes_stubs(mock: MockServer) -> None:
    stub_id = create("/things", "one", priority=3, metadata={"suite": "x"})
    assert text(mock, "/things") == "one"
    found = Mappings.retrieve_mapping(stub_id)
    assert (found.request.url_path, found.priority, found.metadata) == ("/things", 3, {"suite": "x"})
    found.response.body = "two"
    assert Mappings.update_mapping(found).response.body == "two"
    assert text(mock, "/things") == "two"
    assert Mappings.retrieve_all_mappings().meta.total == 1
    Mappings.delete_mapping_by_metadata({"matchesJsonPath": "$.suite"})
    with pytest.raises(NotFoundException):
        Mappings.retrieve_mapping(stub_id)
    Mappings.delete_mapping(create("/things", "three"))
    create("/things", "four")
    Mappings.persist_mappings()
    Mappings.reset_mappings()
    assert text(mock, "/things") == "four"
    Mappings.delete_all_mappings()
    assert Mappings.retrieve_all_mappings().mappings == []


def test_the_client_moves_and_resets_scenarios(mock: MockServer) -> None:
    create("/job", "waiting", scenario_name="job", required_scenario_state="Started", new_scenario_state="done")
    create("/job", "done", scenario_name="job", required_scenario_state="done")
    assert [text(mock, "/job") for _ in range(3)] == ["waiting", "done", "done"]
    Scenarios.reset_all_scenarios()
    assert text(mock, "/job") == "waiting"
    Mappings.delete_all_mappings()


def test_the_client_finds_stubs_near_a_request() -> None:
    create("/things", "one")
    misses = NearMisses.find_nearest_misses_by_request(NearMissMatchRequest(url="/thing", method="GET")).near_misses
    assert [miss.request.url for miss in misses] == ["/thing"]
    Mappings.delete_all_mappings()
