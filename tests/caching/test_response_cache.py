"""Replay never changes an answer, and what it keeps is bounded."""

import asyncio
import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms import MockServer, Settings, create_app
from mock_atoms.caching.response_cache import MAX_RESPONSE_BYTES, CachedResponse, ResponseCache
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.exchange import CONTEXT_KEY, Exchange, RequestContext, RequestHead
from mock_atoms.middleware.response_cache import ResponseCacheMiddleware
from mock_atoms.mock import MockAtoms
from mock_atoms.state.memory_store import MemoryStore
from tests.helpers.audiences import bearer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BASE = "http://localhost"
TOKENS = ["sk_a", "sk_b", "sk_mock_500x1.c", "sk_mock_unicode", "sk_mock_oops", "sk_mock_revoked"]


def fresh_app(*, response_cache: bool) -> ASGIApp:
    ticks = count()
    return create_app(
        mock=MockAtoms(Settings(response_cache=response_cache), clock=lambda: next(ticks) / 1000, now=lambda: NOON)
    )


Step = tuple[str, str, dict[str, str], Any]


def steps() -> st.SearchStrategy[list[Step]]:
    """Return sequences of requests: of a few tenants, to the API and to the control API."""
    ids = st.sampled_from(["{0}", "{1}", "{other}", "nonsense"])
    queries = st.sampled_from(["", "?page=2", "?page=1&offset=3", "?offset=x", "?query=a"])
    paths = st.one_of(
        st.sampled_from(["/audience", "/audience/", "/audience?x=1", "/nowhere"]),
        st.builds("/audience/{}{}{}".format, ids, st.sampled_from(["", "/members", "/members/search"]), queries),
    )
    headers = st.fixed_dictionaries(
        {"Authorization": st.sampled_from([f"Bearer {token}" for token in TOKENS])},
        optional={
            "X-Test-Id": st.sampled_from(["t1", "t2"]),
            "Origin": st.just("http://localhost:3000"),
            "Prefer": st.sampled_from(["code=503", "code=200"]),
        },
    )
    reads = st.tuples(st.sampled_from(["GET", "GET", "GET", "HEAD"]), paths, headers, st.none())
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
        st.tuples(st.just("POST"), st.just("/__admin/faults"), st.just({}), st.just({"fault": "404x2"})),
        st.tuples(st.just("SWAP"), st.just("/__admin/state"), st.just({}), st.none()),
    )
    return st.lists(st.one_of(reads, reads, reads, changes, drives), min_size=5, max_size=40)


async def answers(app: ASGIApp, wanted: list[Step]) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Return what is answered, byte for byte."""
    told = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http:
        ids: dict[str, str] = {}
        for token, names in (("sk_a", ("0", "1")), ("sk_b", ("other",))):
            listed = await http.get("/atoms/v1/audience", headers=bearer(token))
            ids |= {name: held["_id"] for name, held in zip(names, listed.json()["data"], strict=False)}
        for method, path, headers, body in wanted:
            for name, known in ids.items():
                path = path.replace(f"{{{name}}}", known)  # noqa: PLW2901 - the ids are known only now
            url = path if path.startswith("/__admin") else f"/atoms/v1{path}"
            if method == "SWAP":  # the state is handed over to the server that it is of, with one audience left out
                state = (await http.get(url)).json()
                for tenant in state["tenants"]:
                    tenant["requests"] = 0
                answer = await http.put(url, json=state)
            else:
                answer = await http.request(method, url, headers=headers, json=body)
            told.append((answer.status_code, answer.headers.multi_items(), answer.content))
    return told


@given(steps())
@settings(max_examples=60, deadline=None)
def test_no_answer_is_another_one_with_replay(wanted: list[Step]) -> None:
    with_replay, without = (asyncio.run(answers(fresh_app(response_cache=cached), wanted)) for cached in (True, False))
    assert with_replay == without


SHORTCUTS = MockAtoms(Settings()).fast_path


class Counting:
    """An application that answers with how often it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.asked = 0
        self.status = status
        self.meanwhile: Any = None

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        self.asked += 1
        if self.meanwhile is not None:
            await self.meanwhile()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % self.asked})


def ask(
    middleware: ResponseCacheMiddleware,
    token: str = "sk_a",
    api_path: str = "/audience",
    query: bytes = b"",
    method: str = "GET",
) -> bytes:
    caller = caller_for(token)
    url = f"{api_path}?{query.decode()}" if query else api_path
    head = RequestHead(caller.tenant, frozenset(), method, url, "http", "1.1", "x", ())
    context = RequestContext(Exchange(head, NOON, 0.0, "", 0), caller, api_path, api_path)
    sent = []

    async def receive() -> Any:  # noqa: ANN401 - never asked
        raise AssertionError

    async def send(message: Any) -> None:  # noqa: ANN401 - any message
        sent.append(message)
        message.setdefault("headers", []).append((b"added", b"later"))

    asyncio.run(middleware({CONTEXT_KEY: context, "query_string": query}, receive, send))
    assert len(sent[0]["headers"]) == 1
    body: bytes = sent[1]["body"]
    return body


