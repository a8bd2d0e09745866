"""Servers that share a log, at the same time and when the store fails."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from weakref import ref

import httpx
import pytest

from mock_atoms.app import create_app
from mock_atoms.caching import response_cache
from mock_atoms.core.errors import CapacityError, StoreUnavailableError
from mock_atoms.core.settings import Settings
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import Tenant, caller_for
from mock_atoms.data.models import InitialData
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.journal import events
from mock_atoms.journal.recorded_body import MAX_SHARED_BODY_BYTES, NO_BODY, WEIGHT_UNIT, RecordedBody, record_body
from mock_atoms.middleware.connection_faults import TRANSPORT
from mock_atoms.middleware.recording import HeldStart
from mock_atoms.mock import MockAtoms
from mock_atoms.state import replica, replicated_journal, replicated_store, tenant_states
from mock_atoms.state.log_contents import parse_operation
from mock_atoms.state.operations import SetInitialData
from mock_atoms.state.replicated_store import RecentPositions
from mock_atoms.state.shared_log import LogPage
from mock_atoms.state.store import Store, StoreContent, TenantState
from tests.helpers.asgi import bearer_pairs, call
from tests.helpers.audiences import ACME
from tests.helpers.exchanges import exchange
from tests.helpers.shared_log import Failure, MemoryLog

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
AUDIENCES = "/atoms/v1/audience"
FIELDS = {"name": "Mine", "phoneNumberColumnName": "phone"}
FILE = {"file": ("a.csv", b"phone\n14155550100\n")}


@pytest.fixture(autouse=True)
def without_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop servers from reading the log in between, so that only the calls of a test meet its injected `failures`."""
    monkeypatch.setattr(replica, "KEEP_UP_SECONDS", 3_600)


def make_mock(log: MemoryLog, snapshot_entries: int = 1_000, **options: Any) -> MockAtoms:  # noqa: ANN401 - any setting
    mock = MockAtoms(Settings(**options), shared_log=log)
    mock.store._replica._snapshot_entries = snapshot_entries  # type: ignore[attr-defined] # noqa: SLF001 - no setting changes it
    return mock


def client_of(mock: MockAtoms) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(mock=mock), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def run(
    test: Callable[[MemoryLog, httpx.AsyncClient, httpx.AsyncClient], Awaitable[None]],
    **options: Any,  # noqa: ANN401 - any setting
) -> None:
    """Run a test with a log and the clients of two servers that share it."""

    async def with_clients() -> None:
        log = MemoryLog()
        async with client_of(make_mock(log, **options)) as one, client_of(make_mock(log, **options)) as two:
            await test(log, one, two)

    asyncio.run(with_clients())


async def create(client: httpx.AsyncClient) -> str:
    created = await client.post(AUDIENCES, headers=ACME, data=FIELDS, files=FILE)
    audience_id: str = created.json()["data"]["_id"]
    return audience_id


async def listed(client: httpx.AsyncClient) -> list[str]:
    return [audience["_id"] for audience in (await client.get(AUDIENCES, headers=ACME)).json()["data"]]


def test_changes_of_two_servers_at_the_same_time_are_all_made() -> None:
    async def test(_log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        before = await listed(one)
        created = await asyncio.gather(*(create(client) for client in (one, two, one, two)))
        assert len({*created}) == 4
        assert sorted(await listed(one)) == sorted(await listed(two)) == sorted([*before, *created])

    run(test)


def test_a_request_that_changes_data_appends_four_entries() -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, _two: httpx.AsyncClient) -> None:
        await create(one)
        kinds = [json.loads(text[16:])[0] for text in log.texts]
        assert sorted(kinds) == ["begin", "commit", "update", "update"]

    run(test)


