"""The start of a connection to a port that speaks HTTPS."""

import asyncio
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from mock_atoms.serving.connection_limits import ConnectionLimits
from mock_atoms.serving.deadline import Deadline
from mock_atoms.serving.refusal import LINGER_SECONDS, PLAIN_HTTP, TLS_HANDSHAKE, Refusal, log_connection


class TlsConnection(asyncio.Protocol):
    """Starts TLS and hands over to HTTP. A client that speaks plain HTTP can read why it is refused.

    `ssl=` of asyncio's servers would close the connection without a word.

    Args:
        create_http: creates the protocol of the connection within TLS.
        context: the certificate.
        timeout: seconds for the first byte, and for the handshake.
        server_state: lists the connections of the server.
        limits: the limits that all connections share.
    """

    def __init__(
        self,
        create_http: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        timeout: float,
        server_state: ServerState,
        limits: ConnectionLimits,
    ) -> None:
        self._create_http = create_http
        self._context = context
        self._timeout = timeout
        self._server_state = server_state
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        self._is_handshake_fed = False
        self._is_refused = False
        self._encrypted = b""
        self._decrypted = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Wait for the first byte."""
        self._transport = transport
        self._client = get_remote_addr(transport)
        self._deadline = Deadline(self._loop, transport.close)
        self._deadline.set(self._timeout)
        self._server_state.connections.add(self)  # type: ignore[arg-type] # for shutdown
        if self._limits.refusal(len(self._server_state.connections)) is not None:
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Start TLS, or refuse what is no handshake. Data within TLS are kept until HTTP has taken over."""
        if self._is_handshake_fed:
            self._decrypted += data
        elif self._task is not None:
            self._encrypted += data
        elif data.startswith(TLS_HANDSHAKE):
            self._encrypted = data
            self._deadline.clear()
            self._task = self._loop.create_task(self._start_tls())
            # `start_tls` replaces the protocol in the next turn of the event loop, and connects it in the one after.
            self._loop.call_soon(self._loop.call_soon, self._feed_handshake)
        elif not self._is_refused:
            self._refuse(Refusal(HTTPStatus.BAD_REQUEST, PLAIN_HTTP))

    async def _start_tls(self) -> None:
        try:
            transport = await self._loop.start_tls(
                self._transport, self, self._context, server_side=True, ssl_handshake_timeout=self._timeout
            )
        except OSError as error:
            reason = getattr(error, "reason", None) or str(error) or "the client closed the connection"
            log_connection(self._client, f"the TLS handshake failed: {reason}")
            return
        finally:
            self._server_state.connections.discard(self)
        if transport is None or transport.is_closing():
            return
        http = self._create_http()
        transport.set_protocol(http)
        http.connection_made(transport)
        if self._decrypted:
            http.data_received(self._decrypted)

    def _feed_handshake(self) -> None:
        """Pass on what was received before TLS started."""
        self._is_handshake_fed = True
        protocol = cast("asyncio.BufferedProtocol", self._transport.get_protocol())
        data = memoryview(self._encrypted)
        while data and not self._transport.is_closing():
            buffer = memoryview(protocol.get_buffer(len(data)))
            size = min(len(buffer), len(data))
            buffer[:size] = data[:size]
            protocol.buffer_updated(size)
            data = data[size:]

    def _refuse(self, refusal: Refusal) -> None:
        refusal.log(self._client)
        self._is_refused = True
        self._transport.write(refusal.render(self._server_state.default_headers))
        self._transport.write_eof()
        self._deadline.set(LINGER_SECONDS)

    def shutdown(self) -> None:
        """Abort the connection, which has no request."""
        self._transport.abort()

    def abort_if_idle(self) -> None:
        """Do nothing: `shutdown` has aborted it."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Forget the connection."""
        self._deadline.cancel()
        self._server_state.connections.discard(self)
