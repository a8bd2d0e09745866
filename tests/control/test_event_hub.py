"""The hub that sends events to many clients."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mock_atoms import Settings
from mock_atoms.control import event_hub
from mock_atoms.control.event_frames import HEARTBEAT, EventFrames
from mock_atoms.control.event_hub import EventHub, Watcher
from mock_atoms.core.slices import IS_DISCONNECTED, PAUSE_TURNS
from mock_atoms.core.tenancy import digest_token
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.journal import events
from mock_atoms.journal.events import RESET, EventFilter
from mock_atoms.mock import MockAtoms
from tests.helpers.exchanges import exchange, post

pytestmark = pytest.mark.alone("it publishes events without a change that servers share")
ALL = EventFilter()


class Clock:
    """Sleeps end when a test advances it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append((seconds, waiting))
        await waiting

    async def advance(self, seconds: float) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        due = [item for item in self._waiting if item[0] <= seconds]
        self._waiting = [item for item in self._waiting if item[0] > seconds]
        for _, waiting in due:
            if not waiting.done():
                waiting.set_result(None)
        for _ in range(20 * PAUSE_TURNS):
            await asyncio.sleep(0)


def run(test: Callable[[MockAtoms, EventHub, Clock], Awaitable[None]]) -> None:
    async def with_hub() -> None:
        mock, clock = MockAtoms(Settings()), Clock()
        await test(mock, EventHub(mock, clock.sleep), clock)

    asyncio.run(with_hub())


def parse(chunk: bytes) -> list[tuple[str, Any]]:
    """Return the names and the data of the events in a part of a response."""
    parsed = []
    for block in chunk.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        parsed.append((fields["event"], json.loads(fields["data"])))
    return parsed


def id_of(chunk: bytes) -> str:
    """Return the id of the first event in a part of a response."""
    return next(line for line in chunk.decode().split("\n") if line.startswith("id: ")).removeprefix("id: ")


def wait_for(hub: EventHub, watcher: Watcher) -> "asyncio.Task[bytes]":
    return asyncio.create_task(hub.next(watcher))


def test_events_leave_together_and_each_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    render = EventFrames.render

    def count(frames: EventFrames, event: events.Event) -> bytes:
        rendered.append(event.id)
        return render(frames, event)

    monkeypatch.setattr(EventFrames, "render", count)

    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        watchers = [hub.connect(selected) for selected in (ALL, ALL, EventFilter(b"t", b"c"))]
        parts = [wait_for(hub, watcher) for watcher in watchers]
        for scope in ((None, None), (b"t", None), (b"other", None)):
            mock.journal.events.publish(RESET, {"scope": str(scope[0])}, scope)
        await clock.advance(0.04)
        assert not any(part.done() for part in parts)
        await clock.advance(0.05)
        received = [[content["scope"] for _, content in parse(await part)] for part in parts]
        assert received == [["None", "b't'", "b'other'"]] * 2 + [["None", "b't'"]]
        assert rendered == [(1, 1), (2, 1), (3, 1)]
        assert (await parts[0]) == (await parts[1])

    run(test)


def test_a_slow_client_gets_the_number_of_dropped_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)

    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        slow, fast = hub.connect(ALL), hub.connect(ALL)
        for number in range(3):
            part = wait_for(hub, fast)
            for _ in range(2):
                mock.journal.events.publish(RESET, {"number": number})
            await clock.advance(0.05)
            assert [name for name, _ in parse(await part)] == ["reset", "reset"]
        part = wait_for(hub, slow)
        await clock.advance(0.05)
        (missed,) = parse(await part)
        assert missed == ("missed", {"dropped": 6})
        again = hub.connect(ALL)
        assert parse((await hub.begin(again, id_of(await part))).partition(b"\n")[2])[0][0] == "connected"
        mock.journal.events.publish(RESET, {"number": 3})
        for watcher in (slow, again):
            part = wait_for(hub, watcher)
            await clock.advance(0.05)
            assert [content["number"] for _, content in parse(await part)] == [3]

    run(test)


