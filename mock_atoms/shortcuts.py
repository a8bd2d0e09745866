"""Shortcuts: a request that came before, to the byte, is answered at once where nothing but its number is new.

There is one source of truth, the layers around the routes: a shortcut is kept only of what they have just answered out
of `Rendering` with nothing of their own to add, and followed only as long as they would do the same again.
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from mock_atoms.exchange import Clock, Now
from mock_atoms.faults import FaultEngine
from mock_atoms.generator import Generator
from mock_atoms.journal import Entry, Head
from mock_atoms.rendering import Rendering, key_of
from mock_atoms.store import Store
from mock_atoms.telemetry import Telemetry

SHORTCUT = "mock_atoms.shortcut"
"""Under which extension of the scope a server puts the key of a request that may be answered at once next time."""
MAX_SHORTCUTS = 20_000
_NOT_PLAIN = {"origin", "prefer"}


class _Shortcut(NamedTuple):
    head: Head
    below: str
    query: bytes


class Shortcuts:
    """Requests that came before; the least recently used are forgotten first.

    No token is kept: a request is known by a digest that nobody can make without the key.

    Args:
        store: tells what tenants hold.
        engine: tells whether a fault may strike.
        rendering: what was rendered.
        telemetry: is told of each exchange.
        generator: makes ids.
        clock: seconds of a clock that only goes forward.
        now: the time of day.
        key: what digests of requests are made with, at most 64 bytes. It never shows.
        most: how many are kept.
    """

    def __init__(  # noqa: PLR0913 - all that an answer is made of
        self,
        store: Store,
        engine: FaultEngine,
        rendering: Rendering,
        telemetry: Telemetry,
        generator: Generator,
        *,
        clock: Clock,
        now: Now,
        key: bytes,
        most: int = MAX_SHORTCUTS,
    ) -> None:
        self._store = store
        self._engine = engine
        self._rendering = rendering
        self._telemetry = telemetry
        self._generator = generator
        self._clock = clock
        self._now = now
        self._key = key
        self.most = most
        self._known: OrderedDict[bytes, _Shortcut] = OrderedDict()

    def stem(self, scheme: str | None, server: tuple[str, int | None] | None) -> blake2b:
        """Return what all requests to one address have in common, for `digest`."""
        return blake2b(f"{scheme}\0{server}\0".encode(), digest_size=16, key=self._key)

    def digest(
        self, stem: blake2b, method: bytes, version: str, url: bytes, headers: Sequence[tuple[bytes, bytes]]
    ) -> bytes:
        """Return what stands for the head of a request: all that is sent but for a body."""
        # What is sent has no NUL in it: a parser refuses that.
        branch = stem.copy()
        branch.update(b"\0".join([method, version.encode(), url, *[part for header in headers for part in header]]))
        return branch.digest()

    def keep(self, digest: bytes, head: Head, below: str, query: bytes) -> None:
        """Keep the way to an answer that was just sent out of `Rendering`, as it was, and to which nothing was added.

        Args:
            digest: of the request.
            head: what the request says, as the journal keeps it.
            below: decoded path below the base path.
            query: the query string.
        """
        if any(name in _NOT_PLAIN for name, _ in head.headers):
            return
        self._known[digest] = _Shortcut(head, below, query)
        self._known.move_to_end(digest)
        if len(self._known) > self.most:
            self._known.popitem(last=False)

    def answer(self, digest: bytes, client: tuple[str, int] | None, start: bytes) -> bytes | None:
        """Return the whole answer to a request, or `None` where that has to go the long way.

        Where there is one, the exchange is over with that: it is counted, and whole in the journal.

        Args:
            digest: of the request.
            client: address and port that it came from.
            start: how the answer begins: the status line, and headers of the server's own.
        """
        known = self._known.get(digest)
        if known is None:
            return None
        head, below, query = known
        tenant = head.tenant
        state = self._store.at_hand(tenant)
        if state is None or not self._engine.is_idle(tenant, head.method, below):
            return None
        rendered = self._rendering.get(key_of(state, below, query))
        if rendered is None:
            return None
        self._known.move_to_end(digest)
        state.requests += 1
        request_id = self._generator.request_id(tenant.key, state.requests)
        sent_id = request_id.encode()
        address, port = client or ("", 0)
        started = self._clock()
        entry = Entry(
            head,
            request_id,
            self._now(),
            started,
            address,
            port,
            body_complete=True,
            answering=started,
            status=200,
            answer_headers=(*rendered.headers, (b"x-request-id", sent_id)),
            bytes_sent=len(rendered.body),
        )
        self._telemetry.whole(entry)
        return b"%b%bx-request-id: %b\r\n\r\n%b" % (start, rendered.lines, sent_id, rendered.body)
