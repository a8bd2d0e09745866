"""Replay: what FastAPI has rendered once of what a tenant begins with is sent again as it is.

There is one source of truth, the routes: here nothing is made, and nothing is kept of a tenant that changed something.
"""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.exchange import SCOPE_KEY, Exchange
from mock_atoms.rendering import Key, Rendered, Rendering
from mock_atoms.store import Store, TenantState
from mock_atoms.tenancy import Caller


class Replay:
    """Answers a GET of a tenant that has changed nothing with what was rendered of it before.

    What a tenant begins with follows from its token alone, so that all tests of one token share it.

    Args:
        app: what renders.
        store: tells whether a tenant has changed anything.
        rendering: what was rendered.
    """

    def __init__(self, app: ASGIApp, store: Store, rendering: Rendering) -> None:
        self._app = app
        self._store = store
        self._rendering = rendering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        exchange: Exchange = scope[SCOPE_KEY]
        caller = exchange.caller
        if (
            exchange.method != "GET"
            or exchange.below is None
            or not isinstance(caller, Caller)
            or not await self._store.view(caller.tenant, _is_as_it_began)
        ):
            await self._app(scope, receive, send)
            return
        key = (caller.tenant.owner, exchange.below, scope["query_string"])
        known = self._rendering.get(key)
        if known is None:
            await self._render(key, caller, scope, receive, send)
            return
        # Whoever is told may add headers.
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": [*known.headers]})
        await send({"type": "http.response.body", "body": known.body})

    async def _render(self, key: Key, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        generation = self._rendering.generation
        sent: list[Message] = []

        async def overhear(message: Message) -> None:
            sent.append({**message, "headers": [*message["headers"]]} if "headers" in message else {**message})
            await send(message)

        await self._app(scope, receive, overhear)
        is_same = generation == self._rendering.generation and await self._store.view(caller.tenant, _is_as_it_began)
        if is_same and len(sent) == 2 and sent[0]["status"] == HTTPStatus.OK:  # noqa: PLR2004 - a start and a whole body
            self._rendering.keep(key, Rendered(sent[0]["headers"], sent[1]["body"]))


def _is_as_it_began(state: TenantState) -> bool:
    return state.chosen is None and state.overlay is None
