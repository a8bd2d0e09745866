"""The control API: who may call it, rules, tenants, state and reset, and how it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.control import parsing
from mock_atoms.control.app import control_app
from mock_atoms.core.tenancy import caller_for
from mock_atoms.faults import rulebook
from mock_atoms.mock import MockAtoms
from mock_atoms.state.memory_store import MemoryStore
from tests.helpers.asgi import AsgiResponse, bearer_pairs, call
from tests.helpers.audiences import ACME, bearer, list_statuses
from tests.helpers.control import problem
from tests.helpers.sockets import connect


@pytest.fixture(scope="module")
def running() -> Iterator[MockServer]:
    with MockServer(fault=["POST /audience 503"], fixtures=Path(__file__).parents[2] / "fixtures") as mock:
        yield mock


@pytest.fixture
def admin(running: MockServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{running.root_url}/__admin") as http:
        assert http.post("/reset").json() == {}
        yield http


def test_a_rule_is_created_read_counted_and_deleted(running: MockServer, admin: httpx.Client) -> None:
    made = admin.post("/faults", json={"fault": "500x2", "match": {"token": "sk_acme"}})
    rule = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"/__admin/faults/{rule['id']}")
    assert rule["respond"] == {"status": 500}
    assert "sk_acme" not in made.text
    assert list_statuses(running.url, ACME, 3) == [500, 500, 200]
    assert list_statuses(running.url, bearer("sk_other"), 1) == [200]
    read = admin.get(f"/faults/{rule['id']}").json()
    assert (read["evaluated"], read["triggered"]) == (3, 2)
    assert [listed["id"] for listed in admin.get("/faults").json()["faults"]] == [rule["id"], "fault-1"]
    assert admin.delete(f"/faults/{rule['id']}").json() == {}
    assert problem(admin.get(f"/faults/{rule['id']}"))[0] == 404
    # What it counted is gone with it.
    admin.post("/faults", json={"fault": "500x2", "match": {"token": "sk_acme"}})
    assert list_statuses(running.url, ACME, 3) == [500, 500, 200]


def test_a_returned_rule_can_be_sent_again(admin: httpx.Client) -> None:
    whole = {
        "name": "flaky",
        "match": {"token": "sk_acme", "testId": "t1", "method": "GET", "path": "/audience"},
        "when": {"after": 1, "times": 2, "every": 2, "probability": 0.5},
        "delay": {"minMs": 1, "maxMs": 2},
        "connection": "hang30000",
    }
    shown = admin.post("/faults", json=whole).json()
    again = admin.post("/faults", json={key: shown[key] for key in whole}).json()
    assert again["id"] == f"{shown['id']}-2"
    assert {key: again[key] for key in whole} == {key: shown[key] for key in whole}


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
    ("given", "pointer", "detail"),
    [
        ({}, "", "give delay, respond, connection or alter"),
        ({"fault": "500", "color": "red"}, "/color", "no such key"),
        ({"fault": "boom"}, "/fault", "`boom` is not a fault"),
        ({"fault": "500", "delay": {"ms": 1}}, "/fault", "leave out delay"),
        ({"fault": "500", "match": {"path": "/nowhere"}}, "/match/path", "/nowhere is not a path of the API"),
        ({"fault": "500", "match": {"path": "/atoms/v1/audience"}}, "/match/path", "below the base path: /audience"),
        ({"fault": "500", "match": {"token": "two words"}}, "/match/token", "one word of visible ASCII"),
        ({"fault": "500", "match": {"testIdDigest": "0" * 32}}, "/match", "testIdDigest is not the digest of testId"),
        ({"fault": "500", "match": {"testId": "t", "testIdDigest": "0" * 32}}, "/match", "not the digest of testId"),
        ({"respond": {"status": 500}, "connection": "reset"}, "", "one of respond, connection and alter"),
        ({"respond": {"status": 500, "headers": {"a": "x" * 8193}}}, "/respond/headers", "longer than 8192"),
        ({"respond": {"status": 999}}, "/respond/status", "less than or equal to 599"),
        ({"respond": {"status": 500, "errors": ["a"], "body": {}}}, "/respond", "one of errors, body and text"),
        ({"connection": "explode"}, "/connection", "give reset, close, hang"),
        ({"delay": {"ms": 1, "minMs": 1}}, "/delay", "give ms, or minMs and maxMs"),
        ([], "", "give keys and values"),
        (7, "", "give keys and values"),
        ("GET 500", "", "write EXPRESSION"),
    ],
)
def test_an_invalid_rule_is_an_error_and_changes_nothing(
    admin: httpx.Client, given: object, pointer: str, detail: str
) -> None:
    status, where, why = problem(admin.post("/faults", json=given))
    assert (status, where) == (422, pointer)
    assert detail in why
    assert [rule["id"] for rule in admin.get("/faults").json()["faults"]] == ["fault-1"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "detail"),
    [
        (b"{", "application/json", 422, "not JSON: "),
        (b'"\\ud800"', "application/json; charset=utf-8", 422, "half of a surrogate pair"),
        (b"[" * 100_000, "application/json", 422, "not JSON: "),
        (b'"500"', "application/x-www-form-urlencoded", 415, "send the header Content-Type: application/json"),
        (b'"500"', "", 415, "send the header Content-Type: application/json"),
        (b"", "application/json", 422, "not JSON: "),
    ],
)
def test_a_body_that_is_not_json_is_an_error(
    admin: httpx.Client, body: bytes, content_type: str, status: int, detail: str
) -> None:
    answer = admin.post("/faults", content=body, headers={"Content-Type": content_type} if content_type else {})
    assert problem(answer)[0] == status
    assert detail in problem(answer)[2]


def test_a_body_that_is_too_long_is_an_error(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_BODY_BYTES", 100)
    assert problem(admin.post("/faults", json="x" * 200))[0] == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/faults"),
        ("POST", "/faults"),
        ("DELETE", "/faults"),
        ("GET", "/faults/fault-1"),
        ("DELETE", "/faults/fault-1"),
        ("GET", "/tenants"),
        ("PUT", "/tenants"),
        ("GET", "/state"),
        ("PUT", "/state"),
        ("POST", "/reset"),
        ("DELETE", "/requests"),
        ("GET", "/requests/unmatched"),
        ("GET", "/requests/unmatched/near-misses"),
        ("POST", "/requests/remove"),
        ("POST", "/near-misses/request-pattern"),
    ],
)
def test_an_unknown_query_parameter_is_an_error(admin: httpx.Client, method: str, path: str) -> None:
    status, where, detail = problem(admin.request(method, path, params={"force": "1"}))
    assert (status, where, detail) == (422, "force", "there is no parameter 'force': this call has no parameters")


def test_the_number_of_rules_is_limited(admin: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_RULES", 1)
    admin.post("/faults", json="500")
    assert problem(admin.post("/faults", json="500"))[::2] == (
        409,
        "there can be at most 1 rules: delete those of finished tests",
    )


def test_resetting_a_test_keeps_other_tests(running: MockServer, admin: httpx.Client) -> None:
    for test_id in ("t1", "t2"):
        admin.post("/faults", json={"fault": "500x1", "match": {"token": "sk_acme", "testId": test_id}})
        assert list_statuses(running.url, bearer("sk_acme", test_id), 2) == [500, 200]
    assert admin.post("/reset", json={"token": "sk_acme", "testId": "t1"}).json() == {}
    assert [rule["match"].get("testId") for rule in admin.get("/faults").json()["faults"]] == ["t2", None]
    assert admin.get("/requests", params={"testId": "t1"}).json()["meta"]["total"] == 0
    assert admin.get("/requests", params={"testId": "t2"}).json()["meta"]["total"] == 2
    assert [tenant["testId"] for tenant in admin.get("/tenants").json()["tenants"]] == ["t2"]


@pytest.mark.parametrize(
    ("scope", "left"),
    [
        ({}, []),
        (None, []),
        ({"token": "sk_acme"}, ["sk_other", "sk_other t1"]),
        ({"testId": "t1"}, ["sk_acme", "sk_other"]),
        ({"token": "sk_acme", "testId": " t1 "}, ["sk_acme", "sk_other", "sk_other t1"]),
    ],
)
def test_a_reset_covers_its_scope(running: MockServer, admin: httpx.Client, scope: object, left: list[str]) -> None:
    tenants = {}
    for name in ("sk_acme", "sk_acme t1", "sk_other", "sk_other t1"):
        token, _, test_id = name.partition(" ")
        list_statuses(running.url, bearer(token, test_id or None), 1)
        tenants[caller_for(token).tenant.label, test_id or None] = name
    admin.post("/reset", json=scope)
    known = admin.get("/tenants").json()["tenants"]
    assert sorted(tenants[tenant["token"], tenant["testId"]] for tenant in known) == left
    logged = [event["request"]["mockAtoms"] for event in admin.get("/requests").json()["requests"]]
    assert sorted(tenants[entry["tenant"], entry["testId"]] for entry in logged) == left


@pytest.mark.parametrize(
    ("scope", "pointer", "detail"),
    [
        ({"tokens": "sk_acme"}, "/tokens", "no such key"),
        ({"token": "two words"}, "/token", "one word of visible ASCII"),
        ({"testId": None}, "/testId", "null is not allowed: give text, or leave the field out to match all"),
        ({"testId": "  "}, "/testId", "an id must not be blank"),
        ([], "", "give keys and values"),
    ],
)
def test_an_invalid_reset_changes_nothing(
    running: MockServer, admin: httpx.Client, scope: object, pointer: str, detail: str
) -> None:
    list_statuses(running.url, ACME, 1)
    status, where, why = problem(admin.post("/reset", json=scope))
    assert (status, where) == (422, pointer)
    assert detail in why
    assert len(admin.get("/tenants").json()["tenants"]) == 1


def audiences(mock: MockServer, token: str, **headers: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{mock.url}/audience", headers={"Authorization": f"Bearer {token}", **headers})
    listed: list[dict[str, Any]] = answer.json()["data"]
    return listed


def test_a_test_sets_the_data_of_a_tenant(running: MockServer, admin: httpx.Client) -> None:
    others = audiences(running, "sk_other")
    told = admin.put("/tenants", json={"token": "sk_acme", "testId": "t1", "audiences": [{"name": "Mine"}]}).json()
    assert [audience["name"] for audience in told["audiences"]] == ["Mine"]
    assert told["testId"] == "t1"
    assert "sk_acme" not in json.dumps(told)
    assert audiences(running, "sk_acme", **{"X-Test-Id": "t1"}) == told["audiences"]
    assert [audience["name"] for audience in audiences(running, "sk_acme")] != ["Mine"]
    assert audiences(running, "sk_other") == others
    made = admin.put("/tenants", json={"token": "sk_acme", "generate": {"audiences": 2}}).json()
    assert audiences(running, "sk_acme") == made["audiences"]
    assert len(made["audiences"]) == 2
    admin.post("/reset", json={"token": "sk_acme"})
    assert audiences(running, "sk_acme", **{"X-Test-Id": "t1"}) == audiences(running, "sk_acme")


@pytest.mark.parametrize(
    ("given", "pointer", "detail"),
    [
        ({"audiences": []}, "/token", "give the token"),
        ({"token": "a b", "audiences": []}, "/token", "one word of visible ASCII"),
        ({"token": "sk_acme"}, "", "give either audiences or generate"),
        ({"token": "sk_acme", "audiences": [{"naem": "x"}]}, "/audiences/0/naem", "no such key"),
        ({"token": "sk_acme", "audiences": [], "tokens": ["sk_b"]}, "/tokens", "unknown key"),
        ({"token": "sk_acme", "audiences": [{}] * 10_001}, "/audiences", "at most 10000"),
        ({"token": "sk_acme", "generate": {"audiences": 5000}}, "/generate/audiences", "at most 1000"),
        ([], "/token", "give the token"),
    ],
)
def test_invalid_data_of_a_tenant_is_an_error(admin: httpx.Client, given: object, pointer: str, detail: str) -> None:
    status, where, why = problem(admin.put("/tenants", json=given))
    assert (status, where) == (422, pointer)
    assert detail in why
    assert admin.get("/tenants").json()["tenants"] == []


def test_data_for_a_token_outside_tokens_is_an_error() -> None:
    with MockServer(tokens="sk_a") as mock:
        answer = httpx.put(f"{mock.root_url}/__admin/tenants", json={"token": "sk_b", "audiences": []})
    assert problem(answer)[:2] == (422, "/token")


def test_an_imported_state_gives_the_same_responses(running: MockServer, admin: httpx.Client) -> None:
    admin.post("/faults", json={"fault": "500x2", "match": {"token": "sk_acme"}})
    admin.post("/faults", json={"fault": "503p50"})
    admin.put("/tenants", json={"token": "sk_chosen", "audiences": [{"name": "Mine"}]})
    first = [
        list_statuses(running.url, bearer(token, test), 3)
        for token in ("sk_acme", "sk_mock_500x4")
        for test in (None, "t")
    ]
    assert first[0][:2] == [500, 500]
    state = admin.get("/state").json()
    assert '"sk_acme"' not in json.dumps(state)

    def answers(mock: MockServer) -> list[tuple[int, bytes, str]]:
        tokens = ("sk_acme", "sk_mock_500x4", "sk_chosen", "sk_acme_trainee", "sk_new", "two words")
        with httpx.Client() as http:
            calls = [
                http.request(method, f"{mock.url}/audience", headers={"Authorization": f"Bearer {token}", **extra})
                for token in tokens
                for extra in ({}, {"X-Test-Id": "t"})
                for method in ("GET", "GET", "POST")
            ]
        return [(answer.status_code, answer.content, answer.headers["x-request-id"]) for answer in calls]

    with MockServer(fault=["404", "401"]) as other:
        away = f"{other.root_url}/__admin"
        assert httpx.put(f"{away}/state", json=state).json() == {}
        assert httpx.get(f"{away}/state").json() == state
        assert answers(other) == answers(running)
        # A reset forgets what was handed over, too.
        httpx.post(f"{away}/reset")
        assert list_statuses(other.url, bearer("sk_documented"), 1) == [404]
        anew = audiences(other, "sk_acme_trainee", Prefer="code=200")
        assert "Spring open house" not in [audience["name"] for audience in anew]


def test_a_state_with_another_seed_is_an_error_with_the_fix(admin: httpx.Client) -> None:
    state = admin.get("/state").json()
    status, where, detail = problem(admin.put("/state", json=state | {"seed": "other"}))
    assert (status, where) == (409, "/seed")
    assert detail.endswith("start this server with --seed other")
    assert problem(admin.put("/state", json=state | {"locale": "de_DE"}))[:2] == (409, "/locale")


DIGEST = "0" * 32
OWNED = {"token": "sk_…#abcdef", "tokenDigest": DIGEST}
CHANGED = "/tenants/0/changes/audiences/0"
CREATED = {"_id": "1" * 24, "name": "n", "phoneNumberColumnName": "p", "createdAt": "2026-01-31T09:00:00.000Z"}
ADDED = {"_id": "3" * 24, "data": {"p": "+15550100000"}}


def twice_changed() -> dict[str, Any]:
    audiences = [{"audience": "1" * 24, "phoneNumberColumnName": "p"}] * 2
    return {"tenants": [OWNED | {"changes": {"audiences": audiences}}]}


def changed(**part: object) -> dict[str, Any]:
    """Return a state's tenants, in which this was changed in one audience."""
    return {
        "tenants": [OWNED | {"changes": {"audiences": [{"audience": "1" * 24, "phoneNumberColumnName": "p", **part}]}}]
    }