def test_a_change_that_a_reset_of_another_server_overtakes_leaves_nothing() -> None:
    async def test(_log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        before = await listed(one)
        rows = "\n".join(["phone", *(f"1415{number:07d}" for number in range(5_000))]).encode()
        creating = asyncio.ensure_future(
            one.post(AUDIENCES, headers=ACME, data=FIELDS, files={"file": ("a.csv", rows)})
        )
        while not creating.done():
            await two.post("/__admin/reset", json={"token": "sk_acme"})
        assert creating.result().status_code == 200
        assert await listed(two) == before

    run(test)


def test_a_change_that_a_failed_import_of_another_server_overtakes_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        log = MemoryLog()
        one, two = (make_mock(log).store for _ in range(2))
        tenant = caller_for("sk_acme").tenant
        mark = one.mark()
        monkeypatch.setattr(tenant_states, "check_capacity", check_capacity)
        with pytest.raises(CapacityError):
            await two.replace_all(StoreContent([], {}, [TenantState(tenant)]))
        assert await one.commit(tenant, SetInitialData(InitialData([])), mark)

    def check_capacity(_size_bytes: int, _max_bytes: int) -> None:
        raise CapacityError("too large")

    asyncio.run(test())


def test_a_change_is_made_that_is_prepared_while_a_server_restores_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        log = MemoryLog()
        mock, store = make_mock(log, snapshot_entries=6, journal_size=1), make_mock(log, journal_size=1).store
        tenant = caller_for("sk_acme").tenant
        marks: list[int] = []
        async with client_of(mock) as client:
            for _ in range(2):
                await client.get(AUDIENCES, headers=ACME)
        await mock.store.reset(tenant.token_digest)  # the snapshot includes it, and its entry is still in the log
        await mock.store.save_stubs()
        await mock.store.close()  # waits for the snapshot
        append = log.append

        async def append_and_mark(texts: Sequence[bytes], after: int) -> LogPage:
            marks.append(store.mark())
            return await append(texts, after)

        monkeypatch.setattr(log, "append", append_and_mark)
        await store.synchronize()
        assert await store.commit(tenant, SetInitialData(InitialData([])), marks[1])

    asyncio.run(test())


def test_a_client_that_waits_at_one_server_sees_the_requests_to_another() -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        await one.get("/__admin/requests")
        waiting = [
            asyncio.ensure_future(
                one.post(f"/__admin/requests/count?atLeast={number}&timeoutMs=20000", json={"method": "GET"})
            )
            for number in (1, 2)
        ]
        await asyncio.sleep(0.1)
        log.failures = ["unreachable"]
        for number in (1, 2):
            await asyncio.sleep(0.1)
            await two.get(AUDIENCES, headers=ACME)
            assert (await waiting[number - 1]).json()["count"] == number

    run(test)


def test_a_tenant_that_sends_no_requests_is_forgotten() -> None:
    times = [NOON]
    log = MemoryLog()
    mocks = [
        MockAtoms(Settings(store="redis://unused", tenant_ttl=60), now=lambda: times[0], shared_log=log)
        for _ in range(2)
    ]
    apps = [create_app(mock=mock) for mock in mocks]
    body = json.dumps({"token": "sk_acme", "audiences": []}).encode()
    headers = [(b"content-type", b"application/json")]
    for app in apps:
        call(app, AUDIENCES, bearer_pairs("sk_other"))
        call(app, AUDIENCES, bearer_pairs("sk_acme"))
    assert call(apps[0], "/__admin/tenants", headers, "PUT", body=body).status == 200

    def tenants() -> list[int]:
        return [len(json.loads(call(app, "/__admin/tenants").body)["tenants"]) for app in apps]

    times[0] += timedelta(seconds=60)
    call(apps[1], AUDIENCES, bearer_pairs("sk_other"))
    assert tenants() == [2, 2]
    times[0] += timedelta(seconds=1)
    call(apps[0], AUDIENCES, bearer_pairs("sk_other"))
    assert tenants() == [1, 1]
    assert json.loads(call(apps[1], AUDIENCES, bearer_pairs("sk_acme")).body)["data"] != []


@pytest.mark.parametrize(
    "use",
    [
        lambda store, tenant: store.commit(tenant, SetInitialData(InitialData([]))),
        lambda store, tenant: store.choose_stub(tenant, []),
        lambda store, tenant: store.set_scenarios(tenant=tenant),
        lambda store, tenant: store.replace_all(StoreContent([], {}, [TenantState(tenant)])),
    ],
    ids=["commit", "choose-stub", "set-scenarios", "replace"],
)
def test_a_tenant_that_never_sends_a_request_is_forgotten(use: Callable[[Store, Tenant], Awaitable[object]]) -> None:
    used, other = caller_for("sk_acme").tenant, caller_for("sk_other").tenant

    async def test() -> None:
        log, known = MemoryLog(), []

        def server(time: datetime) -> MockAtoms:
            return MockAtoms(Settings(store="redis://unused", tenant_ttl=60), now=lambda: time, shared_log=log)

        one, two, late = map(server, (NOON, NOON, NOON + timedelta(days=1)))
        await use(one.store, used)
        for seconds in (60, 61):
            await two.store.begin(
                other, exchange(0, None, tenant=other, arrived_at=NOON + timedelta(seconds=seconds)), None
            )
            for mock in (one, two, late):
                await mock.store.synchronize()
                known.append([state.tenant for state in await mock.store.tenants()])
        assert known == [[used, other]] * 3 + [[other]] * 3

    asyncio.run(test())


def test_setting_the_scenarios_of_all_tenants_keeps_none_alive() -> None:
    async def test() -> None:
        log = MemoryLog()
        mocks = [make_mock(log) for _ in range(2)]
        await mocks[0].store.set_scenarios()
        await mocks[1].store.synchronize()
        assert [await mock.store.tenants() for mock in mocks] == [[], []]

    asyncio.run(test())


def test_the_journal_drops_exchanges_whose_log_entries_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_journal, "MAX_KEPT_ENTRIES", 5)

    async def test(_log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        for client in (one, two, one, two):
            await client.get(AUDIENCES, headers=ACME)
        for client in (one, two):
            listing = await client.get("/__admin/requests")
            assert len(listing.json()["requests"]) == 3
            assert listing.headers["x-mock-atoms-dropped"] == "1"

    run(test)


def test_all_copies_of_the_journal_drop_the_same_exchanges() -> None:
    async def test() -> None:
        log = MemoryLog()
        mocks = [make_mock(log, response_cache=is_cached) for is_cached in (True, False, True)]
        for mock in mocks:
            mock.journal._max_weight = 100_000 // WEIGHT_UNIT  # type: ignore[attr-defined] # noqa: SLF001 - no setting changes it
        async with client_of(mocks[0]) as one, client_of(mocks[1]) as two:
            for client in (one, one, one, two, one) * 10:
                bodies = [(await client.get(AUDIENCES, headers=ACME)).content, (await client.get("/x")).content]
        assert len(bodies[0]) > MAX_SHARED_BODY_BYTES
        copies = []
        for mock in mocks:
            await mock.store.synchronize()
            kept = await mock.journal.candidates(())
            assert len({id(each.response_body.content) for each in kept}) == len(bodies)
            assert mock.journal.dropped + len(kept) == 100
            copies.append(([each.id for each in kept], mock.journal.size_bytes))  # type: ignore[attr-defined] # of this one
        assert len(copies[0][0]) < 50
        assert copies == [copies[0]] * 3

    asyncio.run(test())


def test_a_cached_body_is_recorded_once_although_servers_share_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = []

    def record(body: bytes, max_bytes: int, token: str | None) -> RecordedBody:
        recorded.append(body)
        return record_body(body, max_bytes, token)

    async def test(_log: MemoryLog, one: httpx.AsyncClient, _two: httpx.AsyncClient) -> None:
        bodies = [(await one.get(AUDIENCES, headers=ACME)).content for _ in range(4)]
        assert recorded == bodies[:1]

    monkeypatch.setattr(response_cache, "record_body", record)
    run(test)


def test_a_copy_of_the_journal_counts_what_is_in_the_log() -> None:
    async def test() -> None:
        log, in_flight = MemoryLog(), exchange(0, None)
        mocks = [make_mock(log) for _ in range(2)]
        await mocks[0].store.begin(in_flight.tenant, in_flight, None)
        sizes = []
        for body, response_body in ((b"x" * 640, NO_BODY), (b"x" * 640, RecordedBody(b"y" * 6_400))):
            in_flight.body, in_flight.response_body = body, response_body
            updating = asyncio.ensure_future(mocks[0].journal.update(in_flight))
            await asyncio.sleep(0)
            in_flight.response_body = RecordedBody(b"z" * 64_000)  # newer than the entry
            await updating
            await mocks[1].store.synchronize()
            sizes += [mock.journal.size_bytes for mock in mocks]  # type: ignore[attr-defined] # of these
        assert sizes[2] - sizes[0] == RecordedBody(b"y" * 6_400).weight * WEIGHT_UNIT
        assert sizes == [sizes[0]] * 2 + [sizes[2]] * 2

    asyncio.run(test())


def test_exchanges_that_never_end_are_forgotten_by_all_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_journal, "MAX_KEPT_ENTRIES", 5)
    monkeypatch.setattr(events, "MAX_EVENTS", 2)
    tenant = caller_for("sk_acme").tenant

    async def test() -> None:
        log = MemoryLog()
        killed, one, two = (make_mock(log) for _ in range(3))
        for _ in range(4):
            await killed.store.begin(tenant, exchange(0, None), None)
        for mock in (one, two):
            await mock.store.synchronize()
        kept = [ref(each) for mock in (one, two) for each in await mock.journal.candidates(())]
        await one.journal.clear()
        await two.store.synchronize()
        assert [each() is not None for each in kept] == [True] * 8
        for _ in range(8):
            ended = exchange(0, None)
            await one.store.begin(tenant, ended, None)
            await one.recorder.end(ended, "responded")
        await two.store.synchronize()
        assert [each() for each in kept] == [None] * 8

    asyncio.run(test())


