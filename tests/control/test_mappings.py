"""Stubs and scenarios over the control API."""

import json
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.control.errors import MAX_LISTED_ERRORS
from mock_atoms.wiremock import stub_book
from mock_atoms.wiremock.stub_book import MAX_STUBS, StubBook
from mock_atoms.wiremock.stubs import Stub
from tests.helpers.audiences import ACME, bearer
from tests.helpers.control import listed_requests, problem

ID = "b1c40b2d-7d2f-4a3a-9d3f-0d1f4f6f2a11"
OTHER_ID = "c1c40b2d-7d2f-4a3a-9d3f-0d1f4f6f2a11"


def stub(name: str = "", **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    return {"request": {"urlPath": f"/{name}"}, "response": {"body": name}, **fields}


def names(admin: httpx.Client, **query: int) -> list[str]:
    listed: list[dict[str, Any]] = admin.get("/mappings", params=query).json()["mappings"]
    return [item["request"]["urlPath"].removeprefix("/") for item in listed]


def test_a_stub_is_created_replaced_and_deleted(admin: httpx.Client, running: MockServer) -> None:
    created = admin.post("/mappings", json=stub("a", id=ID))
    assert created.status_code == 201
    assert created.json() == {"id": ID, "uuid": ID, **stub("a")}
    assert admin.get(f"/mappings/{ID}").json() == created.json()
    assert httpx.get(f"{running.root_url}/a").text == "a"
    replaced = admin.put(f"/mappings/{ID}", json=stub("b", id=ID))
    assert replaced.json()["request"] == {"urlPath": "/b"}
    assert httpx.get(f"{running.root_url}/b").text == "b"
    assert httpx.get(f"{running.root_url}/a").status_code == 404
    assert admin.delete(f"/mappings/{ID}").json() == {}
    assert problem(admin.get(f"/mappings/{ID}"))[::2] == (404, f"there is no stub {ID}")


def test_a_replaced_stub_keeps_its_id(admin: httpx.Client) -> None:
    admin.post("/mappings", json=stub("a", id=ID))
    assert admin.put(f"/mappings/{ID}", json=stub("b")).json()["id"] == ID
    assert names(admin) == ["b"]


def test_equal_stubs_have_different_ids(admin: httpx.Client) -> None:
    ids = [admin.post("/mappings", json=stub("a")).json()["id"] for _ in range(3)]
    assert len({*ids}) == 3
    admin.post("/reset")
    assert [admin.post("/mappings", json=stub("a")).json()["id"] for _ in range(3)] == ids


def test_the_list_has_pages(admin: httpx.Client) -> None:
    for name in "abcd":
        admin.post("/mappings", json=stub(name))
    assert names(admin) == ["d", "c", "b", "a"]
    assert names(admin, limit=2) == ["d", "c"]
    assert names(admin, limit=2, offset=3) == ["a"]
    assert admin.get("/mappings", params={"limit": 1}).json()["meta"] == {"total": 4}


def test_an_import_is_complete_or_has_no_effect(admin: httpx.Client) -> None:
    broken = [stub("a"), {"response": {"proxyBaseUrl": "a", "transformers": ["b"]}}, {"request": {"clientIp": "a"}}]
    response = admin.post("/mappings/import", json={"mappings": broken})
    pointers = [error["source"]["pointer"] for error in response.json()["errors"]]
    assert response.status_code == 422
    assert pointers == [
        "/mappings/1/response/transformers",
        "/mappings/1/response/proxyBaseUrl",
        "/mappings/2/request/clientIp",
    ]
    assert names(admin) == []
    assert admin.post("/mappings/import", json={"mappings": [stub("a"), stub("b"), stub("b")]}).json() == {}
    assert names(admin) == ["a", "b", "b"]


def test_an_import_lists_at_most_so_many_errors(admin: httpx.Client) -> None:
    response = admin.post("/mappings/import", json={"mappings": [{"x": 1}] * (MAX_LISTED_ERRORS + 7)})
    errors = response.json()["errors"]
    assert len(errors) == MAX_LISTED_ERRORS + 1
    assert errors[-1]["detail"] == "and 7 more problems"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, ["c", "new", "old"]),
        ({"duplicatePolicy": "OVERWRITE"}, ["c", "new", "old"]),
        ({"duplicatePolicy": "IGNORE"}, ["c", "a", "old"]),
        ({"deleteAllNotInImport": True}, ["c", "new"]),
        ({"deleteAllNotInImport": True, "duplicatePolicy": "IGNORE"}, ["c", "a"]),
    ],
)
def test_an_import_has_options(admin: httpx.Client, options: dict[str, Any] | None, expected: list[str]) -> None:
    admin.post("/mappings", json=stub("old"))
    admin.post("/mappings", json=stub("a", id=ID))
    imported = {"mappings": [stub("c"), stub("new", id=ID)], "importOptions": options}
    assert admin.post("/mappings/import", json=imported).json() == {}
    assert names(admin) == expected