@pytest.mark.parametrize(
    ("change", "pointer", "detail"),
    [
        ({"extra": 1}, "/extra", "no such key"),
        ({"rules": [{"id": "a b", "respond": {"status": 500}}]}, "/rules/0/id", ""),
        ({"rules": [{"id": "r", "respond": {"status": 99}}]}, "/rules/0/respond/status", ""),
        ({"rules": [{"id": "r"}]}, "/rules/0", "give delay, respond, connection or alter"),
        (
            {"rules": [{"id": "r", "fault": "500"}, {"id": "r", "fault": "500"}]},
            "/rules/1/id",
            "id r is duplicated",
        ),
        ({"tenants": [OWNED | {"token": "sk_whole"}]}, "/tenants/0/token", ""),
        ({"tenants": [OWNED | {"token": "sk_mock_a.sk_live_b"}]}, "/tenants/0", "neither masked nor a magic key"),
        ({"tenants": [OWNED | {"token": "sk_mock_a"}]}, "/tenants/0", "tokenDigest is not the digest of sk_mock_a"),
        ({"tenants": [OWNED | {"requests": 10**20}]}, "/tenants/0/requests", ""),
        ({"tenants": [OWNED | {"testIdDigest": DIGEST}]}, "/tenants/0", "testIdDigest is not the digest of testId"),
        ({"tenants": [OWNED | {"testId": " "}]}, "/tenants/0/testId", "must not be blank"),
        ({"tenants": [OWNED | {"tokenDigest": "0"}]}, "/tenants/0/tokenDigest", ""),
        ({"tenants": [OWNED, OWNED]}, "/tenants", "a tenant is duplicated"),
        (
            {"tenants": [OWNED | {"counters": {"r": {"evaluated": -1, "triggered": 0}}}]},
            "/tenants/0/counters/r/evaluated",
            "",
        ),
        ({"tenants": [OWNED | {"audiences": [{"nam": ""}]}]}, "/tenants/0/audiences/0/nam", "no such key"),
        ({"fixtures": [OWNED]}, "/fixtures/0/audiences", "Field required"),
        (changed(removed=[2, 1]), CHANGED, "removed: list each index once, in ascending order"),
        (changed(removed=[1, 1]), CHANGED, "removed: list each index once, in ascending order"),
        (changed(removed=[10_000]), f"{CHANGED}/removed/0", ""),
        (changed(updatedAt="yesterday"), f"{CHANGED}/updatedAt", "not a timestamp"),
        (changed(created={"_id": "1" * 24}), CHANGED, "created: name is missing"),
        (
            changed(created=CREATED | {"_id": "2" * 24}),
            CHANGED,
            "created: _id or phoneNumberColumnName",
        ),
        (
            changed(created=CREATED | {"phoneNumberColumnName": "q"}),
            CHANGED,
            "created: _id or phoneNumberColumnName",
        ),
        (changed(created=CREATED | {"createdAt": "x"}), CHANGED, "not a timestamp"),
        (
            changed(added=[ADDED | {"data": {"p": "x"}}]),
            CHANGED,
            "added: each member needs an _id, and data with a phone",
        ),
        (changed(added=[{"data": {"p": "+15550100000"}}]), CHANGED, "added: each member needs an _id"),
        (changed(added=[ADDED, ADDED]), CHANGED, "added: the phone number 15550100000 is"),
        (
            changed(added=[ADDED, ADDED | {"data": {"p": "+15550100001"}}]),
            CHANGED,
            "added: the _id 333333333333333333333333 is",
        ),
        (changed(created=CREATED | {"updatedAt": "x"}), CHANGED, "not a timestamp"),
        (changed(created=CREATED), "/tenants/0/changes", "ids: 0 is less than the 1 ids of created audiences"),
        (twice_changed(), "/tenants/0/changes", "audiences: the audience 111111111111111111111111 is duplicated"),
        ({"tenants": [OWNED | {"audiences": [{"_id": "1" * 24}] * 2}]}, "/tenants/0/audiences", "is duplicated"),
        ({"fixtures": [OWNED | {"audiences": []}] * 2}, "/fixtures", "a token is duplicated"),
        (changed(campaigns=[{"createdAt": "x"}]), f"{CHANGED}/campaigns/0", "createdAt is 'x': not a timestamp"),
    ],
)
def test_an_invalid_state_changes_nothing(
    running: MockServer, admin: httpx.Client, change: dict[str, Any], pointer: str, detail: str
) -> None:
    admin.post("/faults", json="500")
    list_statuses(running.url, ACME, 1)
    state = admin.get("/state").json()
    status, where, why = problem(admin.put("/state", json=state | change))
    assert (status, where) == (422, pointer)
    assert detail in why
    assert admin.get("/state").json() == state


