"""Answers that were rendered of what tenants begin with, to be sent again as they are."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

MAX_SIZE = 32 * 1024 * 1024
MAX_ANSWER = 256 * 1024
_ANSWER_BYTES = 1_000  # roughly what an answer takes besides its body

Key = tuple[bytes, str, bytes]


class Rendered(NamedTuple):
    """A whole answer with the status 200."""

    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Rendering:
    """Answers that were rendered, by whom they are for and what was asked; the least recently used are forgotten first.

    Args:
        max_size: how many bytes are kept, about.

    Attributes:
        generation: what is asked in one generation, and rendered in another, is not kept.
    """

    def __init__(self, max_size: int = MAX_SIZE) -> None:
        self._max_size = max_size
        self._answers: OrderedDict[Key, Rendered] = OrderedDict()
        self._size = 0
        self.generation = 0

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

    def distrust(self) -> None:
        """Keep nothing of what is being rendered now: a tenant that has just begun anew may have changed something."""
        self.generation += 1

    def forget(self) -> None:
        """Forget all: what tenants begin with may be something else from now on."""
        self.distrust()
        self._answers.clear()
        self._size = 0
