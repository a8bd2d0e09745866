"""Serves GET requests from the response cache and fills it. The routes alone create responses."""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.caching.eligibility import is_cacheable
from mock_atoms.caching.response_cache import CachedResponse, ResponseCache, content_key
from mock_atoms.journal.exchange import CONTEXT_KEY, RequestContext
from mock_atoms.state.store import Store


class ResponseCacheMiddleware:
    """Responds with a cached response if the tenant's data has not changed since.

    Args:
        app: the application that responds otherwise.
        store: holds the state of tenants.
        response_cache: the cache.
        max_body: number of response body bytes that the journal keeps.
    """

    def __init__(self, app: ASGIApp, store: Store, response_cache: ResponseCache, max_body: int) -> None:
        self._max_body = max_body
        self._app = app
        self._store = store
        self._response_cache = response_cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        if not is_cacheable(context):
            await self._app(scope, receive, send)
            return
        tenant = context.caller.tenant
        state = await self._store.load(tenant)
        version, key = state.version, content_key(state, context.api_path, context.query)
        cached = self._response_cache.get(key)
        if cached is not None:
            if self._max_body:
                context.cached_body = cached.recorded_body(self._max_body, context.caller.token)
            # Outer layers add headers to the list.
            await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": [*cached.head.headers]})
            await send({"type": "http.response.body", "body": cached.body})
            return
        messages: list[Message] = []

        async def copy_and_send(message: Message) -> None:
            messages.append({**message, "headers": [*message["headers"]]} if "headers" in message else {**message})
            await send(message)

        await self._app(scope, receive, copy_and_send)
        if context.exchange.later_violations:
            return  # only the route finds them
        is_complete_success = len(messages) == 2 and messages[0]["status"] == HTTPStatus.OK  # noqa: PLR2004 - start and body
        if is_complete_success and (await self._store.load(tenant)).version == version:
            self._response_cache.put(key, CachedResponse(messages[0]["headers"], messages[1]["body"]))