def test_masked_tokens_and_test_ids_survive_a_state(running: MockServer, admin: httpx.Client) -> None:
    both = "my-own-test-0123456789"  # as token and as id of the test
    rule = admin.post("/faults", json={"name": "for sk_verysecret", "fault": "500x3", "match": {"testId": both}}).json()
    known = admin.post("/faults", json={"fault": "503x1", "match": {"testId": both, "token": both}}).json()
    assert rule["name"] == "for sk_ver…#38c9cb"
    assert both not in json.dumps(known)
    again = {key: known[key] for key in ("match", "when", "respond")}
    assert admin.post("/faults", json=again).json()["id"] == f"{known['id']}-2"
    assert list_statuses(running.url, bearer(both, both), 2) == [500, 500]
    assert admin.get("/requests", params={"testId": both}).json()["meta"]["total"] == 2
    tenants = admin.get("/tenants").text
    state = admin.get("/state").json()
    assert both not in tenants
    assert both not in json.dumps(state["tenants"])
    with MockServer() as other:
        assert httpx.put(f"{other.root_url}/__admin/state", json=state).status_code == 200
        assert list_statuses(other.url, bearer(both, both), 4) == [500, 503, 503, 200]
        assert httpx.get(f"{other.root_url}/__admin/state").json()["seed"] == "atoms"
    admin.post("/reset", json={"testId": both})
    assert [left["id"] for left in admin.get("/faults").json()["faults"]] == ["fault-1"]
    assert admin.get("/requests").json()["meta"]["total"] == 0


