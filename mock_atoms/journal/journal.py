"""The request journal: a bounded record of exchanges, without any complete token."""

from collections import deque
from collections.abc import Callable, Iterator

from mock_atoms.core.tenancy import digest_test_id, digest_token
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import WEIGHT_UNIT, Exchange, weight_of

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
    """

    def __init__(self, size: int, credentials: Credentials, max_bytes: int = MAX_BYTES) -> None:
        self.size = size
        self.credentials = credentials
        self.dropped = 0
        self._max_weight = max_bytes // WEIGHT_UNIT
        self._exchanges: deque[Exchange] = deque()
        self._weight = 0
        self._watchers: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Exchange]:
        """Yield the exchanges, oldest first."""
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

    def remove(self, predicate: Callable[[Exchange], bool]) -> list[Exchange]:
        """Remove the exchanges that match `predicate` and return them, oldest first."""
        remaining: deque[Exchange] = deque()
        removed: list[Exchange] = []
        for exchange in self._exchanges:
            (removed if predicate(exchange) else remaining).append(exchange)
        self._exchanges = remaining
        for exchange in removed:
            self._release(exchange)
        return removed

    def clear(self) -> None:
        """Remove all exchanges and reset `dropped`."""
        self.remove(lambda _exchange: True)
        self.dropped = 0

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
            self.dropped += 1
        for callback in self._watchers:
            callback()

    def _release(self, exchange: Exchange) -> None:
        self._weight -= exchange.weight
        exchange.is_in_journal = False
