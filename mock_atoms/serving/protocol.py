"""HTTP/1.1 on the socket: uvicorn's protocol with the fast path and access to the transport."""

import asyncio
from http import HTTPStatus
from types import NoneType
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from mock_atoms.caching.fast_path import FastPath
from mock_atoms.journal.exchange import RECEIVED_KEY, ReceivedHead
from mock_atoms.middleware.connection_faults import TRANSPORT


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, with three changes.

    - The fast path responds to a repeated request as soon as its head has been read, without scope or task.
    - If the connection is lost, every pipelined request is notified. uvicorn notifies only the last one.
    - A request that offers another protocol (`Upgrade`, as Java's `HttpClient` sends it) continues as HTTP/1.1.
      uvicorn drops its body and everything after it.

    Args:
        args: positional arguments of uvicorn's protocol.
        fast_path: the fast path; `None` sends all requests to the application.
        kwargs: keyword arguments of uvicorn's protocol.
    """

    def __init__(self, *args: Any, fast_path: FastPath | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **kwargs)
        self._fast_path = fast_path
        self._took_fast_path = False
        self._idle_since: float | None = None
        self._cycles: list[RequestResponseCycle] = []
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._response_prefix = STATUS_LINE[HTTPStatus.OK]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Start to serve a connection."""
        super().connection_made(transport)
        if self._fast_path is not None:
            self._connection_hash = self._fast_path.connection_hash(self.scheme, self.server)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes."""
        self._took_fast_path = False
        self._idle_since = None
        try:
            while data:
                data = self._parse(data)
        except httptools.HttpParserError as error:
            if not isinstance(error.__context__, (httptools.HttpParserError, NoneType)):
                raise error.__context__ from None  # our own exception, wrapped by the parser: not a bad request
            problem = "Invalid HTTP request received."
            self.logger.warning(problem)
            self.send_400_response(problem)
            return
        if self._took_fast_path:
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._schedule_idle_check(self.timeout_keep_alive)

    def _parse(self, data: bytes) -> bytes:
        """Parse `data`. Return the bytes to parse next if the parser stopped at an `Upgrade`."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.scope["method"] == "CONNECT":
                return b""
            head = [b"%s %s HTTP/%s" % (self.scope["method"].encode(), self.url, self.scope["http_version"].encode())]
            head += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
            self.parser = httptools.HttpRequestParser(_AfterFirstHead(self))
            return b"\r\n".join([*head, b"", data[upgrade.args[0] :]])
        return b""

    def on_headers_complete(self) -> None:
        """Respond on the fast path or run the application."""
        if self._fast_path is None:
            self._run_application({TRANSPORT: self.transport})
            return
        version = self.parser.get_http_version()
        digest = self._fast_path.digest(
            self._connection_hash, self.parser.get_method(), version, self.url, self.headers
        )
        self._took_fast_path = self._try_fast_path(self._fast_path, digest)
        if not self._took_fast_path:
            is_reusable = version == "1.1" and self.parser.should_keep_alive() and not self.parser.should_upgrade()
            self._run_application({TRANSPORT: self.transport, RECEIVED_KEY: ReceivedHead(digest, is_reusable)})

    def _try_fast_path(self, fast_path: FastPath, digest: bytes) -> bool:
        """Respond to a repeated request whose turn it is and whose client reads. Return `False` for others."""
        is_in_turn = not self._cycles or self._cycles[-1].response_complete
        if not is_in_turn or self.flow.write_paused or self.transport.is_closing():
            return False
        response = fast_path.respond(digest, self.client, self._current_response_prefix())
        if response is None:
            return False
        self.transport.write(response)
        self.server_state.total_requests += 1
        return True

    def _run_application(self, extensions: dict[str, Any]) -> None:
        self.scope["extensions"] = extensions
        super().on_headers_complete()
        self._cycles = [cycle for cycle in (*self._cycles, self.cycle) if not cycle.response_complete]

    def _current_response_prefix(self) -> bytes:
        """Return the status line and the headers that uvicorn adds to every response."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:  # uvicorn replaces them every second
            self._default_headers = headers
            self._response_prefix = STATUS_LINE[HTTPStatus.OK] + b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._response_prefix

    def on_message_complete(self) -> None:
        """End a request, unless the fast path responded or its body follows after an `Upgrade`."""
        if not self._took_fast_path and (not self.parser.should_upgrade() or self.scope["method"] == "CONNECT"):
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """End a response of the application."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:  # no pipelined request waits
            self._idle_since = self.loop.time()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it has been idle for the keep-alive timeout; otherwise check again later.

        One timer per connection is cheaper than uvicorn's timer per request.
        """
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # the end of the current response starts another timer
        remaining = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if remaining > 0:
            self._schedule_idle_check(remaining)
        else:
            super().timeout_keep_alive_handler()

    def _schedule_idle_check(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def abort_if_idle(self) -> None:
        """Abort a closing connection that has nothing to send. Over TLS, closing would wait for the client."""
        is_idle = not self._cycles or self._cycles[-1].response_complete
        if is_idle and self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify all requests in progress."""
        super().connection_lost(exc)
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()


class _AfterFirstHead:
    """Parser callbacks that skip the first head, which the protocol has handled, and forward everything after it."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol
        self._is_after_head = False
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        """Start a request."""
        if self._is_after_head:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Add a part of a URL."""
        if self._is_after_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        if self._is_after_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head."""
        if self._is_after_head:
            self._protocol.on_headers_complete()
        self._is_after_head = True