def test_an_exchange_that_ends_after_the_journal_was_cleared_counts_in_the_metrics_of_all_servers() -> None:
    async def test() -> None:
        log, in_flight = MemoryLog(), exchange(0, None)
        mocks = [make_mock(log) for _ in range(2)]
        await mocks[0].store.begin(in_flight.tenant, in_flight, None)
        await mocks[1].journal.clear()
        await mocks[0].recorder.end(in_flight, "responded")
        for mock in mocks:
            async with client_of(mock) as client:
                metrics = (await client.get("/__admin/metrics")).text
                assert re.findall(r"^mock_atoms_requests_total\{.*\} (.*)$", metrics, re.MULTILINE) == ["1.0"]
            assert await mock.journal.find(in_flight.id) is None

    asyncio.run(test())


def test_an_exchange_in_flight_at_one_server_is_visible_at_another() -> None:
    async def test(_log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        token = {"Authorization": "Bearer sk_mock_delay300.a"}
        members = asyncio.ensure_future(
            one.post(f"{AUDIENCES}/{'0' * 24}/members", headers=token, json={"members": []})
        )
        await asyncio.sleep(0.1)
        (in_flight,) = (await two.get("/__admin/requests")).json()["requests"]
        assert (in_flight["request"]["body"], "response" in in_flight) == ('{"members":[]}', False)
        response = await members
        (ended,) = (await two.get("/__admin/requests")).json()["requests"]
        assert (ended["id"], ended["response"]["status"]) == (response.headers["x-request-id"], response.status_code)

    run(test)


def test_the_metrics_of_a_server_count_the_requests_of_all() -> None:
    async def test(_log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        for client in (one, two, one):
            await client.get(AUDIENCES, headers=ACME)
        lines = [
            [line for line in (await client.get("/__admin/metrics")).text.split("\n") if "requests_total{" in line]
            for client in (one, two)
        ]
        assert lines[0] == lines[1]
        assert lines[0][0].endswith(" 3.0")

    run(test)


@pytest.mark.parametrize("kind", ["begin", "update"])
def test_a_store_that_fails_is_a_marked_503(kind: str) -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, _two: httpx.AsyncClient) -> None:
        log.refused_kind = kind
        response = await one.get(AUDIENCES, headers=ACME)
        assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (503, "store-unavailable")
        assert response.json()["errors"] == ["the store is unreachable"]
        log.refused_kind = None
        assert (await one.get(AUDIENCES, headers=ACME)).status_code == 200

    run(test)


def test_a_change_that_the_store_has_not_confirmed_is_a_marked_503() -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        before = await listed(one)
        log.refused_kind = "commit"
        response = await one.post(AUDIENCES, headers=ACME, data=FIELDS, files=FILE)
        assert (response.status_code, response.headers["x-mock-atoms-reason"]) == (503, "store-unavailable")
        assert await listed(two) == before

    run(test)


def test_a_store_that_fails_is_an_error_of_the_control_api() -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, _two: httpx.AsyncClient) -> None:
        for path in ("/requests", "/health"):
            log.failures = ["unreachable"]
            response = await one.get(f"/__admin{path}")
            assert response.status_code == 503
            (error,) = response.json()["errors"]
            assert (error["title"], error["detail"]) == ("the store is unavailable", "the store is unreachable")

    run(test)


