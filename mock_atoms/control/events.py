"""Server-sent events: what happens on the server, while it happens."""

import socket
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_atoms.control.endpoints import Endpoint, EndpointGroup
from mock_atoms.control.errors import RequestError
from mock_atoms.control.event_hub import MAX_WATCHERS, EventHub, Watcher
from mock_atoms.control.parsing import TenantQuery
from mock_atoms.core.delays import InterruptedWorkError, ShutdownSignal, run_while_connected
from mock_atoms.core.tenancy import digest_test_id, digest_token
from mock_atoms.journal.events import EventFilter
from mock_atoms.middleware.connection_faults import TRANSPORT
from mock_atoms.middleware.endpoint import HEAD_KEY
from mock_atoms.mock import MockAtoms

if TYPE_CHECKING:
    import asyncio

EVENT_STREAM = "text/event-stream"
_SEND_BUFFER_BYTES = 128 * 1024
_END = {"type": "http.response.body", "body": b""}


class EventEndpoints:
    """Endpoints about events."""

    def __init__(self, mock: MockAtoms) -> None:
        self._mock = mock
        self._hub = EventHub(mock)

    def group(self) -> EndpointGroup:
        """Return the endpoints."""
        full = {503: f"{MAX_WATCHERS} clients watch already"}
        return EndpointGroup(
            "Events",
            "What happens on the server, while it happens.",
            (
                Endpoint(
                    "GET", "/events", self.watch, "Watch events", str, query=TenantQuery, errors=full, text=EVENT_STREAM
                ),
            ),
        )

    async def watch(self, request: Request) -> Response:
        """Send events as they happen, in the format of server-sent events.

        The first one, `connected`, has the current id. With the header `Last-Event-ID`, events follow from that id on.
        A client that the server can not send all events gets `missed`.
        """
        query = TenantQuery.parse(request)
        if self._hub.is_full:
            detail = f"{MAX_WATCHERS} clients watch already: close some connections"
            raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "too many clients watch", detail)
        selected = EventFilter(
            None if query.token is None else digest_token(query.token),
            None if query.token is None else self._mock.journal.credentials.digest(query.token),
            None if query.test_id is None else digest_test_id(query.test_id),
        )
        return EventStreamResponse(self._hub, selected, request.headers.get("last-event-id"), self._mock.end_of_streams)


class EventStreamResponse(Response):
    """A response that sends events until the client disconnects or the server stops.

    Args:
        hub: has the events.
        selected: selects the events.
        last_id: the last event that the client has received; `None` if there is none.
        end: ends the response.
    """

    def __init__(self, hub: EventHub, selected: EventFilter, last_id: str | None, end: ShutdownSignal) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}  # nginx would hold events back
        super().__init__(media_type=EVENT_STREAM, headers=headers)
        del self.headers["content-length"]
        self._hub = hub
        self._selected = selected
        self._last_id = last_id
        self._end = end
        self._is_sending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope.get(HEAD_KEY):
            await send(_END)
            return
        transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
        if transport is not None and not transport.is_closing():
            # By default, the system would hold some megabytes for each client that reads slowly.
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        watcher = self._hub.connect(self._selected)
        try:
            await run_while_connected(self._send_events(watcher, send), receive, self._end)
        except InterruptedWorkError:
            if not self._is_sending:
                await send(_END)
            elif transport is not None:  # the client does not read
                transport.abort()
        finally:
            self._hub.disconnect(watcher)

    async def _send_events(self, watcher: Watcher, send: Send) -> None:
        chunk = await self._hub.begin(watcher, self._last_id)
        while True:
            self._is_sending = True
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._is_sending = False
            chunk = await self._hub.next(watcher)
