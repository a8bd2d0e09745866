"""Grouping of exchanges into calls, in steps. The number of steps grows linearly with the number of exchanges."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from itertools import islice
from typing import NamedTuple

from mock_atoms.core.slices import Steps
from mock_atoms.journal.calls import (
    MAX_PAUSE_MS,
    MIN_BACKOFF_MS,
    Call,
    end_time,
    gap_ms,
    has_succeeded,
    latest_end,
    latest_retry,
    request_key,
)
from mock_atoms.journal.exchange import Exchange

MAX_COMPARED_CALLS = 100
"""Number of waiting calls that an attempt on a new connection is compared with."""
Connection = tuple[str, int]
"""Address and port of a client."""


def group_calls(exchanges: Iterable[Exchange], max_pause: float = MAX_PAUSE_MS / 1000) -> Steps[list[Call]]:
    """Group `exchanges`, oldest first, into calls, in order of their first attempts.

    An attempt continues a failed call with the same tenant, client, method, URL, body and idempotency key. Its last
    attempt ended at most `max_pause` seconds before. A call on the same connection wins, then the one that waited
    longest. If similar requests ran in parallel, this is a guess, and the calls are marked ambiguous.
    """
    similar: dict[tuple[object, ...], list[tuple[int, Exchange]]] = {}
    position = -1
    for position, exchange in enumerate(exchanges):
        similar.setdefault(request_key(exchange), []).append((position, exchange))
        yield
    calls: list[Call | None] = [None] * (position + 1)
    for group in similar.values():
        yield from _group_similar(group, max_pause, calls)
    return [call for call in calls if call is not None]


def _group_similar(exchanges: list[tuple[int, Exchange]], max_pause: float, calls: list[Call | None]) -> Steps[None]:
    """Group similar requests into calls. Write each call into `calls`, at the position of its first attempt."""
    failed_calls = _FailedCalls(max_pause)
    upcoming: dict[Connection, deque[Exchange]] = {}
    for _, exchange in exchanges:
        upcoming.setdefault(_connection(exchange), deque()).append(exchange)
        yield
    last_call: Call | None = None
    busy_until = 0.0
    for position, exchange in exchanges:
        upcoming[_connection(exchange)].popleft()
        call = failed_calls.continued_by(exchange, upcoming)
        if call is None:
            call = calls[position] = Call()
        if last_call is not None and busy_until > exchange.started_at:
            call.is_ambiguous = True
            # All older calls that still run are already marked.
            if latest_end(last_call.attempts[-1]) > exchange.started_at:
                last_call.is_ambiguous = True
        call.attempts.append(exchange)
        last_call = call
        busy_until = max(busy_until, latest_end(exchange))
        if exchange.ended_at is not None and not has_succeeded(exchange):
            failed_calls.add(call)
        yield


class _FailedCall(NamedTuple):
    """A call whose last attempt failed.

    Attributes:
        number: a number that grows with each failed call.
        call: the call.
    """

    number: int
    call: Call

    @property
    def last(self) -> Exchange:
        """The last attempt."""
        return self.call.attempts[-1]


class _FailedCalls:
    """Failed calls of similar requests, until an attempt continues them or the pause is too long.

    Args:
        max_pause: longest pause between two attempts of a call, in seconds.
    """

    def __init__(self, max_pause: float) -> None:
        self._max_pause = max_pause
        self._count = 0
        self._running: list[tuple[float, _FailedCall]] = []  # a heap by the end of the last attempt
        self._expiring: list[tuple[float, int]] = []  # a heap by the latest retry, with the number of the call
        self._waiting: OrderedDict[int, _FailedCall] = OrderedDict()  # by number; the one that waited longest first
        self._by_connection: dict[Connection, deque[_FailedCall]] = {}

    def add(self, call: Call) -> None:
        """Add a call whose last attempt failed. The attempt may end later than the next one begins."""
        failed = _FailedCall(self._count, call)
        self._count += 1
        heappush(self._running, (latest_end(failed.last), failed))
        heappush(self._expiring, (latest_retry(failed.last, self._max_pause), failed.number))

    def continued_by(self, exchange: Exchange, upcoming: Mapping[Connection, Sequence[Exchange]]) -> Call | None:
        """Remove and return the call that `exchange` continues, `None` if it is the first attempt of a new one.

        Args:
            exchange: the exchange. It is not older than that of the call before.
            upcoming: the next exchanges of each connection.
        """
        self._move_to(exchange.started_at)
        failed = self._on_same_connection(exchange) or self._on_other_connection(exchange, upcoming)
        if failed is None:
            return None
        del self._waiting[failed.number]
        return failed.call

    def _move_to(self, now: float) -> None:
        """Let the calls wait whose last attempt has ended by `now`, and remove those that have waited too long."""
        while self._running and self._running[0][0] <= now:
            _, failed = heappop(self._running)
            self._waiting[failed.number] = failed
            self._by_connection.setdefault(_connection(failed.last), deque()).append(failed)
        while self._expiring and self._expiring[0][0] < now:
            self._waiting.pop(heappop(self._expiring)[1], None)

    def _on_same_connection(self, exchange: Exchange) -> _FailedCall | None:
        failed_calls = self._by_connection.get(_connection(exchange), ())
        while failed_calls:
            failed = failed_calls.popleft()
            if failed.number in self._waiting:
                return failed
        return None

    def _on_other_connection(
        self, exchange: Exchange, upcoming: Mapping[Connection, Sequence[Exchange]]
    ) -> _FailedCall | None:
        candidates = [
            failed
            for failed in islice(self._waiting.values(), MAX_COMPARED_CALLS)
            if gap_ms(failed.last, exchange) >= MIN_BACKOFF_MS
            or not _is_from_another_client(exchange, upcoming[_connection(failed.last)])
        ]
        if len(candidates) > 1:
            for failed in candidates:
                failed.call.is_ambiguous = True
        return candidates[0] if candidates else None


def _is_from_another_client(exchange: Exchange, upcoming: Sequence[Exchange]) -> bool:
    """Return whether an immediate retry on a new connection is from another client than `upcoming` on the old one.

    If the old connection continues right after it, one client uses its connections in turn.
    """
    return bool(upcoming) and not (
        upcoming[0].started_at >= end_time(exchange) and gap_ms(exchange, upcoming[0]) < MIN_BACKOFF_MS
    )


def _connection(exchange: Exchange) -> Connection:
    return exchange.client_address, exchange.client_port