def test_a_response_that_has_started_ends_if_the_store_fails() -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def fail() -> None:
        raise StoreUnavailableError("unreachable")

    async def respond() -> None:
        held_start = HeldStart(send, is_holding=True)
        await held_start.send({"type": "http.response.start", "status": 200})
        await held_start.send({"type": "http.response.body", "more_body": True})
        await held_start.end(fail())

    with pytest.raises(StoreUnavailableError):
        asyncio.run(respond())
    assert len(sent) == 2


def test_an_unknown_change_of_data_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown change of data: rename"):
        run_without_pauses(parse_operation(["rename"]))


def test_the_oldest_positions_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_store, "_MAX_POSITIONS", 2)
    recent = RecentPositions()
    for position, key in enumerate("abcb", 1):
        recent.put(key, position)
    for positions in (recent, RecentPositions.from_json(json.loads(json.dumps(recent.as_json())))):
        assert [positions.is_after([key], 3) for key in "abcd"] == [False, True, False, False]
        assert positions.is_after(["a"], 0)
        assert not positions.is_after(["d"], 1)
    recent.put("d", 5)  # forgets c, since b was put again
    assert not recent.is_after(["c"], 3)


async def journal_of(client: httpx.AsyncClient) -> list[tuple[Any, ...]]:
    """Return the outcomes of all requests in a server's journal, oldest first."""
    events = (await client.get("/__admin/requests")).json()["requests"][::-1]
    fields = [event["request"]["mockAtoms"] for event in events]
    return [(each["id"], each["status"], each["ended"], each["reason"], each["faults"]) for each in fields]


