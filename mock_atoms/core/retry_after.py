"""The header `Retry-After`."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

HEADER = "retry-after"
_SECONDS = re.compile(r"\d{1,15}(\.\d{1,15})?", re.ASCII)


def parse_retry_after(value: str, now: datetime | None) -> float | None:
    """Return the seconds that a `Retry-After` asks to wait from `now`, at least 0; `None` if it is invalid.

    A number may have a fraction, which clients accept although RFC 9110 does not. A date in the past is 0. Without
    `now`, a date is invalid.
    """
    text = value.strip(" \t")
    if _SECONDS.fullmatch(text):
        return float(text)
    if now is None:
        return None
    try:
        retry_at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    retry_at = retry_at if retry_at.tzinfo else retry_at.replace(tzinfo=UTC)
    return max(0.0, (retry_at - now).total_seconds())
