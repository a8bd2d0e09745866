"""The request journal: a bounded record of exchanges, without any complete token."""

from collections import deque
from collections.abc import Callable, Iterator

from mock_atoms.core.tenancy import digest_test_id, digest_token
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import WEIGHT_UNIT, Exchange, weight_of

MAX_BYTES = 64 * 1024 * 1024
"""Number of bytes of URLs, headers and bodies that the journal keeps in total."""
_EXCHANGE_WEIGHT = 1_000 // WEIGHT_UNIT  # estimated weight of an exchange without headers and body


class Journal:
    """The last exchanges, the oldest dropped first.

    Not thread-safe: one event loop owns it.

    Args:
        size: how many exchanges are kept; 0 turns it off.
        credentials: what tells the credentials in them.
        max_bytes: how many bytes all exchanges may have together.
    """

    def __init__(self, size: int, credentials: Credentials, max_bytes: int = MAX_BYTES) -> None:
        self.size = size
        self.credentials = credentials
        self.dropped = 0
        self._max_weight = max_bytes // WEIGHT_UNIT
        self._entries: deque[Exchange] = deque()
        self._weight = 0
        self._watchers: list[Callable[[], None]] = []

    def __iter__(self) -> Iterator[Exchange]:
        """Yield the exchanges, the oldest first."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_off(self) -> bool:
        """Whether nothing is recorded."""
        return self.size == 0

    def add(self, exchange: Exchange) -> None:
        """Record the arrival of a request."""
        if self.is_off:
            return
        exchange.is_in_journal = True
        self._entries.append(exchange)
        self._weigh(exchange)

    def update(self, exchange: Exchange) -> None:
        """Take note that `exchange` has changed."""
        if exchange.is_in_journal:
            self._weigh(exchange)

    def remove(self, condition: Callable[[Exchange], bool]) -> list[Exchange]:
        """Remove the exchanges that meet `condition`, and return them, the oldest first."""
        kept: deque[Exchange] = deque()
        removed: list[Exchange] = []
        for exchange in self._entries:
            (removed if condition(exchange) else kept).append(exchange)
        self._entries = kept
        for exchange in removed:
            self._forget(exchange)
        return removed

    def clear(self) -> None:
        """Remove all exchanges, and forget how many were dropped."""
        self.remove(lambda _exchange: True)
        self.dropped = 0

    def find(self, exchange_id: str) -> Exchange | None:
        """Return the latest exchange of that id, if there is one."""
        return next((exchange for exchange in reversed(self._entries) if exchange.id == exchange_id), None)

    def selector(self, token: str | None, test_id: str | None) -> Callable[[Exchange], bool]:
        """Return a predicate for the exchanges of a token, valid or not, and of a test; `None` matches any."""
        token_digest = None if token is None else digest_token(token)
        secret = None if token is None else self.credentials.digest(token)
        test_digest = None if test_id is None else digest_test_id(test_id)
        return lambda exchange: (
            exchange.tenant.belongs_to(token_digest, test_digest)
            or (secret in exchange.head.secrets and exchange.tenant.belongs_to(None, test_digest))
        )

    def watch(self, notice: Callable[[], None]) -> Callable[[], None]:
        """Call `notice` whenever an exchange is new or has changed, until what is returned is called."""
        self._watchers.append(notice)
        return lambda: self._watchers.remove(notice)

    def _weigh(self, exchange: Exchange) -> None:
        weight = _EXCHANGE_WEIGHT + exchange.head.weight + weight_of(len(exchange.body)) + exchange.response_head.weight
        self._weight += weight - exchange.weight
        exchange.weight = weight
        while len(self._entries) > self.size or (self._weight > self._max_weight and len(self._entries) > 1):
            self._forget(self._entries.popleft())
            self.dropped += 1
        for notice in self._watchers:
            notice()

    def _forget(self, exchange: Exchange) -> None:
        self._weight -= exchange.weight
        exchange.is_in_journal = False
