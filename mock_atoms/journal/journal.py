"""The request journal: a bounded record of exchanges, without any complete token."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from mock_atoms.core.tenancy import digest_test_id, digest_token
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import WEIGHT_UNIT, Exchange, weight_of
from mock_atoms.journal.snapshot import JournalSnapshot

MAX_BYTES = 64 * 1024 * 1024
"""Number of bytes of URLs, headers and bodies that the journal keeps in total."""
_EXCHANGE_WEIGHT = 1_200 // WEIGHT_UNIT  # estimated weight of an exchange without headers and body


class Journal:
    """The most recent exchanges. A full journal drops the oldest.

    Not thread-safe: one event loop owns it.

    Args:
        size: maximum number of exchanges; 0 turns the journal off.
        credentials: masks and compares credentials.
        max_bytes: approximate maximum size of all exchanges.

    Attributes:
        dropped: number of exchanges dropped since the last `clear`.
        first: position of the oldest exchange. Positions change only when exchanges are removed, see `removals`.
        removals: number of times that exchanges were removed, other than by dropping the oldest.
    """

    def __init__(self, size: int, credentials: Credentials, max_bytes: int = MAX_BYTES) -> None:
        self.size = size
        self.credentials = credentials
        self.dropped = 0
        self.removals = 0
        self.first = 0
        self._max_weight = max_bytes // WEIGHT_UNIT
        self._exchanges: deque[Exchange] = deque()
        self._weight = 0
        self._watchers: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Exchange]:
        """Yield the exchanges, oldest first. Nothing may be recorded meanwhile, see `snapshot`."""
        return iter(self._exchanges)

    def __len__(self) -> int:
        return len(self._exchanges)

    @property
    def is_off(self) -> bool:
        """Whether the journal records nothing."""
        return self.size == 0

    @property
    def size_bytes(self) -> int:
        """Memory of all exchanges, approximately."""
        return self._weight * WEIGHT_UNIT

    def add(self, exchange: Exchange) -> None:
        """Record an exchange."""
        if self.is_off:
            return
        exchange.is_in_journal = True
        self._exchanges.append(exchange)
        self._update_weight(exchange)

    def update(self, exchange: Exchange) -> None:
        """Adapt to a change of `exchange` and notify the watchers, if the journal still holds it."""
        if exchange.is_in_journal:
            self._update_weight(exchange)

    def since(self, position: int) -> list[Exchange]:
        """Return the exchanges from `position` on, oldest first."""
        number = self.first + len(self._exchanges) - max(position, self.first)
        return [*islice(reversed(self._exchanges), number)][::-1]

    def snapshot(self) -> JournalSnapshot:
        """Return the present exchanges, for work in slices. Queries of all exchanges use it."""
        return JournalSnapshot([*self._exchanges])

    def remove(self, exchanges: Iterable[Exchange]) -> list[Exchange]:
        """Remove `exchanges`. Return those that the journal still held."""
        removed = [exchange for exchange in exchanges if exchange.is_in_journal]
        for exchange in removed:
            self._release(exchange)
        if removed:
            self._exchanges = deque([exchange for exchange in self._exchanges if exchange.is_in_journal])
            self.removals += 1
        return removed

    def clear(self) -> list[Exchange]:
        """Remove all exchanges, reset `dropped` and return the exchanges, oldest first."""
        self.dropped = 0
        return self.remove([*self._exchanges])

    def find(self, exchange_id: str) -> Exchange | None:
        """Return the latest exchange with this id, or `None` if there is none."""
        return next((exchange for exchange in reversed(self._exchanges) if exchange.id == exchange_id), None)

    def tenant_filter(self, token: str | None, test_id: str | None) -> Callable[[Exchange], bool]:
        """Return a predicate for the exchanges of a token, valid or not, and of a test; `None` matches any."""
        token_digest = None if token is None else digest_token(token)
        secret = None if token is None else self.credentials.digest(token)
        test_digest = None if test_id is None else digest_test_id(test_id)
        return lambda exchange: (
            exchange.tenant.belongs_to(token_digest, test_digest)
            or (secret in exchange.head.secrets and exchange.tenant.belongs_to(None, test_digest))
        )

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after each change until the returned function is called."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback)

    def _update_weight(self, exchange: Exchange) -> None:
        weight = _EXCHANGE_WEIGHT + exchange.head.weight + weight_of(len(exchange.body)) + exchange.response_head.weight
        self._weight += weight - exchange.weight
        exchange.weight = weight
        while len(self._exchanges) > self.size or (self._weight > self._max_weight and len(self._exchanges) > 1):
            self._release(self._exchanges.popleft())
            self.first += 1
            self.dropped += 1
        for callback in self._watchers:
            callback()

    def _release(self, exchange: Exchange) -> None:
        self._weight -= exchange.weight
        exchange.is_in_journal = False