def test_importing_a_state_empties_the_journal(running: MockServer, admin: httpx.Client) -> None:
    state = admin.get("/state").json()
    list_statuses(running.url, ACME, 1)
    admin.put("/state", json=state)
    list_statuses(running.url, ACME, 1)
    assert admin.get("/requests").json()["meta"]["total"] == 1


def test_a_disconnect_during_the_body_is_no_server_error(
    running: MockServer, admin: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(running.port) as client:
        client.sendall(b"PUT /__admin/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{")
    for _ in range(3):
        assert admin.get("/health").status_code == 200
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]


def test_a_state_that_is_too_large_changes_nothing() -> None:
    app = create_app(mock=MockAtoms(Settings(), store=MemoryStore(max_bytes=11_000)))

    def put(state: dict[str, Any]) -> AsgiResponse:
        headers = [(b"content-type", b"application/json")]
        return call(app, "/__admin/state", headers, "PUT", body=json.dumps(state).encode())

    state = json.loads(call(app, "/__admin/state").body)
    assert put(state | {"tenants": [OWNED | {"audiences": [{}] * 6}]}).status == 409
    assert json.loads(call(app, "/__admin/state").body) == state
    assert put(state | {"tenants": [OWNED | {"audiences": [{}] * 5}]}).status == 200


