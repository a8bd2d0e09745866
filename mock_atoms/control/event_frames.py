"""Events in the format of server-sent events."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from mock_atoms.core.json_stream import dump_json
from mock_atoms.journal.events import STARTED, Event, EventId
from mock_atoms.journal.exchange import NO_RESPONSE, Exchange
from mock_atoms.mock import MockAtoms
from mock_atoms.wiremock.responses import serve_event

CONNECTED = "connected"
MISSED = "missed"
HEARTBEAT = b":\n\n"
RETRY_MS = 1_000
"""How long a browser waits before it connects again."""
_ID = re.compile(r"([0-9a-f]{8})-(\d{1,18})\.(\d{1,18})", re.ASCII)


class EventFrames:
    """Renders the events of one server.

    Args:
        mock: the server.
    """

    def __init__(self, mock: MockAtoms) -> None:
        self._attempts = mock.attempt_counter
        self._body_cap = mock.settings.journal_body
        self._stubs = mock.stubs
        # Ids of another server, or of this one before a restart, are unknown. Servers with one store share the digest.
        self._prefix = mock.journal.credentials.digest("event ids")[:4].hex()

    def parse_id(self, text: str) -> EventId | None:
        """Return an id as `Last-Event-ID` has it; `None` if it is no id of this server."""
        match = _ID.fullmatch(text)
        return (int(match[2]), int(match[3])) if match and match[1] == self._prefix else None

    def id_text(self, event_id: EventId) -> str:
        """Return an id as text."""
        return f"{self._prefix}-{event_id[0]}.{event_id[1]}"

    def connected(self, event_id: EventId) -> bytes:
        """Return the first event of each client: the id after which it receives all events."""
        return b"retry: %d\n%b" % (RETRY_MS, self._frame(CONNECTED, event_id, {"id": self.id_text(event_id)}))

    def missed(self, event_id: EventId, dropped: int | None) -> bytes:
        """Return the event of a client that misses events.

        Args:
            event_id: an id after the missing events and before the next one.
            dropped: their number; `None` if it is unknown.
        """
        return self._frame(MISSED, event_id, {"dropped": dropped})

    def render(self, event: Event) -> bytes:
        """Return an event as clients receive it."""
        content = event.content
        if isinstance(content, Exchange):
            return self._frame(event.kind, event.id, self._exchange_json(event.kind, content))
        return self._frame(event.kind, event.id, content() if callable(content) else content)

    def _exchange_json(self, kind: str, exchange: Exchange) -> Mapping[str, Any]:
        if kind != STARTED:
            return self._serve_event(exchange, exchange.attempt)
        attempt = self._attempts.expected(exchange) if exchange.ended is None else exchange.attempt
        started = replace(
            exchange,
            ended=None,
            ended_at=None,
            response_started_at=None,
            status=0,
            response_head=NO_RESPONSE,
            bytes_sent=0,
            reason=None if exchange.is_matched else exchange.reason,
        )
        return self._serve_event(started, attempt)

    def _serve_event(self, exchange: Exchange, attempt: int) -> Mapping[str, Any]:
        """Return an exchange with the name of its stub. The complete stub would be repeated in each event."""
        event = serve_event(exchange, attempt, self._body_cap)
        if "stubMapping" in event and (stub := self._stubs.get(event["stubMapping"]["id"])) is not None:
            event["stubMapping"] |= {name: value for name, value in stub.as_json().items() if name == "name"}
        return event

    def _frame(self, kind: str, event_id: EventId, content: Mapping[str, Any]) -> bytes:
        try:
            text = to_json(content)  # takes a tenth of the time
        except PydanticSerializationError:  # half of a surrogate pair
            text = dump_json(content).encode(errors="replace")
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self.id_text(event_id).encode(), kind.encode(), text)
