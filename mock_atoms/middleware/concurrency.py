"""A limit for the requests whose long work runs at the same time."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.core.slices import Slices
from mock_atoms.journal.exchange import CONTEXT_KEY, RequestContext

SLOT_KEY = "mock_atoms.slot"
"""Key of the slot in the ASGI scope of a request whose caller still needs the slot once the response has started."""


class ConcurrencyLimitMiddleware:
    """Limits the number of requests whose long work runs at the same time, so that their memory is limited too.

    A request holds its slot until its response starts: a client that reads slowly holds none. Tokens take turns: many
    requests with one token do not hold up those with another.

    Args:
        app: the application whose long work is limited.
        slices: runs the work.
    """

    def __init__(self, app: ASGIApp, slices: Slices) -> None:
        self._app = app
        self._slices = slices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if SLOT_KEY in scope:
            await self._app(scope, receive, send)
            return
        context: RequestContext = scope[CONTEXT_KEY]
        slot = self._slices.work_slot(context.caller.tenant.token_digest)

        async def release_and_send(message: Message) -> None:
            slot.release()
            await send(message)

        with slot.in_use():
            await self._app(scope, receive, release_and_send)
