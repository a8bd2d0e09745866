"""Memory of the request bodies in flight, and of the values parsed from them."""

from collections.abc import MutableMapping
from sys import getrefcount
from typing import Any

from mock_atoms.core.slices import Divisible, Steps

MAX_BODIES_BYTES = 384 * 1024 * 1024
"""Memory of all request bodies in flight, and of the values parsed from them."""
MAX_UNREAD_BODY_BYTES = 8 * 1024 * 1024
"""Number of bytes of a request body that are read although the application did not ask for them."""
_LEASE_KEY = "mock_atoms.body_lease"
_SMALL_BYTES = 1024 * 1024
"""Values that need less memory are freed immediately."""
_VALUES_PER_STEP = 500


def _references_of_variable() -> int:
    """Return the number of references to a value that only one variable has. It depends on the version of Python."""
    value = [list[Any]()].pop()
    return getrefcount(value)


_OWN_REFERENCES = _references_of_variable()


class BodyMemoryError(Exception):
    """The bodies in flight need too much memory. The message says how to fix it."""

    def __init__(self) -> None:
        super().__init__(
            f"the request bodies in flight need more than {MAX_BODIES_BYTES} bytes of memory: send fewer at a time, or "
            "smaller ones"
        )


class BodyMemory:
    """Memory for all request bodies in flight.

    Attributes:
        free_bytes: memory that no request has taken.
    """

    def __init__(self) -> None:
        self.free_bytes = MAX_BODIES_BYTES


class BodyLease:
    """The memory that one request has taken.

    Args:
        memory: where it comes from.
    """

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._taken = 0
        self._values: list[Any] = []

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

    def keep(self, values: list[Any]) -> None:
        """Keep a list of JSON values, so that `free` frees them."""
        self._values.append(values)

    @property
    def is_large(self) -> bool:
        """Whether to free the values in steps."""
        return bool(self._values) and self._taken > _SMALL_BYTES

    def free(self) -> Steps[None]:
        """Take the values apart: to free all of them takes too long for one step.

        Containers that are in use elsewhere stay as they are. So do converted values that are not `Divisible`.
        """
        containers, self._values = self._values, []
        work = 0
        while containers:
            container = containers[-1]
            while container:
                value = container.pop() if isinstance(container, list) else container.popitem()[1]
                work += 1
                if work % _VALUES_PER_STEP == 0:
                    yield
                if isinstance(value, list | dict | Divisible) and getrefcount(value) == _OWN_REFERENCES:
                    containers.append(value.parts() if isinstance(value, Divisible) else value)
                    break
            else:
                containers.pop()

    def release(self) -> None:
        """Give everything back."""
        self._memory.free_bytes += self._taken
        self._taken = 0


def body_lease(scope: MutableMapping[str, Any]) -> BodyLease | None:
    """Return the lease of an ASGI scope; `None` if a part of the application runs alone."""
    return scope.get(_LEASE_KEY)


def take_body_memory(scope: MutableMapping[str, Any], size: int) -> None:
    """Take `size` bytes for the request of an ASGI scope, until its response is complete.

    Raises:
        BodyMemoryError: there is not so much.
    """
    lease = body_lease(scope)
    if lease is not None:
        lease.take(size)