def test_an_admin_token_guards_all_but_health() -> None:
    app = control_app(MockAtoms(Settings(admin_token="secret-1", host="0.0.0.0")))
    for headers in ([], bearer_pairs("secret-2"), bearer_pairs("secret-12"), [(b"authorization", b"Basic secret-1")]):
        refused = call(app, "/__admin/faults", headers)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert b"secret-1" not in refused.body
    assert call(app, "/__admin/faults", bearer_pairs("secret-1")).status == 200
    assert call(app, "/__admin/health").status == 200


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "::1"}, 200),
        ({"host": "127.0.0.2"}, 200),
        ({"host": "0.0.0.0"}, 403),
        ({"host": "::"}, 403),
        ({"host": "0.0.0.0", "admin": True}, 200),
        ({"admin": False}, 404),
        ({"admin": False, "admin_token": "secret-1"}, 404),
    ],
)
def test_the_control_api_is_closed_to_other_machines_by_default(settings: dict[str, Any], status: int) -> None:
    app = control_app(MockAtoms(Settings(**settings)))
    assert call(app, "/__admin/faults").status == status
    assert call(app, "/__admin/health").status == 200


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, "evil.test", 403),  # a name that was made to stand for this machine
        (None, "evil.test.", 403),
        (None, "named.test:28667", 200),
        (None, "mock-atoms:28667", 200),
        (None, "mock-atoms.tests.svc:28667", 200),
        (None, "", 200),
        ("http://127.0.0.1:28667", "127.0.0.1:28667", 200),
        ("http://localhost:28667", "localhost:28667", 200),
        ("http://[::1]:28667", "[::1]:28667", 200),
        ("https://named.test", "127.0.0.1:28667", 200),
        ("http://localhost:3000", "localhost:28667", 403),
        ("https://localhost:28667", "localhost:28667", 403),
        ("https://other.test", "127.0.0.1:28667", 403),
        ("http://mock-atoms:28667", "mock-atoms:28667", 403),
        ("null", "127.0.0.1:28667", 403),
        ("http://[", "127.0.0.1:28667", 403),
    ],
)
def test_pages_of_other_origins_are_rejected(origin: str | None, host: str, status: int) -> None:
    app = control_app(MockAtoms(Settings(cors_origin=("*", "localhost", "https://named.test"))))
    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    assert call(app, "/__admin/reset", headers, "POST").status == status


