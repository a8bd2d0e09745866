"""Response bodies in the journal."""

import asyncio
from base64 import b64decode
from contextlib import suppress
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from mock_atoms import MockServer, Settings
from mock_atoms.core.masking import mask_token
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.journal.recorded_body import (
    MAX_SHARED_BODY_BYTES,
    NO_BODY,
    WEIGHT_UNIT,
    RecordedBody,
    kept_bytes,
    record_body,
    record_body_steps,
)
from tests.helpers.exchanges import exchange

ACME = {"Authorization": "Bearer sk_acme"}
SECRET = "Zz-secret-0123456789"


def latest_response(mock: MockServer) -> dict[str, Any]:
    (event,) = httpx.get(f"{mock.root_url}/__admin/requests", params={"limit": 1}).json()["requests"]
    response: dict[str, Any] = event["response"]
    return response


@pytest.mark.parametrize("is_cached", [False, True])
def test_the_journal_has_the_body_that_the_client_received(*, is_cached: bool) -> None:
    with MockServer(response_cache=is_cached) as mock:
        for _ in range(4):  # generated, from the cache, a repeated request twice
            received = httpx.get(f"{mock.url}/audience", headers=ACME).content
            recorded = latest_response(mock)
            assert (recorded["body"].encode(), b64decode(recorded["bodyAsBase64"])) == (received, received)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/audience", {}),
        ("GET", "/elsewhere", ACME),
        ("GET", "/audience", ACME | {"Prefer": "code=500"}),
        ("GET", "/audience", ACME | {"Prefer": "code=200; fault=badjson"}),
        ("GET", "/audience/x", ACME),
        ("HEAD", "/audience", ACME),
        ("POST", "/audience", ACME),
    ],
)
def test_each_kind_of_response_is_recorded(server: MockServer, method: str, path: str, headers: dict[str, str]) -> None:
    response = httpx.request(method, f"{server.url}{path}", headers=headers)
    assert latest_response(server)["body"] == response.text


def test_an_altered_body_is_recorded_as_it_was_sent(server: MockServer) -> None:
    httpx.get(f"{server.url}/audience", headers=ACME)
    server.fail({"alter": {"values": {"/status": "odd"}}}, token="sk_acme")
    received = httpx.get(f"{server.url}/audience", headers=ACME)
    assert received.json()["status"] == "odd"
    assert latest_response(server)["body"] == received.text


def test_a_part_of_a_body_is_recorded_if_the_connection_breaks(server: MockServer) -> None:
    with suppress(httpx.RemoteProtocolError):
        httpx.get(f"{server.url}/audience", headers=ACME | {"Prefer": "fault=truncate"})
    complete = httpx.get(f"{server.url}/audience", headers=ACME).text
    events = httpx.get(f"{server.root_url}/__admin/requests").json()["requests"]
    truncated = events[1]["response"]["body"]
    assert complete.startswith(truncated)
    assert 0 < len(truncated) < len(complete)


@pytest.mark.parametrize("cap", [0, 10])
def test_the_setting_limits_both_bodies(cap: int) -> None:
    with MockServer(journal_body=cap) as mock:
        for _ in range(3):
            received = httpx.get(f"{mock.url}/audience", headers=ACME).text
            assert latest_response(mock)["body"] == received[:cap]
        httpx.post(f"{mock.url}/audience", headers=ACME, content=b"x" * 20)
        (event,) = httpx.get(f"{mock.root_url}/__admin/requests", params={"limit": 1}).json()["requests"]
        assert event["request"]["body"] == "x" * cap
        own = event["request"]["mockAtoms"]
        assert (own["bodySize"], own["bodyCap"]) == (20, cap)


def test_repeated_requests_are_served_with_the_journal_off() -> None:
    with MockServer(journal_size=0) as mock:
        bodies = {httpx.get(f"{mock.url}/audience", headers=ACME).text for _ in range(4)}
        assert len(bodies) == 1


