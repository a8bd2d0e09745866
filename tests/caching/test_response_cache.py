"""The response cache never changes a response, and its size is bounded."""

import asyncio
import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.caching.response_cache import (
    MAX_HEAD_BYTES,
    MAX_RESPONSE_BYTES,
    CachedResponse,
    CacheHit,
    RepeatedRequest,
    ResponseCache,
    content_key,
)
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.exchange import CONTEXT_KEY, Exchange, RequestContext, RequestHead
from mock_atoms.journal.recorded_body import MAX_SHARED_BODY_BYTES
from mock_atoms.middleware.response_cache import ResponseCacheMiddleware
from mock_atoms.mock import MockAtoms
from mock_atoms.state.operations import SetInitialData
from mock_atoms.state.store import TenantState
from tests.helpers.audiences import bearer
from tests.helpers.memory import TOLERANCE, allocated_bytes
from tests.helpers.stores import memory_store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BASE = "http://localhost"
TOKENS = [
    *("sk_a", "sk_b", "sk_mock_500x1.c", "sk_mock_unicode", "sk_mock_oops", "sk_mock_revoked"),
    *("sk_mock_503p50.d", "sk_mock_limit2.e", "sk_mock_delay1.f"),
]


RULES: list[Any] = [
    {"fault": "404x2"},
    {"fault": "delay1p50"},
    {"when": {"every": 2}, "respond": {"status": 503, "headers": {"X-Request-Id": "mine", "Vary": "accept"}}},
    {"match": {"token": "sk_a"}, "respond": {"status": 200, "text": "sk_live_secret", "headers": {"a": "sk_live_key"}}},
    {"match": {"method": "DELETE"}, "respond": {"status": 204}},
]


def fresh_app(*, response_cache: bool) -> ASGIApp:
    ticks = count()
    return create_app(
        mock=MockAtoms(Settings(response_cache=response_cache), clock=lambda: next(ticks) / 1000, now=lambda: NOON)
    )


Step = tuple[str, str, dict[str, str], Any]


def steps() -> st.SearchStrategy[list[Step]]:
    """Return sequences of requests of a few tenants to the API and the control API."""
    ids = st.sampled_from(["{0}", "{1}", "{other}", "nonsense"])
    queries = st.sampled_from(["", "?page=2", "?page=1&offset=3", "?offset=x", "?query=a"])
    paths = st.one_of(
        st.sampled_from(["/audience", "/audience/", "/audience?x=1", "/nowhere"]),
        st.builds("/audience/{}{}{}".format, ids, st.sampled_from(["", "/members", "/members/search"]), queries),
    )
    authorizations = [f"Bearer {token}" for token in TOKENS] * 3 + ["Token sk_a", ""]
    headers = st.fixed_dictionaries(
        {"Authorization": st.sampled_from(authorizations)},
        optional={
            "X-Test-Id": st.sampled_from(["t1", "t2"]),
            "Origin": st.sampled_from(["http://localhost:3000", "http://elsewhere", "http://sk_live_secret"]),
            "Prefer": st.sampled_from(["code=503", "code=200", "code=x", "delay=1", "fault=429+retry1", "fault=extra"]),
            "Cookie": st.sampled_from(["a=b", "session=sk_b"]),
            "Traceparent": st.sampled_from(["1", "2", "sk_live_secret"]),
        },
    )
    reads = st.tuples(st.sampled_from(["GET"] * 4 + ["HEAD", "PATCH", "DELETE"]), paths, headers, st.none())
    member = st.just({"members": [{"phoneNumber": "+14155550100"}]})
    changes = st.one_of(
        st.tuples(st.just("POST"), st.builds("/audience/{}/members".format, ids), headers, member),
        st.tuples(st.just("DELETE"), st.builds("/audience/{}".format, ids), headers, st.none()),
    )
    owned = st.fixed_dictionaries({"token": st.sampled_from(TOKENS)}, optional={"testId": st.just("t1")})
    drives: st.SearchStrategy[Step] = st.one_of(
        st.tuples(st.just("POST"), st.just("/__admin/reset"), st.just({}), st.one_of(st.just({}), owned)),
        st.tuples(
            st.just("PUT"), st.just("/__admin/tenants"), st.just({}), owned.map(lambda o: {**o, "audiences": []})
        ),
        st.tuples(st.just("POST"), st.just("/__admin/faults"), st.just({}), st.sampled_from(RULES)),
        st.tuples(st.just("SWAP"), st.just("/__admin/state"), st.just({}), st.none()),
    )
    return st.lists(st.one_of(reads, reads, reads, changes, drives), min_size=5, max_size=40)


