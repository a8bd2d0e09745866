import asyncio
from typing import Any

import pytest

from mock_atoms.core.slices import (
    IS_DISCONNECTED,
    MAX_WORK_SLOTS,
    MAX_WORK_SLOTS_PER_KEY,
    PAUSE_TURNS,
    REST_SECONDS,
    SHORT_SECONDS,
    SLICE_SECONDS,
    WORK_SLOT,
    ClientDisconnectedError,
    Divisible,
    Slices,
    Steps,
    collect,
    free_unshared,
    run_without_pauses,
    start_outside_request,
    stop_if_disconnected,
)


class Clock:
    """A clock that each step of long work advances by half a slice."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def steps(self, name: str, number: int, log: list[str]) -> Steps[str]:
        for _ in range(number):
            self.seconds += SLICE_SECONDS / 2
            log.append(name)
            yield
        return f"result of {name}"


def test_steps_can_run_without_pauses() -> None:
    log: list[str] = []
    assert run_without_pauses(Clock().steps("a", 3, log)) == "result of a"
    assert log == ["a", "a", "a"]


def test_long_work_of_two_callers_takes_turns() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def run_both() -> list[str]:
        return [*await asyncio.gather(slices.run(clock.steps("a", 6, log)), slices.run(clock.steps("b", 4, log)))]

    assert asyncio.run(run_both()) == ["result of a", "result of b"]
    assert "".join(log) == "aabbaabbaa"


def test_others_run_between_two_slices() -> None:
    clock, log = Clock(), list[str]()

    async def other() -> None:
        for _ in range(PAUSE_TURNS + 3):
            log.append("-")
            await asyncio.sleep(0)

    async def run() -> None:
        await asyncio.gather(Slices(clock).run(clock.steps("a", 6, log)), other())

    asyncio.run(run())
    assert "".join(log) == f"aa{'-' * PAUSE_TURNS}aa---aa"


def test_long_work_of_many_requests_waits_for_a_slot_and_other_work_does_not() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def request(number: int) -> None:
        slot = slices.work_slot(number)
        WORK_SLOT.set(slot)
        await slices.run_promptly(clock.steps("1", 2, log))
        for _ in range(2):  # it keeps its slot
            await slices.run(clock.steps(f"{number}", 10, log))
        await slices.run_promptly(clock.steps(f"{number}", 10, log), needs_slot=False)
        slot.release()
        slot.release()

    async def run() -> None:
        await asyncio.gather(*map(request, range(2 * MAX_WORK_SLOTS)))

    asyncio.run(run())
    first_of_others = log.index(str(MAX_WORK_SLOTS))
    assert {*log[:first_of_others]} == {*map(str, range(MAX_WORK_SLOTS))}
    assert first_of_others >= 3 * 10


def test_the_long_work_of_one_key_leaves_a_slot_to_another_key() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def request(key: str) -> None:
        with slices.work_slot(key).in_use():
            await slices.run(clock.steps(key, 10, log))

    async def run() -> None:
        await asyncio.gather(*map(request, [*"aaaa", "b"]))

    asyncio.run(run())
    assert "".join(log) == f"{'a' * 2 * MAX_WORK_SLOTS_PER_KEY}bb" * 5 + "aa" * 5


def test_a_control_call_does_not_wait_for_a_slot() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def request(number: int) -> None:
        WORK_SLOT.set(slices.work_slot(number))
        await slices.run(clock.steps("-", 100, log))

    async def run() -> None:
        requests = [asyncio.create_task(request(number)) for number in range(100)]
        await asyncio.sleep(0)
        await slices.run(clock.steps("a", 10, log))
        for task in requests:
            task.cancel()

    asyncio.run(run())
    assert log.count("-") <= (MAX_WORK_SLOTS + 1) * 10


def test_cancelled_work_is_closed_and_its_turn_ends() -> None:
    closed: list[str] = []

    def endless(clock: Clock) -> Steps[None]:
        try:
            while True:
                clock.seconds += SLICE_SECONDS
                yield
        finally:
            closed.append("closed")

    async def cancel() -> str:
        clock = Clock()
        slices = Slices(clock)
        task = asyncio.create_task(slices.run(endless(clock)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await slices.run(clock.steps("b", 1, []))

    assert asyncio.run(cancel()) == "result of b"
    assert closed == ["closed"]


def test_work_ends_once_its_client_has_disconnected_and_other_work_continues() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def abandoned() -> None:
        IS_DISCONNECTED.set(lambda: log.count("a") >= 4)
        with pytest.raises(ClientDisconnectedError):
            await slices.run_promptly(clock.steps("a", 100, log))

    async def connected() -> str:
        IS_DISCONNECTED.set(lambda: False)
        return await slices.run(clock.steps("b", 6, log))

    async def run() -> list[str | None]:
        return [*await asyncio.gather(abandoned(), connected(), slices.run(clock.steps("c", 4, log)))]

    assert asyncio.run(run()) == [None, "result of b", "result of c"]
    assert "".join(log) == "aaaabbccbbccbb"


def test_a_client_that_disconnects_directly_after_its_request_is_noticed() -> None:
    disconnected: list[bool] = []

    async def run() -> None:
        await stop_if_disconnected()
        IS_DISCONNECTED.set(lambda: bool(disconnected))
        await stop_if_disconnected()
        asyncio.get_running_loop().call_soon(disconnected.append, True)  # noqa: FBT003 - an item of a list
        with pytest.raises(ClientDisconnectedError):
            await stop_if_disconnected()

    asyncio.run(run())


def test_a_task_outside_a_request_neither_takes_its_slot_nor_ends_with_its_client() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def run() -> str:
        IS_DISCONNECTED.set(lambda: True)
        with slices.work_slot("a").in_use():
            task = start_outside_request(slices.run(clock.steps("a", 3, log)))
        result = await task
        slots = [slices.work_slot(number) for number in range(MAX_WORK_SLOTS)]
        await asyncio.wait_for(asyncio.gather(*(slot.acquire() for slot in slots)), 10)
        return result

    assert asyncio.run(run()) == "result of a"


def test_slices_work_in_one_event_loop_after_another() -> None:
    clock = Clock()
    slices = Slices(clock)

    async def run_two() -> list[str]:
        return [*await asyncio.gather(slices.run(clock.steps("a", 3, [])), slices.run(clock.steps("b", 3, [])))]

    assert asyncio.run(run_two()) == asyncio.run(run_two()) == ["result of a", "result of b"]


def test_an_exception_of_a_step_reaches_the_caller() -> None:
    def failing() -> Steps[None]:
        yield
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(Slices(Clock()).run(failing()))


def test_short_work_does_not_wait_for_its_turn() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def run() -> None:
        long = asyncio.create_task(slices.run(clock.steps("a", 6, log)))
        await asyncio.sleep(0)
        assert await slices.run_promptly(clock.steps("b", 1, log)) == "result of b"
        await long

    asyncio.run(run())
    assert "".join(log) == "aabaaaa"


def test_long_work_takes_turns_after_its_first_slice() -> None:
    clock, log = Clock(), list[str]()

    async def other() -> None:
        log.append("-")

    async def run() -> None:
        await asyncio.gather(Slices(clock).run_promptly(clock.steps("a", 6, log)), other())

    asyncio.run(run())
    assert "".join(log) == "aaaa-aa"


def test_items_are_collected_one_in_each_step() -> None:
    assert run_without_pauses(collect(range(3))) == [0, 1, 2]
    assert sum(1 for _ in collect(range(3))) == 3


def test_short_work_ends_without_a_turn() -> None:
    def steps() -> Steps[str]:
        yield
        return "result"

    assert Slices(Clock()).begin(steps()) == ("result",)


def test_longer_work_continues_in_slices() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)
    steps = clock.steps("a", 6, log)
    assert slices.begin(steps) is None
    assert clock.seconds >= SHORT_SECONDS
    assert log == ["a"]
    assert asyncio.run(slices.run(steps)) == "result of a"
    assert len(log) == 6


def test_after_longer_work_other_work_takes_turns_for_a_while() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def run_three() -> None:
        await asyncio.gather(*(slices.run_promptly(clock.steps(name, 6, log)) for name in "abc"))

    asyncio.run(run_three())
    assert "".join(log) == "aaaabbccaabbccbbcc"  # only the first has a slice before its turn


def test_work_does_not_begin_directly_after_longer_work() -> None:
    clock = Clock()
    slices = Slices(clock)
    assert slices.begin(clock.steps("a", 6, [])) is None
    assert slices.begin(clock.steps("b", 0, [])) is None
    clock.seconds += REST_SECONDS
    assert slices.begin(clock.steps("b", 0, [])) == ("result of b",)


def test_work_begins_directly_when_the_only_longer_work_has_ended() -> None:
    clock = Clock()
    slices = Slices(clock)
    assert asyncio.run(slices.run_promptly(clock.steps("a", 6, []))) == "result of a"
    assert slices.begin(clock.steps("b", 0, [])) == ("result of b",)


def test_work_does_not_begin_while_other_work_takes_turns() -> None:
    clock, log = Clock(), list[str]()
    slices = Slices(clock)

    async def begin_meanwhile() -> None:
        long_work = asyncio.ensure_future(slices.run(clock.steps("a", 6, log)))
        await asyncio.sleep(0)
        assert slices.begin(clock.steps("b", 0, log)) is None
        await long_work
        assert slices.begin(clock.steps("c", 0, log)) == ("result of c",)

    asyncio.run(begin_meanwhile())


def test_only_objects_that_nothing_else_holds_are_taken_apart() -> None:
    class Pair(Divisible):
        def parts(self) -> list[Any]:
            taken_apart.append(self)
            return [1, 2]

    taken_apart: list[Pair] = []
    shared = Pair()
    objects: list[Any] = [Pair(), shared, 3]
    steps = sum(1 for _ in free_unshared(objects))
    assert (objects, len(taken_apart), shared in taken_apart) == ([], 1, False)
    assert steps == 2 + 3  # two objects that stay whole, two parts and their object
