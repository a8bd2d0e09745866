"""Replay: what FastAPI has rendered once of what a tenant holds is sent again as it is, until that changes.

There is one source of truth, the routes: here nothing is made.
"""

from functools import partial
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.exchange import SCOPE_KEY, Exchange
from mock_atoms.rendering import Rendered, Rendering, key_of
from mock_atoms.shortcuts import Shortcuts
from mock_atoms.store import Store
from mock_atoms.tenancy import Caller
from mock_atoms.tokens import conceal_url


class Replay:
    """Answers a GET with what was rendered of it before, where its tenant holds the same as then.

    Args:
        app: what renders.
        store: tells what tenants hold.
        rendering: what was rendered.
        shortcuts: are kept of what is sent again.
    """

    def __init__(self, app: ASGIApp, store: Store, rendering: Rendering, shortcuts: Shortcuts) -> None:
        self._app = app
        self._store = store
        self._rendering = rendering
        self._shortcuts = shortcuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        exchange: Exchange = scope[SCOPE_KEY]
        if exchange.method != "GET" or exchange.below is None or not isinstance(exchange.caller, Caller):
            await self._app(scope, receive, send)
            return
        tenant, below, query = exchange.caller.tenant, exchange.below, scope["query_string"]
        state, mark, key = await self._store.view(
            tenant, lambda state: (state, state.mark, key_of(state, below, query))
        )
        known = self._rendering.get(key)
        if known is not None:
            exchange.keep_shortcut = partial(self._shortcuts.keep, below=below, rendered=known, state=state, mark=mark)
            # Whoever is told may add headers.
            await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": [*known.head.headers]})
            await send({"type": "http.response.body", "body": known.body})
            return
        sent: list[Message] = []

        async def overhear(message: Message) -> None:
            sent.append({**message, "headers": [*message["headers"]]} if "headers" in message else {**message})
            await send(message)

        await self._app(scope, receive, overhear)
        is_whole = len(sent) == 2 and sent[0]["status"] == HTTPStatus.OK  # noqa: PLR2004 - a start and a whole body
        if (
            is_whole
            and not _has_secret(query, exchange.caller.token)
            and await self._store.view(tenant, lambda state: state.mark is mark)
        ):
            self._rendering.keep(key, Rendered(sent[0]["headers"], sent[1]["body"]))


def _has_secret(query: bytes, token: str) -> bool:
    """Tell whether something in `query` must not be kept; a path that has an answer is of ids and fixed words."""
    url = "?" + query.decode("latin-1")
    return conceal_url(url, token) != url
