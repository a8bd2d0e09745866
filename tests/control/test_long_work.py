"""Calls with long work: others are served meanwhile, and the work ends with its client."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator
from itertools import repeat
from typing import Any
from uuid import UUID

import pytest
from starlette.requests import Request
from starlette.types import Message

from mock_atoms import Settings, create_app
from mock_atoms.control import long_work, mappings
from mock_atoms.control.errors import RequestError
from mock_atoms.control.long_work import long_json, run_steps
from mock_atoms.core.slices import SLICE_SECONDS, Divisible, Steps, free, free_unshared
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock import stub_book
from mock_atoms.wiremock.scenarios import Scenario
from mock_atoms.wiremock.stubs import Stub
from tests.helpers.asgi import call
from tests.helpers.exchanges import exchange, post

CALLS = [
    ("GET", "/requests", None),
    ("GET", "/requests/unmatched", None),
    ("GET", "/requests/unmatched/near-misses", None),
    ("GET", "/retries", None),
    ("GET", "/retries?format=text", None),
    ("POST", "/requests/find", {}),
    ("POST", "/requests/find?nearMisses=3", {"method": "PUT"}),
    ("POST", "/near-misses/request-pattern", {"method": "PUT"}),
    ("POST", "/requests/count", {"bodyPatterns": [{"matchesJsonPath": "$.a"}]}),
    ("POST", "/requests/count?atLeast=3&timeoutMs=50", {"method": "PUT"}),
    ("POST", "/requests/remove", {}),
    ("POST", "/requests/reset", None),
    ("POST", "/reset", {}),
    ("POST", "/reset", {"token": "sk_acme"}),
    ("PUT", "/state", {"version": "1", "seed": "atoms", "locale": "en_US", "rules": [], "fixtures": [], "tenants": []}),
]


class Clock:
    """A clock that advances with each reading, so that each slice has a few steps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 0.0005
        return self.seconds


def full_mock() -> MockAtoms:
    """Return a server whose journal has failures, unknown routes and bodies."""
    mock = MockAtoms(Settings(), Clock())
    digests = (mock.journal.credentials.digest("sk_acme"),)
    for number in range(100):
        mock.journal.add(post(number, 500, client_port=number, url=f"/{number % 5}", credential_digests=digests))
        mock.journal.add(exchange(number, 404, client_port=number, reason="unmocked-route", credential_digests=digests))
    return mock


async def serve(mock: MockAtoms, method: str, target: str, content: object, messages: list[Message]) -> None:
    """Make one call of the control API."""
    path, _, query = target.partition("?")
    body = b"" if content is None else json.dumps(content).encode()
    received = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return received.pop() if received else await asyncio.Future()

    async def send(message: Message) -> None:
        messages.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": f"/__admin{path}",
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        "scheme": "http",
        "client": ("127.0.0.1", 1),
    }
    await create_app(mock=mock)(scope, receive, send)


@pytest.mark.alone("it fills the journal of one replica")
@pytest.mark.parametrize(("method", "path", "content"), CALLS, ids=[f"{call[0]} {call[1]}" for call in CALLS])
def test_others_run_during_a_call_on_a_full_journal(method: str, path: str, content: object) -> None:
    async def run() -> int:
        messages: list[Message] = []
        task = asyncio.create_task(serve(full_mock(), method, path, content, messages))
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        await task
        assert messages[0]["status"] == 200
        return turns

    assert asyncio.run(run()) > 50


@pytest.mark.alone("it fills the journal of one replica")
def test_a_short_response_has_its_length_and_a_long_one_comes_in_chunks() -> None:
    mock = full_mock()
    app = create_app(mock=mock)
    short = call(app, "/__admin/requests", [(b"host", b"x")], query=b"limit=2")
    assert short.headers["content-length"] == str(len(short.body))
    long = call(app, "/__admin/requests", [(b"host", b"x")])
    assert "content-length" not in long.headers
    assert len(json.loads(long.body)["requests"]) == 200
    assert long.headers["content-type"] == short.headers["content-type"] == "application/json"


