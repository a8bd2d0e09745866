"""The deadline of a connection, on a loop whose clock the test moves."""

from collections.abc import Callable
from math import inf
from typing import Any

from mock_atoms.serving.deadline import Deadline


class FakeTimer:
    """A timer of `FakeLoop`."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at = at
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeLoop:
    """An event loop with timers only, whose time is moved by `advance`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        self.timers.append(FakeTimer(when, callback))
        return self.timers[-1]

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if not timer.is_cancelled and timer.at <= end]:
            timer = min(due, key=lambda timer: timer.at)
            self.timers.remove(timer)
            self.now = timer.at
            timer.callback()
        self.now = end


def deadline() -> tuple[FakeLoop, Deadline, list[float]]:
    loop = FakeLoop()
    fake: Any = loop
    expired: list[float] = []
    return loop, Deadline(fake, lambda: expired.append(loop.now)), expired


def test_a_deadline_expires_once() -> None:
    loop, it, expired = deadline()
    it.set(5)
    loop.advance(4.9)
    assert expired == []
    loop.advance(100)
    assert expired == [5]


def test_a_later_deadline_needs_no_new_timer() -> None:
    loop, it, expired = deadline()
    for _ in range(100):
        it.set(5)
        loop.advance(0.01)
    assert len(loop.timers) == 1
    loop.advance(100)
    assert expired == [0.99 + 5]


def test_a_closer_deadline_replaces_the_timer() -> None:
    loop, it, expired = deadline()
    it.set(75)
    it.set(10)
    loop.advance(100)
    assert expired == [10]


def test_a_cleared_deadline_expires_after_it_is_set_again() -> None:
    loop, it, expired = deadline()
    it.set(5)
    it.clear()
    loop.advance(10)
    assert expired == []
    it.set(5)
    loop.advance(10)
    assert expired == [15]


def test_a_cancelled_deadline_leaves_no_timer() -> None:
    loop, it, expired = deadline()
    it.cancel()
    it.set(5)
    it.cancel()
    assert all(timer.is_cancelled for timer in loop.timers)
    loop.advance(inf)
    assert expired == []
