"""An exchange while a pattern is compared with it."""

import json
from functools import cached_property
from typing import Final

from mock_atoms.core.json_parsing import MAX_JSON_DEPTH
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock.json_matching import size_problem
from mock_atoms.wiremock.steps import StepCounter


class _NotJson:
    """Type of `NOT_JSON`."""


NOT_JSON: Final = _NotJson()
"""Value of a text that is not JSON, or that has too many values or levels."""


class Candidate(StepCounter):
    """An exchange that a pattern is compared with. Parses each part of it once, and counts the work.

    Attributes:
        exchange: the exchange.
    """

    _has_looked_up_header = False

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def header_values(self, lower_name: str) -> list[str]:
        """Return the values of a request header. Most patterns have one header condition, so the first scans."""
        if self._has_looked_up_header:
            return self.headers.get(lower_name, [])
        self._has_looked_up_header = True
        headers = self.exchange.head.headers
        self.count_steps(len(headers) // 2)
        values = []
        for name, value in headers:  # a plain loop: this runs for each exchange of a scan
            if name == lower_name:
                values.append(value)
        return values

    @cached_property
    def headers(self) -> dict[str, list[str]]:
        """The values of each request header by its lower-case name."""
        headers: dict[str, list[str]] = {}
        for name, value in self.exchange.head.headers:
            headers.setdefault(name, []).append(value)
        self.count_steps(len(self.exchange.head.headers) // 2)
        return headers

    @cached_property
    def cookies(self) -> dict[str, list[str]]:
        """The values of each cookie."""
        self.count_steps(sum(map(len, self.headers.get("cookie", []))) // 10)
        return self.exchange.cookies()

    @cached_property
    def query_parameters(self) -> dict[str, list[str]]:
        """The decoded values of each query parameter."""
        self.count_steps(len(self.exchange.url) // 10)
        return self.exchange.query_parameters()

    @cached_property
    def body(self) -> list[str]:
        """The recorded request body as text; none if it is empty."""
        return [self.exchange.body_text] if self.exchange.body else []

    def json(self, text: str | None) -> object:
        """Return the value of a JSON text, or `NOT_JSON`."""
        if not text:
            return NOT_JSON
        if text not in self._json_values:
            self.count_steps(5 + len(text) // 20)
            self._json_values[text] = _parse(text)
        return self._json_values[text]

    @cached_property
    def _json_values(self) -> dict[str, object]:
        return {}


def _parse(text: str) -> object:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return NOT_JSON
    return NOT_JSON if size_problem(value, MAX_JSON_DEPTH) else value
