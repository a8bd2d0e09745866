"""What wraps the vendor's routes, as plain ASGI: identification, observation, faults, and Express's manners."""

import asyncio
from collections.abc import Awaitable, Callable
from html import escape
from http import HTTPStatus
from urllib.parse import quote
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mock_atoms.contract import JSON_TYPE, error_body, render_json
from mock_atoms.exchange import OUTSIDE_BASE_PATH, SCOPE_KEY, UNMOCKED_ROUTE, Exchange
from mock_atoms.faults import BODILESS, ExpressionError, FaultEngine, Preference, Strike, parse_prefer
from mock_atoms.generator import Generator
from mock_atoms.settings import Settings
from mock_atoms.store import MemoryStore
from mock_atoms.tenancy import Caller, identify

FAULT_HEADER = b"x-mock-atoms-fault"
REASON_HEADER = b"x-mock-atoms-reason"
BAD_PREFER = "bad-prefer"
NOBODY_KEY = b""

Sleep = Callable[[float], Awaitable[None]]
Clock = Callable[[], float]


class Identify:
    """Outermost: tells who is calling and where to, and puts the `Exchange` into the scope."""

    def __init__(self, app: ASGIApp, settings: Settings, clock: Clock) -> None:
        self._app = app
        self._settings = settings
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        path: str = scope["path"]
        base = self._settings.base_path
        inside = path == base or path.startswith(f"{base}/")
        raw_path: bytes = scope.get("raw_path") or path.encode()
        exchange = Exchange(
            method=scope["method"],
            path=quote(raw_path, safe="/%:@!$&'()*+,;=-._~"),
            below=path[len(base) :] or "/" if inside else None,
            caller=identify(scope["headers"], self._settings.session_cookie, self._settings.tokens),
            started=self._clock(),
        )
        await self._app({**scope, SCOPE_KEY: exchange}, receive, send)


class Observe:
    """Gives every answer its `x-request-id` (G) and its marks, and logs the exchange before the answer is whole.

    The id follows from the seed, the tenant and the tenant's number of requests so far.
    """

    def __init__(self, app: ASGIApp, store: MemoryStore, generator: Generator, clock: Clock) -> None:
        self._app = app
        self._store = store
        self._generator = generator
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        exchange: Exchange = scope[SCOPE_KEY]
        key = exchange.caller.tenant if isinstance(exchange.caller, Caller) else NOBODY_KEY
        tenant = self._store.tenant(key)
        tenant.requests += 1
        request_id = self._request_id(key, tenant.requests)

        async def observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id)]
                if exchange.faults:
                    headers.append((FAULT_HEADER, ",".join(exchange.faults).encode()))
                if exchange.reason:
                    headers.append((REASON_HEADER, exchange.reason.encode()))
                message["headers"] = headers
            elif not message.get("more_body"):
                exchange.milliseconds = (self._clock() - exchange.started) * 1000
                exchange.log()
            if exchange.method == "HEAD" and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        await self._app(scope, receive, observed)

    def _request_id(self, key: bytes, number: int) -> bytes:
        low, high = (self._generator.draw(key.hex(), half, number) for half in ("low", "high"))
        return str(UUID(int=high << 64 | low, version=4)).encode()


class Faults:
    """Lets faults strike the requests of somebody; nobody gets the 401 of the routes, whatever the rules say."""

    def __init__(self, app: ASGIApp, engine: FaultEngine, store: MemoryStore, sleep: Sleep = asyncio.sleep) -> None:
        self._app = app
        self._engine = engine
        self._store = store
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        exchange: Exchange = scope[SCOPE_KEY]
        if isinstance(exchange.caller, Caller) and exchange.below is not None:
            try:
                strike = self._decide(exchange.caller, exchange.method, exchange.below, _preference(scope))
            except ExpressionError as error:
                exchange.reason = BAD_PREFER
                body = render_json(error_body(HTTPStatus.BAD_REQUEST, [f"Prefer: {error}"], {}))
                await _answer(send, HTTPStatus.BAD_REQUEST, {"content-type": JSON_TYPE}, body)
                return
            if strike is not None:
                exchange.faults = strike.rules
                if strike.delay_ms:
                    await self._sleep(strike.delay_ms / 1000)
                if strike.respond is not None:
                    await _answer(send, strike.respond.status, *strike.respond.render())
                    return
        await self._app(scope, receive, send)

    def _decide(self, caller: Caller, method: str, path: str, preference: Preference | None) -> Strike | None:
        counters = self._store.tenant(caller.tenant).counters
        return self._engine.decide(caller, method, path, preference, counters)


def _preference(scope: Scope) -> Preference | None:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"prefer"]
    return parse_prefer(values) if values else None


class Express:
    """How the vendor's server, Express, reads a request line (L, D): a trailing slash is nothing, HEAD is a GET.

    Inside of it, paths are those below the base path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        exchange: Exchange = scope[SCOPE_KEY]
        if exchange.below is None:
            exchange.reason = OUTSIDE_BASE_PATH
            await not_found(exchange, send)
            return
        inner = {**scope, "path": exchange.below.removesuffix("/") or "/", "raw_path": None, "root_path": ""}
        if exchange.method == "HEAD":
            inner["method"] = "GET"
        await self._app(inner, receive, send)


async def not_found(exchange: Exchange, send: Send) -> None:
    """Answer as Express does where there is no route: HTML, not JSON (L)."""
    if exchange.reason is None:
        exchange.reason = UNMOCKED_ROUTE
    line = escape(f"Cannot {exchange.method} {exchange.path}")
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
        f"<body>\n<pre>{line}</pre>\n</body>\n</html>\n"
    )
    await _answer(send, HTTPStatus.NOT_FOUND, {"content-type": "text/html; charset=utf-8"}, page.encode())


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    lines = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    if status not in BODILESS:
        lines.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
