"""Timestamps: clocks, parsing and formatting."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

MonotonicClock = Callable[[], float]
"""Seconds of a clock that only goes forward."""
WallClock = Callable[[], datetime]
"""The time of day."""

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_OBJECT_ID_SECONDS = 1 << 32
"""How many seconds since 1970 the four bytes tell apart that an ObjectId has for them."""


def parse_timestamp(text: str) -> datetime:
    """Parse a timestamp such as `2025-01-15T10:30:00.000Z`.

    Raises:
        ValueError: it is none, or not of the years that an ObjectId can have.
    """
    try:
        moment = datetime.fromisoformat(text) if _TIMESTAMP.fullmatch(text) else None
        if moment is not None and 0 <= moment.timestamp() < _OBJECT_ID_SECONDS:
            return moment
    except (ValueError, OverflowError):
        pass
    raise ValueError("not a timestamp such as 2025-01-15T10:30:00.000Z, from 1970 to 2106")


def format_timestamp(moment: datetime) -> str:
    """Return `moment` as the API writes it: `2025-01-15T10:30:00.000Z` (S)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
