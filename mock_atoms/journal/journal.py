"""The request journal: a bounded record of exchanges, without any complete token."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.events import EventLog
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.query import KeySets


class Journal(Protocol):
    """The most recent exchanges. A full journal drops the oldest.

    Reading costs what the exchanges with the given keys cost, however many others there are.

    Attributes:
        credentials: masks and compares credentials.
        dropped: number of exchanges dropped since the last `clear`.
        removals: number of times that exchanges were removed, other than by dropping the oldest.
        events: what has changed on this server, for clients that watch it. Stores record their changes there, too.
    """

    credentials: Credentials
    dropped: int
    removals: int
    events: EventLog

    async def count(self) -> int:
        """Return the number of exchanges."""
        ...

    @property
    def is_off(self) -> bool:
        """Whether the journal records nothing."""
        ...

    @property
    def first_position(self) -> int:
        """The position before which all exchanges are dropped, see `Exchange.position`."""
        ...

    def add(self, exchange: Exchange) -> None:
        """Record an exchange, with the next position."""
        ...

    async def update(self, exchange: Exchange) -> None:
        """Record a change of `exchange`, if the journal still holds it."""
        ...

    def holds(self, position: int) -> bool:
        """Return whether the journal holds the exchange at a position."""
        ...

    async def candidates(self, key_sets: KeySets, start: int = 0) -> list[Exchange]:
        """Return the exchanges that may match a query, oldest first: at least those with a key of each set.

        Args:
            key_sets: the keys, see `JournalQuery.key_sets`.
            start: only exchanges from this position on.
        """
        ...

    async def find(self, exchange_id: str) -> Exchange | None:
        """Return the latest exchange with this id, or `None` if there is none, or if it was removed."""
        ...

    async def remove(self, exchanges: Iterable[Exchange]) -> list[Exchange]:
        """Remove `exchanges`. Return those that the journal still held."""
        ...

    async def clear(self) -> list[Any]:
        """Remove all exchanges, reset `dropped` and return what is no longer kept: to free it takes a while."""
        ...

    def follow(self) -> Callable[[], None]:
        """Record events until the returned function is called."""
        ...

    def watch(self, callback: Callable[[Exchange], None], key: bytes | None) -> Callable[[], None]:
        """Call `callback` after each change of an exchange with this index key, or of any exchange if it is `None`.

        Returns a function that unsubscribes.
        """
        ...
