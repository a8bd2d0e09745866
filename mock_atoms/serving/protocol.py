"""How HTTP/1.1 is spoken: uvicorn's protocol, which tells the application its transport, and takes shortcuts."""

import asyncio
from http import HTTPStatus
from types import NoneType
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from mock_atoms.caching.fast_path import FAST_PATH_KEY, FastPath
from mock_atoms.middleware.connection_faults import TRANSPORT


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol on httptools.

    A request that came before, to the byte, is answered by a shortcut as soon as its head has been read: without a
    scope, a task and what else an application needs. All others go uvicorn's way.

    Of requests that come one behind the other, uvicorn tells the last one alone that the connection is lost, and not
    the one that is being answered. Of a request that offers to change the protocol, as those of Java's `HttpClient` do,
    it drops the body, and what comes behind it; here they go on as HTTP/1.1.

    Args:
        given: what uvicorn gives to its protocols.
        shortcuts: the shortcuts; where there are none, all requests go uvicorn's way.
    """

    def __init__(self, *given: Any, fast_path: FastPath | None = None, **named: Any) -> None:  # noqa: ANN401 - see above
        super().__init__(*given, **named)
        self._fast_path = fast_path
        self._is_answered = False
        self._idle_since: float | None = None
        self._cycles: list[RequestResponseCycle] = []
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._start = STATUS_LINE[HTTPStatus.OK]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Begin to serve a connection."""
        super().connection_made(transport)
        if self._fast_path is not None:
            self._connection_hash = self._fast_path.connection_hash(self.scheme, self.server)

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        self._is_answered = False
        self._idle_since = None
        try:
            while data:
                data = self._read(data)
        except httptools.HttpParserError as error:
            if not isinstance(error.__context__, (httptools.HttpParserError, NoneType)):
                raise error.__context__ from None  # a bug of ours, which the parser wraps: the client did no wrong
            problem = "Invalid HTTP request received."
            self.logger.warning(problem)
            self.send_400_response(problem)
            return
        if self._is_answered:
            self._idle_since = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._look_again(self.timeout_keep_alive)

    def _read(self, data: bytes) -> bytes:
        """Read `data` to the end, or until the parser gives up at an `Upgrade`: return what is to be read then."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.scope["method"] == "CONNECT":
                return b""
            lines = [b"%s %s HTTP/%s" % (self.scope["method"].encode(), self.url, self.scope["http_version"].encode())]
            lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
            self.parser = httptools.HttpRequestParser(_UpgradedHead(self))
            return b"\r\n".join([*lines, b"", data[upgrade.args[0] :]])
        return b""

    def on_headers_complete(self) -> None:
        """Answer a request, or begin to serve it."""
        if self._fast_path is None:
            self._serve({TRANSPORT: self.transport})
            return
        version = self.parser.get_http_version()
        digest = self._fast_path.digest(
            self._connection_hash, self.parser.get_method(), version, self.url, self.headers
        )
        self._is_answered = self._answer_at_once(self._fast_path, digest)
        if not self._is_answered:
            # Of a connection that ends with the answer, or that is to be for another protocol, there is none.
            is_plain = version == "1.1" and self.parser.should_keep_alive() and not self.parser.should_upgrade()
            self._serve({TRANSPORT: self.transport, FAST_PATH_KEY: digest if is_plain else None})

    def _answer_at_once(self, fast_path: FastPath, digest: bytes) -> bool:
        """Answer a request if there is a shortcut, it is its turn, and its client reads; tell whether that was so."""
        is_in_turn = not self._cycles or self._cycles[-1].response_complete
        if not is_in_turn or self.flow.write_paused or self.transport.is_closing():
            return False
        answer = fast_path.answer(digest, self.client, self._start_of_answer())
        if answer is None:
            return False
        self.transport.write(answer)
        self.server_state.total_requests += 1
        return True

    def _serve(self, extensions: dict[str, Any]) -> None:
        """Let the application answer a request."""
        self.scope["extensions"] = extensions
        super().on_headers_complete()
        self._cycles = [cycle for cycle in (*self._cycles, self.cycle) if not cycle.response_complete]

    def _start_of_answer(self) -> bytes:
        """Return the status line, and the headers that uvicorn gives to every answer."""
        headers = self.server_state.default_headers
        if headers is not self._default_headers:  # uvicorn makes others each second
            self._default_headers = headers
            self._start = STATUS_LINE[HTTPStatus.OK] + b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._start

    def on_message_complete(self) -> None:
        """End a request, unless it was answered, or its body is still to be read."""
        if not self._is_answered and (not self.parser.should_upgrade() or self.scope["method"] == "CONNECT"):
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """End an answer that the application gave."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None:  # nothing waits behind it
            self._idle_since = self.loop.time()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing came for so long.

        One timer sees to that, and looks again later where something came since it was set: uvicorn would set one
        anew for each request.
        """
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # the answer will set another
        rest = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self._look_again(rest)
        else:
            super().timeout_keep_alive_handler()

    def _look_again(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def leave_if_idle(self) -> None:
        """Leave a connection that is closed and has nothing to send: over TLS its client would have to agree."""
        has_no_matching_rule = not self._cycles or self._cycles[-1].response_complete
        if has_no_matching_rule and self.transport.is_closing() and not self.transport.get_write_buffer_size():
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all that is being answered."""
        super().connection_lost(exc)
        for cycle in self._cycles:
            cycle.disconnected = True
            cycle.message_event.set()


class _UpgradedHead:
    """Hears a parser for a protocol that knows the next head already: all that is behind it is passed on."""

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol
        self._is_behind = False
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        if self._is_behind:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Read a piece of a URL."""
        if self._is_behind:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header."""
        if self._is_behind:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head."""
        if self._is_behind:
            self._protocol.on_headers_complete()
        self._is_behind = True
