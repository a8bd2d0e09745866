"""Applies fault decisions to requests."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.core.delays import CancellableWaiter, WaitResult
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.faults.effects import header_values
from mock_atoms.faults.engine import Counters, Evaluation, FaultDecision, FaultEngine, FaultRequest
from mock_atoms.faults.expressions import ExpressionError
from mock_atoms.faults.prefer import parse_prefer
from mock_atoms.faults.response_patch import PatchError, ResponsePatch
from mock_atoms.journal.exchange import CONTEXT_KEY, PATCH_TOO_LARGE, SHUTTING_DOWN, RequestContext
from mock_atoms.middleware.connection_faults import ConnectionFaultRunner, collect_response
from mock_atoms.middleware.responses import bad_prefer, error_response, fault_response, send_response
from mock_atoms.state.store import Store


def fault_evaluator(context: RequestContext, engine: FaultEngine) -> Callable[[Counters], Evaluation] | None:
    """Return the function that evaluates the faults of a request, or `None` if no source of faults applies to it.

    Raises:
        ExpressionError: the `Prefer` header is invalid.
    """
    caller, api_path, exchange = context.caller, context.api_path, context.exchange
    if not isinstance(caller, AuthenticatedCaller) or api_path is None:
        return None
    requested = parse_prefer(context.header_values(b"prefer"))
    matching = engine.matching(caller, exchange.method, api_path) if requested is None else []
    if requested is None and not matching:
        return None
    request = FaultRequest(caller, exchange.method, api_path, exchange.arrived_at.timestamp())
    return partial(engine.evaluate, request, requested, matching)


class FaultMiddleware:
    """Applies faults to authenticated requests. Unauthenticated requests always get the documented 401.

    Args:
        app: the application that responds without a fault.
        engine: decides which faults apply.
        store: holds the counters of tenants.
        waiter: waits during a delay.
    """

    def __init__(self, app: ASGIApp, engine: FaultEngine, store: Store, waiter: CancellableWaiter) -> None:
        self._app = app
        self._engine = engine
        self._store = store
        self._waiter = waiter
        self._connection_faults = ConnectionFaultRunner(app, waiter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        try:
            evaluate = fault_evaluator(context, self._engine)
        except ExpressionError as error:
            await send_response(send, bad_prefer(context, error))
            return
        decision = None
        if evaluate is not None:
            decision = await self._store.update(
                context.caller.tenant, lambda state: evaluate(state.counters).apply(state.counters)
            )
        if decision is None:
            await self._app(scope, receive, send)
        else:
            await self._apply(decision, scope, receive, send)

    async def _apply(self, decision: FaultDecision, scope: Scope, receive: Receive, send: Send) -> None:
        context: RequestContext = scope[CONTEXT_KEY]
        exchange = context.exchange
        exchange.faults = decision.rule_ids
        exchange.delay_ms = decision.delay_ms
        if decision.delay_ms:
            result, receive = await self._waiter.wait(decision.delay_ms / 1000, receive)
            if result is WaitResult.CLIENT_DISCONNECTED:
                return
            if result is WaitResult.SHUTDOWN:
                exchange.reason = SHUTTING_DOWN
                await send_response(
                    send, error_response(HTTPStatus.SERVICE_UNAVAILABLE, ["mock-atoms is shutting down"])
                )
                return
        if decision.respond is not None:
            await send_response(send, fault_response(context, decision, decision.respond))
        elif decision.patch is not None:
            try:
                await self._send_patched(decision.patch, scope, receive, send)
            except PatchError as error:
                exchange.reason = PATCH_TOO_LARGE
                await send_response(send, error_response(HTTPStatus.INTERNAL_SERVER_ERROR, [str(error)]))
        elif decision.connection is not None:
            exchange.reason = f"connection-{decision.connection.kind}"
            await self._connection_faults(decision.connection, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _send_patched(self, patch: ResponsePatch, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await collect_response(self._app, scope, receive)
        patched_body = patch.apply(body)
        new_values = header_values(patch.headers)
        headers = [(name, value) for name, value in start["headers"] if name.decode("latin-1") not in new_values]
        headers += [(name.encode(), value.encode()) for name, values in new_values.items() for value in values]
        if patched_body != body:
            length = str(len(patched_body)).encode()
            headers = [(name, length if name == b"content-length" else value) for name, value in headers]
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": patched_body})