def test_all_stubs_are_deleted_and_persistent_ones_survive_a_reset(admin: httpx.Client) -> None:
    admin.post("/mappings", json=stub("a", persistent=True))
    admin.post("/mappings", json=stub("b"))
    httpx.get(str(admin.base_url).replace("/__admin/", "/a"))
    assert len(listed_requests(admin.get("/requests"))) == 1
    assert admin.post("/mappings/reset").json() == {}
    assert listed_requests(admin.get("/requests")) == []
    assert names(admin) == ["a"]
    admin.post("/mappings", json=stub("c"))
    assert admin.post("/mappings/save").json() == {}
    admin.post("/reset")
    assert names(admin) == ["c", "a"]
    assert admin.delete("/mappings").json() == {}
    assert names(admin) == []


@pytest.mark.alone("servers that share a store mask the keys in the responses of stubs")
def test_saved_stubs_send_the_keys_of_their_responses(admin: httpx.Client, running: MockServer) -> None:
    response = {"body": "key=sk_live_abcdef123456", "headers": {"X-Key": "sk_live_abcdef123456"}}
    admin.post("/mappings", json=stub("keys", response=response))
    admin.post("/mappings/save")
    admin.post("/reset")
    received = httpx.get(f"{running.root_url}/keys")
    assert (received.text, received.headers["x-key"]) == ("key=sk_live_abcdef123456", "sk_live_abcdef123456")
    admin.delete("/mappings")  # a reset keeps them


def test_metadata_with_other_letters_are_found(admin: httpx.Client) -> None:
    admin.post("/mappings", json=stub("a", metadata={"suite": "grün"}))
    found = admin.post("/mappings/find-by-metadata", json={"contains": "grün"}).json()
    assert [item["metadata"] for item in found["mappings"]] == [{"suite": "grün"}]