def test_an_allowed_page_gets_cors_headers() -> None:
    app = control_app(MockAtoms(Settings(cors_origin=("https://named.test",), admin_token="secret-1")))
    origin = (b"origin", b"https://named.test")
    asked = [origin, (b"access-control-request-method", b"PUT"), (b"access-control-request-headers", b"authorization")]
    assert call(app, "/__admin/state", asked, "OPTIONS").status == 200
    answer = call(app, "/__admin/state", [origin, *bearer_pairs("secret-1")])
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://named.test")
    foreign = [(b"origin", b"https://other.test"), *asked[1:]]
    assert call(app, "/__admin/state", foreign, "OPTIONS").status == 400


def test_the_control_api_is_neither_faulted_nor_journaled() -> None:
    with MockServer(error_rate=1.0, fault=["500"]) as mock:
        answer = httpx.get(f"{mock.root_url}/__admin/faults", headers={**ACME, "Prefer": "code=503"})
        assert answer.status_code == 200
        assert httpx.get(f"{mock.root_url}/__admin/requests").json()["meta"]["total"] == 0


def test_a_405_lists_the_allowed_methods(admin: httpx.Client) -> None:
    answer = admin.post("/tenants")
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "PUT"})


def test_a_bug_in_the_control_api_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    mock = MockAtoms(Settings())
    monkeypatch.setattr(mock, "rules", None)
    with pytest.raises(TypeError):
        call(control_app(mock), "/__admin/faults")


