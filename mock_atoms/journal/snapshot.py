"""The exchanges of the journal at one time, and queries that run in steps while the journal changes."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from mock_atoms.core.slices import Steps
from mock_atoms.journal.calls import is_attributable
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.grouping import group_calls


class NumberedExchange(NamedTuple):
    """An exchange and its attempt number."""

    exchange: Exchange
    attempt: int


class JournalSnapshot(NamedTuple):
    """The exchanges of the journal at one time.

    Attributes:
        exchanges: the exchanges, oldest first.
    """

    exchanges: list[Exchange]

    def select(self, is_selected: Callable[[Exchange], bool]) -> Steps[list[Exchange]]:
        """Return the exchanges that `is_selected` accepts, oldest first."""
        selected = []
        for exchange in self.exchanges:
            if is_selected(exchange):
                selected.append(exchange)
            yield
        return selected

    def number(self, selected: Iterable[Exchange]) -> Steps[list[NumberedExchange]]:
        """Return some of the exchanges with their attempt numbers, in the order of `selected`."""
        routes = set()
        numbers = {}
        for exchange in selected:
            routes.add(_route(exchange))
            numbers[exchange] = 1  # of one that is not attributable
            yield
        related = yield from self.select(lambda exchange: _route(exchange) in routes and is_attributable(exchange))
        for call in (yield from group_calls(related)):
            for number, exchange in enumerate(call.attempts, 1):
                numbers[exchange] = number
                yield
        return [NumberedExchange(exchange, numbers[exchange]) for exchange in selected]


def _route(exchange: Exchange) -> tuple[object, ...]:
    """Return what all attempts of a call have in common and what is cheap to compare."""
    head = exchange.head
    return head.tenant.key, head.method, head.url


def free(objects: list[Any]) -> Steps[None]:
    """Empty a list of objects one by one: to free a full journal takes too long for one step."""
    while objects:
        objects.pop()
        yield
