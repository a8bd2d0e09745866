"""Resets of the server, a token or a test."""

import json

import httpx
import pytest

from mock_atoms import MockServer
from mock_atoms.core.tenancy import caller_for
from tests.helpers.audiences import ACME, bearer, list_statuses
from tests.helpers.control import problem


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
    ("scope", "remaining"),
    [
        ({}, []),
        (None, []),
        ({"token": "sk_acme"}, ["sk_other", "sk_other t1"]),
        ({"testId": "t1"}, ["sk_acme", "sk_other"]),
        ({"token": "sk_acme", "testId": " t1 "}, ["sk_acme", "sk_other", "sk_other t1"]),
    ],
)
def test_a_reset_covers_its_scope(
    running: MockServer, admin: httpx.Client, scope: object, remaining: list[str]
) -> None:
    tenants = {}
    for name in ("sk_acme", "sk_acme t1", "sk_other", "sk_other t1"):
        token, _, test_id = name.partition(" ")
        list_statuses(running.url, bearer(token, test_id or None), 1)
        tenants[caller_for(token).tenant.label, test_id or None] = name
    admin.post("/reset", json=scope)
    listed = admin.get("/tenants").json()["tenants"]
    assert sorted(tenants[tenant["token"], tenant["testId"]] for tenant in listed) == remaining
    logged = [event["request"]["mockAtoms"] for event in admin.get("/requests").json()["requests"]]
    assert sorted(tenants[entry["tenant"], entry["testId"]] for entry in logged) == remaining


@pytest.mark.parametrize(
    ("scope", "pointer", "detail"),
    [
        ({"tokens": "sk_acme"}, "/tokens", "unknown key. Did you mean `token`?"),
        ({"token": "two words"}, "/token", "one word of visible ASCII"),
        ({"testId": None}, "/testId", "null is not allowed: give text, or leave the field out to match all"),
        ({"token": "x" * 65_537}, "/token", "must have at most 65536 characters"),
        ({"testId": "x" * 65_537}, "/testId", "must have at most 65536 characters"),
        ({"testId": "  "}, "/testId", "an id must not be blank"),
        (None, "", "must be an object"),
        ([], "", "must be an object"),
    ],
)
def test_an_invalid_reset_changes_nothing(
    running: MockServer, admin: httpx.Client, scope: object, pointer: str, detail: str
) -> None:
    list_statuses(running.url, ACME, 1)
    response = admin.post("/reset", content=json.dumps(scope), headers={"Content-Type": "application/json"})
    status, actual_pointer, problem_detail = problem(response)
    assert (status, actual_pointer) == (422, pointer)
    assert detail in problem_detail
    assert len(admin.get("/tenants").json()["tenants"]) == 1
