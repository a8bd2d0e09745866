"""The log of events, and the channels of filters."""

import pytest

from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import caller_for, digest_test_id, digest_token
from mock_atoms.journal import events
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.events import RESET, Channel, EventFilter, EventId, EventLog
from mock_atoms.journal.memory_journal import MemoryJournal
from tests.helpers.exchanges import exchange

ALL = EventFilter()
CREDENTIALS = Credentials(b"key")
ACME = EventFilter(digest_token("sk_acme"), CREDENTIALS.digest("sk_acme"))


def started() -> EventLog:
    log = EventLog()
    log.start()
    return log


def ids(channel: Channel) -> list[EventId]:
    return [event.id for event in channel.events]


def kinds(channel: Channel) -> list[str]:
    return [event.kind for event in channel.events]


def publish(log: EventLog, count: int) -> None:
    for _ in range(count):
        log.publish(RESET, {})


def test_nothing_is_recorded_before_the_start() -> None:
    log = EventLog()
    channel = log.open_channel(ALL)
    publish(log, 1)
    log.start()
    publish(log, 1)
    assert ids(channel) == [(1, 1)]


def test_an_exchange_begins_once_and_ends() -> None:
    journal = MemoryJournal(10, CREDENTIALS)
    stop = journal.follow()
    channel = journal.events.open_channel(ALL)
    started = exchange(0, None)
    journal.add(started)
    journal.events.record(started, has_ended=False)  # its body is complete
    journal.events.record(started, has_ended=True)
    journal.add(exchange(0, 200))
    assert kinds(channel) == ["exchange-started", "exchange-ended", "exchange-ended"]
    stop()
    journal.add(exchange(0, 200))
    assert (len(journal.events), len(channel.events)) == (0, 0)


def test_a_filter_selects_exchanges_by_any_credential_and_by_the_test() -> None:
    log = started()
    other, test = digest_token("sk_other"), digest_test_id("t")
    acme, digest = CREDENTIALS.digest("sk_acme"), CREDENTIALS.digest("sk_other")
    channels = [
        log.open_channel(selected)
        for selected in (ALL, ACME, EventFilter(None, None, test), ACME._replace(test_digest=test))
    ]
    unrelated = log.open_channel(EventFilter(other, digest, test))
    for tenant in (caller_for("sk_acme").tenant, caller_for("sk_acme", "t").tenant, caller_for("sk_other").tenant):
        mine = (acme,) if tenant.label != caller_for("sk_other").tenant.label else (digest,)
        log.record(exchange(0, 200, tenant=tenant, credential_digests=mine), has_ended=True)
    assert [ids(channel) for channel in channels] == [[(1, 1), (2, 1), (3, 1)], [(1, 1), (2, 1)], [(2, 1)], [(2, 1)]]
    assert not unrelated.events
    for channel in channels:
        assert [event.id for event in channels[0].events if channel.selected.matches(event)] == ids(channel)


def test_a_filter_selects_what_is_about_its_tenant_or_about_all() -> None:
    log = started()
    channel = log.open_channel(ACME._replace(test_digest=digest_test_id("t")))
    for token in (None, "sk_acme", "sk_other"):
        for test in (None, "t", "u"):
            digests = None if token is None else digest_token(token), None if test is None else digest_test_id(test)
            log.publish(RESET, {}, digests)
    assert [position for position, _ in ids(channel)] == [1, 2, 4, 5]
    assert all(channel.selected.matches(event) for event in channel.events)


def test_the_oldest_events_beyond_the_number_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    log = started()
    channel = log.open_channel(ALL)
    publish(log, 5)
    assert (ids(channel), channel.first, channel.end) == ([(3, 1), (4, 1), (5, 1)], 2, 5)
    assert log.known_since == (2, 1)


