"""Events: what changed on a server, for clients that watch it."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from mock_atoms.core.slices import Steps
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.recorded_body import WEIGHT_UNIT

MAX_EVENTS = 10_000
"""Number of the latest events that a server keeps."""
MAX_EVENT_BYTES = 32 * 1024 * 1024
"""Memory of these events, approximately."""
_EVENT_BYTES = 400  # estimated memory of an event without its content
_EVENTS_PER_PAUSE = 128

STARTED = "exchange-started"
ENDED = "exchange-ended"
REQUESTS_REMOVED = "requests-removed"
REQUESTS_CLEARED = "requests-cleared"
RULE_ADDED = "rule-added"
RULE_REMOVED = "rule-removed"
STUB_ADDED = "stub-added"
STUB_REMOVED = "stub-removed"
STUBS_CHANGED = "stubs-changed"
"""Several stubs changed: an import may have more stubs than the events that a server keeps."""
TENANT_CHANGED = "tenant-changed"
RESET = "reset"
STATE_IMPORTED = "state-imported"
FILES_RELOADED = "files-reloaded"

EventId = tuple[int, int]
"""Position of the change, and number of the event among those of the same change. Ids grow."""
Scope = tuple[bytes | None, bytes | None]
"""Digests of the token and of the test id that an event is about; `None` if it is about all."""
EVERYTHING: Scope = (None, None)
Content = Exchange | Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""What an event is about: an exchange, JSON, or a function that returns JSON."""


class EventFilter(NamedTuple):
    """Selects the events of a token, a test, or both. `None` matches all.

    Attributes:
        token_digest: digest of the token, see `digest_token`.
        credential_digest: digest of the same token as a credential, see `Credentials.digest`.
        test_digest: digest of the test id.
    """

    token_digest: bytes | None = None
    credential_digest: bytes | None = None
    test_digest: bytes | None = None

    def matches(self, event: "Event") -> bool:
        """Return whether to select an event."""
        if event.exchange_keys is not None:
            credentials, test = event.exchange_keys
            return (self.credential_digest is None or self.credential_digest in credentials) and (
                self.test_digest in (None, test)
            )
        return self.matches_scope(event.scope)

    def matches_scope(self, scope: Scope) -> bool:
        """Return whether to select what belongs to a token and a test. What belongs to all is always selected."""
        token, test = scope
        return (token is None or self.token_digest in (None, token)) and (
            test is None or self.test_digest in (None, test)
        )


@dataclass(slots=True, eq=False)
class Event:
    """One change.

    Attributes:
        id: its id.
        kind: what happened, such as `exchange-ended`.
        content: what it is about.
        scope: the tenants that it is about, unless it is about an exchange.
        exchange_keys: digests of the credentials and of the test id of its exchange, if it is about one.
        size_bytes: approximate memory.
        frame: the event as clients receive it; `None` until the first one does.
        channels: the channels that have it.
        is_dropped: whether the log no longer has it.
    """

    id: EventId
    kind: str
    content: Content
    scope: Scope
    exchange_keys: tuple[tuple[bytes, ...], bytes | None] | None
    size_bytes: int
    frame: bytes | None = None
    channels: tuple["Channel", ...] = ()
    is_dropped: bool = False


@dataclass(slots=True, eq=False)
class Channel:
    """The latest events that a filter selects.

    Attributes:
        selected: the filter.
        since: id of the last event before those that the channel has, or had.
        events: the events, oldest first.
        first: number of the oldest of them, which grows with each that is dropped.
        interruptions: number of times that events were missing, of unknown number.
        watchers: number of clients that follow it.
    """

    selected: EventFilter
    since: EventId
    events: deque[Event] = field(default_factory=deque)
    first: int = 0
    interruptions: int = 0
    watchers: int = 0

    @property
    def end(self) -> int:
        """The number of the next event."""
        return self.first + len(self.events)

    def number_after(self, event_id: EventId) -> int:
        """Return the number of the first event after an id."""
        return self.first + bisect_right(self.events, event_id, key=attrgetter("id"))


