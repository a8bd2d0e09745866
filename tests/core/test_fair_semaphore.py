"""The semaphore whose waiters take turns by key."""

import asyncio

from mock_atoms.core.fair_semaphore import FairSemaphore


class Holders:
    """Holders of a semaphore.

    Attributes:
        log: the names of those who have acquired it, in order.
    """

    def __init__(self, value: int = 1, value_per_key: int = 1) -> None:
        self.log: list[str] = []
        self.semaphore = FairSemaphore(value, value_per_key)

    def start(self, name: str) -> asyncio.Task[None]:
        """Acquire it in a task. The first letter of the name is the key."""
        return asyncio.ensure_future(self._hold(name))

    async def _hold(self, name: str) -> None:
        await self.semaphore.acquire(name[0])
        self.log.append(name)
        await asyncio.sleep(0)
        self.semaphore.release(name[0])


def test_keys_take_turns() -> None:
    async def run() -> list[str]:
        holders = Holders()
        await asyncio.gather(*map(holders.start, ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]))
        await holders.start("d1")
        return holders.log

    assert asyncio.run(run()) == ["a1", "a2", "b1", "c1", "a3", "b2", "a4", "d1"]


def test_a_cancelled_waiter_gets_no_turn() -> None:
    async def run() -> list[str]:
        holders = Holders()
        tasks = [*map(holders.start, ["a1", "a2", "b1"])]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return holders.log

    assert asyncio.run(run()) == ["a1", "b1"]


def test_a_waiter_that_is_cancelled_when_it_has_its_turn_passes_it_on() -> None:
    async def run() -> list[str]:
        holders = Holders()
        await holders.semaphore.acquire("x")
        tasks = [*map(holders.start, ["a1", "b1"])]
        await asyncio.sleep(0)
        holders.semaphore.release("x")
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await holders.start("c1")
        return holders.log

    assert asyncio.run(run()) == ["b1", "c1"]


def test_one_key_cannot_hold_all_slots() -> None:
    async def run() -> list[str]:
        holders = Holders(value=3, value_per_key=2)
        for _ in range(2):  # both times the same: what is released no longer counts
            await asyncio.gather(*map(holders.start, ["a1", "a2", "a3", "a4", "b1"]))
        return holders.log

    assert asyncio.run(run()) == ["a1", "a2", "b1", "a3", "a4"] * 2


def test_a_key_that_may_not_have_more_lets_others_pass() -> None:
    async def run() -> list[str]:
        holders = Holders(value=2, value_per_key=1)
        await holders.semaphore.acquire("a")
        await holders.semaphore.acquire("b")
        tasks = [*map(holders.start, ["a1", "a2", "b1"])]
        await asyncio.sleep(0)
        holders.semaphore.release("b")
        await tasks[2]
        holders.semaphore.release("a")
        await asyncio.gather(*tasks)
        return holders.log

    assert asyncio.run(run()) == ["b1", "a1", "a2"]
