"""HTTP/1.1 on the socket: uvicorn's protocol with the fast path, limits and access to the transport."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mock_atoms.app import is_own_path
from mock_atoms.core.http_text import MAX_REQUEST_HEAD_BYTES, unquote
from mock_atoms.core.settings import DEFAULT_KEEP_ALIVE, DEFAULT_REQUEST_TIMEOUT
from mock_atoms.core.slices import start_outside_request
from mock_atoms.journal.exchange import CONTEXT_KEY
from mock_atoms.journal.request_reader import RawRequest
from mock_atoms.middleware.connection_faults import TRANSPORT
from mock_atoms.serving.connection_limits import ConnectionLimits, WaitingBytes
from mock_atoms.serving.deadline import Deadline
from mock_atoms.serving.fast_path import FastConnection, FastPath
from mock_atoms.serving.half_closed import close_half_closed
from mock_atoms.serving.phase import BODY, HEAD, NONE
from mock_atoms.serving.refusal import (
    LINGER_SECONDS,
    Refusal,
    check_head_size,
    refusal_of,
    timed_out,
    too_long,
)
from mock_atoms.serving.response_cycle import ResponseCycle
from mock_atoms.serving.scope import http_scope
from mock_atoms.serving.upgrade import AfterFirstHead, head_without_upgrade

PARSED_PIECE_BYTES = 4096
"""Number of bytes in one call of the parser; they contain at most a few hundred requests."""
REQUESTS_PER_TURN = 32
HEAD_BYTES_PER_TURN = 2 * PARSED_PIECE_BYTES
RESPONSE_BYTES_PER_TURN = 64 * 1024
"""Number of pipelined requests, and of bytes, after which other connections get their turn."""
_STALE_SECONDS = 1


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools, with these changes.

    - The fast path responds to most requests as soon as their head has been read, without scope or task.
    - Every response announces how long the connection is kept, or that it is closed.
    - Clients that send too slowly, too long a head or no HTTP get a refusal, after the responses that are due.
    - Pipelined requests are parsed in small pieces, and only while no other response is due.
    - A request that offers another protocol (`Upgrade`, as Java's `HttpClient` sends it) continues as HTTP/1.1.
      uvicorn drops its body and everything after it.

    Args:
        args: positional arguments of uvicorn's protocol.
        fast_path: the fast path; `None` sends all requests to the application.
        keep_alive: seconds that an idle connection is kept; 0 closes it after each response.
        request_timeout: seconds for a complete head, for the next part of a body, and to read more of a response.
        limits: the limits that all connections share; separate ones by default.
        kwargs: keyword arguments of uvicorn's protocol.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - uvicorn's
        fast_path: FastPath | None = None,
        keep_alive: float = DEFAULT_KEEP_ALIVE,
        request_timeout: float = DEFAULT_REQUEST_TIMEOUT,
        limits: ConnectionLimits | None = None,
        **kwargs: Any,  # noqa: ANN401 - the same
    ) -> None:
        super().__init__(*args, **kwargs)
        self.cycle: ResponseCycle | None  # type: ignore[assignment] # `None` before the first request
        self._fast_path = fast_path
        self._fast: FastConnection | None = None
        self._took_fast_path = False
        self._keep_alive_headers = (
            [(b"connection", b"keep-alive"), (b"keep-alive", b"timeout=%d" % keep_alive)] if keep_alive else []
        )
        self._request_timeout = request_timeout
        self._deadline = Deadline(self.loop, self._on_deadline)
        self._limits = limits or ConnectionLimits()
        self._phase = NONE
        self._is_new_head = self._is_stale = False
        self._bytes_without_body = self._requests_in_turn = self._response_bytes_in_turn = 0
        self._unparsed = b""
        self._running: ResponseCycle | None = None
        self._refusal: Refusal | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Start to serve a connection."""
        super().connection_made(transport)
        self._waiting = WaitingBytes(self._limits, self._request_timeout, transport)
        self._refusal = self._limits.refusal(len(self.connections))
        if self._refusal is not None:
            transport.write(self._refusal.render(self.server_state.default_headers))
            transport.close()
            return
        self._deadline.set(self._request_timeout)
        if self._fast_path is not None:
            self._fast = FastConnection(
                self._fast_path, self.scheme or "", self.server, self.client, self._keep_alive_headers
            )

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, or hold them until the responses before them are complete."""
        if self._refusal is not None:
            return
        if self._unparsed or (self._running is not None and self._is_response_due()):
            self._hold(data)
        else:
            self._parse_turn(data)

    def _is_response_due(self) -> bool:
        """Return whether a complete request waits for its response, so that the next one has to wait too."""
        return self._running is not None and self._phase is NONE

    def _hold(self, data: bytes) -> None:
        self._unparsed += data
        self._waiting.set_received(len(self._unparsed))
        if len(self._unparsed) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def _parse_turn(self, data: bytes) -> None:
        """Parse `data` until a response is due, or until other connections should get their turn."""
        if self._is_stale and self._running is None and self._phase is not BODY:
            self.transport.close()
            return
        self._requests_in_turn = self._response_bytes_in_turn = 0
        position, size = 0, len(data)
        try:
            while position < size and self._requests_in_turn < REQUESTS_PER_TURN:
                piece = data[position : position + PARSED_PIECE_BYTES]
                position += PARSED_PIECE_BYTES
                self._bytes_without_body += PARSED_PIECE_BYTES if position <= size else size % PARSED_PIECE_BYTES
                if rest := self._parse(piece):
                    data = rest + data[position:]
                    position, size = 0, len(data)
                if self._bytes_without_body > MAX_REQUEST_HEAD_BYTES and self._phase is not NONE:
                    raise too_long()
                if self._is_response_due() or (position >= HEAD_BYTES_PER_TURN and self._phase is not BODY):
                    break
        except Refusal as refusal:
            self._refuse(refusal)
        else:
            if position < size:
                self._hold(data[position:])
                if not self._is_response_due():
                    self.loop.call_soon(self._parse_unparsed)
            self._set_deadline()

    def _parse_unparsed(self) -> None:
        if self.transport.is_closing() or self._refusal is not None or self._is_response_due():
            return
        data, self._unparsed = self._unparsed, b""
        self._waiting.set_received(0)
        self._parse_turn(data)
        if not self._unparsed:
            self.flow.resume_reading()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio closes the connection unless it is true
        """Keep the connection of a client that sends nothing more, for a response that is due shortly."""
        is_kept = (self._is_response_due() or bool(self._unparsed)) and self.transport.can_write_eof()
        if is_kept:
            self.timeout_keep_alive = 0
            self._run(close_half_closed(self.transport, lambda: (self._running, len(self._unparsed))))
        return is_kept

    def _set_deadline(self) -> None:
        """Set the time by which the client must send more."""
        if self._phase is BODY:
            self._deadline.set(self._request_timeout)
        elif self._running is not None:
            self._deadline.clear()
        elif self._phase is NONE:
            if self.headers is not None:  # set by the first request
                self._deadline.set(self.timeout_keep_alive)
        elif self._is_new_head:
            self._is_new_head = False
            self._deadline.set(self._request_timeout)

    def _on_deadline(self) -> None:
        if self._refusal is not None or self._phase is NONE:
            self.transport.close()
        elif self.flow.read_paused:
            self._deadline.set(self._request_timeout)  # the client has to wait for the application
        else:
            part = "request line and headers" if self._phase is HEAD else "body"
            self._refuse(timed_out(self._request_timeout, part))

    def _parse(self, data: bytes) -> bytes:
        """Parse `data`. Return the bytes to parse next if the parser stopped at an `Upgrade`.

        Raises:
            Refusal: the data are no request, or too long a one.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.scope["method"] == "CONNECT":
                return b""
            self.parser = httptools.HttpRequestParser(AfterFirstHead(self))
            self._bytes_without_body = 0
            return head_without_upgrade(self.scope, self.url) + data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            raise refusal_of(error, data) from None
        return b""

    def on_message_begin(self) -> None:
        """Start a request."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = self._took_fast_path = False
        self._phase = HEAD
        self._is_new_head = True
        self._bytes_without_body = 0

    def on_headers_complete(self) -> None:
        """Respond on the fast path or run the application."""
        self._requests_in_turn += 1
        if self._bytes_without_body > MAX_REQUEST_HEAD_BYTES - PARSED_PIECE_BYTES:
            check_head_size(self.url, self.headers)
        can_send = self._running is None and not self.flow.write_paused and not self.transport.is_closing()
        has_room = self._response_bytes_in_turn < RESPONSE_BYTES_PER_TURN
        is_short = self._bytes_without_body <= PARSED_PIECE_BYTES  # the application masks long heads in slices
        fast = self._fast if can_send and has_room and is_short else None
        is_kept = bool(self._keep_alive_headers) and self.parser.should_keep_alive()
        if fast is not None:
            default_headers = self.server_state.default_headers
            response = fast.respond_again(self.parser, self.url, self.headers, default_headers, is_kept=is_kept)
            if response is not None:
                self._send(response, is_kept=is_kept)
                return
        request = self._read_request()
        path = unquote(request.raw_path.decode("ascii"))
        extensions: dict[str, Any] = {TRANSPORT: self.transport}
        needs_more = self.parser.should_upgrade() or self.expect_100_continue
        if fast is not None and request.http_version == "1.1" and not needs_more and not is_own_path(path):
            context = extensions[CONTEXT_KEY] = fast.reader.read(request)
            response = fast.respond(context)
            if response is not None:
                self._send(response, is_kept=is_kept)
                return
        self._run_application(request, path, extensions)

    def _send(self, response: bytes, *, is_kept: bool) -> None:
        """Send a response of the fast path, and close the connection unless it is kept."""
        self._took_fast_path = True
        self.transport.write(response)
        if not is_kept:
            self.transport.close()
        self._response_bytes_in_turn += len(response)
        self.server_state.total_requests += 1
        self._phase = BODY

    def _read_request(self) -> RawRequest:
        target = httptools.parse_url(self.url)
        return RawRequest(
            self.parser.get_method().decode("ascii"),
            target.path or b"/",  # an absolute URL needs no path
            target.query or b"",
            self.headers,
            self.scheme or "",
            self.parser.get_http_version(),
            self.server,
            self.client,
        )

    def _run_application(self, request: RawRequest, path: str, extensions: dict[str, Any]) -> None:
        self.scope = http_scope(request, path, self.config.asgi_version, self.app_state, extensions)
        is_kept = bool(self._keep_alive_headers) and request.method != "CONNECT"
        cycle = ResponseCycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=is_kept and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        cycle.keep_alive_headers = self._keep_alive_headers
        self.headers = []  # the trailers of a chunked body are no headers
        self.cycle = cycle
        self._phase = BODY
        if self._running is None and not self.transport.is_closing():
            self._start(cycle)
        else:
            self.pipeline.appendleft((cycle, self.app))

    def _start(self, cycle: ResponseCycle) -> None:
        self._running = cycle
        self._run(cycle.run_asgi(self.app))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = start_outside_request(work)  # the previous request may start the next one
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        """Add a part of a request body."""
        self._bytes_without_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, unless the fast path responded or its body follows after an `Upgrade`."""
        if not self.parser.should_upgrade() or self.scope["method"] == "CONNECT":
            self._phase = NONE
            if not self._took_fast_path:
                super().on_message_complete()

    def on_response_complete(self) -> None:
        """End a response of the application, and start the next one that is due."""
        self.server_state.total_requests += 1
        self._running = None
        if self.transport.is_closing():
            return
        if self._is_stale and (self.pipeline or self._unparsed or self._phase is HEAD):
            self.transport.close()
        elif self.pipeline:
            self._start(self.pipeline.pop()[0])  # type: ignore[arg-type] # all are ours
        elif self._refusal is not None:
            self._send_refusal(self._refusal)
        elif self._unparsed:
            self.loop.call_soon(self._parse_unparsed)
        else:
            self.flow.resume_reading()
            idle_seconds = _STALE_SECONDS if self._is_stale else self.timeout_keep_alive
            self._deadline.set(idle_seconds if self._phase is NONE else self._request_timeout)

    def close_before_next_request(self) -> None:
        """Close the connection silently after the current response: when more is received, or a second later."""
        self._is_stale = True

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse the rest of what the client sends, after the responses that are due."""
        self._refusal = refusal
        self._unparsed = b""
        if self._phase is BODY and self.cycle is not None:
            if self.cycle.response_started:
                self.transport.close()  # the response cannot be replaced
                return
            self.cycle.refuse(refusal)
            if self._running is self.cycle:
                self._running = None
            else:
                self.pipeline.popleft()
        refusal.log(self.client)
        if self._running is None:
            self._send_refusal(refusal)

    def _send_refusal(self, refusal: Refusal) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(refusal.render(self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline.set(LINGER_SECONDS)

    def pause_writing(self) -> None:
        """Wait until the client reads."""
        super().pause_writing()
        self._waiting.start_reading()

    def resume_writing(self) -> None:
        """Continue to write."""
        super().resume_writing()
        self._waiting.end_reading()

    def shutdown(self) -> None:
        """Close the connection as soon as no response is due."""
        if self._running is None or self.cycle is None:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def abort_if_idle(self) -> None:
        """Abort a closing connection that has nothing to send. Over TLS, closing would wait for the client."""
        if self._running is None and self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the request in progress."""
        super().connection_lost(exc)
        self._deadline.cancel()
        self._waiting.close()
        self.pipeline.clear()
        self._unparsed = b""
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        # Without its reference cycles, a closed connection is freed now, and not by a full garbage collection.
        self.cycle = self._running = self._refusal = None
        self.parser = None  # type: ignore[assignment] # nothing is parsed any more