async def responses(app: ASGIApp, requests: list[Step]) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Return status, headers and bytes of each response."""
    received = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        ids: dict[str, str] = {}
        for token, names in (("sk_a", ("0", "1")), ("sk_b", ("other",))):
            listed = await http.get("/atoms/v1/audience", headers=bearer(token))
            ids |= {name: audience["_id"] for name, audience in zip(names, listed.json()["data"], strict=False)}
        for method, path, headers, body in requests:
            for name, known in ids.items():
                path = path.replace(f"{{{name}}}", known)  # noqa: PLW2901 - the ids are known only now
            url = path if path.startswith("/__admin") else f"/atoms/v1{path}"
            if method == "SWAP":  # import the exported state, with the request counts reset
                state = (await http.get(url)).json()
                for tenant in state["tenants"]:
                    tenant["requests"] = 0
                response = await http.put(url, json=state)
            else:
                response = await http.request(method, url, headers=headers, json=body)
            received.append((response.status_code, response.headers.multi_items(), response.content))
    return received


@pytest.mark.slow
@given(steps())
@settings(max_examples=60, deadline=None)
def test_the_cache_changes_no_response(requests: list[Step]) -> None:
    with_cache, without = (asyncio.run(responses(fresh_app(response_cache=is_on), requests)) for is_on in (True, False))
    assert with_cache == without


class CountingApp:
    """An application that responds with its number of requests so far."""

    def __init__(self, status: int = 200) -> None:
        self.requests = 0
        self.status = status
        self.while_rendering: Any = None

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.requests += 1
        if self.while_rendering is not None:
            await self.while_rendering()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % self.requests})


def request_context(token: str, api_path: str = "/audience", query: bytes = b"", method: str = "GET") -> RequestContext:
    caller = caller_for(token)
    head = RequestHead(caller.tenant, (), method, api_path, "http", "1.1", "x", (), ())
    exchange = Exchange(head, NOON, 0.0, "", 0)
    return RequestContext(exchange, caller, api_path, query, api_path, has_credential_in_url=False)


def get(
    middleware: ResponseCacheMiddleware,
    token: str = "sk_a",
    api_path: str = "/audience",
    query: bytes = b"",
    method: str = "GET",
) -> bytes:
    request = request_context(token, api_path, query, method)
    sent = []

    async def receive() -> Any:  # noqa: ANN401 - never called
        raise AssertionError

    async def send(message: Any) -> None:  # noqa: ANN401 - any message
        sent.append(message)
        message.setdefault("headers", []).append((b"added", b"by-outer-layer"))

    asyncio.run(middleware({CONTEXT_KEY: request}, receive, send))
    assert len(sent[0]["headers"]) == 1
    body: bytes = sent[1]["body"]
    return body


@pytest.mark.parametrize("max_body", [0, 65_536])
def test_a_repeated_request_gets_the_cached_response(max_body: int) -> None:
    middleware = ResponseCacheMiddleware(app := CountingApp(), memory_store(), ResponseCache(), max_body)
    assert [get(middleware) for _ in range(3)] == [b"1"] * 3
    assert get(middleware, "sk_b") == b"2"
    assert get(middleware, api_path="/audience/x") == b"3"
    assert get(middleware, query=b"page=2") == b"4"
    assert [get(middleware, method="DELETE") for _ in range(2)] == [b"5", b"6"]
    assert (get(middleware), app.requests) == (b"1", 6)


def test_an_error_is_not_cached() -> None:
    middleware = ResponseCacheMiddleware(CountingApp(404), memory_store(), ResponseCache(), 65_536)
    assert [get(middleware) for _ in range(2)] == [b"1", b"2"]


def test_a_response_rendered_during_a_reset_is_not_cached() -> None:
    store = memory_store()
    middleware = ResponseCacheMiddleware(app := CountingApp(), store, ResponseCache(), 65_536)
    app.while_rendering = store.reset
    assert [get(middleware) for _ in range(2)] == [b"1", b"2"]
    app.while_rendering = None
    assert [get(middleware) for _ in range(2)] == [b"3", b"3"]


def test_a_response_rendered_during_a_change_is_not_cached() -> None:
    store = memory_store()
    middleware = ResponseCacheMiddleware(app := CountingApp(), store, ResponseCache(), 65_536)
    tenant = caller_for("sk_a").tenant

    async def change() -> None:
        initial_data = MockAtoms(Settings()).fixtures.initial_data(caller_for("sk_a"))
        assert await store.commit(tenant, SetInitialData(initial_data))

    app.while_rendering = change
    assert get(middleware) == b"1"
    asyncio.run(store.reset())
    app.while_rendering = None
    assert get(middleware) == b"2"


def test_the_cache_evicts_the_least_recently_used_response() -> None:
    response_cache = ResponseCache(max_size=1_600)
    keys = [(bytes([number]), "/", b"") for number in range(3)]
    first, second, third = (CachedResponse([], b"x" * 10) for _ in range(3))
    response_cache.put(keys[0], first)
    response_cache.put(keys[1], second)
    assert response_cache.get(keys[0]) is first
    response_cache.put(keys[0], CachedResponse([], b"another"))
    response_cache.put(keys[2], third)
    assert [response_cache.get(key) for key in keys] == [first, None, third]
    response_cache.put(keys[1], CachedResponse([], b"x" * (MAX_RESPONSE_BYTES + 1)))
    assert response_cache.get(keys[1]) is None
    response_cache.clear()
    for key in keys:
        response_cache.put(key, CachedResponse([], b"x"))
    assert [response_cache.get(key) is None for key in keys] == [True, False, False]


def test_a_cached_response_counts_the_query_in_its_key() -> None:
    response_cache = ResponseCache(max_size=10_000)
    keys = [(b"", "/", b"q" * 4_000 + bytes([number])) for number in range(3)]
    for key in keys:
        response_cache.put(key, CachedResponse([], b""))
    assert [response_cache.get(key) is None for key in keys] == [True, False, False]


def test_repeated_requests_are_bounded_by_their_heads() -> None:
    response_cache = ResponseCache(max_requests_size=10_000)

    def put(digest: bytes, url: str) -> None:
        context = request_context("sk_a", url)
        response_cache.put_request(digest, RepeatedRequest(context.exchange.head, context.read_head()))

    for digest in (b"1", b"1", b"1", b"2"):
        put(digest, "/" + "x" * 1_500)
    assert len(response_cache.requests) == 2
    put(b"3", "/" + "x" * 1_500)
    assert [response_cache.requests.get(digest) is None for digest in (b"1", b"2", b"3")] == [True, False, False]
    put(b"4", "/" + "x" * MAX_HEAD_BYTES)
    assert response_cache.requests.get(b"4") is None
    response_cache.clear()
    assert len(response_cache.requests) == 0


def test_cached_responses_and_repeated_requests_are_counted() -> None:
    response_cache = ResponseCache(max_size=10**9)
    states = [TenantState(caller_for(f"sk_{number}").tenant) for number in range(200)]

    def fill() -> None:
        for number, state in enumerate(states):
            state.is_live = True
            context = request_context(f"sk_{number}", f"/audience/{number}", b"q" * number)
            key = content_key(state, context.api_path, context.query)
            response = CachedResponse([(b"content-type", b"x")], b"x" * number)
            response.recorded_body(65_536, None)
            response_cache.put(key, response)
            hit = CacheHit.of(response, state, 0)
            request = RepeatedRequest(context.exchange.head, context.read_head(), hit)
            response_cache.put_request(b"%016d" % number, request)

    assert allocated_bytes(fill) <= response_cache.size_bytes * TOLERANCE


def test_responses_with_equal_short_bodies_share_the_recorded_one() -> None:
    first, second = (CachedResponse([], bytes([120]) * 9).recorded_body(100, "sk_a") for _ in range(2))
    assert first is second


def test_a_longer_recorded_body_shares_the_bytes_of_the_response() -> None:
    response = CachedResponse([], b"x" * (MAX_SHARED_BODY_BYTES + 1))
    assert response.recorded_body(MAX_SHARED_BODY_BYTES + 1, "sk_a").content is response.body


def test_responses_with_equal_headers_share_their_head() -> None:
    first, second, longer = (
        CachedResponse([(b"content-length", b"%d" % len(body))], body) for body in (b"1", b"2", b"11")
    )
    assert first.head is second.head
    assert longer.head.headers == ((b"content-length", b"2"),)


def test_a_request_is_repeated_until_the_cache_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mock_atoms.caching.response_cache.MAX_SEEN_DIGESTS", 2)
    response_cache = ResponseCache()
    assert [response_cache.is_repeated(digest) for digest in (b"a", b"b", b"a", b"c", b"a")] == [
        False,
        False,
        True,
        False,  # the third one, so that all are forgotten
        False,
    ]
    response_cache.clear()
    assert not response_cache.is_repeated(b"a")


def test_a_changed_tenant_gets_cached_responses_until_the_next_change() -> None:
    store = memory_store()
    middleware = ResponseCacheMiddleware(CountingApp(), store, ResponseCache(), 65_536)
    tenant, initial_data = caller_for("sk_a").tenant, MockAtoms(Settings()).fixtures.initial_data(caller_for("sk_a"))

    def change() -> None:
        assert asyncio.run(store.commit(tenant, SetInitialData(initial_data)))

    assert [get(middleware) for _ in range(2)] == [b"1"] * 2
    change()
    assert [get(middleware) for _ in range(2)] == [b"2"] * 2
    change()
    assert [get(middleware) for _ in range(2)] == [b"3"] * 2
    asyncio.run(store.reset())
    assert get(middleware) == b"1"


def test_the_cache_can_be_turned_off() -> None:
    for is_on in (True, False):
        with MockServer(response_cache=is_on) as mock:
            headers = bearer("sk_a")
            bodies = {httpx.get(f"{mock.url}/audience", headers=headers).content for _ in range(2)}
            assert len(bodies) == 1
            assert len(json.loads(bodies.pop())["data"]) >= 3