STORE_UNAVAILABLE: tuple[Any, ...] = (503, "responded", "store-unavailable", [])


@pytest.mark.parametrize(
    ("failures", "recorded"),
    [
        (["unreachable"], []),
        (["lost reply"], [STORE_UNAVAILABLE]),
        ([None, "unreachable"], [STORE_UNAVAILABLE]),
        ([None, "unreachable", "unreachable"], [STORE_UNAVAILABLE]),
        ([None, "lost reply"], [(200, "responded", None, [])]),
    ],
)
def test_servers_agree_on_a_request_that_the_store_has_not_confirmed(
    failures: list[Failure | None], recorded: list[tuple[Any, ...]]
) -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        log.failures = failures
        assert (await one.get(AUDIENCES, headers=ACME)).status_code == 503
        await asyncio.sleep(0.3)
        journal = await journal_of(one)
        assert [tuple(outcome) for _, *outcome in journal] == recorded
        assert await journal_of(two) == journal

    run(test)


def test_requests_of_an_outage_are_recorded_after_it() -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        log.refused_kind = "update"
        responses = await asyncio.gather(*(one.get(AUDIENCES, headers=ACME) for _ in range(2)))
        assert [response.status_code for response in responses] == [503, 503]
        log.refused_kind = None
        await asyncio.sleep(0.5)
        for client in (one, two):
            assert [tuple(outcome) for _, *outcome in await journal_of(client)] == [STORE_UNAVAILABLE] * 2

    run(test)


@pytest.mark.parametrize("last", [None, "lost reply"])
def test_servers_agree_on_a_request_whose_body_the_store_has_not_confirmed(last: Failure | None) -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        log.failures = [None, "lost reply", last]
        path = f"{AUDIENCES}/{'0' * 24}/members"
        response = await one.post(path, headers=ACME, json={"members": []})
        assert response.status_code == (503 if last else 404)
        journal = await journal_of(one)
        assert [outcome[:2] for _, *outcome in journal] == [[404, "responded"]]
        assert await journal_of(two) == journal

    run(test)


def test_a_body_that_the_store_has_not_confirmed_does_not_change_the_end() -> None:
    """The call for the body fails when the exchange has already ended."""

    async def test() -> None:
        log, ended = MemoryLog(), exchange(0, None)
        mocks = [make_mock(log) for _ in range(2)]
        await mocks[0].store.begin(ended.tenant, ended, None)
        log.refused_kind, log.refusal_seconds = "update", 0.01
        storing_body = asyncio.ensure_future(mocks[0].journal.update(ended))
        await asyncio.sleep(0)
        ended.status, ended.bytes_sent, ended.ended_at, ended.ended = 404, 98, 1.0, "responded"
        with pytest.raises(StoreUnavailableError):
            await storing_body
        log.refused_kind = None
        await mocks[0].journal.update(ended)
        await mocks[1].store.synchronize()
        for mock in mocks:
            (recorded,) = await mock.journal.candidates(())
            assert (recorded.status, recorded.bytes_sent, recorded.reason) == (404, 98, None)

    asyncio.run(test())


