"""Malformed calls of the control API are errors and change nothing."""

import asyncio
import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from mock_atoms import Settings
from mock_atoms.control.app import control_app
from mock_atoms.core.tenancy import caller_for
from mock_atoms.faults.rules import Rule
from mock_atoms.mock import MockAtoms
from tests.helpers.asgi import AsgiResponse, call

MOCK = MockAtoms(Settings(fault=("500p10",)))
APP = control_app(MOCK)


def test_a_body_without_its_end_is_an_error() -> None:
    received: list[Message] = [{"type": "http.disconnect"}, {"type": "http.request", "body": b"{", "more_body": True}]
    sent: list[Message] = []

    async def receive() -> Message:
        return received.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"9")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/__admin/requests/find",
        "headers": headers,
        "query_string": b"",
    }
    asyncio.run(APP({**scope, "root_path": "", "client": ("127.0.0.1", 1)}, receive, send))  # type: ignore[arg-type] # an ASGI callable is a coroutine function
    assert (sent[0]["status"], json.loads(sent[1]["body"])["errors"][0]["title"]) == (400, "incomplete body")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
WORDS = st.sampled_from(["match", "fault", "token", "testId", "audiences", "rules", "url", "headers", "equalTo", "not"])
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
WRONG = "unknown key"
RULE = {
    "match": {"token": "sk_a"},
    "when": {"limit": {"requests": 1}},
    "delay": {"ms": 1},
    "alter": {"headers": {"a": "b"}},
}
PATTERN = {
    "method": {"oneOf": ["GET"]},
    "headers": {"a": {"or": [{"equalTo": "b"}, {"not": {"contains": "c"}}]}},
    "bodyPatterns": [{"matchesJsonPath": {"expression": "$.a", "equalTo": "b"}}],
}
TENANT = {"token": "sk_a", "audiences": [{"name": "a", "campaigns": [{"name": "b"}]}]}
STATE = {
    "version": "1",
    "seed": "atoms",
    "locale": "en_US",
    "rules": [{"id": "r", **RULE}],
    "fixtures": [{"token": "-", "tokenDigest": "", "audiences": [{"name": "a"}]}],
    "tenants": [
        {
            "token": "-",
            "tokenDigest": "",
            "counters": {"r": {"evaluated": 1, "triggered": 1}},
            "changes": {
                "ids": 2,
                "deleted": ["1" * 24],
                "audiences": [
                    {
                        "audience": "2" * 24,
                        "phoneNumberColumnName": "p",
                        "created": {
                            "_id": "2" * 24,
                            "name": "a",
                            "phoneNumberColumnName": "p",
                            "createdAt": "2026-01-31T09:00:00.000Z",
                        },
                        "added": [{"_id": "3" * 24, "data": {"p": "+15550100000"}}],
                        "campaigns": [{"name": "c"}],
                    }
                ],
            },
        }
    ],
}
AUDIENCE_ID = MOCK.fixtures.initial_data(caller_for("sk_a")).audiences[0]["_id"]
FREE_KEYS = {"headers", "counters", "data"}
"""Objects with arbitrary keys."""
WELL_FORMED: list[tuple[str, str, Any]] = [
    ("POST", "/faults", RULE),
    ("PUT", f"/audiences/{AUDIENCE_ID}/campaigns", {"token": "sk_a", "campaigns": [{"name": "c"}]}),
    ("PUT", "/tenants", TENANT),
    ("PUT", "/state", STATE),
    ("POST", "/reset", {"token": "sk_a", "testId": "t"}),
    *(("POST", path, PATTERN) for path in ("/requests/find", "/requests/count", "/requests/remove")),
    ("POST", "/near-misses/request-pattern", PATTERN),
]


def objects(content: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """Return all objects in `content` in which an unknown key is an error."""
    if isinstance(content, list):
        return [found for item in content for found in objects(item)]
    if isinstance(content, dict):
        inner = [found for value in content.values() for found in objects(value)]
        free = [content[key] for key in FREE_KEYS & content.keys()]
        return [content, *(found for found in inner if not any(found is other for other in free))]
    return []


@st.composite
def malformed_body(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Draw a call that is valid except for one unknown key somewhere in it."""
    method, path, content = draw(st.sampled_from(WELL_FORMED))
    content = copy.deepcopy(content)
    draw(st.sampled_from(objects(content)))[WRONG] = draw(SCALARS)
    return method, path, json.dumps(content).encode()


@st.composite
def arbitrary(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Draw a call with invalid JSON, or with JSON of the wrong shape."""
    method, path, _ = draw(st.sampled_from(WELL_FORMED))
    content = draw(JSON)
    content = content | {WRONG: 1} if isinstance(content, dict) else [content]
    text = json.dumps(content).encode()
    broken = (
        b"",
        b"[" * 50_000,
        b'{"fault":"500"',
        b"\xff\xfe",
        b'"\\udc00"',
        b"nulll",
        b"1" * 5_000 + b"x",
        text + b",",
    )
    return method, path, draw(st.just(text) | st.sampled_from(broken) | st.binary(max_size=60).map(b"{,".__add__))


TYPES = st.sampled_from([b"application/json", b"application/json; charset=utf-8", b"text/plain", b""])


def send(method: str, path: str, body: bytes, content_type: bytes, app: ASGIApp = APP) -> AsgiResponse:
    """Send one call; an empty body becomes one byte that is not JSON."""
    headers = [(b"host", b"127.0.0.1"), (b"content-type", content_type)]
    return call(app, f"/__admin{path}", headers, method, body=body or b"{")


async def state() -> tuple[list[tuple[str, Rule]], int, int]:
    rules, _fixtures, tenants, *_ = await MOCK.store.export()
    return [(entry.id, entry.rule) for entry in rules], len(tenants), await MOCK.journal.count()


BEFORE = asyncio.run(state())


@pytest.mark.alone("its application is the control API of one server")
@pytest.mark.slow
@given(malformed_body() | arbitrary(), TYPES)
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
def test_10000_malformed_calls_get_one_error_shape_and_change_nothing(
    parts: tuple[str, str, bytes], content_type: bytes
) -> None:
    status, _, response_body = send(*parts, content_type)
    assert 400 <= status < 500
    (error,) = json.loads(response_body)["errors"]
    assert error["title"]
    assert error["detail"]
    assert isinstance(error["source"]["pointer"], str)
    assert asyncio.run(state()) == BEFORE


def test_the_calls_are_valid_before_they_are_malformed() -> None:
    app = control_app(MockAtoms(MOCK.settings))
    for method, path, content in WELL_FORMED:
        status, _, response_body = send(method, path, json.dumps(content).encode(), b"application/json", app)
        assert status < 300, response_body