@pytest.mark.parametrize("disconnects", [True, False])
def test_what_a_response_needed_is_freed_in_slices(
    disconnects: bool,  # noqa: FBT001 - a parameter
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(long_work, "_FEW", 4)

    class Part(Divisible):
        def parts(self) -> list[Any]:
            freed_at.append(turns)
            time.sleep(SLICE_SECONDS)
            return []

    kept: list[Any] = [Part() for _ in range(5)]
    freed_at: list[int] = []
    turns = 0

    async def run() -> None:
        nonlocal turns
        texts = repeat("x" * 100_000) if disconnects else repeat("x" * 100_000, 10)
        response = long_json(MockAtoms(Settings()), {"parts": (text for text in texts)}, kept=kept)

        async def receive() -> Message:
            if not disconnects:
                await asyncio.get_running_loop().create_future()
            return {"type": "http.disconnect"}

        async def send(_message: Message) -> None:
            """Discard it."""

        task = asyncio.create_task(response({}, receive, send))
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        await task

    asyncio.run(run())
    assert kept == []
    assert len(set(freed_at)) >= 4  # the first slice is short, and begins immediately


STUBS_OF_A_SCENARIO = [
    {"request": {"urlPath": f"/{n}"}, "scenarioName": "s", "metadata": {"text": "x" * 1_000}} for n in range(200)
]


@pytest.mark.slow
@pytest.mark.alone("it looks at one replica's stubs")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/mappings", b""),
        ("GET", "/scenarios", b""),
        ("GET", "/state", b""),
        ("POST", "/mappings/find-by-metadata", b'{"matchesJsonPath": "$.text"}'),
        ("GET", "/requests/unmatched/near-misses", b""),
    ],
)
def test_stubs_that_are_deleted_while_they_are_sent_are_freed_in_slices(
    method: str, path: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[object] = []

    def note(objects: list[Any]) -> Steps[None]:
        freed.extend(objects)
        return free_unshared(objects)

    mock = full_mock()
    app = create_app(mock=mock)
    headers = [(b"host", b"x"), (b"content-type", b"application/json")]
    imported = json.dumps({"mappings": STUBS_OF_A_SCENARIO}).encode()
    assert call(app, "/__admin/mappings/import", headers, "POST", body=imported).status == 200
    call(app, "/nowhere", headers)
    monkeypatch.setattr(long_work, "free_unshared", note)
    assert call(app, f"/__admin{path}", headers, method, body=body).status == 200
    assert set(mock.stubs.in_order()) <= {stub for stub in freed if isinstance(stub, Stub)}
    # A scenario holds its stubs, so it is freed before them, and that is from the end.
    assert all(freed[-1] is each for each in freed if isinstance(each, Scenario))


@pytest.mark.alone("it looks at one replica's stubs")
@pytest.mark.parametrize(("options", "status"), [({"duplicatePolicy": "IGNORE"}, 200), ({}, 409)])
def test_imported_stubs_that_are_not_stored_are_freed_in_slices(
    options: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    holders: list[int] = []

    def note(stubs: list[Any]) -> Steps[None]:
        gc.collect()  # an exception and its frames
        holders.extend(sys.getrefcount(stub) for stub in stubs)
        return free(stubs)

    mock = full_mock()
    app = create_app(mock=mock)
    headers = [(b"host", b"x"), (b"content-type", b"application/json")]
    stubs = [{"id": str(UUID(int=n))} for n in range(100)]
    path = "/__admin/mappings/import"
    assert call(app, path, headers, "POST", body=json.dumps({"mappings": stubs[:50]}).encode()).status == 200
    if not options:
        monkeypatch.setattr(stub_book, "MAX_STUBS", 60)
    else:
        stubs = stubs[:50]
    monkeypatch.setattr(mappings, "free", note)
    body = json.dumps({"mappings": stubs, "importOptions": options}).encode()
    assert call(app, path, headers, "POST", body=body).status == status
    assert holders == [3] * len(stubs)  # the list, the variable and the argument


@pytest.mark.alone("it fills the journal of one replica")
def test_exchanges_that_are_recorded_or_dropped_during_a_call_do_not_matter() -> None:
    mock = full_mock()

    async def run() -> list[Message]:
        messages: list[Message] = []
        task = asyncio.create_task(serve(mock, "GET", "/requests", None, messages))
        while not task.done():
            mock.journal.add(exchange(0, 200))
            await mock.journal.remove((await mock.journal.candidates(()))[:1])
            await asyncio.sleep(0)
        return messages

    start, *rest = asyncio.run(run())
    listed = json.loads(b"".join(message.get("body", b"") for message in rest))
    assert start["status"] == 200
    assert listed["meta"]["total"] == len(listed["requests"])


def steps(log: list[str]) -> Steps[None]:
    try:
        while True:
            yield
    finally:
        log.append("closed")


def test_work_ends_when_the_client_disconnects() -> None:
    log: list[str] = []

    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    mock = MockAtoms(Settings())
    with pytest.raises(RequestError, match="shuts down"):
        asyncio.run(run_steps(mock, Request({"type": "http"}, receive), steps(log)))
    assert log == ["closed"]


def test_rendering_ends_when_the_client_disconnects() -> None:
    log: list[str] = []

    def items() -> Iterator[str]:
        try:
            while True:
                yield "x" * 1_000
        finally:
            log.append("closed")

    async def receive() -> Message:
        await asyncio.sleep(0.05)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        log.append(message["type"])

    asyncio.run(long_json(MockAtoms(Settings()), {"items": items()})({"type": "http"}, receive, send))
    assert log[0] == "http.response.start"
    assert log[-1] == "closed"
