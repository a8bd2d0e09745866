"""Server-sent events of a running mock server. Needs only the standard library."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from mock_atoms.testing.control_api import ControlError

_CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class MockEvent:
    """One event of a server; docs/control-api.md lists them.

    Attributes:
        name: what happened, such as `exchange-ended`.
        data: JSON, such as an exchange.
        id: its id, to continue after it.
    """

    name: str
    data: Any
    id: str


class EventStream:
    """The events of a server, as they happen. Iterate over it, and close it or use it in a `with` block.

    It ends when the server stops.

    Args:
        connection: the connection, which it closes.
        response: the response of the server.

    Attributes:
        last_id: id of the latest event.

    Raises:
        ControlError: the server sends no events.
    """

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self._events = self._read()
        self.last_id = ""
        first = next(self._events, None)
        if first is None or first.name != _CONNECTED:
            self.close()
            raise ControlError("GET /events: the response is not from a mock-atoms control API")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> MockEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._connection.close()

    def _read(self) -> Iterator[MockEvent]:
        """Yield the events until the server ends them."""
        fields: dict[str, str] = {}
        try:
            for line in self._response:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    self.last_id = fields["id"]
                    yield MockEvent(fields["event"], json.loads(fields["data"]), fields["id"])
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            self.close()
            raise ControlError(f"the server sends no more events: {str(error) or type(error).__name__}") from None
        self.close()
