"""Answers that were rendered of what tenants hold, to be sent again as they are."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property

from mock_atoms.store import TenantState

MAX_SIZE = 96 * 1024 * 1024
MAX_ANSWER = 1024 * 1024
_ANSWER_BYTES = 1_000  # roughly what an answer takes besides its body

Key = tuple[object, str, bytes]


def key_of(state: TenantState, below: str, query: bytes) -> Key:
    """Return what an answer follows from: what its tenant holds, the path below the base path, and the query.

    What a tenant holds that changed nothing follows from its token alone, so that all tests of one token share it.
    """
    return state.tenant.owner if state.is_as_it_began else state.mark, below, query


class Rendered:
    """A whole answer with the status 200.

    Attributes:
        headers: lower-case names and values.
        body: its body.
    """

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.headers = tuple(headers)
        self.body = body

    @cached_property
    def lines(self) -> bytes:
        """Its headers, as HTTP/1.1 has them."""
        return b"".join(b"%b: %b\r\n" % header for header in self.headers)


class Rendering:
    """Answers that were rendered, by what they follow from; the least recently used are forgotten first.

    Args:
        max_size: how many bytes are kept, about.
    """

    def __init__(self, max_size: int = MAX_SIZE) -> None:
        self._max_size = max_size
        self._answers: OrderedDict[Key, Rendered] = OrderedDict()
        self._size = 0

    def get(self, key: Key) -> Rendered | None:
        """Return what was rendered, if it is known."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def keep(self, key: Key, answer: Rendered) -> None:
        """Keep what was rendered, unless it is long."""
        if len(answer.body) > MAX_ANSWER or key in self._answers:
            return
        self._answers[key] = answer
        self._size += _ANSWER_BYTES + len(answer.body)
        while self._size > self._max_size:
            _, gone = self._answers.popitem(last=False)
            self._size -= _ANSWER_BYTES + len(gone.body)

    def forget(self) -> None:
        """Forget all: what tenants begin with may be something else from now on."""
        self._answers.clear()
        self._size = 0