class EventLog:
    """The latest events of a server. Nothing is recorded until `start`, unless servers share their state.

    Not thread-safe: one event loop owns it.

    Args:
        shared_position: returns the position of the shared change that is being applied, and whether it is new.
            Without it, positions are counted.

    Attributes:
        is_recording: whether events are recorded.
        size_bytes: approximate memory of the events.
        on_event: called after each event that a channel has.
    """

    def __init__(self, shared_position: Callable[[], tuple[int, bool]] | None = None) -> None:
        self.is_recording = shared_position is not None
        self.size_bytes = 0
        self.on_event: Callable[[], None] = _do_nothing
        self._shared_position = shared_position
        self._last_id: EventId = (0, 0)
        self._known_since: EventId | None = (0, 0)
        self._last_started = -1
        self._events: deque[Event] = deque()
        self._channels: dict[tuple[bytes | None, bytes | None], Channel] = {}

    def __len__(self) -> int:
        return len(self._events)

    def start(self) -> None:
        """Record events from now on."""
        self.is_recording = True

    def stop(self) -> None:
        """Record nothing any more, and forget all events."""
        self.is_recording = False
        self.interrupt()

    def interrupt(self) -> None:
        """Forget all events: others are missing, so that no client can continue after one of them."""
        while self._events:
            self._drop_oldest()
        self._known_since = None
        for channel in self._channels.values():
            channel.interruptions += 1
            self.on_event()

    @property
    def known_since(self) -> EventId:
        """The id after which the log has all events."""
        if self._known_since is None:
            if self._shared_position is None:
                self._last_id = (self._last_id[0] + 1, 0)
            else:
                self._last_id = max(self._last_id, (self._shared_position()[0], 0))
            self._known_since = self._last_id
        return self._known_since

    @property
    def last_id(self) -> EventId:
        """The id of the last event."""
        return max(self.known_since, self._last_id)

    def record(self, exchange: Exchange, *, has_ended: bool) -> None:
        """Record the arrival or the end of an exchange. Any other change is no event."""
        if has_ended:
            kind = ENDED
        elif exchange.position > self._last_started:
            kind = STARTED
        else:
            return
        self._last_started = max(self._last_started, exchange.position)
        head = exchange.head
        test = head.tenant.test_digest
        size = (exchange.weight + exchange.response_body.weight) * WEIGHT_UNIT
        event = self._add(kind, exchange, EVERYTHING, size, (head.credential_digests, test))
        if event is not None:
            credentials = (None, *head.credential_digests) if self._channels else ()
            keys = {(credential, digest) for credential in credentials for digest in (None, test)}
            self._distribute(event, {self._channels[key] for key in keys if key in self._channels})

    def publish(self, kind: str, content: Content, scope: Scope = EVERYTHING, size_bytes: int = 0) -> None:
        """Record a change of something else than an exchange.

        Args:
            kind: what happened.
            content: what it is about.
            scope: the tenants that it is about.
            size_bytes: approximate memory of the content.
        """
        if not self.is_recording:
            return
        event = self._add(kind, content, scope, size_bytes, None)
        if event is not None:
            found = {channel for channel in self._channels.values() if channel.selected.matches_scope(scope)}
            self._distribute(event, found)

    def open_channel(self, selected: EventFilter) -> Channel:
        """Return the channel of a filter for one more client."""
        key = selected.credential_digest, selected.test_digest
        channel = self._channels.setdefault(key, Channel(selected, self.last_id))
        channel.watchers += 1
        return channel

    def close_channel(self, channel: Channel) -> None:
        """Forget a channel unless other clients follow it."""
        channel.watchers -= 1
        if not channel.watchers:
            del self._channels[channel.selected.credential_digest, channel.selected.test_digest]
            for event in channel.events:
                event.channels = tuple(other for other in event.channels if other is not channel)

    def extend_channel(self, channel: Channel, since: EventId) -> Steps[int | None]:
        """Add the events after an id to a channel. Return the number of the first; `None` if some are missing."""
        found = []
        if self.known_since <= since < channel.since:
            for number, event in enumerate([*self._events]):
                if since < event.id <= channel.since and channel.selected.matches(event):
                    found.append(event)
                if number % _EVENTS_PER_PAUSE == 0:
                    yield
        if since < self.known_since:
            return None
        missing = [event for event in found if channel not in event.channels]  # another client may have added some
        for event in missing:
            event.channels += (channel,)
        channel.events.extendleft(reversed(missing))
        channel.first -= len(missing)
        channel.since = min(channel.since, since)
        return channel.number_after(since)

    def set_frame(self, event: Event, frame: bytes) -> None:
        """Keep an event as clients receive it, in place of its content."""
        event.frame, event.content = frame, {}
        if not event.is_dropped:
            self.size_bytes -= event.size_bytes
            event.size_bytes = _EVENT_BYTES + len(frame)
            self.size_bytes += event.size_bytes
            self._drop_excess()

    def _add(
        self,
        kind: str,
        content: Content,
        scope: Scope,
        size_bytes: int,
        exchange_keys: tuple[tuple[bytes, ...], bytes | None] | None,
    ) -> Event | None:
        position, is_new = (self.last_id[0] + 1, True) if self._shared_position is None else self._shared_position()
        if not is_new:
            return None
        last_position, last_number = self.last_id
        self._last_id = (position, last_number + 1 if position == last_position else 1)
        event = Event(self._last_id, kind, content, scope, exchange_keys, _EVENT_BYTES + size_bytes)
        self._events.append(event)
        self.size_bytes += event.size_bytes
        return event

    def _distribute(self, event: Event, channels: set[Channel]) -> None:
        event.channels = tuple(channels)
        for channel in channels:
            channel.events.append(event)
        self._drop_excess()
        if channels:
            self.on_event()

    def _drop_excess(self) -> None:
        while len(self._events) > MAX_EVENTS or (self.size_bytes > MAX_EVENT_BYTES and len(self._events) > 1):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        event = self._events.popleft()
        event.is_dropped = True
        self._known_since = event.id
        self.size_bytes -= event.size_bytes
        for channel in event.channels:
            channel.events.popleft()
            channel.first += 1
        event.channels = ()


def _do_nothing() -> None:
    """Do nothing."""
