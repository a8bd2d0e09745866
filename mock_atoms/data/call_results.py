"""Results of a campaign's calls: pure functions of the seed, the campaign and the id of a member.

The last digit of the id decides how many attempts a member needs. So the metrics follow from the numbers of called
members by last digit.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from mock_atoms.contract.campaigns import CallStatus
from mock_atoms.core.timestamps import format_timestamp, parse_timestamp
from mock_atoms.data.generator import Generator, object_id
from mock_atoms.data.models import CampaignRecord

_REACHED_BY = (1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 0, 0, 0, 0)
"""The attempt that reaches a member, by last digit of its id after a shuffle; 0 if none does."""
_FIRST_CALL_AFTER = 5
_FIRST_CALLS_SECONDS = 1800
"""Seconds in which all members get their first call, unless the campaign ends earlier."""
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
        called_by_digit: numbers of called members by last digit of their ids.
        results: results of the calls to some called members, by id. The others are generated.
        now: time of the request: no call is later.
    """

    def __init__(
        self,
        generator: Generator,
        record: CampaignRecord,
        called_by_digit: Sequence[int],
        results: Mapping[str, CallStatus],
        now: datetime,
    ) -> None:
        self._record = record
        self._called_by_digit = called_by_digit
        self._results = results
        self._max_attempts = 1 + record["maxRetries"]
        reached_by = list(_REACHED_BY)
        Random(generator.random_bits(record["_id"], "results")).shuffle(reached_by)
        self._reached_by_digit = reached_by
        self._call_bits = generator.random_bits_by_index(record["_id"], "call")
        self._created = parse_timestamp(record["createdAt"])
        self._start = parse_timestamp(record.get("startedAt", record["createdAt"]))
        self._end = max(self._start, min(now, _end(record, now)))

    @property
    def called(self) -> int:
        """Number of members that have been called."""
        return sum(self._called_by_digit)

    @property
    def connected(self) -> int:
        """Number of members that were reached."""
        return self._sum(self._is_reached)

    @property
    def retries(self) -> int:
        """Number of retries."""
        return self._sum(lambda reached_by: self._attempts(reached_by) - 1)

    def _sum(self, value_of: Callable[[int], int]) -> int:
        """Return the sum of a value of the called members, given the attempt that reaches each."""
        values = list(map(value_of, self._reached_by_digit))
        difference = sum(
            value_of(int(result == "completed")) - values[_last_digit(member_id)]
            for member_id, result in self._results.items()
        )
        return difference + sum(value * count for value, count in zip(values, self._called_by_digit, strict=True))

    def _is_reached(self, reached_by: int) -> int:
        return int(0 < reached_by <= self._max_attempts)

    def _attempts(self, reached_by: int) -> int:
        return reached_by if self._is_reached(reached_by) else self._max_attempts

    def calls(self, member_id: str) -> list[Call]:
        """Return the calls to a member that has been called: at least one.

        Retries follow after the campaign's delay. Calls for which the campaign was too short start as late as possible.
        """
        result = self._results.get(member_id)
        reached_by = self._reached_by_digit[_last_digit(member_id)] if result is None else int(result == "completed")
        bits = self._call_bits(int(member_id, 16))
        first = self._start + timedelta(seconds=_FIRST_CALL_AFTER + (bits >> 32) % _FIRST_CALLS_SECONDS)
        calls: list[Call] = []
        latest_end = self._end
        for attempt in range(self._attempts(reached_by), 0, -1):
            generated: CallStatus = "failed" if (bits >> attempt) % _FAILED_SHARE == 0 else "no_answer"
            status = generated if result is None else result
            duration = 0
            if attempt == reached_by:
                status, duration = "completed", _MIN_SECONDS + (bits >> 16) % (_MAX_SECONDS - _MIN_SECONDS)
            planned = first + (attempt - 1) * timedelta(minutes=self._record["retryDelay"])
            started = latest_end = max(self._start, min(planned, latest_end - timedelta(seconds=duration)))
            call_id = object_id(self._created, (bits + attempt) % (1 << 64))
            cost = round(duration * _COST_PER_SECOND, 4)
            calls.append(Call(call_id, attempt, status, duration, cost, format_timestamp(started)))
        return calls[::-1]


def _last_digit(member_id: str) -> int:
    return int(member_id[-1], 16)


def _end(record: CampaignRecord, now: datetime) -> datetime:
    """Return until when a campaign calls."""
    match record["status"]:
        case "paused" | "completed" | "failed":
            events = record.get("events")
            return parse_timestamp(events[-1]["at"] if events else record["updatedAt"])
        case _:
            return now
