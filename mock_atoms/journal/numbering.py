"""Attempt numbers of exchanges, as the retry report counts them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mock_atoms.core.slices import Steps
from mock_atoms.journal.calls import has_succeeded, is_attributable
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.grouping import group_calls
from mock_atoms.journal.query import IndexKeys


class NumberedExchange(NamedTuple):
    """An exchange and its attempt number."""

    exchange: Exchange
    attempt: int


def caller_keys(exchanges: Iterable[Exchange]) -> IndexKeys:
    """Return the index keys of all exchanges that may be attempts of the same calls as `exchanges`."""
    # The token comes first. All attempts of a call have the same.
    return frozenset(exchange.head.index_keys[0] for exchange in exchanges if is_attributable(exchange))


def number_attempts(selected: Sequence[Exchange], candidates: Iterable[Exchange]) -> Steps[list[NumberedExchange]]:
    """Return `selected` with their attempt numbers.

    Args:
        selected: some exchanges.
        candidates: the exchanges with a key of `caller_keys`, oldest first.
    """
    routes = set()
    for exchange in selected:
        routes.add(_route(exchange))
        yield
    related: dict[tuple[object, ...], list[Exchange]] = {}
    failed_routes = set()
    for exchange in candidates:
        route = _route(exchange)
        if route in routes and is_attributable(exchange):
            related.setdefault(route, []).append(exchange)
            if exchange.ended_at is not None and not has_succeeded(exchange):
                failed_routes.add(route)
        yield
    numbers: dict[Exchange, int] = {}
    for route in failed_routes:  # attempts follow a failure
        for call in (yield from group_calls(related[route])):
            for number, exchange in enumerate(call.attempts, 1):
                numbers[exchange] = number
                yield
    return [NumberedExchange(exchange, numbers.get(exchange, 1)) for exchange in selected]


def _route(exchange: Exchange) -> tuple[object, ...]:
    """Return what all attempts of a call have in common and what is cheap to compare."""
    head = exchange.head
    return head.tenant.key, head.method, head.url
