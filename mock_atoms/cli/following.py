"""Requests of a running server as they end."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

POLL_SECONDS = 0.2
_OVERLAP = timedelta(seconds=1)
"""How much later than another request a request may be recorded that arrived before it: by another server."""

Event = dict[str, Any]


class Follower:
    """Finds the requests that have ended since the last look.

    Args:
        read: returns requests, the newest first, for query parameters of `GET /__admin/requests`.
        filters: query parameters that select requests.
        limit: how many requests that have ended before are found first.
    """

    def __init__(
        self, read: Callable[[Mapping[str, str]], list[Event]], filters: Mapping[str, str], limit: int
    ) -> None:
        self._read = read
        # A request in flight has no status yet.
        self._status = filters.get("status")
        self._filters = {name: value for name, value in filters.items() if name != "status"}
        self._first_limit: int | None = limit
        self._since: str | None = None
        self._found: set[str] = set()

    def look(self) -> list[Event]:
        """Return the requests that have ended since the last look, in the order of their arrival."""
        query = self._filters if self._since is None else {**self._filters, "since": self._since}
        events = self._read(query)[::-1]
        ended = [event for event in events if event["request"]["mockAtoms"]["ended"] is not None]
        new = [event for event in ended if event["id"] not in self._found]
        self._found = {event["id"] for event in ended}
        in_flight = [event for event in events if event["id"] not in self._found]
        if events:
            oldest = (in_flight or events[-1:])[0]["request"]["loggedDateString"]
            since = datetime.fromisoformat(oldest) - _OVERLAP
            self._since = since.isoformat(timespec="milliseconds")
        matching = [event for event in new if self._has_status(event)]
        if self._first_limit is not None:
            matching, self._first_limit = matching[max(0, len(matching) - self._first_limit) :], None
        return matching

    def _has_status(self, event: Event) -> bool:
        return self._status is None or self._status == str(event["request"]["mockAtoms"]["status"] or 0)

    def follow(self, sleep: Callable[[float], None] = time.sleep) -> Iterator[Event]:
        """Yield requests as they end, without an end."""
        while True:
            yield from self.look()
            sleep(POLL_SECONDS)
