"""Filters of HTTP status codes."""

import re

from mock_atoms.core.masking import quote_value

STATUS_PATTERN = "^([0-9]{1,3}|[1-5][xX]{2})$"


def parse_statuses(text: str) -> range:
    """Return the status codes that a filter selects: `404`, or the class `4xx`. 0 is no response.

    Raises:
        ValueError: `text` is neither.
    """
    if not re.fullmatch(STATUS_PATTERN, text):
        raise ValueError(f"{quote_value(text)} is not a status code such as 404 or a class such as 4xx")
    if text.isdecimal():
        return range(int(text), int(text) + 1)
    first = int(text[0]) * 100
    return range(first, first + 100)
