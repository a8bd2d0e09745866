"""Waiting of many clients for the journal."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from weakref import ref

import pytest
from starlette.types import Message

from mock_atoms import Settings
from mock_atoms.control.journal_waiter import ALL_EXCHANGES, JournalWaiter, waited_keys
from mock_atoms.core.slices import IS_DISCONNECTED
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.mock import MockAtoms
from tests.helpers.exchanges import exchange


async def receive() -> Message:
    await asyncio.Future()
    raise AssertionError


async def disconnect() -> Message:
    return {"type": "http.disconnect"}


class Condition:
    """Holds from the evaluation `met_by` on."""

    def __init__(self, met_by: int) -> None:
        self.met_by = met_by
        self.evaluations = 0

    async def __call__(self) -> bool:
        self.evaluations += 1
        await asyncio.sleep(0)
        return self.evaluations >= self.met_by


def run(work: Callable[[MockAtoms, JournalWaiter], Awaitable[None]]) -> None:
    async def with_waiter() -> None:
        mock = MockAtoms(Settings())
        await work(mock, JournalWaiter(mock))

    asyncio.run(with_waiter())


def test_a_condition_is_evaluated_at_first_and_after_each_change() -> None:
    async def work(mock: MockAtoms, waiter: JournalWaiter) -> None:
        first, second = Condition(met_by=1), Condition(met_by=2)
        waiting = asyncio.create_task(waiter.wait_until(second, ALL_EXCHANGES, 60_000, receive))
        await waiter.wait_until(first, ALL_EXCHANGES, 60_000, receive)
        await asyncio.sleep(0.05)
        assert (first.evaluations, second.evaluations, waiting.done()) == (1, 1, False)
        mock.journal.add(exchange(0, 200))
        await waiting
        assert second.evaluations == 2

    run(work)


@pytest.mark.alone("servers that share a log watch their journal for events")
def test_a_recorded_exchange_wakes_one_task_for_all_waiting_clients() -> None:
    async def work(mock: MockAtoms, waiter: JournalWaiter) -> None:
        waiting = [
            asyncio.create_task(waiter.wait_until(Condition(2), ALL_EXCHANGES, 60_000, receive)) for _ in range(20)
        ]
        await asyncio.sleep(0.05)
        assert isinstance(mock.journal, MemoryJournal)
        assert len(mock.journal._watchers[None]) == 1  # noqa: SLF001 - what recording calls
        mock.journal.add(exchange(0, 200))
        await asyncio.gather(*waiting)
        await asyncio.sleep(0)
        assert mock.journal._watchers == {}  # noqa: SLF001 - the same

    run(work)


def test_a_wait_ends_with_its_time_or_its_client() -> None:
    async def work(mock: MockAtoms, waiter: JournalWaiter) -> None:
        never = Condition(met_by=99)
        await waiter.wait_until(never, ALL_EXCHANGES, 20, receive)
        await waiter.wait_until(never, ALL_EXCHANGES, 60_000, disconnect)
        evaluations = never.evaluations
        mock.journal.add(exchange(0, 200))
        await asyncio.sleep(0.05)
        assert never.evaluations == evaluations

    run(work)


def test_an_evaluation_ends_with_its_wait() -> None:
    ended: list[str] = []

    async def endless() -> bool:
        try:
            await asyncio.Future()
            raise AssertionError
        finally:
            ended.append("endless")

    async def work(_mock: MockAtoms, waiter: JournalWaiter) -> None:
        other = asyncio.create_task(waiter.wait_until(Condition(met_by=99), ALL_EXCHANGES, 600, receive))
        await waiter.wait_until(endless, ALL_EXCHANGES, 20, receive)
        await other
        assert ended == ["endless"]

    run(work)


@pytest.mark.alone("each replica has a task that follows the log")
def test_no_task_remains_after_the_last_client_left() -> None:
    async def endless() -> bool:
        await asyncio.Future()
        raise AssertionError

    async def work(_mock: MockAtoms, waiter: JournalWaiter) -> None:
        await waiter.wait_until(endless, ALL_EXCHANGES, 20, receive)
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(work)


def test_an_error_of_a_condition_reaches_its_client_alone() -> None:
    async def broken() -> bool:
        await asyncio.sleep(0)
        raise ValueError("broken")

    async def work(_mock: MockAtoms, waiter: JournalWaiter) -> None:
        other = asyncio.create_task(waiter.wait_until(Condition(met_by=1), ALL_EXCHANGES, 60_000, receive))
        with pytest.raises(ValueError, match="broken"):
            await waiter.wait_until(broken, ALL_EXCHANGES, 60_000, receive)
        await other

    run(work)


def test_waits_work_in_one_event_loop_after_another() -> None:
    mock = MockAtoms(Settings())
    waiter = JournalWaiter(mock)
    for _ in range(2):
        asyncio.run(waiter.wait_until(Condition(met_by=1), ALL_EXCHANGES, 60_000, receive))


def test_a_change_wakes_the_clients_of_its_keys_alone() -> None:
    async def work(mock: MockAtoms, waiter: JournalWaiter) -> None:
        own, other, two = Condition(met_by=2), Condition(met_by=2), Condition(met_by=2)
        waits = [
            asyncio.create_task(waiter.wait_until(condition, frozenset(keys), 60_000, receive))
            for condition, keys in ((own, {b"own"}), (other, {b"other"}), (two, {b"other", b"two"}))
        ]
        await asyncio.sleep(0.05)
        mock.journal.add(exchange(0, 200, credential_digests=(b"own",)))
        await waits[0]
        assert (own.evaluations, other.evaluations, two.evaluations) == (2, 1, 1)
        mock.journal.add(exchange(0, 200, credential_digests=(b"two", b"other")))
        await asyncio.gather(*waits)
        assert (other.evaluations, two.evaluations) == (2, 2)

    run(work)


def test_a_client_that_left_is_not_evaluated() -> None:
    async def work(mock: MockAtoms, waiter: JournalWaiter) -> None:
        left = Condition(met_by=99)
        leaving: list[asyncio.Task[None]] = []

        async def lets_other_leave() -> bool:
            for task in leaving:
                task.cancel()
            await asyncio.sleep(0.02)
            return bool(leaving)

        first = asyncio.create_task(waiter.wait_until(lets_other_leave, ALL_EXCHANGES, 60_000, receive))
        other = asyncio.create_task(waiter.wait_until(left, ALL_EXCHANGES, 60_000, receive))
        while not left.evaluations:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        leaving.append(other)
        mock.journal.add(exchange(0, 200))
        await first
        assert (left.evaluations, other.cancelled()) == (1, True)

    run(work)


def test_waited_keys_are_one_set_of_the_query() -> None:
    assert waited_keys((frozenset({b"1", b"2"}), frozenset({b"3"}))) == {b"1", b"2"}
    assert waited_keys(()) is ALL_EXCHANGES


def test_a_long_wait_keeps_nothing_of_its_evaluations() -> None:
    async def work(mock: MockAtoms, waiter: JournalWaiter) -> None:
        evaluations: list[ref[object]] = []

        async def never() -> bool:
            evaluations.append(ref(asyncio.current_task()))
            return False

        waiting = asyncio.create_task(waiter.wait_until(never, ALL_EXCHANGES, 60_000, receive))
        while len(evaluations) < 5:
            mock.journal.add(exchange(0, 200))
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.02)
        gc.collect()
        assert sum(evaluation() is not None for evaluation in evaluations[:-1]) == 0
        waiting.cancel()

    run(work)


def test_conditions_of_other_clients_are_evaluated_after_the_first_one_has_disconnected() -> None:
    async def work(_mock: MockAtoms, waiter: JournalWaiter) -> None:
        disconnected = []

        async def is_connected() -> bool:
            disconnected.append(IS_DISCONNECTED.get())
            return True

        IS_DISCONNECTED.set(lambda: True)
        await waiter.wait_until(is_connected, ALL_EXCHANGES, 60_000, receive)
        assert disconnected == [None]

    run(work)
