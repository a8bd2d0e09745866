"""Endpoints about fault rules."""

import asyncio

import httpx
import pytest

from mock_atoms import MockServer, Settings
from mock_atoms.faults import rulebook
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.mock import MockAtoms
from tests.helpers.audiences import ACME, bearer, list_statuses
from tests.helpers.control import problem


def test_a_rule_is_created_read_counted_and_deleted(running: MockServer, admin: httpx.Client) -> None:
    created = admin.post("/faults", json={"fault": "500x2", "match": {"token": "sk_acme"}})
    rule = created.json()
    assert (created.status_code, created.headers["location"]) == (201, f"/__admin/faults/{rule['id']}")
    assert rule["respond"] == {"status": 500}
    assert "sk_acme" not in created.text
    assert list_statuses(running.url, ACME, 3) == [500, 500, 200]
    assert list_statuses(running.url, bearer("sk_other"), 1) == [200]
    read = admin.get(f"/faults/{rule['id']}").json()
    assert (read["evaluated"], read["triggered"]) == (3, 2)
    assert [listed["id"] for listed in admin.get("/faults").json()["faults"]] == [rule["id"], "fault-1"]
    assert admin.delete(f"/faults/{rule['id']}").json() == {}
    assert problem(admin.get(f"/faults/{rule['id']}"))[0] == 404
    # Its counts are deleted with it.
    admin.post("/faults", json={"fault": "500x2", "match": {"token": "sk_acme"}})
    assert list_statuses(running.url, ACME, 3) == [500, 500, 200]


def test_a_returned_rule_can_be_sent_again(admin: httpx.Client) -> None:
    rule = {
        "name": "flaky",
        "match": {"token": "sk_acme", "testId": "t1", "method": "GET", "path": "/audience"},
        "when": {"after": 1, "times": 2, "every": 2, "probability": 0.5},
        "delay": {"minMs": 1, "maxMs": 2},
        "connection": "hang30000",
    }
    created = admin.post("/faults", json=rule).json()
    again = admin.post("/faults", json={key: created[key] for key in rule}).json()
    assert again["id"] == f"{created['id']}-2"
    assert {key: again[key] for key in rule} == {key: created[key] for key in rule}


def test_a_rule_can_be_written_as_on_the_command_line(running: MockServer, admin: httpx.Client) -> None:
    rule = admin.post("/faults", json="GET /audience 404").json()
    assert rule["match"] == {"method": "GET", "path": "/audience"}
    assert list_statuses(running.url, ACME, 1) == [404]


def test_deleting_all_rules_keeps_those_of_the_settings(admin: httpx.Client) -> None:
    admin.post("/faults", json="500")
    assert admin.delete("/faults").json() == {}
    assert [rule["id"] for rule in admin.get("/faults").json()["faults"]] == ["fault-1"]
    status, _, detail = problem(admin.delete("/faults/fault-1"))
    assert (
        status,
        detail.startswith("fault-1 comes from the server's settings"),
    ) == (409, True)


@pytest.mark.parametrize(
    "rule", ["get /audience 404", {"match": {"method": "gEt", "path": "/audience"}, "fault": "404"}]
)
def test_a_method_may_be_in_any_case(running: MockServer, admin: httpx.Client, rule: object) -> None:
    assert admin.post("/faults", json=rule).json()["match"] == {"method": "GET", "path": "/audience"}
    assert list_statuses(running.url, ACME, 1) == [404]


def test_a_rule_may_have_the_path_of_a_later_stub(running: MockServer, admin: httpx.Client) -> None:
    admin.post("/faults", json="GET /webhook 503x1").raise_for_status()
    running.stub("GET", "/webhook", json={})
    statuses = [httpx.get(f"{running.url}/webhook", headers=ACME).status_code for _ in range(2)]
    assert statuses == [503, 200]


@pytest.mark.parametrize("stubbed", ["/audiences/{id}", "/audiences/{key}"])
def test_a_rule_may_have_the_path_of_a_stub_that_is_similar_to_one_of_the_api(
    running: MockServer, admin: httpx.Client, stubbed: str
) -> None:
    rule = "DELETE /audiences/{id} 503"
    assert problem(admin.post("/faults", json=rule))[0] == 422
    running.stub("DELETE", stubbed, json={})
    assert admin.post("/faults", json=rule).status_code == 201
    assert httpx.delete(f"{running.url}/audiences/7", headers=ACME).status_code == 503