def test_stubs_are_found_and_removed_by_metadata(admin: httpx.Client, running: MockServer) -> None:
    for name, metadata in {"a": {"suite": "x"}, "b": {"suite": "y", "n": 1}, "c": None}.items():
        admin.post("/mappings", json=stub(name, metadata=metadata))
        httpx.get(f"{running.root_url}/{name}")
    by_path = {"matchesJsonPath": {"expression": "$.suite", "equalTo": "x"}}
    found = admin.post("/mappings/find-by-metadata", json=by_path).json()
    assert [item["metadata"] for item in found["mappings"]] == [{"suite": "x"}]
    assert found["meta"] == {"total": 1}
    equal = {"equalToJson": {"n": 1}, "ignoreExtraElements": True}
    (request,) = admin.post("/requests/find-by-metadata", json=equal).json()["requests"]
    assert request["url"] == "/b"
    (event,) = admin.post("/requests/remove-by-metadata", json=equal).json()["serveEvents"]
    assert event["request"]["url"] == "/b"
    assert len(listed_requests(admin.get("/requests"))) == 2
    assert admin.post("/mappings/remove-by-metadata", json=by_path).json() == {}
    assert names(admin) == ["c", "b"]
    assert problem(admin.post("/mappings/find-by-metadata", json={"equalToXml": "a"}))[0] == 422
    assert problem(admin.post("/mappings/find-by-metadata", json={"equalTo": ["a"] * 6_000}))[0] == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("POST", "/mappings", {"id": "a"}, 422, "/id"),
        ("PUT", f"/mappings/{ID}", {"id": OTHER_ID}, 422, "/id"),
        ("PUT", f"/mappings/{ID}", [], 422, ""),
        ("PUT", "/mappings/a", {}, 400, "id"),
        ("POST", "/mappings/import", {"mappings": {}}, 422, "/mappings"),
        ("POST", "/mappings/import", {"mappings": [], "importOptions": {"duplicatePolicy": "X"}}, 422, None),
        ("POST", "/mappings/import", {"mappings": [0] * (MAX_STUBS + 1)}, 422, "/mappings"),
        ("POST", "/mappings", {"response": {"bodyFileName": "a"}}, 422, "/response/bodyFileName"),
        ("GET", f"/mappings?limit={MAX_STUBS + 1}", None, 422, "limit"),
        ("PUT", "/scenarios/none/state", {}, 404, ""),
        ("PUT", "/scenarios/none/state", {"status": "a"}, 422, "/status"),
        ("POST", "/near-misses/request", {"url": "a"}, 422, "/url"),
        ("POST", "/near-misses/request", {}, 422, "/url"),
        ("POST", "/near-misses/request", {"url": f"/{'é' * 5_000_000}"}, 422, ""),
        ("POST", "/near-misses/request", {"url": f"/{'é' * 11_000}"}, 422, ""),
        ("POST", "/near-misses/request", {"url": "/", "method": "A" * 65_536}, 422, ""),
        ("POST", "/near-misses/request", {"url": "/", "headers": {"a": "b" * 65_536}}, 422, ""),
        ("POST", "/near-misses/request", {"url": "/", "headers": {"a": [""] * 70_000}}, 422, ""),
        ("POST", "/near-misses/request", {"url": "/", "headers": {str(i): [] for i in range(70_000)}}, 422, ""),
        ("POST", "/near-misses/request", {"url": "/", "cookies": {str(i): "" for i in range(200_000)}}, 422, ""),
        ("POST", "/near-misses/request", {"url": "/", "headers": {"a/b": [1] * 200_000}}, 422, "/headers/a~1b"),
        ("POST", "/near-misses/request", {"url": "/", "headers": [1]}, 422, "/headers"),
        ("POST", "/near-misses/request", {"url": "/", "cookies": "a"}, 422, "/cookies"),
    ],
)
def test_an_invalid_call_is_an_error(  # noqa: PLR0917 - the parts of a case
    admin: httpx.Client, method: str, path: str, body: object, status: int, pointer: str | None
) -> None:
    admin.post("/mappings", json=stub("a", id=ID))
    found = problem(admin.request(method, path, json=body))
    assert found[:2] == (status, "/importOptions/duplicatePolicy" if pointer is None else pointer)


def test_too_many_stubs_are_a_conflict(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stub_book, "MAX_STUBS", 1)
    assert admin.post("/mappings", json=stub("a")).status_code == 201
    assert problem(admin.post("/mappings", json=stub("b")))[0] == 409


