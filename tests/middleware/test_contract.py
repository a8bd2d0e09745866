"""Bodies of operations without one."""

import asyncio
from collections.abc import MutableMapping
from types import SimpleNamespace
from typing import Any

import pytest

from mock_atoms.contract.operations import RequestedOperation
from mock_atoms.core.tenancy import caller_for
from mock_atoms.journal.exchange import CONTEXT_KEY
from mock_atoms.middleware.contract import ContractMiddleware

Part = tuple[bytes, bool]


def serve(operation: str, *parts: Part) -> tuple[Any, int]:
    """Serve a request with a body in parts, which does not go on after them. Return its exchange and the reads."""
    exchange = SimpleNamespace(later_violations=(), violations=())
    context = SimpleNamespace(
        caller=caller_for("sk_acme"), operation=RequestedOperation(operation), has_body=True, exchange=exchange
    )
    reads = 0

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:  # noqa: ANN401 - ASGI
        exchange.is_served = True

    async def receive() -> MutableMapping[str, Any]:
        nonlocal reads
        reads += 1
        if reads > len(parts):
            await asyncio.Future()
        body, more = parts[reads - 1]
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(_message: MutableMapping[str, Any]) -> None:
        raise AssertionError

    middleware = ContractMiddleware(app, is_strict=False, body_timeout=0.01)
    asyncio.run(asyncio.wait_for(middleware({CONTEXT_KEY: context}, receive, send), 10))
    assert exchange.is_served
    return exchange, reads


@pytest.mark.parametrize(
    ("parts", "reads", "value"),
    [
        ([(b"{}", False)], 1, None),
        ([(b"{", True), (b"}", False)], 2, None),
        ([(b"[", True), (b"]", False)], 2, "[]"),
        ([(b"{", True)], 2, "{"),
        ([(b"", True)], 2, None),
        ([(b"x" * 2_000, True)], 1, f"{'x' * 100}…"),
    ],
)
def test_only_the_start_of_an_unexpected_body_is_read(parts: list[Part], reads: int, value: str | None) -> None:
    exchange, counted = serve("GET /audience", *parts)
    assert counted == reads
    assert [each.value for each in exchange.later_violations] == ([] if value is None else [value])


@pytest.mark.parametrize("operation", ["POST /agent", ""])
def test_other_bodies_are_left_to_the_routes(operation: str) -> None:
    exchange, reads = serve(operation, (b"a=1", False))
    assert (reads, exchange.later_violations) == (0, ())
