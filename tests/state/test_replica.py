"""A server's connection to the shared log."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from mock_atoms.core.errors import CapacityError, StoreUnavailableError
from mock_atoms.core.slices import IS_DISCONNECTED, WORK_SLOT, Slices
from mock_atoms.journal.access_log import LOGGER
from mock_atoms.state import replica as replica_module
from mock_atoms.state.replica import Replica
from mock_atoms.state.shared_log import LogPage
from mock_atoms.state.store import ConflictError
from tests.helpers.shared_log import MemoryLog


class Counter:
    """A number that servers share: entries of the kind `add` add to it.

    Attributes:
        replica: the connection to the log.
        value: the number.
    """

    def __init__(self, log: MemoryLog, snapshot_entries: int = 1_000) -> None:
        self.replica = Replica(log, snapshot_entries)
        self.replica.snapshots = self
        self.replica.handle("add", self._add_foreign)
        self.value = 0

    async def add(self, number: int) -> int:
        return await self.replica.change("add", number, lambda: self._add(number))

    async def _add(self, number: int) -> int:
        if number < 0:
            raise CapacityError("negative")
        self.value += number
        return self.value

    async def _add_foreign(self, _entry_id: str, content: Any) -> None:  # noqa: ANN401 - any JSON
        if not self.replica.is_restoring:
            await self._add(content)

    def first_needed(self) -> int:
        return self.replica.position + 1

    async def make_snapshot(self) -> bytes:
        return b"%d" % self.value

    async def restore_snapshot(self, content: bytes) -> None:
        self.value = int(content)


def run(test: Callable[[MemoryLog, Counter, Counter], Awaitable[None]], **options: int) -> None:
    async def with_two() -> None:
        log = MemoryLog(page_size=3)
        await test(log, Counter(log, **options), Counter(log, **options))

    asyncio.run(with_two())


def test_changes_are_applied_in_the_order_of_the_log() -> None:
    async def test(_log: MemoryLog, one: Counter, two: Counter) -> None:
        assert [await one.add(1), await two.add(2), await two.add(3), await one.add(4)] == [1, 3, 6, 10]
        await two.replica.synchronize()
        assert (one.value, two.value) == (10, 10)

    run(test)


def test_changes_that_wait_take_one_round_trip() -> None:
    async def test(log: MemoryLog, one: Counter, _two: Counter) -> None:
        assert [*await asyncio.gather(one.add(1), one.add(2))] == [1, 3]
        first = log.round_trips
        assert [*await asyncio.gather(one.add(1), one.replica.synchronize(), one.add(2))] == [4, None, 6]
        assert (first, log.round_trips) == (1, 2)

    run(test)


def test_changes_that_wait_for_an_unavailable_store_fail_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        is_over = asyncio.Event()
        calls = []

        async def fail_later(texts: Sequence[bytes], _after: int) -> LogPage:
            calls.append(len(texts))
            await is_over.wait()
            raise StoreUnavailableError("the store did not respond")

        with monkeypatch.context() as patched:
            patched.setattr(log, "append", fail_later)
            first, second = (asyncio.ensure_future(one.add(number)) for number in (1, 2))
            await asyncio.sleep(0)
            third = asyncio.ensure_future(one.add(3))
            await asyncio.sleep(0)
            is_over.set()
            errors = await asyncio.gather(first, second, third, return_exceptions=True)
        assert [str(error) for error in errors] == ["the store did not respond"] * 3
        assert calls == [2]
        assert (await one.add(4), await two.add(5)) == (4, 9)

    run(test)


def test_an_unreachable_store_is_an_error_without_a_late_effect() -> None:
    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        log.failures = ["unreachable"]
        with pytest.raises(StoreUnavailableError, match="unreachable"):
            await one.add(1)
        assert await one.add(2) == 2
        await two.replica.synchronize()
        assert two.value == 2

    run(test)


def test_an_outage_of_the_store_is_logged_at_its_start_and_end(caplog: pytest.LogCaptureFixture) -> None:
    async def test(log: MemoryLog, one: Counter, _two: Counter) -> None:
        await one.add(1)
        log.failures = ["unreachable"] * 2
        for _ in range(2):
            with pytest.raises(StoreUnavailableError, match="unreachable"):
                await one.add(1)
        await one.add(1)
        await one.add(1)

    run(test)
    causes = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
    assert causes == ['cause="the store is unreachable"', 'cause="the shared store is available again"']


def test_a_change_whose_reply_was_lost_is_applied_once_by_all() -> None:
    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        log.failures = ["lost reply"]
        with pytest.raises(StoreUnavailableError, match="did not respond"):
            await one.add(1)
        assert await one.add(2) == 3
        await two.replica.synchronize()
        assert two.value == 3

    run(test)


def test_a_change_is_applied_although_its_caller_was_cancelled() -> None:
    async def test(_log: MemoryLog, one: Counter, two: Counter) -> None:
        for number in (1, -1):
            task = asyncio.ensure_future(one.add(number))
            await asyncio.sleep(0)
            task.cancel()
        assert await one.add(2) == 3
        await two.replica.synchronize()
        assert two.value == 3

    run(test)


@pytest.mark.parametrize("error", [CapacityError, ConflictError])
def test_a_refused_change_is_an_error_for_its_caller_alone(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(Counter):
        async def _add(self, number: int) -> int:
            if number < 0:
                raise error
            return await super()._add(number)

    async def test() -> None:
        log = MemoryLog()
        one, two = Refusing(log), Refusing(log)
        with pytest.raises(error):
            await one.add(-1)
        assert await two.add(1) == 1

    asyncio.run(test())
    assert caplog.text == ""


def test_an_entry_that_cannot_be_applied_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def test(_log: MemoryLog, one: Counter, two: Counter) -> None:
        await one.replica.change("unknown", None, lambda: asyncio.sleep(0))
        assert await two.add(1) == 1

    run(test)
    assert 'cause="entry 1 of the shared log cannot be applied"' in caplog.text


def test_a_server_that_has_missed_removed_entries_continues_from_a_snapshot() -> None:
    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        await two.add(1)
        for number in range(2, 10):
            await one.add(number)
        assert len(log.snapshots) == 2
        assert len(log.texts) == 1
        assert await two.add(10) == 55
        assert await one.add(0) == 55

    run(test, snapshot_entries=4)


def test_a_change_that_a_restored_snapshot_includes_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        append = log.append

        async def append_and_trim(texts: Sequence[bytes], after: int) -> LogPage:
            page = await append(texts, after)
            if texts:  # the first page does not reach them
                await log.save_snapshot(b"6 5 0 25", 5)
            return page

        for number in range(1, 6):
            await one.add(number)
        monkeypatch.setattr(log, "append", append_and_trim)
        with pytest.raises(StoreUnavailableError, match="the change may have been made"):
            await two.add(10)
        assert await two.add(0) == await one.add(0) == 25

    run(test)


def test_a_snapshot_is_also_due_after_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "SNAPSHOT_BYTES", 60)  # an entry has 24

    async def test(log: MemoryLog, one: Counter, _two: Counter) -> None:
        for _ in range(6):
            await one.add(1)
        await one.replica.close()
        assert [snapshot.split()[0] for snapshot in log.snapshots] == [b"3", b"6"]

    run(test)


def test_a_server_that_has_restored_a_snapshot_counts_bytes_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads an entry again, which the snapshot includes."""
    monkeypatch.setattr(replica_module, "SNAPSHOT_BYTES", 60)

    class Keeper(Counter):
        def first_needed(self) -> int:
            return self.replica.position

    async def test() -> None:
        log = MemoryLog()
        one, two = Keeper(log), Keeper(log)
        await two.add(1)
        for _ in range(2):
            await one.add(1)
        await one.replica.close()
        for _ in range(4):
            await two.add(1)
            await two.replica.close()
        assert [snapshot.split()[0] for snapshot in log.snapshots] == [b"3", b"6"]

    asyncio.run(test())