@pytest.mark.alone("with a shared store, the other server sends the mask of a key in a stub")
def test_credentials_are_masked_in_lists_and_exports(admin: httpx.Client, running: MockServer) -> None:
    key = "sk_verysecret_token"
    request = {"urlPath": "/a", "headers": {"Authorization": {"equalTo": f"Bearer {key}"}}}
    created = admin.post("/mappings", json={"request": request, "response": {"body": f"your key is {key}"}})
    state = admin.get("/state")
    for response in (created, state, admin.get("/mappings"), admin.get(f"/mappings/{created.json()['id']}")):
        assert key not in response.text
    assert key in httpx.get(f"{running.root_url}/a", headers=bearer(key)).text
    assert admin.put("/state", json=state.json()).json() == {}
    assert admin.get("/state").json()["stubs"] == state.json()["stubs"]
    masked = httpx.get(f"{running.root_url}/a", headers=bearer(key))
    assert masked.status_code == 200
    assert key not in masked.text
    assert httpx.get(f"{running.root_url}/a", headers=bearer(f"{key}s")).status_code == 404


def add_scenario(admin: httpx.Client) -> None:
    admin.post("/mappings", json=stub("s", scenarioName="s", newScenarioState="two"))
    admin.post("/mappings", json=stub("s", scenarioName="s", requiredScenarioState="two"))


def state_of(admin: httpx.Client, **query: str) -> str:
    (scenario,) = admin.get("/scenarios", params=query).json()["scenarios"]
    assert scenario["name"] == "s"
    assert scenario["possibleStates"] == ["Started", "two"]
    assert len(scenario["mappings"]) == 2
    return str(scenario["state"])


def test_a_scenario_has_a_state_for_each_tenant(admin: httpx.Client, running: MockServer) -> None:
    add_scenario(admin)
    assert state_of(admin) == "Started"
    httpx.get(f"{running.root_url}/s", headers=ACME)
    httpx.get(f"{running.root_url}/s", headers={"X-Test-Id": "t"})
    states = [{"token": "sk_acme"}, {"testId": "t"}, {"token": "sk_acme", "testId": "t"}, {}]
    assert [state_of(admin, **query) for query in states] == ["two", "two", "Started", "two"]
    assert admin.post("/scenarios/reset", params={"token": "sk_acme"}).json() == {}
    assert [state_of(admin, **query) for query in states] == ["Started", "two", "Started", "Started"]
    assert admin.post("/scenarios/reset").json() == {}
    assert [state_of(admin, **query) for query in states] == ["Started"] * 4


def test_the_state_of_a_scenario_can_be_set(admin: httpx.Client) -> None:
    add_scenario(admin)
    assert admin.put("/scenarios/s/state", json={"state": "two"}, params={"testId": "t"}).json() == {}
    assert [state_of(admin, testId="t"), state_of(admin, token="sk_acme")] == ["two", "Started"]
    admin.put("/scenarios/s/state", json={"state": "two"})
    assert [state_of(admin), state_of(admin, token="sk_acme")] == ["two", "two"]
    assert admin.put("/scenarios/s/state").json() == {}
    assert state_of(admin) == "Started"
    status, pointer, detail = problem(admin.put("/scenarios/s/state", json={"state": "three"}))
    assert (status, pointer) == (422, "/state")
    assert detail == "`three` is not a state of the scenario: use `Started`, `two`"


def test_the_name_of_a_scenario_may_have_a_slash(admin: httpx.Client) -> None:
    admin.post("/mappings", json=stub(scenarioName="a/state/b", newScenarioState="two"))
    assert admin.put("/scenarios/a%2Fstate%2Fb/state", json={"state": "two"}).json() == {}
    (scenario,) = admin.get("/scenarios").json()["scenarios"]
    assert (scenario["name"], scenario["state"]) == ("a/state/b", "two")


def test_scenarios_are_sorted_and_an_error_names_some_states(admin: httpx.Client) -> None:
    for name in "ba":
        admin.post("/mappings", json=stub(scenarioName=name))
    for number in range(30):
        admin.post("/mappings", json=stub(scenarioName="a", newScenarioState=f"n{number}"))
    assert [scenario["name"] for scenario in admin.get("/scenarios").json()["scenarios"]] == ["a", "b"]
    _, _, detail = problem(admin.put("/scenarios/a/state", json={"state": "x"}))
    assert detail.endswith("`n17`, `n18`")