def campaigns_of(admin: httpx.Client, audience_id: str, **given: object) -> httpx.Response:
    return admin.put(f"/audiences/{audience_id}/campaigns", json={"token": "sk_acme", **given})


def test_campaigns_of_an_audience_are_set_for_one_tenant(running: MockServer, admin: httpx.Client) -> None:
    first = httpx.get(f"{running.url}/audience", headers=ACME).json()["data"][0]
    told = campaigns_of(
        admin, first["_id"], testId="t1", campaigns=[{"name": "Mine"}, {"_id": "1" * 24, "status": "paused"}]
    )
    assert told.json()["testId"] == "t1"
    mine, other = told.json()["audience"]["campaigns"]
    assert (mine["name"], mine["status"], len(mine["_id"])) == ("Mine", "active", 24)
    assert mine["createdAt"] == other["createdAt"]
    assert (other["_id"], other["name"], other["status"]) == ("1" * 24, "Campaign 2", "paused")
    in_test = httpx.get(f"{running.url}/audience", headers=ACME | {"X-Test-Id": "t1"}).json()["data"][0]
    assert in_test == first | {"hasCampaigns": True, "campaigns": [mine, other]}
    assert httpx.get(f"{running.url}/audience", headers=ACME).json()["data"][0] == first


@pytest.mark.parametrize(
    ("audience_id", "given", "refusal"),
    [
        ("x", {"campaigns": []}, (400, "", "x: Invalid audience ID")),
        ("0" * 24, {"campaigns": []}, (404, "", f"{'0' * 24}: Audience not found")),
        ("0" * 24, {}, (422, "/campaigns", "Field required")),
        ("0" * 24, {"campaigns": [{"colour": 1}]}, (422, "/campaigns/0/colour", "no such key")),
        (
            "0" * 24,
            {"campaigns": [{}] * 101},
            (422, "/campaigns", "List should have at most 100 items after validation, not 101"),
        ),
        (
            "0" * 24,
            {"campaigns": [], "token": None},
            (422, "/token", "null is not allowed: give text, or leave the field out to match all"),
        ),
    ],
)
def test_invalid_campaigns_are_an_error(
    admin: httpx.Client, audience_id: str, given: dict[str, Any], refusal: tuple[int, str, str]
) -> None:
    assert problem(campaigns_of(admin, audience_id, **given)) == refusal


