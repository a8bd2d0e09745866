"""Results of a campaign's calls: pure functions of the seed, the campaign and the position of a member.

The results of the first members repeat in a cycle, so that the metrics of any number of members need no loop over them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from mock_atoms.contract.campaigns import CallStatus
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.campaign_life import ALL_CALLED, called_share
from mock_atoms.data.generator import Generator, object_id
from mock_atoms.data.models import CampaignRecord

_CYCLE = (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 0, 0, 0, 0, 0)
"""The attempt that reaches each member of a cycle, in the order of a shuffle; 0 if none does."""
_FIRST_CALL_AFTER = timedelta(seconds=5)
_CALL_EVERY = timedelta(seconds=2)
_MIN_SECONDS, _MAX_SECONDS = 15, 300
_COST_PER_SECOND = 0.0015
_FAILED_SHARE = 4
"""One of so many calls that do not reach the member fails; the others are `no_answer`."""


class Call(NamedTuple):
    """One attempt to call a member.

    Attributes:
        id: id of the call.
        attempt: number of the attempt, from 1.
        status: `completed`, `no_answer` or `failed`.
        duration: in seconds.
        cost: in US dollars.
        started_at: when it started.
    """

    id: str
    attempt: int
    status: str
    duration: int
    cost: float
    started_at: str


class CallResults:
    """The calls of one campaign.

    Args:
        generator: source of all values.
        record: the complete campaign.
        results: results of the calls to some members, by position. The others are generated.
    """

    def __init__(
        self, generator: Generator, record: CampaignRecord, results: Mapping[int, CallStatus] | None = None
    ) -> None:
        self._record = record
        self._results = results or {}
        self._max_attempts = 1 + record["maxRetries"]
        cycle = list(_CYCLE)
        Random(generator.random_bits(record["_id"], "results")).shuffle(cycle)
        self._cycle = cycle
        self._call_bits = generator.random_bits_by_index(record["_id"], "call")

    def called(self, members: int) -> int:
        """Return how many of `members` have been called."""
        return -(-members * called_share(self._record) // ALL_CALLED)

    def connected(self, called: int) -> int:
        """Return how many of the first `called` members were reached."""
        return self._sum(self._is_reached, called)

    def retries(self, called: int) -> int:
        """Return how many retries the first `called` members have had."""
        return self._sum(lambda reached_by: self._attempts(reached_by) - 1, called)

    def _sum(self, value_of: Callable[[int], int], count: int) -> int:
        """Return the sum of a value of the first `count` members, given the attempt that reaches each."""
        values = list(map(value_of, self._cycle))
        cycles, rest = divmod(count, len(values))
        chosen = [position for position in self._results if position < count]
        difference = sum(value_of(self._reached_by(position)) - values[position % len(values)] for position in chosen)
        return cycles * sum(values) + sum(values[:rest]) + difference

    def _reached_by(self, position: int) -> int:
        """Return the attempt that reaches the member at `position`; 0 if none does."""
        result = self._results.get(position)
        return self._cycle[position % len(self._cycle)] if result is None else int(result == "completed")

    def _is_reached(self, reached_by: int) -> int:
        return int(0 < reached_by <= self._max_attempts)

    def _attempts(self, reached_by: int) -> int:
        return reached_by if self._is_reached(reached_by) else self._max_attempts

    def calls(self, position: int) -> list[Call]:
        """Return the calls to the member at `position`, which has been called: at least one."""
        reached_by = self._reached_by(position)
        bits = self._call_bits(position)
        first = self._first_call + position * _CALL_EVERY
        calls = []
        for attempt in range(1, self._attempts(reached_by) + 1):
            started = first + (attempt - 1) * timedelta(minutes=self._record["retryDelay"])
            generated: CallStatus = "failed" if (bits >> attempt) % _FAILED_SHARE == 0 else "no_answer"
            status = self._results.get(position, generated)
            duration = 0
            if attempt == reached_by:
                status, duration = "completed", _MIN_SECONDS + (bits >> 16) % (_MAX_SECONDS - _MIN_SECONDS)
            call_id = object_id(started, (bits + attempt) % (1 << 64))
            cost = round(duration * _COST_PER_SECOND, 4)
            calls.append(Call(call_id, attempt, status, duration, cost, format_timestamp(started)))
        return calls

    @property
    def _first_call(self) -> datetime:
        return parse_timestamp(self._record.get("startedAt", self._record["createdAt"])) + _FIRST_CALL_AFTER
