"""Long work of the control API: in slices, until the client disconnects."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mock_atoms.control.errors import RequestError
from mock_atoms.core.delays import InterruptedWorkError, ShutdownSignal, run_while_connected
from mock_atoms.core.json_stream import Chunk, json_pieces, next_chunk
from mock_atoms.core.slices import Slices, Steps, free_unshared
from mock_atoms.mock import MockAtoms

Result = TypeVar("Result")
_FEW = 100
"""Number of objects that are freed with their response."""


async def run_steps(mock: MockAtoms, request: Request, steps: Steps[Result]) -> Result:
    """Return the result of `steps`, which run in slices.

    Raises:
        RequestError: the client has disconnected, or the server shuts down.
    """
    ended = mock.slices.begin(steps)
    if ended is not None:
        return ended[0]
    try:
        return await run_while_connected(mock.slices.run(steps), request.receive, mock.shutdown_signal)
    except InterruptedWorkError:
        detail = "the server shuts down: send the request again when it has restarted"
        raise RequestError(HTTPStatus.SERVICE_UNAVAILABLE, "shutting down", detail) from None


class LongResponse(Response):
    """A response that is rendered in slices while it is sent. A short one has a `Content-Length`.

    Args:
        slices: runs the work.
        pieces: pieces of the text; an empty piece is a pause.
        media_type: the content type.
        headers: further headers.
        kept: the objects that the pieces need. Many are freed in slices after the response, because other requests may
            have deleted them meanwhile.
    """

    def __init__(
        self,
        slices: Slices,
        pieces: Iterator[str],
        media_type: str,
        headers: Mapping[str, str] | None = None,
        kept: list[Any] | None = None,
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self._slices = slices
        self._pieces = pieces
        self._kept = [] if kept is None else kept

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, unless the client disconnects."""
        steps = next_chunk(self._pieces)
        finished = self._slices.begin(steps)
        sending = self._send(send, steps, finished)
        if finished is not None and not finished[0].more:
            await sending
        else:
            with suppress(InterruptedWorkError):
                await run_while_connected(sending, receive, ShutdownSignal())
        if len(self._kept) > _FEW:
            self._pieces = iter(())
            await self._slices.run_promptly(free_unshared(self._kept))

    async def _send(self, send: Send, steps: Steps[Chunk], finished: tuple[Chunk] | None) -> None:
        chunk, more = await self._slices.run(steps) if finished is None else finished[0]
        if not more:
            self.headers["content-length"] = str(len(chunk))
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while more:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0)  # sending to a fast client and rendering for less than a slice both do not wait
            chunk, more = await self._slices.run(next_chunk(self._pieces))
        await send({"type": "http.response.body", "body": chunk})


def long_json(
    mock: MockAtoms, content: object, headers: Mapping[str, str] | None = None, kept: list[Any] | None = None
) -> Response:
    """Return a JSON response with `content`, which may have generators and functions, see `json_pieces`.

    Args:
        mock: the server.
        content: the content.
        headers: further headers.
        kept: the objects that the content needs, see `LongResponse`.
    """
    return LongResponse(mock.slices, json_pieces(content), "application/json", headers, kept)