def test_a_request_that_ended_without_the_store_keeps_the_time_of_its_end() -> None:
    async def test() -> None:
        log, ended = MemoryLog(), exchange(0, None)
        mocks = [make_mock(log) for _ in range(2)]
        await mocks[0].store.begin(ended.tenant, ended, None)
        ended.ended, ended.ended_at, ended.bytes_sent = "responded", ended.started_at + 7.0, 98
        log.failures = ["unreachable"]
        with pytest.raises(StoreUnavailableError):
            await mocks[0].journal.update(ended)
        await asyncio.sleep(0)  # the end is recorded first
        await mocks[0].store.synchronize()
        await mocks[1].store.synchronize()
        for mock in mocks:
            (recorded,) = await mock.journal.candidates(())
            assert (recorded.status, recorded.duration_ms, recorded.bytes_sent) == (503, 7_000.0, 0)

    asyncio.run(test())


def test_an_aborted_request_keeps_its_end_when_it_is_recorded_later() -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        log.failures = [None, "unreachable"]
        token = {"Authorization": "Bearer sk_mock_reset.a"}
        with suppress(httpx.TransportError):
            await one.get(AUDIENCES, headers=token)
        await asyncio.sleep(0.01)
        for client in (one, two):
            assert [outcome for _, *outcome in await journal_of(client)] == [
                [None, "aborted", "connection-reset", ["key"]]
            ]

    run(test)