def test_an_exported_rule_is_imported_without_the_stub_of_its_path(running: MockServer, admin: httpx.Client) -> None:
    running.stub("GET", "/audiences", json={})
    admin.post("/faults", json="GET /audiences 503").raise_for_status()
    running.remove_stub()
    state = admin.get("/state").json()
    assert admin.put("/state", json=state).is_success
    assert len(admin.get("/faults").json()["faults"]) == len(state["rules"])


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({}, "", "must have delay, respond, connection or alter"),
        ({"fault": "500", "color": "red"}, "/color", "unknown key"),
        ({"respond": {"status": 500, "body": [0] * 5_000}}, "", "too large: at most 5,000 values"),
        ("500+" * 2_501, "", "the expression is too long: at most 10,000 characters"),
        ({"fault": "boom"}, "/fault", "`boom` is not a fault"),
        ({"fault": "500", "delay": {"ms": 1}}, "/fault", "omit delay"),
        ({"fault": "500", "match": {"path": "/audiences"}}, "/match/path", "Did you mean `/audience`?"),
        (
            {"fault": "500", "match": {"path": "/atoms/v1/audience"}},
            "/match/path",
            "below the base path: write /audience",
        ),
        ({"fault": "500", "match": {"token": "two words"}}, "/match/token", "one word of visible ASCII"),
        ({"fault": "500", "match": {"testIdDigest": "0" * 32}}, "/match", "testIdDigest is not the digest of testId"),
        ({"fault": "500", "match": {"testId": "t", "testIdDigest": "0" * 32}}, "/match", "not the digest of testId"),
        ({"respond": {"status": 500}, "connection": "reset"}, "", "one of respond, connection and alter"),
        ({"respond": {"status": 500, "headers": {"a": "x" * 8193}}}, "/respond/headers/a", "at most 8192"),
        ({"respond": {"status": 999}}, "/respond/status", "must be at most 599"),
        ({"respond": {"status": 500, "errors": ["a"], "body": {}}}, "/respond", "one of errors, body and text"),
        ({"connection": "explode"}, "/connection", "use reset, close, stale, hang"),
        ({"delay": {"ms": 1, "minMs": 1}}, "/delay", "must have ms, or minMs and maxMs"),
        ([], "", "must be an object"),
        (7, "", "must be an object"),
        ("GET 500", "", "write EXPRESSION"),
    ],
)
def test_an_invalid_rule_is_an_error_and_changes_nothing(
    admin: httpx.Client, body: object, pointer: str, detail: str
) -> None:
    status, actual_pointer, problem_detail = problem(admin.post("/faults", json=body))
    assert (status, actual_pointer) == (422, pointer)
    assert detail in problem_detail
    assert [rule["id"] for rule in admin.get("/faults").json()["faults"]] == ["fault-1"]


def test_the_number_of_rules_is_limited(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_RULES", 1)
    admin.post("/faults", json="500")
    assert problem(admin.post("/faults", json="500"))[::2] == (
        409,
        "there can be at most 1 rules: delete those of finished tests",
    )


def test_a_rule_may_be_removed_by_two_clients_at_the_same_time() -> None:
    async def run() -> None:
        mock = MockAtoms(Settings())
        ids = [(await mock.store.add_rule(parse_fault("500"))).id for _ in range(3)]
        await asyncio.gather(mock.store.remove_rules(ids), mock.store.remove_rules(ids))
        assert await mock.store.rules() == []

    asyncio.run(run())


def test_a_rule_is_checked_without_being_created(admin: httpx.Client) -> None:
    before = admin.get("/faults").json()
    checked = admin.post("/faults/check", json={"fault": "delay250+500x2", "match": {"token": "sk_acme"}})
    assert checked.status_code == 200
    rule = checked.json()
    assert (rule["delay"], rule["respond"], rule["when"]) == ({"ms": 250.0}, {"status": 500}, {"times": 2})
    assert rule["match"]["token"] == "sk_…#665b48"
    assert problem(admin.post("/faults/check", json={"fault": "5oo"}))[:2] == (422, "/fault")
    assert admin.get("/faults").json() == before