def test_an_export_has_stubs_and_scenarios(admin: httpx.Client, running: MockServer) -> None:
    add_scenario(admin)
    httpx.get(f"{running.root_url}/s", headers=ACME)
    admin.put("/scenarios/s/state", json={"state": "two"})
    httpx.get(f"{running.root_url}/s", headers=bearer("sk_beta"))
    admin.put("/scenarios/s/state", json={"state": "Started"}, params={"token": "sk_beta"})
    state = admin.get("/state").json()
    assert state["scenarios"] == [{"name": "s", "state": "two"}]
    assert [tenant.get("scenarios") for tenant in state["tenants"]] == [None, {"s": "Started"}]
    admin.post("/reset")
    assert admin.put("/state", json=state).json() == {}
    again = admin.get("/state").json()
    assert (again["stubs"], again["scenarios"]) == (state["stubs"], state["scenarios"])
    assert [state_of(admin, token=token) for token in ("sk_acme", "sk_beta")] == ["two", "Started"]


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"stubs": [{}, {"x": 1}]}, "/stubs/1/x"),
        ({"stubs": [{"id": ID}, {"id": ID}]}, "/stubs/1/id"),
        ({"scenarios": [{"name": ""}]}, "/scenarios/0/name"),
    ],
)
def test_an_invalid_stub_of_a_state_is_refused(admin: httpx.Client, part: dict[str, Any], pointer: str) -> None:
    admin.post("/mappings", json=stub("a"))
    state = admin.get("/state").json()
    assert problem(admin.put("/state", json={**state, **part}))[:2] == (422, pointer)
    assert names(admin) == ["a"]


def test_a_near_miss_may_take_too_many_steps_to_explain(admin: httpx.Client) -> None:
    template = "/" + "a" * 5_000 + "".join(f"/{{p{number}}}" for number in range(20))
    parameters = {f"p{number}": {"equalTo": "x"} for number in range(20)}
    admin.post("/mappings", json=stub("long", request={"urlPathTemplate": template, "pathParameters": parameters}))
    (miss,) = admin.post("/near-misses/request", json={"url": "/b"}).json()["nearMisses"]
    assert miss["request"]["mockAtoms"]["differences"] == []


def test_near_misses_of_a_request_are_stubs(admin: httpx.Client) -> None:
    admin.post("/mappings", json=stub("agents"))
    cookies = {"request": {"urlPath": "/c", "cookies": {"a": {"equalTo": "1"}}, "bodyPatterns": [{"contains": "x"}]}}
    admin.post("/mappings", json=cookies)
    request = {"url": "/agent?a=1", "headers": {"X-A": ["1", "2"]}, "absoluteUrl": "ignored"}
    nearest = admin.post("/near-misses/request", json=request).json()["nearMisses"]
    assert [miss["stubMapping"]["request"]["urlPath"] for miss in nearest] == ["/agents", "/c"]
    assert nearest[0]["requestPattern"] == {"urlPath": "/agents"}
    (difference,) = nearest[0]["request"]["mockAtoms"]["differences"]
    assert difference == {"field": "urlPath", "expected": "/agents", "actual": "/agent"}
    key = {"url": "/d", "cookies": {"a": "1"}, "body": "x sk_verysecret", "headers": {"A": "b"}}
    (miss, _) = admin.post("/near-misses/request", json=key).json()["nearMisses"]
    assert [item["field"] for item in miss["request"]["mockAtoms"]["differences"]] == ["urlPath"]
    assert "sk_verysecret" not in str(miss)
    token = {"url": "/d", "headers": {"Authorization": "Bearer plain-secret"}, "body": "x plain-secret"}
    assert "plain-secret" not in admin.post("/near-misses/request", json=token).text
    long_body = {"url": "/c", "cookies": {"a": ["1"]}, "body": f"{'a' * 65_536}x"}
    (miss, _) = admin.post("/near-misses/request", json=long_body).json()["nearMisses"]
    assert [item["field"] for item in miss["request"]["mockAtoms"]["differences"]] == ["bodyPatterns[0]"]
    given = {"url": "/d", "cookies": {"a": "2"}, "headers": {"Cookie": "a=1"}, "body": "x"}
    (miss, _) = admin.post("/near-misses/request", json=given).json()["nearMisses"]
    assert [item["field"] for item in miss["request"]["mockAtoms"]["differences"]] == ["urlPath"]