def test_credentials_in_a_response_are_masked(server: MockServer) -> None:
    text = f"{SECRET} sk_other.key"
    server.fail({"respond": {"status": 500, "body": text}}, token=SECRET)
    received = httpx.get(f"{server.url}/audience", headers={"Authorization": f"Bearer {SECRET}"})
    recorded = latest_response(server)["body"]
    assert mask_token(SECRET) in recorded
    assert SECRET not in recorded
    assert "sk_other.key" not in recorded
    assert len(received.content) > 0


def test_credentials_in_a_cached_response_are_masked(server: MockServer) -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    server.set_audiences([{"name": f"Sent by {SECRET}", "description": "x" * MAX_SHARED_BODY_BYTES}], token=SECRET)
    for _ in range(4):
        assert SECRET in httpx.get(f"{server.url}/audience", headers=headers).text
        recorded = latest_response(server)["body"]
        assert f"Sent by {mask_token(SECRET)}" in recorded
        assert SECRET not in recorded


@pytest.mark.parametrize("token", [None, "sk_acme"])
def test_a_key_across_the_limit_is_masked_before_the_cut(token: str | None) -> None:
    key = b"sk_live_abcdefgh"
    body = b"." * 96 + key + b"." * 3_000
    recorded = run_without_pauses(record_body_steps(body[: kept_bytes(100, token)], 100, token))
    assert recorded.content == b"." * 96 + b"sk_l"


def test_equal_short_bodies_without_credentials_are_shared() -> None:
    assert record_body(b"abc", 2, "sk_a") is record_body(b"abc", 2, None) is record_body(b"ab", 2, "sk_b")
    assert record_body(b"abc", 3, "abc").content == b"abc"  # too short to be searched for
    assert record_body(b"my-token-1", 100, "my-token-1").content == mask_token("my-token-1").encode()
    assert record_body(b"my-token-1", 100, "other").content == b"my-token-1"


def add_all(journal: MemoryJournal, exchanges: list[Exchange]) -> None:
    for one in exchanges:
        journal.add(one)


def test_a_shared_body_counts_once() -> None:
    async def test() -> None:
        journal = MemoryJournal(10, Credentials(b"k" * 32, "session"))
        body = RecordedBody(b"x" * 6_400)
        bodies = [exchange(number, 200, response_body=body) for number in range(3)]
        without = MemoryJournal(10, Credentials(b"k" * 32, "session"))
        add_all(without, [exchange(number, 200) for number in range(3)])
        add_all(journal, bodies)
        assert journal.size_bytes == without.size_bytes + body.weight * WEIGHT_UNIT
        await journal.remove(bodies[:2])
        await without.remove([*without][:2])
        assert journal.size_bytes == without.size_bytes + body.weight * WEIGHT_UNIT
        await journal.remove(bodies[2:])
        assert journal.size_bytes == 0

    asyncio.run(test())


def test_a_body_that_replaces_another_is_counted_instead() -> None:
    async def test() -> None:
        journal = MemoryJournal(10, Credentials(b"k" * 32, "session"))
        one = exchange(0, 200, response_body=RecordedBody(b"x" * 6_400))
        journal.add(one)
        one.response_body = NO_BODY
        await journal.update(one)
        before = journal.size_bytes
        one.response_body = RecordedBody(b"x" * 640)
        await journal.update(one)
        assert journal.size_bytes == before + one.response_body.weight * WEIGHT_UNIT

    asyncio.run(test())


def test_bodies_count_in_the_limit_of_the_journal() -> None:
    journal = MemoryJournal(1_000, Credentials(b"k" * 32, "session"), max_bytes=100_000)
    for number in range(20):
        journal.add(exchange(number, 200, response_body=RecordedBody(b"%d" % number * 10_000)))
    assert journal.size_bytes <= 100_000
    assert 1 < len([*journal]) < 10


@pytest.mark.parametrize("value", [-1, 1_048_577])
def test_the_setting_has_limits(value: int) -> None:
    with pytest.raises(ValidationError, match="journal_body"):
        Settings(journal_body=value)
