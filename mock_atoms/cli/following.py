"""Requests of a running server as they end."""

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mock_atoms.core.addresses import full_path
from mock_atoms.core.http_text import PathTemplate
from mock_atoms.core.statuses import parse_statuses
from mock_atoms.journal.exchange import RESPONDED

if TYPE_CHECKING:
    from mock_atoms.testing.client import MockClient

Exchange = dict[str, Any]
"""A request and its response, as `GET /__admin/requests` lists them."""


class Selection:
    """Selects exchanges, as the query parameters of `GET /__admin/requests` do.

    Args:
        base_path: base path of the API.
        filters: the parameters. A token and a test id are selected by the server.
    """

    def __init__(self, base_path: str, filters: Mapping[str, str]) -> None:
        self._method = filters.get("method", "").upper()
        status = filters.get("status")
        self._statuses = None if status is None else parse_statuses(status)
        self._is_failed = filters.get("failed") == "true"
        path = filters.get("path")
        self._path = None if path is None else PathTemplate(full_path(base_path, path), trailing_slash=True)

    def matches(self, exchange: Exchange) -> bool:
        """Return whether to select an exchange that has ended."""
        request = exchange["request"]
        own = request["mockAtoms"]
        path = request["url"].partition("?")[0]
        return (
            self._method in ("", request["method"].upper())
            and (self._statuses is None or (own["status"] or 0) in self._statuses)
            and not (self._is_failed and has_succeeded(own))
            and (self._path is None or self._path.match(path) is not None)
        )


def has_succeeded(own: Mapping[str, Any]) -> bool:
    """Return whether a request got a complete, well-formed response below 400, given its `mockAtoms`."""
    return own["ended"] == RESPONDED and own["status"] < HTTPStatus.BAD_REQUEST and not own["malformedBody"]


def follow(
    client: "MockClient",
    read: Callable[[], list[Exchange]],
    filters: Mapping[str, str],
    on_missed: Callable[[int | None], None],
) -> Iterator[Exchange]:
    """Yield exchanges that have ended, and then all others as they end, until the server stops.

    Args:
        client: client of the server.
        read: returns the exchanges to yield first, the newest first.
        filters: query parameters that select exchanges.
        on_missed: is called with the number of events that the server could not send, if it is known.
    """
    with client.events(token=filters.get("token"), test_id=filters.get("testId")) as events:
        # The stream is connected, so an exchange that ends now is in the list, in the stream or in both.
        listed = [exchange for exchange in reversed(read()) if exchange["request"]["mockAtoms"]["ended"] is not None]
        yield from listed
        known = {exchange["id"] for exchange in listed}
        selection = Selection(client.url.removeprefix(client.root_url), filters)
        for event in events:
            if event.name == "missed":
                on_missed(event.data["dropped"])
            elif event.name == "exchange-ended" and event.data["id"] not in known and selection.matches(event.data):
                yield event.data
