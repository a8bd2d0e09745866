"""What wraps the vendor's routes, as plain ASGI: identification, observation, faults, and Express's manners."""

from html import escape
from http import HTTPStatus
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.connections import Breaker, answer_of
from mock_atoms.contract import JSON_TYPE, render_json
from mock_atoms.errors import error_body, operation_of
from mock_atoms.exchange import (
    BAD_PREFER,
    OUTSIDE_BASE_PATH,
    SCOPE_KEY,
    SHUTTING_DOWN,
    UNMOCKED_ROUTE,
    Exchange,
)
from mock_atoms.expressions import ExpressionError, Preference, parse_prefer
from mock_atoms.faults import Arrival, FaultEngine, Strike
from mock_atoms.holding import Holder, Outcome
from mock_atoms.mock import MockAtoms
from mock_atoms.rules import BODILESS, Alter
from mock_atoms.store import Store, TenantState
from mock_atoms.tenancy import Caller, identify


class Identify:
    """Outermost: tells who is calling and where to, and puts the `Exchange` into the scope."""

    def __init__(self, app: ASGIApp, mock: MockAtoms) -> None:
        self._app = app
        self._settings = mock.settings
        self._clock = mock.clock
        self._now = mock.now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        # Express matches the path as it was sent: an encoded slash separates nothing.
        raw_path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        path = quote(raw_path, safe="/%:@!$&'()*+,;=-._~")
        base = self._settings.base_path
        inside = path == base or path.startswith(f"{base}/")
        exchange = Exchange(
            method=scope["method"],
            path=path,
            below=path[len(base) :] or "/" if inside else None,
            caller=identify(scope["headers"], self._settings.session_cookie, self._settings.tokens),
            arrived=self._now(),
            started=self._clock(),
        )
        await self._app({**scope, SCOPE_KEY: exchange}, receive, send)


class Faults:
    """Lets faults strike the requests of somebody; nobody gets the 401 of the routes, whatever the rules say."""

    def __init__(self, app: ASGIApp, engine: FaultEngine, store: Store, holder: Holder) -> None:
        self._app = app
        self._engine = engine
        self._store = store
        self._holder = holder
        self._breaker = Breaker(app, holder)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        exchange: Exchange = scope[SCOPE_KEY]
        if isinstance(exchange.caller, Caller) and exchange.below is not None:
            try:
                strike = await self._decide(exchange, exchange.caller, exchange.below, _preference(scope))
            except ExpressionError as error:
                exchange.reason = BAD_PREFER
                await _answer_error(send, HTTPStatus.BAD_REQUEST, [f"Prefer: {error}"])
                return
            if strike is not None:
                exchange.faults = strike.rules
                exchange.delay_ms = strike.delay_ms
                if strike.delay_ms:
                    outcome, receive = await self._holder.hold(strike.delay_ms / 1000, receive)
                    if outcome is Outcome.CLIENT_GONE:
                        return
                    if outcome is Outcome.CLOSING:
                        exchange.reason = SHUTTING_DOWN
                        await _answer_error(send, HTTPStatus.SERVICE_UNAVAILABLE, ["mock-atoms is shutting down"])
                        return
                if strike.respond is not None:
                    exchange.spoiled = strike.respond.spoils
                    operation = operation_of(exchange.method, exchange.below)
                    await _answer(send, strike.respond.status, *strike.respond.render(strike.facts, operation))
                    return
                if strike.alter is not None:
                    await self._alter(strike.alter, scope, receive, send)
                    return
                if strike.connection is not None:
                    exchange.reason = f"connection-{strike.connection.kind}"
                    await self._breaker(strike.connection, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _alter(self, alter: Alter, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await answer_of(self._app, scope, receive)
        changed = alter.apply(body)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        headers |= {name.lower(): value for name, value in alter.headers.items()}
        if changed != body and "content-length" in headers:
            headers["content-length"] = str(len(changed))
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({**start, "headers": lines})
        await send({"type": "http.response.body", "body": changed})

    async def _decide(
        self, exchange: Exchange, caller: Caller, below: str, preference: Preference | None
    ) -> Strike | None:
        if (
            preference is None
            and self._engine.rule_of_key(caller.token) is None
            and self._engine.is_idle(caller.tenant, exchange.method, below)
        ):
            exchange.is_plain = True
            return None
        arrival = Arrival(caller, exchange.method, below, exchange.arrived.timestamp())

        def decide(state: TenantState) -> Strike | None:
            return self._engine.decide(arrival, preference, state.counters)

        return await self._store.change(caller.tenant, decide)


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


async def _answer_error(send: Send, status: int, errors: list[str]) -> None:
    await _answer(send, status, {"content-type": JSON_TYPE}, render_json(error_body(status, errors, {})))


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    lines = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
    if status not in BODILESS:
        lines.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})
