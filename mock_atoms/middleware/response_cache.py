"""Replay: what FastAPI has rendered once of what a tenant holds is sent again as it is, until that changes.

There is one source of truth, the routes: here nothing is made.
"""

from functools import partial
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.caching.fast_path import FastPath
from mock_atoms.caching.response_cache import CachedResponse, ResponseCache, key_of
from mock_atoms.core.masking import mask_url
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.journal.exchange import CONTEXT_KEY, RequestContext
from mock_atoms.state.store import Store


class ResponseCacheMiddleware:
    """Answers a GET with what was rendered of it before, where its tenant holds the same as then.

    Args:
        app: what renders.
        store: tells what tenants hold.
        rendering: what was rendered.
        shortcuts: are kept of what is sent again.
    """

    def __init__(self, app: ASGIApp, store: Store, response_cache: ResponseCache, fast_path: FastPath) -> None:
        self._app = app
        self._store = store
        self._response_cache = response_cache
        self._fast_path = fast_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        request: RequestContext = scope[CONTEXT_KEY]
        if (
            request.exchange.method != "GET"
            or request.api_path is None
            or not isinstance(request.caller, AuthenticatedCaller)
        ):
            await self._app(scope, receive, send)
            return
        tenant, api_path, query = request.caller.tenant, request.api_path, scope["query_string"]
        state, version, key = await self._store.read(
            tenant, lambda state: (state, state.version, key_of(state, api_path, query))
        )
        known = self._response_cache.get(key)
        if known is not None:
            request.remember_fast_path = partial(
                self._fast_path.keep, api_path=api_path, cached_response=known, state=state, version=version
            )
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
            and not _has_secret(query, request.caller.token)
            and await self._store.read(tenant, lambda state: state.version == version)
        ):
            self._response_cache.keep(key, CachedResponse(sent[0]["headers"], sent[1]["body"]))


def _has_secret(query: bytes, token: str) -> bool:
    """Tell whether something in `query` must not be kept; a path that has an answer is of ids and fixed words."""
    url = "?" + query.decode("latin-1")
    return mask_url(url, token) != url