def test_a_client_gets_its_events_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "CHUNK_BYTES", 100)

    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        watcher = hub.connect(ALL)
        for _ in range(5):
            mock.journal.events.publish(RESET, {})
        sizes: list[int] = []
        while sum(sizes) < 5:
            part = wait_for(hub, watcher)
            await clock.advance(0.05)
            sizes.append(len(parse(await part)))
        assert sizes == [3, 2]

    run(test)


def test_others_run_between_the_writes_to_many_clients() -> None:
    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        watchers = [hub.connect(ALL) for _ in range(event_hub.BYTES_PER_TURN // (16 * 1024) * 4)]
        parts = [wait_for(hub, watcher) for watcher in watchers]
        mock.journal.events.publish(RESET, {})
        counts = set()

        async def count() -> None:
            while True:
                counts.add(sum(part.done() for part in parts))
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        await clock.advance(0.05)
        counting.cancel()
        assert len(counts) >= 4
        assert max(counts) == len(watchers)

    run(test)


def test_all_clients_get_heartbeats() -> None:
    async def test(_mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        busy, idle = hub.connect(ALL), hub.connect(ALL)
        for _ in range(2):
            part = wait_for(hub, idle)
            await clock.advance(14)
            assert not part.done()
            await clock.advance(15)
            assert await part == HEARTBEAT
        assert not busy.is_ready

    run(test)


def test_a_client_that_disconnects_is_ignored() -> None:
    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        gone, other = hub.connect(ALL), hub.connect(ALL)
        parts = [wait_for(hub, watcher) for watcher in (gone, other)]
        mock.journal.events.publish(RESET, {})
        await asyncio.sleep(0)
        parts[0].cancel()
        hub.disconnect(gone)
        await clock.advance(0.05)
        assert len(parse(await parts[1])) == 1

    run(test)


def test_a_part_that_cannot_be_given_is_given_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        watcher = hub.connect(ALL)
        part = wait_for(hub, watcher)
        mock.journal.events.publish(RESET, {})
        render = EventFrames.render

        def interrupted(frames: EventFrames, event: events.Event) -> bytes:
            watcher.give(HEARTBEAT)
            return render(frames, event)

        monkeypatch.setattr(EventFrames, "render", interrupted)
        await clock.advance(0.05)
        assert await part == HEARTBEAT
        part = wait_for(hub, watcher)
        await clock.advance(0.05)
        assert len(parse(await part)) == 1

    run(test)


def test_events_that_happen_while_a_loss_is_reported_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    monkeypatch.setattr(event_hub, "BYTES_PER_TURN", 0)

    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        watcher = hub.connect(ALL)
        for number in range(5):
            mock.journal.events.publish(RESET, {"number": number})
        part = wait_for(hub, watcher)
        part.add_done_callback(lambda _part: mock.journal.events.publish(RESET, {"number": 5}))
        await clock.advance(0.05)
        assert parse(await part) == [("missed", {"dropped": 5})]
        part = wait_for(hub, watcher)
        await clock.advance(0.05)
        assert parse(await part) == [("reset", {"number": 5})]

    run(test)


def test_a_missed_event_that_cannot_be_given_is_given_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        watcher = hub.connect(ALL)
        part = wait_for(hub, watcher)
        mock.journal.events.interrupt()
        missed = EventFrames.missed

        def interrupted(frames: EventFrames, event_id: events.EventId, dropped: int | None) -> bytes:
            watcher.give(HEARTBEAT)
            return missed(frames, event_id, dropped)

        monkeypatch.setattr(EventFrames, "missed", interrupted)
        await clock.advance(0.05)
        assert await part == HEARTBEAT
        monkeypatch.undo()
        part = wait_for(hub, watcher)
        await clock.advance(0.05)
        assert parse(await part) == [("missed", {"dropped": None})]

    run(test)


def test_events_are_forgotten_a_while_after_the_last_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "KEEP_SECONDS", 0.05)

    async def test(mock: MockAtoms, hub: EventHub, _clock: Clock) -> None:
        log = mock.journal.events
        hub.disconnect(hub.connect(ALL))
        mock.journal.add(exchange(0, 200))
        assert len(log) == 1
        watcher = hub.connect(ALL)
        await asyncio.sleep(0.1)
        assert len(log) == 1
        hub.disconnect(watcher)
        await asyncio.sleep(0.1)
        assert (len(log), log.is_recording) == (0, False)
        mock.journal.add(exchange(0, 200))
        assert len(log) == 0
        hub.connect(ALL)
        mock.journal.add(exchange(0, 200))
        assert len(log) == 1

    run(test)


@pytest.mark.parametrize("last_id", ["", "1", "00000000-1.1", "{}-1.1é", "{}-0.0.0"])
def test_an_unknown_id_misses_events(last_id: str) -> None:
    async def test(mock: MockAtoms, hub: EventHub, _clock: Clock) -> None:
        first = hub.connect(ALL)
        mock.journal.events.publish(RESET, {})
        prefix = id_of(await hub.begin(first, None)).partition("-")[0]
        watcher = hub.connect(ALL)
        chunk = await hub.begin(watcher, last_id.format(prefix))
        assert parse(chunk.partition(b"\n")[2]) == [
            ("connected", {"id": f"{prefix}-1.1"}),
            ("missed", {"dropped": None}),
        ]
        assert not watcher.has_missed

    run(test)


def test_a_known_id_continues_after_it() -> None:
    async def test(mock: MockAtoms, hub: EventHub, clock: Clock) -> None:
        last_id = id_of(await hub.begin(hub.connect(ALL), None))
        for number in range(3):
            mock.journal.events.publish(RESET, {"number": number}, (digest_token(str(number)), None))
        for selected, expected in ((ALL, [0, 1, 2]), (EventFilter(digest_token("1"), b"1"), [1])):
            watcher = hub.connect(selected)
            assert id_of(await hub.begin(watcher, last_id)) == last_id
            part = wait_for(hub, watcher)
            await clock.advance(0.05)
            assert [content["number"] for _, content in parse(await part)] == expected

    run(test)


@pytest.mark.parametrize(("reason", "shown"), [("aborted", None), ("unmocked-route", "unmocked-route")])
def test_the_beginning_of_an_exchange_is_as_it_was_then(reason: str, shown: str | None) -> None:
    mock = MockAtoms(Settings())
    mock.journal.follow()
    channel = mock.journal.events.open_channel(ALL)
    recorded = post(0, None)
    mock.journal.add(recorded)
    recorded.ended, recorded.ended_at, recorded.status = "responded", 1.0, 500
    recorded.reason, recorded.bytes_sent, recorded.attempt = reason, 9, 2
    ((name, content),) = parse(EventFrames(mock).render(channel.events[0]))
    own = content["request"]["mockAtoms"]
    assert name == "exchange-started"
    assert (own["status"], own["ended"], own["bytesSent"], own["durationMs"]) == (None, None, 0, None)
    assert (own["attempt"], own["reason"], content["request"]["body"]) == (2, shown, "{}")
    assert "response" not in content


def test_half_of_a_surrogate_pair_does_not_end_the_events() -> None:
    mock = MockAtoms(Settings())
    mock.journal.follow()
    channel = mock.journal.events.open_channel(ALL)
    active_rule = asyncio.run(mock.store.add_rule(parse_fault({"fault": "500", "name": "n"})))
    mock.journal.events.publish(RESET, {"name": "\ud800"})
    added, odd = channel.events
    frames = EventFrames(mock)
    assert parse(frames.render(added)) == [("rule-added", active_rule.as_json())]
    assert parse(frames.render(odd)) == [("reset", {"name": "?"})]


def test_events_are_sent_after_the_first_client_has_disconnected() -> None:
    disconnected = []

    async def sleep(_seconds: float) -> None:
        disconnected.append(IS_DISCONNECTED.get())
        await asyncio.Future()

    async def test() -> None:
        mock = MockAtoms(Settings())
        hub = EventHub(mock, sleep)
        IS_DISCONNECTED.set(lambda: True)
        watcher = hub.connect(ALL)
        mock.journal.events.publish(RESET, {})
        for _ in range(5):
            await asyncio.sleep(0)
        hub.disconnect(watcher)

    asyncio.run(test())
    assert disconnected == [None, None]
