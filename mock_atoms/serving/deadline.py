"""A deadline of a connection."""

import asyncio
from collections.abc import Callable
from math import inf


class Deadline:
    """A deadline that moves often, on one timer: setting it again is cheap unless it comes closer.

    Args:
        loop: the event loop of the connection.
        on_expiry: called when the deadline has passed.
    """

    __slots__ = ("_at", "_loop", "_on_expiry", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_expiry: Callable[[], None]) -> None:
        self._loop = loop
        self._on_expiry = on_expiry
        self._at = self._timer_at = inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Expire in `seconds` from now, instead of at the deadline before."""
        self._at = self._loop.time() + seconds
        if self._at < self._timer_at:
            self._start_timer()

    def clear(self) -> None:
        """Never expire, until it is set again."""
        self._at = inf

    def cancel(self) -> None:
        """Never expire again, and free the timer and the callback."""
        self._on_expiry = lambda: None
        self._at = self._timer_at = inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._at
        self._timer = self._loop.call_at(self._at, self._check)

    def _check(self) -> None:
        self._timer, self._timer_at = None, inf
        if self._at == inf:
            return
        if self._loop.time() < self._at:
            self._start_timer()
        else:
            self._at = inf
            self._on_expiry()