@pytest.mark.parametrize(
    ("fault", "sent", "log_of_connection"),
    [
        ("fault=reset", [503], []),
        ("fault=close", [503], []),
        ("fault=truncate", [200], ["close"]),
        ("delay=600000", [], []),  # the client disconnects
    ],
)
def test_a_broken_connection_that_the_store_cannot_record(
    fault: str, sent: list[int], log_of_connection: list[str]
) -> None:
    log, calls, statuses = MemoryLog(), list[str](), list[int]()
    transport = SimpleNamespace(is_closing=lambda: False, close=lambda: calls.append("close"))
    headers = [*bearer_pairs("sk_acme"), (b"prefer", fault.encode())]
    scope = {
        "type": "http",
        "method": "GET",
        "path": AUDIENCES,
        "headers": headers,
        "extensions": {TRANSPORT: transport},
    }
    messages: list[MutableMapping[str, Any]] = [{"type": "http.request"}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if "status" in message:
            statuses.append(message["status"])

    async def test() -> None:
        mock = make_mock(log)
        log.refused_kind = "update"
        await create_app(mock=mock)(scope, receive, send)
        log.refused_kind = None
        await mock.store.close()

    asyncio.run(test())
    assert (statuses, calls) == (sent, log_of_connection)


def test_the_faults_of_an_exchange_in_flight_are_visible_at_another_server() -> None:
    async def test(_log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        key = {"Authorization": "Bearer sk_mock_delay600000+500.a"}
        failing = asyncio.ensure_future(one.get(AUDIENCES, headers=key))
        while not await journal_of(one):
            pass
        expected = [[None, None, None, ["key"]]]
        assert [[outcome for _, *outcome in await journal_of(client)] for client in (one, two)] == [expected] * 2
        failing.cancel()
        with suppress(asyncio.CancelledError):
            await failing

    run(test)


def test_a_server_that_starts_from_a_snapshot_knows_exchanges_without_an_end() -> None:
    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        watching = client_of(make_mock(log))
        await one.get(AUDIENCES, headers=ACME)
        await two.delete("/__admin/requests")
        await watching.get("/__admin/health")
        log.refused_kind = "update"
        response = await one.get(AUDIENCES, headers={"Authorization": "Bearer sk_mock_500x1.a"})
        assert response.status_code == 503
        await watching.get("/__admin/health")
        await two.get(AUDIENCES, headers=ACME)
        assert log.snapshots
        async with client_of(make_mock(log)) as three:
            journal = await journal_of(three)
        outcomes = [tuple(outcome) for _, *outcome in journal]
        assert outcomes == [(None, None, None, ["key"]), (None, None, None, [])]
        assert await journal_of(watching) == journal

    run(test, snapshot_entries=5)


def test_a_server_that_starts_from_a_snapshot_knows_the_ids_of_unconfirmed_requests() -> None:
    """The end that was recorded later has no id: the server did not know that the request began."""

    async def test() -> None:
        log = MemoryLog()
        mock = make_mock(log, snapshot_entries=3)
        await mock.store.add_rule(parse_fault("500x0"))
        async with client_of(mock) as client:
            log.failures = ["lost reply"]
            assert (await client.get(AUDIENCES, headers=ACME)).status_code == 503
            while not log.snapshots:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
            async with client_of(make_mock(log)) as started_later:
                journal = await journal_of(client)
                ((request_id, *outcome),) = journal
                assert (bool(request_id), tuple(outcome)) == (True, STORE_UNAVAILABLE)
                assert await journal_of(started_later) == journal

    asyncio.run(test())


def test_a_bounded_number_of_exchanges_is_recorded_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_journal, "MAX_UNCONFIRMED", 1)

    async def test(log: MemoryLog, one: httpx.AsyncClient, two: httpx.AsyncClient) -> None:
        log.refused_kind = "update"
        assert (await one.get(AUDIENCES, headers=ACME)).status_code == 503
        await asyncio.sleep(0.05)  # the first attempt to record it later has failed
        log.refusal_seconds = 0.3  # the next one fails together with the end of the second request
        assert (await one.get(AUDIENCES, headers=ACME)).status_code == 503
        log.refused_kind = None
        await asyncio.sleep(0.3)
        statuses = [status for _, status, *_ in await journal_of(two)]
        assert statuses == [None, 503]  # the older one stays in flight

    run(test)


def test_a_server_that_has_missed_entries_ends_a_request_that_is_in_flight() -> None:
    async def test() -> None:
        log = MemoryLog()
        mocks = [make_mock(log, snapshot_entries=8, journal_size=1) for _ in range(2)]
        async with client_of(mocks[0]) as one, client_of(mocks[1]) as two:
            await two.get(AUDIENCES, headers=ACME)
            delayed = asyncio.ensure_future(one.get(AUDIENCES, headers={"Authorization": "Bearer sk_mock_delay200.a"}))
            while len(log.texts) < 3:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
            rule = parse_fault("500x0")
            await mocks[1].store.add_rule(rule)
            await two.get(AUDIENCES, headers=ACME)
            for _ in range(2):  # a server that restores the snapshot must not add them again
                await mocks[1].store.add_rule(rule)
            await mocks[1].store.close()  # waits for the snapshot
            assert (len(log.snapshots), len(log.texts)) == (1, 4)
            assert (await delayed).status_code == 200
            for path in ("/requests", "/faults", "/tenants"):
                assert (await one.get(f"/__admin{path}")).json() == (await two.get(f"/__admin{path}")).json()

    asyncio.run(test())


def test_the_log_is_read_as_long_as_someone_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_journal, "_POLL_SECONDS", 0)

    async def watch() -> None:
        log = MemoryLog()
        journal = make_mock(log).journal
        for _ in range(2):
            end_all = [journal.watch(lambda _exchange: None, key) for key in (None, b"key")]
            while log.round_trips < 3:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)
            for end in end_all:
                end()
            for _ in range(20):
                await asyncio.sleep(0)
            before = log.round_trips
            for _ in range(20):
                await asyncio.sleep(0)
            assert log.round_trips == before
            log.round_trips = 0

    asyncio.run(watch())


def test_a_complete_reset_removes_a_request_that_began_while_it_cleared_the_journal() -> None:
    async def test() -> None:
        log = MemoryLog()
        mocks = [make_mock(log) for _ in range(2)]
        async with client_of(mocks[1]) as two:
            await mocks[0].journal.clear()  # the first part of a reset
            await two.get(AUDIENCES, headers=ACME)
            await mocks[0].store.reset()
            for mock in mocks:
                await mock.store.synchronize()
                assert await mock.journal.count() == 0

    asyncio.run(test())
