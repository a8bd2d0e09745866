"""Timestamps: clocks, parsing and formatting."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

MonotonicClock = Callable[[], float]
"""Returns seconds, for durations."""
WallClock = Callable[[], datetime]
"""Returns the current time, for timestamps."""

TIMESTAMP_FORM = "a timestamp such as 2025-01-15T10:30:00.000Z, from 1970 to 2106"
"""What `parse_timestamp` accepts."""
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_OBJECT_ID_SECONDS = 1 << 32
"""The four bytes of an ObjectId's timestamp count the seconds since 1970."""


def clock_since_1970(clock: MonotonicClock, now: WallClock) -> MonotonicClock:
    """Return a monotonic clock that counts from 1970, so that its times mean the same to other servers."""
    offset = now().timestamp() - clock()
    return lambda: clock() + offset


def parse_timestamp(text: str) -> datetime:
    """Parse a timestamp such as `2025-01-15T10:30:00.000Z`.

    Raises:
        ValueError: `text` is not a timestamp, or outside the years of an ObjectId.
    """
    try:
        timestamp = datetime.fromisoformat(text) if _TIMESTAMP.fullmatch(text) else None
        if timestamp is not None and 0 <= timestamp.timestamp() < _OBJECT_ID_SECONDS:
            return timestamp
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"not {TIMESTAMP_FORM}")


def end_of_millisecond(timestamp: datetime) -> datetime:
    """Return the last timestamp that is shown as `timestamp`, or `timestamp` if it has microseconds."""
    is_shown = timestamp.microsecond % 1000 == 0
    return timestamp.replace(microsecond=timestamp.microsecond + 999) if is_shown else timestamp


def format_timestamp(timestamp: datetime) -> str:
    """Return `timestamp` in the format of the API: `2025-01-15T10:30:00.000Z` (S)."""
    return timestamp.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