class SlowLog(MemoryLog):
    """A log that saves snapshots after `is_released` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.is_released = asyncio.Event()

    async def save_snapshot(self, snapshot: bytes, before: int) -> None:
        await self.is_released.wait()
        await super().save_snapshot(snapshot, before)


def test_only_the_server_that_writes_the_last_entry_makes_a_snapshot() -> None:
    class Recorder(Counter):
        snapshots = 0

        def first_needed(self) -> int:
            return 1

        async def make_snapshot(self) -> bytes:
            self.snapshots += 1
            return await super().make_snapshot()

    async def test() -> None:
        log = MemoryLog()
        one, two = Recorder(log, snapshot_entries=2), Recorder(log, snapshot_entries=2)
        await one.add(1)
        await two.add(1)
        await one.replica.synchronize()
        assert (one.snapshots, two.snapshots) == (0, 1)

    asyncio.run(test())


def test_a_snapshot_stays_due_while_another_one_is_saved() -> None:
    async def test() -> None:
        log = SlowLog()
        one, two = Counter(log, snapshot_entries=1), Counter(log)
        await one.add(1)
        await one.add(1)
        await two.add(1)
        await one.replica.synchronize()
        for _ in range(2):
            log.is_released.set()
            await one.replica.close()
            await one.replica.synchronize()
        await one.replica.close()
        assert [snapshot.split()[0] for snapshot in log.snapshots] == [b"1", b"3"]

    asyncio.run(test())


def test_a_server_saves_one_snapshot_at_a_time() -> None:
    async def test() -> None:
        log = SlowLog()
        one = Counter(log, snapshot_entries=1)
        for _ in range(3):
            await one.add(1)
        log.is_released.set()
        await one.replica.close()
        await one.add(1)
        await one.replica.close()
        assert [snapshot.split()[0] for snapshot in log.snapshots] == [b"1", b"4"]

    asyncio.run(test())


def test_a_snapshot_that_cannot_be_saved_is_saved_later() -> None:
    class FullLog(MemoryLog):
        async def save_snapshot(self, snapshot: bytes, before: int) -> None:
            if before < 5:
                raise StoreUnavailableError("the store is full")
            await super().save_snapshot(snapshot, before)

    async def test() -> None:
        log = FullLog()
        one = Counter(log, snapshot_entries=2)
        for _ in range(4):
            await one.add(1)
            await one.replica.close()  # waits for the snapshot
        assert (len(log.snapshots), log.texts) == (1, [])

    asyncio.run(test())


def test_a_log_without_beginning_and_snapshot_is_an_error() -> None:
    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        await one.add(1)
        await log.save_snapshot(b"", 2)
        log.snapshots.clear()
        with pytest.raises(StoreUnavailableError, match="lost the beginning of its log: empty it"):
            await two.add(1)

    run(test)


def test_a_change_that_the_store_has_lost_is_an_error() -> None:
    class ForgetfulLog(MemoryLog):
        async def append(self, _texts: Sequence[bytes], after: int) -> LogPage:
            return await super().append([], after)

    async def test() -> None:
        with pytest.raises(StoreUnavailableError, match="has lost a change: send the request again"):
            await Counter(ForgetfulLog()).add(1)

    asyncio.run(test())


def test_the_log_is_applied_without_the_slot_and_the_client_of_the_request_that_appends_to_it() -> None:
    seen = []

    def note() -> None:
        seen.append((WORK_SLOT.get(), IS_DISCONNECTED.get()))

    class NotingLog(MemoryLog):
        async def append(self, texts: Sequence[bytes], after: int) -> LogPage:
            note()
            return await super().append(texts, after)

        async def save_snapshot(self, snapshot: bytes, before: int) -> None:
            note()
            await super().save_snapshot(snapshot, before)

    class NotingCounter(Counter):
        async def _add(self, number: int) -> int:
            note()
            return await super()._add(number)

        async def make_snapshot(self) -> bytes:
            note()
            return await super().make_snapshot()

    async def test() -> None:
        log, slices = NotingLog(), Slices(lambda: 0.0)
        one, two = NotingCounter(log, snapshot_entries=1), NotingCounter(log)
        IS_DISCONNECTED.set(lambda: True)
        with slices.work_slot("sk_acme").in_use():
            assert (await one.add(1), await two.add(2)) == (1, 3)
            await one.replica.close()
        assert (one.value, two.value, len(log.snapshots)) == (1, 3, 1)

    asyncio.run(test())
    assert seen == [(None, None)] * 7


def test_a_server_without_requests_follows_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica_module, "KEEP_UP_SECONDS", 0.001)

    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        await two.replica.synchronize()
        await one.add(1)
        log.failures = ["unreachable"] * 2
        while two.value == 0:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)

    run(test)


def test_a_closed_connection_ends_behind_what_is_in_progress() -> None:
    async def test(log: MemoryLog, one: Counter, two: Counter) -> None:
        await one.replica.close()
        adding = asyncio.ensure_future(one.add(1))
        await asyncio.sleep(0)
        await one.replica.close()
        assert adding.done()
        assert await two.add(1) == 2
        round_trips = log.round_trips
        assert await one.add(1) == 3
        assert log.round_trips == round_trips + 1

    run(test)
