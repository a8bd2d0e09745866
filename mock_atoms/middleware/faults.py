"""Applies fault decisions to requests."""

from functools import partial
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.core.delays import CancellableWaiter
from mock_atoms.core.slices import Slices
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.faults.effects import header_values
from mock_atoms.faults.engine import Evaluate, FaultDecision, FaultEngine, FaultRequest, RuleEvaluator
from mock_atoms.faults.prefer import parse_prefer
from mock_atoms.faults.response_patch import PatchError, ResponsePatch
from mock_atoms.journal.exchange import CONTEXT_KEY, PATCH_TOO_LARGE, RequestContext
from mock_atoms.middleware.concurrency import SLOT_KEY
from mock_atoms.middleware.connection_faults import ConnectionFaultRunner, collect_response
from mock_atoms.middleware.cors import is_preflight
from mock_atoms.middleware.responses import bad_prefer, error_response, fault_response, send_response
from mock_atoms.middleware.waiting import wait_before_response


def fault_evaluator(context: RequestContext, engine: FaultEngine) -> Evaluate | None:
    """Return the function that evaluates the faults of a request, or `None` if it can have none.

    An unauthenticated request, which gets the documented 401, and a browser's preflight request have none.

    Raises:
        ExpressionError: the `Prefer` header is invalid.
    """
    caller, api_path, method = context.caller, context.api_path, context.exchange.head.method
    if not isinstance(caller, AuthenticatedCaller) or api_path is None:
        return None
    if method == "OPTIONS" and is_preflight(context.headers):
        return None
    arrived_at = context.exchange.arrived_at
    requested = parse_prefer(context.header_values(b"prefer"))
    if requested is not None:  # it decides alone
        return partial(engine.evaluate, FaultRequest(caller, method, api_path, arrived_at.timestamp()), requested, ())
    return RuleEvaluator(engine, caller, method, api_path, arrived_at)


class FaultMiddleware:
    """Applies the faults of requests.

    Args:
        app: the application that responds without a fault.
        waiter: waits during a delay.
        slices: runs long work.
    """

    def __init__(self, app: ASGIApp, waiter: CancellableWaiter, slices: Slices) -> None:
        self._app = app
        self._waiter = waiter
        self._slices = slices
        self._connection_faults = ConnectionFaultRunner(app, waiter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        context: RequestContext = scope[CONTEXT_KEY]
        if context.prefer_problem is not None:
            await send_response(send, bad_prefer(context, context.prefer_problem))
        elif context.faults is None:
            await self._app(scope, receive, send)
        else:
            await self._apply(context.faults, scope, receive, send)

    async def _apply(self, decision: FaultDecision, scope: Scope, receive: Receive, send: Send) -> None:
        context: RequestContext = scope[CONTEXT_KEY]
        exchange = context.exchange
        exchange.faults = decision.rule_ids
        exchange.delay_ms = decision.delay_ms
        if decision.delay_ms:
            next_receive = await wait_before_response(self._waiter, decision.delay_ms, exchange, scope, receive, send)
            if next_receive is None:
                return
            receive = next_receive
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
        context: RequestContext = scope[CONTEXT_KEY]
        with self._slices.work_slot(context.caller.tenant.token_digest).in_use() as slot:
            response = await collect_response(self._app, {**scope, SLOT_KEY: slot}, receive, send)
            if response is None:
                return
            start, body = response
            patched_body = await self._slices.run_promptly(patch.apply_steps(body))
        new_values = header_values(patch.headers)
        headers = [(name, value) for name, value in start["headers"] if name.decode("latin-1") not in new_values]
        headers += [(name.encode(), value.encode()) for name, values in new_values.items() for value in values]
        if patched_body != body:
            length = str(len(patched_body)).encode()
            headers = [(name, length if name == b"content-length" else value) for name, value in headers]
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": patched_body})
