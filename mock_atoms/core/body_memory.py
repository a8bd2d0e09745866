"""Memory of the request bodies in flight."""

from collections.abc import MutableMapping
from typing import Any

MAX_BYTES = 384 * 1024 * 1024
"""Memory of all request bodies in flight, and of the values parsed from them."""
_LEASE_KEY = "mock_atoms.body_lease"


class BodyMemoryError(Exception):
    """The bodies in flight need too much memory. The message says how to fix it."""

    def __init__(self) -> None:
        super().__init__(
            f"the request bodies in flight need more than {MAX_BYTES} bytes of memory: send fewer at a time, or "
            "smaller ones"
        )


class BodyMemory:
    """Memory for all request bodies in flight.

    Attributes:
        free_bytes: memory that no request has taken.
    """

    def __init__(self) -> None:
        self.free_bytes = MAX_BYTES


class BodyLease:
    """The memory that one request has taken.

    Args:
        memory: where it comes from.
    """

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._taken = 0

    def put_into(self, scope: MutableMapping[str, Any]) -> None:
        """Let `take_body_memory` find this lease in an ASGI scope."""
        scope[_LEASE_KEY] = self

    def take(self, size: int) -> None:
        """Take `size` bytes, or give some back if `size` is negative.

        Raises:
            BodyMemoryError: there is not so much.
        """
        if size > self._memory.free_bytes:
            raise BodyMemoryError
        self._memory.free_bytes -= size
        self._taken += size

    def release(self) -> None:
        """Give everything back."""
        self._memory.free_bytes += self._taken
        self._taken = 0


def take_body_memory(scope: MutableMapping[str, Any], size: int) -> None:
    """Take `size` bytes for the request of an ASGI scope, until its response is complete.

    Raises:
        BodyMemoryError: there is not so much.
    """
    lease: BodyLease | None = scope.get(_LEASE_KEY)
    if lease is not None:  # a part of the application may run alone
        lease.take(size)
