"""Sends the events of a server to the clients that watch it."""

import asyncio
from typing import TYPE_CHECKING

from mock_atoms.control.event_frames import HEARTBEAT, EventFrames
from mock_atoms.core.delays import Sleep
from mock_atoms.core.slices import PAUSE_TURNS, Steps, start_outside_request
from mock_atoms.journal.events import Channel, EventFilter
from mock_atoms.mock import MockAtoms

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WATCHERS = 500
"""Number of clients that watch a server."""
HEARTBEAT_SECONDS = 15.0
BATCH_SECONDS = 0.05
"""How long events wait for others, to leave together."""
KEEP_SECONDS = 60.0
"""How long events are kept without a client, so that it can connect again."""
CHUNK_BYTES = 64 * 1024
"""Size of the events after which a client receives them."""
BYTES_PER_TURN = 512 * 1024
"""Number of bytes that are sent to clients before the event loop serves other requests."""
_WRITE_BYTES = 16 * 1024  # to send a few bytes takes as long as to copy so many


class Watcher:
    """A client that watches.

    Args:
        channel: the events that it receives.

    Attributes:
        channel: the same.
        number: number of the next event in the channel.
        interruptions: number of interruptions of the channel that the client knows of.
    """

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.number = channel.end
        self.interruptions = channel.interruptions
        self._next: asyncio.Future[bytes] | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the client can receive something."""
        return self._next is not None and not self._next.done()

    @property
    def has_missed(self) -> bool:
        """Whether events were dropped that the client has not received."""
        return self.number < self.channel.first or self.interruptions != self.channel.interruptions

    @property
    def is_due(self) -> bool:
        """Whether the client is ready, and there is something for it."""
        return self.is_ready and (self.number < self.channel.end or self.has_missed)

    def get_ready(self) -> asyncio.Future[bytes]:
        """Return what will be the next part of the response."""
        self._next = asyncio.get_running_loop().create_future()
        return self._next

    def give(self, chunk: bytes) -> bool:
        """Give the client a part of the response, and return whether it was ready."""
        if self._next is None or self._next.done():
            return False
        self._next.set_result(chunk)
        return True


class EventHub:
    """Renders each event once, and sends it to all clients whose filter selects it.

    A client that reads too slowly misses the events that the server had to drop meanwhile, and receives their number.

    Args:
        mock: the server.
        sleep: waits for a number of seconds.
    """

    def __init__(self, mock: MockAtoms, sleep: Sleep = asyncio.sleep) -> None:
        self._journal = mock.journal
        self._log = mock.journal.events
        self._slices = mock.slices
        self._frames = EventFrames(mock)
        self._sleep = sleep
        self._watchers: dict[Watcher, None] = {}
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._is_following = False
        self._unfollow: Callable[[], None] = self._wake
        self._forgetting: asyncio.TimerHandle | None = None
        self._log.on_event = self._wake
        self._unsent_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether there are as many clients as possible."""
        return len(self._watchers) >= MAX_WATCHERS

    def connect(self, selected: EventFilter) -> Watcher:
        """Return a new client, for the events that a filter selects."""
        if self._forgetting is not None:
            self._forgetting.cancel()
            self._forgetting = None
        if not self._is_following:
            self._is_following = True
            self._unfollow = self._journal.follow()
        watcher = Watcher(self._log.open_channel(selected))
        self._watchers[watcher] = None
        if len(self._watchers) == 1:
            self._news = asyncio.Event()
            self._tasks = [start_outside_request(work) for work in (self._deliver(), self._beat())]
        return watcher

    def disconnect(self, watcher: Watcher) -> None:
        """Forget a client. Without clients, forget the events after a while."""
        del self._watchers[watcher]
        self._log.close_channel(watcher.channel)
        if not self._watchers:
            for task in self._tasks:
                task.cancel()
            self._forgetting = asyncio.get_running_loop().call_later(KEEP_SECONDS, self._forget)

    def _forget(self) -> None:
        self._forgetting, self._is_following = None, False
        self._unfollow()

    async def begin(self, watcher: Watcher, last_id: str | None) -> bytes:
        """Return the first part of the response to a new client.

        Args:
            watcher: the client.
            last_id: the id of the last event that it has received; `None` if there is none.
        """
        if last_id is None:
            return self._frames.connected(self._log.last_id)
        since, number = self._frames.parse_id(last_id), None
        if since is not None:
            number = await self._slices.run_promptly(self._log.extend_channel(watcher.channel, since))
        if since is None or number is None:
            watcher.number = watcher.channel.end
            event_id = self._log.last_id
            return self._frames.connected(event_id) + self._frames.missed(event_id, None)
        watcher.number = number
        return self._frames.connected(since)

    async def next(self, watcher: Watcher) -> bytes:
        """Return the next part of the response to a client, as soon as there is one."""
        chunk = watcher.get_ready()
        if watcher.is_due:
            self._wake()
        return await chunk

    def _wake(self) -> None:
        self._news.set()

    async def _beat(self) -> None:
        """Show clients and proxies that the connections are alive."""
        while True:
            await self._sleep(HEARTBEAT_SECONDS)
            for watcher in [*self._watchers]:
                await self._give(watcher, HEARTBEAT)

    async def _deliver(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._sleep(BATCH_SECONDS)
            while await self._deliver_once():
                await _pause()

    async def _deliver_once(self) -> bool:
        """Give each client that is ready the next part of its events. Return whether there was one."""
        due: dict[tuple[Channel, int], list[Watcher]] = {}
        for watcher in [watcher for watcher in self._watchers if watcher.is_due]:
            if watcher.has_missed:
                await self._report_missed(watcher)
            else:
                due.setdefault((watcher.channel, watcher.number), []).append(watcher)
        for (channel, number), watchers in due.items():
            chunk, end = await self._slices.run_promptly(self._chunk(channel, number))
            for watcher in watchers:
                if await self._give(watcher, chunk):
                    watcher.number = end
        return bool(due)

    async def _report_missed(self, watcher: Watcher) -> None:
        """Let a client continue with the next event. It loads everything again, so that it needs no earlier one."""
        channel = watcher.channel
        end, interruptions = channel.end, channel.interruptions
        dropped = end - watcher.number if watcher.interruptions == interruptions else None
        if await self._give(watcher, self._frames.missed(self._log.last_id, dropped)):
            watcher.number, watcher.interruptions = end, interruptions

    def _chunk(self, channel: Channel, number: int) -> Steps[tuple[bytes, int]]:
        """Return events from a number on, together, and the number of the next one."""
        frames: list[bytes] = []
        size = 0
        while size < CHUNK_BYTES and channel.first <= number < channel.end:
            event = channel.events[number - channel.first]
            frame = event.frame
            if frame is None:
                frame = self._frames.render(event)
                self._log.set_frame(event, frame)
                yield
            frames.append(frame)
            size += len(frame)
            number += 1
        return b"".join(frames), number

    async def _give(self, watcher: Watcher, chunk: bytes) -> bool:
        """Give a client a part of the response, and return whether it was ready. Serve other requests in between."""
        was_ready = watcher.give(chunk)
        self._unsent_bytes += len(chunk) + _WRITE_BYTES
        if self._unsent_bytes > BYTES_PER_TURN:
            self._unsent_bytes = 0
            await _pause()
        return was_ready


async def _pause() -> None:
    """Let the event loop serve other requests."""
    for _ in range(PAUSE_TURNS):
        await asyncio.sleep(0)