def test_the_oldest_events_beyond_the_memory_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENT_BYTES", 10_000)
    log = started()
    channel = log.open_channel(ALL)
    for size in (4_000, 4_000, 4_000, 20_000):
        log.publish(RESET, {}, size_bytes=size)
        assert log.size_bytes <= 10_000 or len(log) == 1
    assert ids(channel) == [(4, 1)]
    publish(log, 2)
    first, last = channel.events
    log.set_frame(last, b"x" * 9_500)  # takes more than its content
    assert ids(channel) == [(6, 1)]
    assert first.is_dropped
    log.set_frame(first, b"x" * 9_500)  # it was being rendered
    assert log.size_bytes == sum(event.size_bytes for event in channel.events)


def test_a_channel_lives_as_long_as_a_client_follows_it() -> None:
    log = started()
    channel = log.open_channel(ALL)
    assert log.open_channel(ALL) is channel
    log.close_channel(channel)
    publish(log, 1)
    assert len(channel.events) == 1
    log.close_channel(channel)
    publish(log, 1)
    assert len(channel.events) == 1
    assert log.open_channel(ALL) is not channel


def test_a_channel_gets_earlier_events_that_its_filter_selects() -> None:
    log = started()
    log.open_channel(ALL)
    tenants = [(digest_token("sk_acme"), None), (digest_token("sk_other"), None)]
    for scope in (*tenants, *tenants, *tenants):
        log.publish(RESET, {}, scope)
    channel = log.open_channel(ACME)
    log.publish(RESET, {})
    assert (channel.first, ids(channel)) == (0, [(7, 1)])
    late = log.extend_channel(channel, (4, 1))
    next(late)
    assert run_without_pauses(log.extend_channel(channel, (2, 1))) == -2
    assert ids(channel) == [(3, 1), (5, 1), (7, 1)]
    assert run_without_pauses(late) == -1
    assert ids(channel) == [(3, 1), (5, 1), (7, 1)]
    assert run_without_pauses(log.extend_channel(channel, (3, 1))) == -1
    assert run_without_pauses(log.extend_channel(channel, (7, 1))) == 1


def test_two_clients_that_continue_at_the_same_time_get_each_event_once() -> None:
    log = started()
    publish(log, 3)
    channel = log.open_channel(ALL)
    late = log.extend_channel(channel, (0, 0))
    next(late)  # it has found the first event
    run_without_pauses(log.extend_channel(channel, (0, 0)))
    run_without_pauses(late)
    assert ids(channel) == [(1, 1), (2, 1), (3, 1)]


def test_events_forget_a_closed_channel() -> None:
    log = started()
    kept, closed = log.open_channel(ALL), log.open_channel(ACME)
    publish(log, 2)
    log.close_channel(closed)
    assert [event.channels for event in kept.events] == [(kept,), (kept,)]


def test_a_channel_cannot_continue_after_an_event_that_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_EVENTS", 3)
    log = started()
    publish(log, 4)
    channel = log.open_channel(ALL)
    assert run_without_pauses(log.extend_channel(channel, (0, 0))) is None
    extending = log.extend_channel(channel, (1, 1))
    next(extending)
    publish(log, 1)
    assert run_without_pauses(extending) is None
    assert run_without_pauses(log.extend_channel(channel, (2, 1))) == -2


def test_ids_of_a_stopped_log_are_unknown_later() -> None:
    log = started()
    publish(log, 2)
    last_id = log.last_id
    log.stop()
    publish(log, 2)
    log.start()
    channel = log.open_channel(ALL)
    assert run_without_pauses(log.extend_channel(channel, last_id)) is None
    assert run_without_pauses(log.extend_channel(channel, log.last_id)) == 0
    publish(log, 1)
    assert ids(channel)[0] > log.known_since > last_id


def test_events_of_servers_that_share_changes_have_their_positions() -> None:
    entry = (7, True)
    log = EventLog(lambda: entry)
    channel = log.open_channel(ALL)
    publish(log, 2)
    entry = (9, True)
    publish(log, 1)
    entry = (10, False)
    publish(log, 1)
    log.record(exchange(0, 200), has_ended=True)
    assert ids(channel) == [(7, 1), (7, 2), (9, 1)]
    entry = (20, True)
    log.interrupt()
    assert (channel.interruptions, ids(channel), channel.first) == (1, [], 3)
    assert log.last_id == (20, 0)
    publish(log, 1)
    assert ids(channel) == [(20, 1)]
