"""Events of servers that share a log."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from mock_atoms.control.event_frames import EventFrames
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.journal.events import Channel, EventFilter, EventId
from mock_atoms.mock import MockAtoms
from mock_atoms.state import replicated_journal
from tests.helpers.asgi import bearer_pairs
from tests.helpers.audiences import ACME
from tests.helpers.shared_log import MemoryLog
from tests.state.test_replicated_store import AUDIENCES, client_of, make_mock

ALL = EventFilter()


def received(channel: Channel) -> list[tuple[EventId, str]]:
    return [(event.id, event.kind) for event in channel.events]


def run(test: Callable[[MemoryLog, MockAtoms, MockAtoms], Awaitable[None]]) -> None:
    async def with_mocks() -> None:
        log = MemoryLog()
        await test(log, make_mock(log), make_mock(log))

    asyncio.run(with_mocks())


async def change_all(mock: MockAtoms) -> None:
    """Send requests and control calls that change everything."""
    async with client_of(mock) as client:
        await client.post(AUDIENCES, headers=ACME, data={"name": "n"})
        await client.get(AUDIENCES, headers=ACME)
        for _ in range(2):
            await client.post("/__admin/faults", json={"fault": "500", "match": {"token": "sk_acme"}})
        await client.post("/__admin/mappings/import", json={"mappings": [{}, {}]})
        stub = (await client.post("/__admin/mappings", json={"response": {"body": "b"}})).json()
        await client.delete(f"/__admin/mappings/{stub['id']}")
        await client.post("/__admin/mappings/reset")
        await client.put("/__admin/tenants", json={"token": "sk_acme", "audiences": []})
        await client.post("/__admin/requests/remove", json={"method": "GET"})
        await client.post("/__admin/reset", json={"token": "sk_acme"})
        await client.post("/__admin/reset")


def test_all_servers_have_the_same_events_with_the_same_ids() -> None:
    async def test(_log: MemoryLog, one: MockAtoms, two: MockAtoms) -> None:
        channels = [mock.journal.events.open_channel(ALL) for mock in (one, two)]
        await change_all(one)
        await change_all(two)
        await one.store.synchronize()
        first, second = map(received, channels)
        assert first == second
        assert len({event_id for event_id, _ in first}) == len(first)
        kinds = {kind for _, kind in first}
        assert kinds >= {"exchange-started", "exchange-ended", "rule-removed", "tenant-changed"}
        assert kinds >= {"stub-added", "stub-removed", "stubs-changed"}
        assert EventFrames(one).id_text((1, 1)) == EventFrames(two).id_text((1, 1))

    run(test)


def test_a_client_continues_at_another_server_without_clients() -> None:
    async def test(log: MemoryLog, one: MockAtoms, two: MockAtoms) -> None:
        channel = one.journal.events.open_channel(ALL)
        await change_all(one)
        expected = received(channel)[3:]
        (last_id, _) = received(channel)[2]
        for mock in (two, make_mock(log)):
            await mock.store.synchronize()
            other = mock.journal.events.open_channel(ALL)
            number = run_without_pauses(mock.journal.events.extend_channel(other, last_id))
            assert number == -len(expected)
            assert received(other) == expected

    run(test)


def test_a_snapshot_interrupts_the_events() -> None:
    async def test() -> None:
        log = MemoryLog()
        one, two = (make_mock(log, snapshot_entries=10) for _ in range(2))
        channel = two.journal.events.open_channel(ALL)
        await two.store.synchronize()
        last_id = two.journal.events.last_id
        async with client_of(one) as client:
            for _ in range(6):
                await client.get(AUDIENCES, headers=ACME)
            await client.post("/__admin/reset")
            for _ in range(6):
                await client.get(AUDIENCES, headers=ACME)
        await two.store.synchronize()
        assert two.store._replica.restored > 0  # type: ignore[attr-defined] # noqa: SLF001 - nothing shows it
        assert channel.interruptions == 1
        assert run_without_pauses(two.journal.events.extend_channel(channel, last_id)) is None
        assert received(channel)
        assert all(position > two.store._replica.restored for (position, _), _ in received(channel))  # type: ignore[attr-defined] # noqa: SLF001 - the same

    asyncio.run(test())


def test_the_log_is_read_as_long_as_a_client_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicated_journal, "_POLL_SECONDS", 0)

    async def test(_log: MemoryLog, one: MockAtoms, two: MockAtoms) -> None:
        channel = two.journal.events.open_channel(ALL)
        stop = two.journal.follow()
        await change_all(one)
        while not channel.events:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        stop()
        for _ in range(20):
            await asyncio.sleep(0)
        before = received(channel)
        await change_all(one)
        await asyncio.sleep(0)
        assert received(channel) == before
        await two.store.synchronize()
        assert len(received(channel)) > len(before)

    run(test)


def test_a_body_that_is_confirmed_after_the_end_is_no_second_end() -> None:
    async def test(_log: MemoryLog, one: MockAtoms, _two: MockAtoms) -> None:
        channel = one.journal.events.open_channel(ALL)
        async with client_of(one) as client:
            await client.post(AUDIENCES, headers=dict(bearer_pairs("sk_acme")), json={"a": 1})
        assert [kind for _, kind in received(channel)] == ["exchange-started", "exchange-ended"]

    run(test)
