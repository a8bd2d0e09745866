"""Places of requests among those whose long work runs at the same time."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.core.slices import PLACE, Slices


class PlaceMiddleware:
    """Limits the number of requests whose long work runs at the same time, so that their memory is limited too.

    A request keeps its place until its response starts: a client that reads slowly does not occupy one.

    Args:
        app: the application that works.
        slices: runs the work.
    """

    def __init__(self, app: ASGIApp, slices: Slices) -> None:
        self._app = app
        self._slices = slices

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        place = self._slices.place()

        async def give_back_and_send(message: Message) -> None:
            place.give_back()
            await send(message)

        previous = PLACE.set(place)
        try:
            await self._app(scope, receive, give_back_and_send)
        finally:
            place.give_back()
            PLACE.reset(previous)