def test_unmatched_requests_are_selected(admin: httpx.Client, running: MockServer) -> None:
    for number in range(3):
        httpx.get(f"{running.root_url}/{number}", headers=ACME)
    httpx.post(f"{running.root_url}/3")
    for query, urls in {"token=sk_acme&limit=2": ["/2", "/1"], "status=404&method=post": ["/3"], "limit=0": []}.items():
        for path in ("/requests/unmatched", "/requests/unmatched/near-misses"):
            content = admin.get(f"{path}?{query}").json()
            requests = content.get("requests") or [miss["request"] for miss in content.get("nearMisses", [])]
            assert [request["url"] for request in requests] == urls


def test_the_near_misses_of_many_requests_sort_the_stubs_once(
    admin: httpx.Client, running: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        httpx.get(f"{running.root_url}/{number}")
    sorted_at: list[StubBook] = []
    in_order = StubBook.in_order

    def count(book: StubBook) -> list[Stub]:
        sorted_at.append(book)
        return in_order(book)

    monkeypatch.setattr(StubBook, "in_order", count)
    assert len(admin.get("/requests/unmatched/near-misses").json()["nearMisses"]) == 3
    assert len(sorted_at) == 1


def test_near_misses_of_unmatched_requests_are_stubs_or_operations(admin: httpx.Client, running: MockServer) -> None:
    admin.post("/mappings", json=stub("webhooks"))
    httpx.get(f"{running.root_url}/webhook")
    httpx.get(f"{running.url}/audienc")
    operation, near = admin.get("/requests/unmatched/near-misses").json()["nearMisses"]
    assert near["stubMapping"]["request"] == {"urlPath": "/webhooks"}
    assert "stubMapping" not in operation
    assert operation["requestPattern"]["urlPathTemplate"] == "/atoms/v1/audience"
    urls = [request["url"] for request in admin.get("/requests/unmatched").json()["requests"]]
    assert urls == ["/atoms/v1/audienc", "/webhook"]


def test_an_event_of_a_removed_stub_has_its_id(admin: httpx.Client, running: MockServer) -> None:
    admin.post("/mappings", json=stub("a", id=ID))
    httpx.get(f"{running.root_url}/a")
    admin.delete("/mappings")
    assert listed_requests(admin.get("/requests"))[0]["stubMapping"] == {"id": ID, "uuid": ID}


def test_keys_in_scenarios_are_masked_and_survive_an_import(admin: httpx.Client, running: MockServer) -> None:
    key = "sk_live_zyxwvu98765"
    scenario = {"scenarioName": f"S {key}", "request": {"urlPath": "/s"}}
    first = scenario | {"requiredScenarioState": "Started", "newScenarioState": key, "response": {"body": "1"}}
    admin.post("/mappings", json=first)
    admin.post("/mappings", json=scenario | {"requiredScenarioState": key, "response": {"body": "2"}})
    assert httpx.get(f"{running.root_url}/s").text == "1"
    state = admin.get("/state").json()
    assert key not in admin.get("/scenarios").text + json.dumps(state)
    admin.put("/state", json=state)
    assert httpx.get(f"{running.root_url}/s").text == "2"
    assert admin.put(f"/scenarios/S {key}/state", json={"state": "Started"}).status_code == 200
    assert admin.put(f"/scenarios/S {key}/state", json={"state": key}).status_code == 200
    assert httpx.get(f"{running.root_url}/s").text == "2"
