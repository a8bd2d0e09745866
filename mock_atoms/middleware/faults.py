"""What wraps the vendor's routes, as plain ASGI: identification, observation, faults, and Express's manners."""

from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from mock_atoms.contract.operations import find_operation
from mock_atoms.core.delays import CancellableWaiter, WaitResult
from mock_atoms.core.tenancy import AuthenticatedCaller
from mock_atoms.faults.engine import FaultDecision, FaultEngine, FaultRequest
from mock_atoms.faults.expressions import ExpressionError
from mock_atoms.faults.prefer import RequestedFault, parse_prefer
from mock_atoms.faults.response_patch import ResponsePatch
from mock_atoms.journal.exchange import (
    BAD_PREFER,
    CONTEXT_KEY,
    SHUTTING_DOWN,
    RequestContext,
)
from mock_atoms.middleware.connection_faults import ConnectionFaultRunner, collect_response
from mock_atoms.middleware.responses import send_error, send_response
from mock_atoms.state.store import Store, TenantState


class FaultMiddleware:
    """Lets faults strike the requests of somebody; nobody gets the 401 of the routes, whatever the rules say."""

    def __init__(self, app: ASGIApp, engine: FaultEngine, store: Store, waiter: CancellableWaiter) -> None:
        self._app = app
        self._engine = engine
        self._store = store
        self._waiter = waiter
        self._connection_faults = ConnectionFaultRunner(app, waiter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, as ASGI has it."""
        request: RequestContext = scope[CONTEXT_KEY]
        exchange = request.exchange
        if isinstance(request.caller, AuthenticatedCaller) and request.api_path is not None:
            try:
                decision = await self._decide(request, request.caller, request.api_path, _preference(scope))
            except ExpressionError as error:
                exchange.reason = BAD_PREFER
                await send_error(send, HTTPStatus.BAD_REQUEST, [f"Prefer: {error}"])
                return
            if decision is not None:
                exchange.faults = decision.rule_ids
                exchange.delay_ms = decision.delay_ms
                if decision.delay_ms:
                    outcome, receive = await self._waiter.wait(decision.delay_ms / 1000, receive)
                    if outcome is WaitResult.CLIENT_DISCONNECTED:
                        return
                    if outcome is WaitResult.SHUTDOWN:
                        exchange.reason = SHUTTING_DOWN
                        await send_error(send, HTTPStatus.SERVICE_UNAVAILABLE, ["mock-atoms is shutting down"])
                        return
                if decision.respond is not None:
                    exchange.has_malformed_body = decision.respond.has_malformed_body
                    operation = find_operation(exchange.method, request.api_path)
                    await send_response(
                        send, decision.respond.status, *decision.respond.render(decision.extra_headers, operation)
                    )
                    return
                if decision.alter is not None:
                    await self._alter(decision.alter, scope, receive, send)
                    return
                if decision.connection is not None:
                    exchange.reason = f"connection-{decision.connection.kind}"
                    await self._connection_faults(decision.connection, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _alter(self, alter: ResponsePatch, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await collect_response(self._app, scope, receive)
        changed = alter.apply(body)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        headers |= {name.lower(): value for name, value in alter.headers.items()}
        if changed != body and "content-length" in headers:
            headers["content-length"] = str(len(changed))
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({**start, "headers": lines})
        await send({"type": "http.response.body", "body": changed})

    async def _decide(
        self, request: RequestContext, caller: AuthenticatedCaller, api_path: str, preference: RequestedFault | None
    ) -> FaultDecision | None:
        if (
            preference is None
            and self._engine.magic_key_rule(caller.token) is None
            and self._engine.has_no_matching_rule(caller.tenant, request.exchange.method, api_path)
        ):
            request.may_be_faulted = False
            return None
        exchange = request.exchange
        fault_request = FaultRequest(caller, exchange.method, api_path, exchange.arrived_at.timestamp())

        def decide(state: TenantState) -> FaultDecision | None:
            return self._engine.decide(fault_request, preference, state.counters)

        return await self._store.update(caller.tenant, decide)


def _preference(scope: Scope) -> RequestedFault | None:
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"prefer"]
    return parse_prefer(values) if values else None
