"""A shared log in Redis or Valkey.

A call either confirms that its entries are in the log, or fails at its deadline, after which the server refuses them.
Calls are numbered, so that a call whose reply was lost can be repeated without appending twice.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha1
from pathlib import Path
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.state.redis_errors import INVALID_URL, explain, mask_url
from mock_atoms.state.redis_scripts import APPEND, LOAD, OPEN, PUT_PIECE, SAVE, TRIM, Script
from mock_atoms.state.shared_log import LogEntry, LogLostError, LogPage, LogTrimmedError

FORMAT = 2
"""Format of the log and its entries. Servers with another format are refused."""
MAX_PAGE_ENTRIES = 1_000
"""Maximum number of entries that a call returns, without those that it appends."""
MAX_PAGE_BYTES = 4_000_000
"""A page ends with the entry that exceeds this size. A larger entry has its own page."""
MAX_TRIMMED = 1_000
"""Maximum number of entries that one script removes."""
SNAPSHOT_PIECE_BYTES = 1_000_000
"""Snapshots are saved and loaded in pieces of this size, between which other calls run."""
MIN_BYTES_PER_SECOND = 20_000_000
"""A call that sends or reads much gets more time: one second for as many bytes."""
_CALL_MEMORY = 60.0
"""Seconds for which the server remembers a call, in addition to its timeout."""
_START_PAUSE = 0.1
_REPEAT_PAUSE = 0.02
_MICROSECONDS = 1_000_000
_BROKEN = (exceptions.ConnectionError, exceptions.TimeoutError)


async def connect(
    url: str, prefix: str, config: Mapping[str, Any], start_timeout: float = 5.0, *, call_timeout: float = 1.0
) -> "RedisLog":
    """Connect to the log at `url`, and create it if it does not exist.

    Args:
        url: `redis://`, `rediss://` or `unix://`, or with `valkey` in place of `redis`.
        prefix: start of the names of all keys.
        config: settings that all servers of the log must share: names and JSON values.
        start_timeout: seconds to wait for a server that is unreachable or still loading its data.
        call_timeout: seconds after which a call fails.

    Raises:
        StoreUnavailableError: the server is unreachable, refuses the call, or has a log with other settings.
    """
    log = RedisLog(url, prefix, config, call_timeout)
    await log.start(start_timeout)
    return log


class RedisLog:
    """A `SharedLog` in Redis or Valkey. Create it with `connect`.

    It has one connection and one call in flight. It connects again after an error, also in another event loop after
    `close`.

    Attributes:
        secret: 32 random bytes, the same for all servers that share the log.
    """

    secret = b""

    def __init__(self, url: str, prefix: str, config: Mapping[str, Any], call_timeout: float) -> None:
        self._store = f"the store {mask_url(url)}"
        self._connection = self._create_connection(url)
        self._prefix = prefix
        self._log, self._meta = f"{{{prefix}}}:log", f"{{{prefix}}}:meta"
        self._snapshot = f"{{{prefix}}}:snapshot"
        self._calls = f"{{{prefix}}}:call:{secrets.token_hex(8)}"
        self._config = json.dumps(config, sort_keys=True)
        self._timeout = call_timeout
        self._lock = asyncio.Lock()
        self._number = 0
        self._clock_offset = 0.0  # from the local monotonic clock to the server's clock, in microseconds
        self._newest = LogEntry(0, b"")
        self._large = 0  # size of the next entry, if it needs its own page

    def _create_connection(self, url: str) -> AbstractConnection:
        if url.startswith(("valkey://", "valkeys://")):
            url = url.replace("valkey", "redis", 1)
        try:
            # The client's own retries would run a script twice after a lost reply, and its timeouts break ours.
            pool: ConnectionPool = ConnectionPool.from_url(
                url, retry=Retry(NoBackoff(), 0), socket_timeout=None, socket_connect_timeout=None, protocol=2
            )
            connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call] # redis-py has no types here
            if not url.startswith("unix:"):
                int(urlsplit(url).path.strip("/") or 0)  # the client uses 0 in place of what is not a number
        except (ValueError, TypeError, exceptions.RedisError):  # the message may contain the password
            raise StoreUnavailableError(f"{self._store} {INVALID_URL}") from None
        ca_file = pool.connection_kwargs.get("ssl_ca_certs")
        if ca_file and not Path(ca_file).is_file():
            raise StoreUnavailableError(f"{self._store} cannot be used: ssl_ca_certs: {ca_file} is not a file")
        return connection

    async def start(self, max_seconds: float) -> None:
        """Connect for the first time. Keep trying if the server is unreachable."""
        problem = f"did not respond within {max_seconds:g} s"
        try:
            async with asyncio.timeout(max_seconds):
                while not self.secret:
                    try:
                        await self._open(create=secrets.token_bytes(32))
                    except exceptions.AuthenticationError:
                        raise
                    except _BROKEN as error:
                        problem = explain(error)
                        await asyncio.sleep(_START_PAUSE)
        except TimeoutError:
            advice = "start it, change --store, or increase --store-timeout"
            raise StoreUnavailableError(f"{self._store} {problem}: {advice}") from None
        except exceptions.RedisError as error:
            raise StoreUnavailableError(f"{self._store} {explain(error)}") from None

    async def append(self, texts: Sequence[bytes], after: int) -> LogPage:
        """Append entries in one step, and return the first entries after a position. See `SharedLog`."""
        arguments = [after, MAX_PAGE_ENTRIES, self._large or MAX_PAGE_BYTES, *texts]
        is_complete, has_appended, page, self._large = await self._call(APPEND, arguments, reply_size=self._large)
        if is_complete and has_appended:
            page += texts
        entries = [LogEntry(position, text) for position, text in enumerate(page, after + 1)]
        if entries:
            self._newest = entries[-1]
        return LogPage(entries, is_last=bool(is_complete))

    async def trim(self, before: int) -> None:
        """Remove the entries before a position.

        Raises:
            StoreUnavailableError: the store did not confirm it in time. Some entries may be removed.
        """
        first = 0
        while first < before:
            previous = first
            [first] = await self._call(TRIM, [before, MAX_TRIMMED])
            if first == previous:  # the end of the log
                return

    async def save_snapshot(self, snapshot: bytes, before: int) -> None:
        """Replace the snapshot, and remove the entries before a position. See `SharedLog`."""
        upload_id = secrets.token_hex(8)
        upload = f"{self._snapshot}:{upload_id}"
        pieces = range(0, len(snapshot), SNAPSHOT_PIECE_BYTES)
        for index, start in enumerate(pieces):
            piece = snapshot[start : start + SNAPSHOT_PIECE_BYTES]
            await self._call(PUT_PIECE, [index, piece], upload)
        [needed] = await self._call(SAVE, [upload_id, len(pieces), before], upload, self._snapshot)
        if needed >= before:  # otherwise the upload has expired
            await self.trim(before)

    async def load_snapshot(self) -> bytes | None:
        """Return the snapshot; `None` if there is none yet. See `SharedLog`."""
        loaded_id, pieces = b"", list[bytes]()
        while True:
            snapshot_id, count, piece = await self._call(LOAD, [len(pieces)], self._snapshot)
            if snapshot_id != loaded_id and pieces:  # it has been replaced meanwhile
                pieces.clear()
                continue
            loaded_id = snapshot_id
            if count:
                pieces.append(piece)
            if len(pieces) == count:
                return b"".join(pieces) or None

    async def close(self) -> None:
        """Close the connection. The next call opens a new one."""
        await self._connection.disconnect()

    async def _call(self, script: Script, arguments: list[Any], *keys: str, reply_size: int = 0) -> list[Any]:
        """Run a script, and repeat it until the deadline if the connection breaks. Return its results."""
        size = reply_size + sum(len(argument) for argument in arguments if isinstance(argument, bytes))
        timeout = self._timeout + size / MIN_BYTES_PER_SECOND
        end = monotonic() + timeout
        try:
            async with asyncio.timeout(timeout), self._lock:
                self._number += 1
                status, *results = await self._repeat(script, [*keys], arguments, end)
        except TimeoutError:
            raise StoreUnavailableError(f"{self._store} did not respond within {timeout:g} s") from None
        except exceptions.RedisError as error:
            raise StoreUnavailableError(f"{self._store} {explain(error)}") from None
        self._check(status)
        return results

    async def _repeat(self, script: Script, keys: list[str], arguments: list[Any], end: float) -> list[Any]:
        keys = [self._log, self._meta, self._calls, *keys]
        memory = int((self._timeout + _CALL_MEMORY) * 1_000)
        is_sent = False
        while True:
            try:
                if not self._connection.is_connected:
                    await self._open()
                deadline = int(end * _MICROSECONDS + self._clock_offset)
                is_sent = True
                reply = await self._run(script, keys, [self.secret, self._number, memory, deadline, *arguments])
            except _BROKEN:
                if not is_sent:
                    raise  # nothing can appear later
                await asyncio.sleep(_REPEAT_PAUSE)
            else:
                if reply[0] != b"late":  # the server's clock is ahead of the expected time
                    return reply

    async def _open(self, create: bytes = b"") -> None:
        """Connect, and check that the log is the expected one. Create it if `create`, its secret, is not empty."""
        try:
            await self._connection.connect()  # type: ignore[no-untyped-call] # redis-py has no types here
            position, text = self._newest
            digest = sha1(text, usedforsecurity=False).hexdigest()
            arguments = [create, FORMAT, self._config, position, digest]
            status, *stored = await self._run(OPEN, [self._log, self._meta], arguments)
            self._check(status)
            self._check_stored(*stored)
        except BaseException:
            await self._disconnect()
            raise

    async def _run(self, script: Script, keys: list[str], arguments: list[Any]) -> list[Any]:
        """Run a script. Return its status and results. Close the connection on any error."""
        connection = self._connection
        # redis-py forgets its writer before all is sent.
        transport = cast("asyncio.StreamWriter", connection._writer).transport  # noqa: SLF001 - no other way to it
        try:
            started = monotonic()
            try:
                await connection.send_command("EVALSHA", script.digest, len(keys), *keys, *arguments)
                reply = await connection.read_response(disable_decoding=True)
            except exceptions.NoScriptError:
                await connection.send_command("EVAL", script.source, len(keys), *keys, *arguments)
                reply = await connection.read_response(disable_decoding=True)
        except BaseException:
            transport.abort()  # a store that hangs would never read the rest
            await self._disconnect()
            raise
        status, time, *results = reply
        self._learn_clock_offset(time, started, monotonic())
        return [status, *results]

    def _learn_clock_offset(self, time: int, started: float, ended: float) -> None:
        """Keep an offset that agrees with a reply, or take the lowest one that does: then no deadline is late."""
        lowest, highest = time - ended * _MICROSECONDS, time - started * _MICROSECONDS
        if not lowest <= self._clock_offset <= highest:
            self._clock_offset = lowest

    async def _disconnect(self) -> None:
        await self._connection.disconnect(nowait=True)

    def _check(self, status: bytes) -> None:
        """Raise the error of a status."""
        if status == b"lost":
            raise LogLostError(
                f"{self._store} lost entries that it had confirmed. Restart all servers, and let the store keep an "
                "append-only file and evict nothing (appendonly yes, maxmemory-policy noeviction)"
            )
        if status == b"trimmed":
            raise LogTrimmedError(f"{self._store} has removed entries that this server has not read")
        if status == b"foreign":
            raise StoreUnavailableError(self._describe_foreign())

    def _check_stored(self, format_: bytes | None, config: bytes | None, secret: bytes | None) -> None:
        """Compare the log with the expected one, and take its secret if this is the first one."""
        if format_ is None or config is None or secret is None:
            raise StoreUnavailableError(self._describe_foreign())
        if format_ != str(FORMAT).encode():
            raise StoreUnavailableError(
                f"{self._store} has a log of format {format_.decode(errors='replace')}, and this release writes "
                f"format {FORMAT}: use the same release for all servers, or another --store-prefix"
            )
        own, stored = json.loads(self._config), json.loads(config)
        for name in sorted({*own, *stored}):
            if own.get(name) != stored.get(name):
                raise StoreUnavailableError(
                    f"{self._store} has a log for {name} {json.dumps(stored.get(name))}, and this server has "
                    f"{json.dumps(own.get(name))}: use the same settings for all servers, or another --store-prefix"
                )
        self._check(b"lost" if self.secret and secret != self.secret else b"ok")
        self.secret = secret

    def _describe_foreign(self) -> str:
        return f"{self._store} has other data under the prefix {self._prefix}: choose another --store-prefix"