def test_what_was_asked_before_is_sent_again() -> None:
    middleware = ResponseCacheMiddleware(app := Counting(), MemoryStore(), ResponseCache(), SHORTCUTS)
    assert [ask(middleware) for _ in range(3)] == [b"1"] * 3
    assert ask(middleware, "sk_b") == b"2"
    assert ask(middleware, api_path="/audience/x") == b"3"
    assert ask(middleware, query=b"page=2") == b"4"
    assert [ask(middleware, method="DELETE") for _ in range(2)] == [b"5", b"6"]
    assert (ask(middleware), app.asked) == (b"1", 6)


def test_what_is_no_success_is_asked_again() -> None:
    middleware = ResponseCacheMiddleware(Counting(404), MemoryStore(), ResponseCache(), SHORTCUTS)
    assert [ask(middleware) for _ in range(2)] == [b"1", b"2"]


def test_what_began_anew_while_it_was_rendered_is_not_kept() -> None:
    store = MemoryStore()
    middleware = ResponseCacheMiddleware(app := Counting(), store, ResponseCache(), SHORTCUTS)
    app.meanwhile = store.reset
    assert [ask(middleware) for _ in range(2)] == [b"1", b"2"]
    app.meanwhile = None
    assert [ask(middleware) for _ in range(2)] == [b"3", b"3"]


def test_what_changed_while_it_was_rendered_is_not_kept() -> None:
    store = MemoryStore()
    middleware = ResponseCacheMiddleware(app := Counting(), store, ResponseCache(), SHORTCUTS)
    tenant = caller_for("sk_a").tenant

    async def change() -> None:
        def initial_data(state: Any) -> None:  # noqa: ANN401 - a state
            state.set_data(MockAtoms(Settings()).fixtures.initial_data(caller_for("sk_a")), None)

        await store.update(tenant, initial_data)

    app.meanwhile = change
    assert ask(middleware) == b"1"
    asyncio.run(store.reset())
    app.meanwhile = None
    assert ask(middleware) == b"2"


def test_what_is_kept_is_bounded() -> None:
    response_cache = ResponseCache(max_size=2_500)
    keys = [(bytes([number]), "/", b"") for number in range(3)]
    first, second, third = (CachedResponse([], b"x" * 10) for _ in range(3))
    response_cache.keep(keys[0], first)
    response_cache.keep(keys[1], second)
    assert response_cache.get(keys[0]) is first
    response_cache.keep(keys[0], CachedResponse([], b"another"))
    response_cache.keep(keys[2], third)
    assert [response_cache.get(key) for key in keys] == [first, None, third]
    response_cache.keep(keys[1], CachedResponse([], b"x" * (MAX_RESPONSE_BYTES + 1)))
    assert response_cache.get(keys[1]) is None
    response_cache.forget()
    for key in keys:
        response_cache.keep(key, CachedResponse([], b"x"))
    assert [response_cache.get(key) is None for key in keys] == [True, False, False]


def test_answers_that_are_alike_before_their_bodies_share_that() -> None:
    first, second, longer = (
        CachedResponse([(b"content-length", b"%d" % len(body))], body) for body in (b"1", b"2", b"11")
    )
    assert first.head is second.head
    assert longer.head.headers == ((b"content-length", b"2"),)


def test_what_a_tenant_changed_is_replayed_until_it_changes_again() -> None:
    store = MemoryStore()
    middleware = ResponseCacheMiddleware(Counting(), store, ResponseCache(), SHORTCUTS)
    tenant, began = caller_for("sk_a").tenant, MockAtoms(Settings()).fixtures.initial_data(caller_for("sk_a"))

    def change() -> None:
        asyncio.run(store.update(tenant, lambda state: state.set_data(began, None)))

    assert [ask(middleware) for _ in range(2)] == [b"1"] * 2
    change()
    assert [ask(middleware) for _ in range(2)] == [b"2"] * 2
    change()
    assert [ask(middleware) for _ in range(2)] == [b"3"] * 2
    asyncio.run(store.reset())
    assert ask(middleware) == b"1"


def test_it_can_be_turned_off() -> None:
    for cached in (True, False):
        with MockServer(response_cache=cached) as mock:
            headers = bearer("sk_a")
            bodies = {httpx.get(f"{mock.url}/audience", headers=headers).content for _ in range(2)}
            assert len(bodies) == 1
            assert len(json.loads(bodies.pop())["data"]) >= 3
