"""An index of items by tenant. A search takes time for the items of the tenant only."""

from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class TenantIndex(Generic[T]):
    """Items by token digest and test digest."""

    def __init__(self) -> None:
        self._by_token: dict[bytes, dict[T, None]] = {}
        self._by_test: dict[bytes, dict[T, None]] = {}

    def add(self, item: T, token_digest: bytes | None, test_digest: bytes | None) -> None:
        """Add an item. A digest is `None` if the item belongs to no token or no test."""
        if token_digest is not None:
            self._by_token.setdefault(token_digest, {})[item] = None
        if test_digest is not None:
            self._by_test.setdefault(test_digest, {})[item] = None

    def remove(self, item: T, token_digest: bytes | None, test_digest: bytes | None) -> None:
        """Remove an item, with the arguments of `add`."""
        for items_by_digest, digest in ((self._by_token, token_digest), (self._by_test, test_digest)):
            if digest is not None:
                items = items_by_digest[digest]
                del items[item]
                if not items:
                    del items_by_digest[digest]

    def find(self, token_digest: bytes | None, test_digest: bytes | None) -> Iterable[T]:
        """Return the items of a token, of a test, or of both, in the order of their addition. Without digests, none."""
        by_token: dict[T, None] = {} if token_digest is None else self._by_token.get(token_digest, {})
        by_test: dict[T, None] = {} if test_digest is None else self._by_test.get(test_digest, {})
        if token_digest is None or test_digest is None:
            return [*by_token, *by_test]
        smaller, larger = sorted((by_token, by_test), key=len)
        return [item for item in smaller if item in larger]

    def clear(self) -> None:
        """Remove all items."""
        self._by_token.clear()
        self._by_test.clear()