def test_a_state_contains_the_changes_of_clients(running: MockServer, admin: httpx.Client) -> None:
    with httpx.Client(base_url=running.url, headers=bearer("sk_hands.over")) as http:
        kept, gone, changed_one, *_ = http.get("/audience").json()["data"]
        admin.put(f"/audiences/{gone['_id']}/campaigns", json={"token": "sk_hands.over", "campaigns": []})
        http.delete(f"/audience/{gone['_id']}").raise_for_status()
        members = f"/audience/{changed_one['_id']}/members"
        first = http.get(members).json()["data"]["members"][0]["_id"]
        http.request("DELETE", members, json={"memberIds": [first]})
        http.post(members, json={"members": [{changed_one["phoneNumberColumnName"]: "+15550100000", "n": [1, None]}]})
        form, files = {"name": "New", "phoneNumberColumnName": "p"}, {"file": ("x.csv", "p,q\n+15550100001,é\n")}
        made = http.post("/audience", data=form, files=files, headers={"Prefer": "code=200"}).json()["data"]
        paths = ["/audience", members + "?offset=10000", f"/audience/{made['_id']}/members", f"/audience/{gone['_id']}"]
        before = [http.get(path).content for path in paths]
    state = admin.get("/state").json()
    with MockServer(fixtures=Path(__file__).parents[2] / "fixtures") as other:
        assert httpx.put(f"{other.root_url}/__admin/state", json=state).json() == {}
        with httpx.Client(base_url=other.url, headers=bearer("sk_hands.over")) as http:
            assert [http.get(path).content for path in paths] == before
            assert http.get(f"/audience/{kept['_id']}").status_code == 200
            again = http.post(members, json={"members": [{changed_one["phoneNumberColumnName"]: "15550100000"}]})
            assert again.json()["data"][0]["data"] == {"added": 0, "skipped": 1}
