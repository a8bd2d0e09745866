"""The shared log in a real Redis or Valkey server."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

import pytest
import trustme

from mock_atoms.core.errors import StoreUnavailableError
from mock_atoms.state import redis_log
from mock_atoms.state.redis_errors import mask_url
from mock_atoms.state.redis_log import RedisLog, connect
from mock_atoms.state.redis_scripts import Script
from mock_atoms.state.shared_log import LogEntry, LogLostError, LogPage, LogTrimmedError
from tests.helpers.redis import LossyProxy, RedisServer, find_program, free_port, running

CONFIG = {"seed": 7, "locale": "en_US", "base_path": "/atoms/v1"}
PREFIXES = (f"test-{number}" for number in count())

Connect = Callable[[], Coroutine[Any, Any, RedisLog]]


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with running(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Return a server that a test may kill and configure."""
    # With everysec, a slow disk delays writes that the server has confirmed.
    with running(tmp_path, "appendfsync always") as server:
        yield server


@pytest.fixture
def prefix() -> str:
    return next(PREFIXES)


@asynccontextmanager
async def connected(
    url: str, prefix: str, config: dict[str, Any] = CONFIG, *, call_timeout: float = 20.0
) -> AsyncIterator[RedisLog]:
    log = await connect(url, prefix, config, 20, call_timeout=call_timeout)
    try:
        yield log
    finally:
        await log.close()


def count_descriptors() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


async def read_all(log: RedisLog) -> list[bytes]:
    """Return all texts, and check that their positions have no gap."""
    texts: list[bytes] = []
    while True:
        page = await log.append([], len(texts))
        assert [entry.position for entry in page.entries] == [
            position + 1 for position in range(len(texts), len(texts) + len(page.entries))
        ]
        texts += [entry.text for entry in page.entries]
        if page.is_last:
            return texts


async def message_of(coroutine: Coroutine[Any, Any, object]) -> str:
    with pytest.raises(StoreUnavailableError) as error:
        await coroutine
    return str(error.value)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


class TestOrder:
    def test_entries_have_consecutive_positions(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                assert await log.append([], 0) == LogPage([], is_last=True)
                assert await log.append([b"a", b"b"], 0) == LogPage(
                    [LogEntry(1, b"a"), LogEntry(2, b"b")], is_last=True
                )
                assert await log.append([b"c"], 2) == LogPage([LogEntry(3, b"c")], is_last=True)
                assert await log.append([], 1) == LogPage([LogEntry(2, b"b"), LogEntry(3, b"c")], is_last=True)

        run(test())

    def test_a_late_snapshot_does_not_replace_a_newer_one(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                assert await log.load_snapshot() is None
                await log.append([b"a", b"b", b"c"], 0)
                await log.save_snapshot(b"new", 3)
                await log.save_snapshot(b"late", 2)
                assert await log.load_snapshot() == b"new"
                await log.save_snapshot(b"newest", 4)
                assert await log.load_snapshot() == b"newest"
                with pytest.raises(LogTrimmedError):
                    await log.append([], 2)
                assert await log.append([], 3) == LogPage([], is_last=True)

        run(test())

    def test_a_late_snapshot_does_not_replace_a_newer_one_before_entries_are_removed(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log, connected(shared_server.url, prefix) as late:
                await log.append([b"a", b"b", b"c"], 0)
                trim = log.trim

                async def trim_late(before: int) -> None:
                    await late.save_snapshot(b"late", 2)
                    await trim(before)

                monkeypatch.setattr(log, "trim", trim_late)
                await log.save_snapshot(b"new", 3)
                assert await log.load_snapshot() == b"new"
                assert await log.append([], 2) == LogPage([LogEntry(3, b"c")], is_last=True)

        run(test())

    def test_a_long_snapshot_is_saved_and_loaded_in_pieces(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_log, "SNAPSHOT_PIECE_BYTES", 3)

        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a", b"b"], 0)
                await log.save_snapshot(b"1234567", 2)
                assert await log.load_snapshot() == b"1234567"

        run(test())

    def test_a_snapshot_that_is_replaced_while_it_is_loaded_is_loaded_again(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_log, "SNAPSHOT_PIECE_BYTES", 2)

        async def test() -> None:
            async with connected(shared_server.url, prefix) as log, connected(shared_server.url, prefix) as other:
                await log.append([b"a", b"b"], 0)
                await log.save_snapshot(b"old one", 1)
                call, calls = log._call, count(1)  # noqa: SLF001 - to act between two pieces

                async def replace_after_two(*arguments: Any) -> list[Any]:  # noqa: ANN401 - any arguments
                    if next(calls) == 3:
                        await other.save_snapshot(b"new", 2)
                    return await call(*arguments)

                monkeypatch.setattr(log, "_call", replace_after_two)
                assert await log.load_snapshot() == b"new"

        run(test())

    def test_entries_stay_if_their_snapshot_has_expired_before_it_was_complete(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_log, "SNAPSHOT_PIECE_BYTES", 1)

        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a", b"b"], 0)
                call = log._call  # noqa: SLF001 - to lose a piece

                async def lose_second(script: Script, arguments: list[Any], *keys: str, **options: int) -> list[Any]:
                    return [] if arguments[0] == 1 else await call(script, arguments, *keys, **options)

                monkeypatch.setattr(log, "_call", lose_second)
                await log.save_snapshot(b"xyz", 2)
                assert await log.load_snapshot() is None
                assert await read_all(log) == [b"a", b"b"]

        run(test())

    def test_a_call_that_sends_much_gets_more_time(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix, call_timeout=0.5) as log:
                shared_server.pause()
                try:
                    assert "did not respond within 0.7 s" in await message_of(log.append([b"x" * 4_000_000], 0))
                finally:
                    shared_server.resume()

        run(test())

    def test_a_call_that_reads_a_large_entry_gets_more_time(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix, call_timeout=0.5) as log:
                await log.append([b"x" * 8_000_000], 0)
                assert await log.append([], 0) == LogPage([], is_last=False)
                shared_server.pause()
                try:
                    assert "did not respond within 0.9 s" in await message_of(log.append([], 0))
                finally:
                    shared_server.resume()

        run(test())

    def test_all_clients_read_the_same_order(self, shared_server: RedisServer, prefix: str) -> None:
        async def write(log: RedisLog, name: int) -> None:
            after = 0
            for number in range(30):
                page = await log.append([f"{name}-{number}-{part}".encode() for part in "ab"], after)
                after = page.entries[-1].position

        async def test() -> None:
            async with (
                connected(shared_server.url, prefix) as first,
                connected(shared_server.url, prefix) as second,
                connected(shared_server.url, prefix) as third,
            ):
                await asyncio.gather(*(write(log, name) for name, log in enumerate((first, second, third))))
                texts = await read_all(first)
                assert texts == await read_all(second) == await read_all(third)
                assert len(set(texts)) == len(texts) == 180
                for name in range(3):
                    own = [text for text in texts if text.startswith(f"{name}-".encode())]
                    assert own == [f"{name}-{number}-{part}".encode() for number in range(30) for part in "ab"]
                # Entries of one call are neighbours.
                assert all(one[:-1] == two[:-1] for one, two in zip(texts[::2], texts[1::2], strict=True))

        run(test())

    def test_calls_of_one_client_wait_for_each_other(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await asyncio.gather(*(log.append([bytes([number])], 0) for number in range(50)))
                assert await read_all(log) == [bytes([number]) for number in range(50)]

        run(test())

    def test_texts_may_have_any_bytes(self, shared_server: RedisServer, prefix: str) -> None:
        texts = [b"", bytes(range(256)), b"\r\n$-1\r\n", b"\xff" * 300_000]

        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append(texts, 0)
                assert await read_all(log) == texts

        run(test())

    def test_servers_share_one_secret(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with (
                connected(shared_server.url, prefix) as first,
                connected(shared_server.url, prefix) as second,
                connected(shared_server.url, next(PREFIXES)) as other,
            ):
                assert len(first.secret) == 32
                assert first.secret == second.secret != other.secret

        run(test())

    def test_a_log_works_in_another_event_loop_after_it_is_closed(
        self, shared_server: RedisServer, prefix: str
    ) -> None:
        async def start() -> RedisLog:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a"], 0)
            return log

        async def use(log: RedisLog) -> None:
            assert await read_all(log) == [b"a"]
            await log.close()

        run(use(asyncio.run(start())))


class TestPages:
    def test_a_page_ends_at_the_maximum_number_of_entries(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_log, "MAX_PAGE_ENTRIES", 2)

        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a", b"b", b"c"], 0)
                assert await log.append([b"d"], 0) == LogPage([LogEntry(1, b"a"), LogEntry(2, b"b")], is_last=False)
                assert await log.append([], 2) == LogPage([LogEntry(3, b"c"), LogEntry(4, b"d")], is_last=True)

        run(test())

    def test_a_page_ends_with_the_entry_that_exceeds_its_size_and_a_large_entry_has_its_own(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_log, "MAX_PAGE_BYTES", 5)

        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"four", b"four", b"more than five", b"x"], 0)
                sizes = [len((await log.append([], after)).entries) for after in (0, 2, 2, 3)]
                assert sizes == [2, 0, 1, 1]

        run(test())


class TestTrimming:
    def test_old_entries_are_removed(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(redis_log, "MAX_TRIMMED", 2)

        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([bytes([number]) for number in range(1, 8)], 0)
                await log.trim(6)
                assert shared_server.client().xlen(f"{{{prefix}}}:log") == 2
                assert await log.append([], 5) == LogPage([LogEntry(6, b"\6"), LogEntry(7, b"\7")], is_last=True)
                with pytest.raises(LogTrimmedError, match="has removed entries"):
                    await log.append([b"x"], 4)
                assert (await log.append([], 5)).entries[-1].position == 7

        run(test())

    def test_positions_continue_after_all_entries_are_removed(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a", b"b"], 0)
                await log.trim(100)
                await log.trim(1)
                assert await log.append([b"c"], 2) == LogPage([LogEntry(3, b"c")], is_last=True)
            async with connected(shared_server.url, prefix) as log:
                assert await log.append([b"d"], 3) == LogPage([LogEntry(4, b"d")], is_last=True)

        run(test())


class TestLostReplies:
    @pytest.mark.parametrize("lost", range(3))
    def test_a_call_whose_reply_is_lost_is_applied_once(
        self, shared_server: RedisServer, prefix: str, lost: int
    ) -> None:
        async def test() -> None:
            async with LossyProxy(shared_server) as proxy, connected(proxy.url, prefix) as log:
                for number in range(3):
                    proxy.loss = "close" if number == lost else None
                    page = await log.append([bytes([number]), b"x"], 2 * number)
                    assert [entry.text for entry in page.entries] == [bytes([number]), b"x"]
                assert await read_all(log) == [b"\0", b"x", b"\1", b"x", b"\2", b"x"]

        run(test())

    def test_many_lost_replies_of_several_clients(self, shared_server: RedisServer, prefix: str) -> None:
        async def write(name: int) -> list[bytes]:
            after = 0
            losses = Random(name)
            texts = [f"{name}-{number}".encode() for number in range(40)]
            async with LossyProxy(shared_server) as proxy, connected(proxy.url, prefix) as log:
                for text in texts:
                    proxy.loss = "close" if losses.random() < 0.3 else None
                    page = await log.append([text], after)
                    after = page.entries[-1].position
                    assert text in [entry.text for entry in page.entries]
            return texts

        async def test() -> None:
            written = await asyncio.gather(*(write(name) for name in range(3)))
            async with connected(shared_server.url, prefix) as log:
                texts = await read_all(log)
            assert len(texts) == 120
            for own in written:
                assert [text for text in texts if text in own] == own

        run(test())

    def test_a_call_is_repeated_behind_entries_of_other_clients(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with (
                LossyProxy(shared_server) as proxy,
                connected(proxy.url, prefix) as log,
                connected(shared_server.url, prefix) as other,
            ):
                proxy.loss = "close"
                proxy.before_connecting = partial(other.append, [b"b"], 0)
                page = await log.append([b"a"], 0)
                assert page == LogPage([LogEntry(1, b"a"), LogEntry(2, b"b")], is_last=True)

        run(test())

    def test_a_call_is_applied_once_although_its_entries_are_removed_before_it_is_repeated(
        self, shared_server: RedisServer, prefix: str
    ) -> None:
        async def test() -> None:
            async with (
                LossyProxy(shared_server) as proxy,
                connected(proxy.url, prefix) as log,
                connected(shared_server.url, prefix) as other,
            ):
                proxy.loss = "close"
                proxy.before_connecting = partial(other.save_snapshot, b"1", 2)
                assert await log.append([b"a"], 0) == LogPage([], is_last=False)
                with pytest.raises(LogTrimmedError):
                    await log.append([], 0)
                with pytest.raises(LogTrimmedError):
                    await log.append([b"b"], 0)
                assert await log.append([], 1) == LogPage([], is_last=True)

        run(test())

    def test_a_call_whose_reply_never_comes_fails_at_its_deadline(
        self, shared_server: RedisServer, prefix: str
    ) -> None:
        async def test() -> None:
            async with LossyProxy(shared_server) as proxy, connected(proxy.url, prefix, call_timeout=0.3) as log:
                proxy.loss = "swallow"
                assert await message_of(log.append([b"a"], 0)) == f"the store {proxy.url} did not respond within 0.3 s"
                assert await read_all(log) == [b"a"]
                await log.append([b"b"], 1)
                assert await read_all(log) == [b"a", b"b"]

        run(test())

    def test_a_cancelled_call_leaves_the_log_usable(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with LossyProxy(shared_server) as proxy, connected(proxy.url, prefix) as log:
                proxy.loss = "swallow"
                task = asyncio.ensure_future(log.append([b"a"], 0))
                await proxy.has_lost.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert (await log.append([b"b"], 1)).entries == [LogEntry(2, b"b")]
                assert await read_all(log) == [b"a", b"b"]

        run(test())

    def test_a_call_takes_one_round_trip(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with LossyProxy(shared_server) as proxy, connected(proxy.url, prefix) as log:
                await log.append([b"a"], 0)
                before = proxy.requests
                for number in range(10):
                    await log.append([b"a"], number)
                assert proxy.requests == before + 10

        run(test())


class TestDeadlines:
    def test_a_stopped_server_applies_nothing_when_it_continues(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with (
                connected(own_server.url, prefix, call_timeout=0.5) as log,
                connected(own_server.url, prefix) as other,
            ):
                await log.append([b"a"], 0)
                own_server.pause()
                message = await message_of(log.append([b"late"], 1))
                own_server.resume()
                assert message == f"the store {own_server.url} did not respond within 0.5 s"
                for _ in range(20):  # meanwhile the server reads what the closed connection left
                    assert await read_all(other) == [b"a"]
                assert own_server.client().info("commandstats")["cmdstat_evalsha"]["calls"] > 23
                assert (await log.append([b"b"], 1)).entries == [LogEntry(2, b"b")]

        run(test())

    def test_a_call_that_failed_keeps_no_connection(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(own_server.url, prefix, call_timeout=0.3) as log:
                before = count_descriptors()
                own_server.pause()
                assert "did not respond" in await message_of(log.append([b"x" * 10_000_000], 0))
                await asyncio.sleep(0)
                assert count_descriptors() == before - 1
                own_server.resume()

        run(test())

    def test_a_call_that_a_newer_one_overtakes_is_refused(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with LossyProxy(shared_server) as proxy, connected(proxy.url, prefix) as log:
                await log.append([b"a"], 0)
                proxy.is_open.clear()
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(log.append([b"overtaken"], 1), 0.1)
                old, proxy.is_open = proxy.is_open, asyncio.Event()
                proxy.is_open.set()
                await log.append([b"b"], 1)
                await log.close()
                old.set()
                await proxy.finish()
                assert await read_all(log) == [b"a", b"b"]

        run(test())

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_a_server_whose_clock_changed_is_used_again(
        self, shared_server: RedisServer, prefix: str, monkeypatch: pytest.MonkeyPatch, hours: int
    ) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                monkeypatch.setattr(redis_log, "monotonic", lambda: monotonic() + hours * 3_600)
                await log.append([b"a"], 0)
                await log.append([b"b"], 0)
                assert await read_all(log) == [b"a", b"b"]

        run(test())


class TestRestarts:
    def test_a_killed_server_loses_nothing(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(own_server.url, prefix) as log:
                for number in range(20):
                    await log.append([bytes([number])], number)
                own_server.kill()
                own_server.start()
                await log.append([b"again"], 20)
                assert await read_all(log) == [*(bytes([number]) for number in range(20)), b"again"]

        run(test())

    def test_a_call_continues_while_the_server_restarts(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(own_server.url, prefix) as log:
                await log.append([b"a"], 0)
                own_server.kill()
                task = asyncio.ensure_future(log.append([b"b"], 1))
                await asyncio.sleep(0.1)
                await asyncio.to_thread(own_server.start)
                assert await task == LogPage([LogEntry(2, b"b")], is_last=True)

        run(test())

    def test_calls_fail_while_the_server_is_down(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(own_server.url, prefix, call_timeout=0.2) as log:
                await log.append([b"a"], 0)
                own_server.kill()
                await message_of(log.append([b"b"], 1))
                message = await message_of(log.append([b"b"], 1))
                assert message.startswith(f"the store {own_server.url} is unreachable: ")
                own_server.start()
                assert await read_all(log) == [b"a"]

        run(test())

    def test_scripts_are_loaded_again(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(own_server.url, prefix) as log:
                await log.append([b"a"], 0)
                own_server.client().script_flush()
                await log.append([b"b"], 1)
                assert await read_all(log) == [b"a", b"b"]

        run(test())

    def test_a_server_that_lost_its_data_is_refused(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(own_server.url, prefix) as log:
                await log.append([b"a"], 0)
                own_server.client().flushall()
                for _ in range(2):  # on the same connection, and on a new one
                    with pytest.raises(LogLostError, match="lost entries that it had confirmed"):
                        await log.append([], 0)
                async with connected(own_server.url, prefix):
                    with pytest.raises(LogLostError):
                        await log.append([], 0)

        run(test())

    @pytest.mark.parametrize("texts", [[b"a"], [b"a", b"other"], [b"a", b"other", b"c"]])
    def test_a_server_that_lost_its_newest_entries_is_refused(
        self, shared_server: RedisServer, prefix: str, texts: list[bytes]
    ) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a", b"b"], 0)
                await log.close()
                client = shared_server.client()
                client.delete(f"{{{prefix}}}:log")
                for position, text in enumerate(texts, 1):
                    client.xadd(f"{{{prefix}}}:log", {"t": text}, f"{position}-0")
                client.hset(f"{{{prefix}}}:meta", "last", len(texts))
                with pytest.raises(LogLostError):
                    await log.append([], 2)

        run(test())

    def test_a_missing_entry_is_noticed(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a", b"b"], 0)
                shared_server.client().xdel(f"{{{prefix}}}:log", "1-0")
                with pytest.raises(LogLostError):
                    await log.append([b"c"], 0)
                with pytest.raises(LogLostError):
                    await log.append([b"c"], 3)
                assert (await log.append([], 1)).entries == [LogEntry(2, b"b")]

        run(test())

    def test_a_server_remembers_calls_for_a_limited_time(self, shared_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(shared_server.url, prefix) as log:
                await log.append([b"a"], 0)
            client = shared_server.client()
            [key] = client.keys(f"{{{prefix}}}:call:*")
            assert 60_000 < client.pttl(key) <= 80_000

        run(test())


class TestMessages:
    def message_at_start(self, url: str, prefix: str, config: dict[str, Any] = CONFIG, timeout: float = 20) -> str:
        return asyncio.run(message_of(connect(url, prefix, config, timeout)))

    def test_unreachable(self, prefix: str) -> None:
        url = f"redis://me:hunter2@127.0.0.1:{free_port()}/0"
        message = self.message_at_start(url, prefix, timeout=0.3)
        assert message.startswith(f"the store {mask_url(url)} is unreachable: ")
        assert message.endswith(": start it, change --store, or increase --store-timeout")
        assert "hunter2" not in message

    def test_without_a_reply_at_start(self, own_server: RedisServer, prefix: str) -> None:
        own_server.pause()
        assert self.message_at_start(own_server.url, prefix, timeout=0.3) == (
            f"the store {own_server.url} did not respond within 0.3 s: "
            "start it, change --store, or increase --store-timeout"
        )

    def test_a_server_that_starts_late_is_awaited(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            own_server.kill()
            task = asyncio.ensure_future(connect(own_server.url, prefix, CONFIG, 20))
            await asyncio.sleep(0.2)
            await asyncio.to_thread(own_server.start)
            await (await task).close()

        run(test())

    def test_user_and_password(self, own_server: RedisServer, prefix: str) -> None:
        own_server.client().config_set("requirepass", "p@ss/word")
        port = own_server.port
        for credentials in ("", ":hunter2@", "nobody:hunter2@"):
            message = self.message_at_start(f"redis://{credentials}127.0.0.1:{port}", prefix)
            assert "refused the user or password: write redis://USER:PASSWORD@HOST:PORT/DATABASE (" in message
            assert "hunter2" not in message

        async def test() -> None:
            async with connected(f"valkey://default:p%40ss%2Fword@127.0.0.1:{port}/0", prefix) as log:
                await log.append([b"a"], 0)

        run(test())

    def test_full(self, own_server: RedisServer, prefix: str) -> None:
        async def test() -> None:
            async with connected(own_server.url, prefix) as log:
                await log.append([b"a", b"b"], 0)
                own_server.client().config_set("maxmemory", 1)
                message = await message_of(log.append([b"c"], 2))
                assert message.startswith(f"the store {own_server.url} is full: increase its maxmemory")
                await log.trim(2)
                own_server.client().config_set("maxmemory", 0)
                assert await log.append([], 1) == LogPage([LogEntry(2, b"b")], is_last=True)

        run(test())

    def test_read_only(self, own_server: RedisServer, prefix: str) -> None:
        own_server.client().replicaof("127.0.0.1", str(free_port()))
        assert "is a read-only replica: use the URL of the primary" in self.message_at_start(own_server.url, prefix)

    def test_permissions(self, own_server: RedisServer, prefix: str) -> None:
        own_server.client().acl_setuser("reader", enabled=True, passwords=["+hunter2"], categories=["+@read"])
        message = self.message_at_start(own_server.url.replace("//", "//reader:hunter2@"), prefix)
        assert "refused a command: its user needs more permissions" in message

    @pytest.mark.parametrize("key", ["log", "meta"])
    def test_other_data_under_the_prefix(self, shared_server: RedisServer, prefix: str, key: str) -> None:
        shared_server.client().set(f"{{{prefix}}}:{key}", "x")
        assert "has other data under th" in self.message_at_start(shared_server.url, prefix)
        shared_server.client().delete(f"{{{prefix}}}:{key}")
        shared_server.client().hset(f"{{{prefix}}}:{key}", "x", "y")
        assert self.message_at_start(shared_server.url, prefix) == (
            f"the store {shared_server.url} has other data under the prefix {prefix}: choose another --store-prefix"
        )

    @pytest.mark.parametrize(
        ("other", "difference"),
        [
            ({"seed": 8}, "for seed 7, and this server has 8"),
            ({"locale": "de"}, 'for locale "en_US", and this server has "de"'),
            ({"more": [1]}, "for more null, and this server has [1]"),
        ],
    )
    def test_other_settings(
        self, shared_server: RedisServer, prefix: str, other: dict[str, Any], difference: str
    ) -> None:
        async def start() -> None:
            async with connected(shared_server.url, prefix):
                pass

        run(start())
        assert self.message_at_start(shared_server.url, prefix, CONFIG | other) == (
            f"the store {shared_server.url} has a log {difference}: use the same settings for all servers, or another "
            "--store-prefix"
        )

    def test_another_format(self, shared_server: RedisServer, prefix: str) -> None:
        meta: dict[Any, Any] = {"format": 99, "config": json.dumps(CONFIG), "secret": "x"}
        shared_server.client().hset(f"{{{prefix}}}:meta", mapping=meta)
        message = self.message_at_start(shared_server.url, prefix)
        assert "has a log of format 99, and this release writes format 2" in message

    @pytest.mark.parametrize(
        ("reply", "expected"),
        [
            (
                "MOVED 7 10.0.0.1:7001",
                "is a cluster node without this log: use the URL of the node that has it (",
            ),
            ("ERR Error compiling script (new function): #", "is too old: use Redis 7, Valkey or later (Error compili"),
            ("ERR unknown command 'EVALSHA', with args beginning with: 'x'", "refused a command (unknown command 'E"),
            (
                "ERR DB index is out of range",
                "does not have the database of its URL: write a lower number, such as 0 (",
            ),
            ("MISCONF errors writing to the AOF file", "refused a command (MISCONF errors writing"),
        ],
    )
    def test_refusals(self, shared_server: RedisServer, prefix: str, reply: str, expected: str) -> None:
        async def test() -> None:
            async with LossyProxy(shared_server) as proxy, connected(proxy.url, prefix) as log:
                proxy.replacement = f"-{reply}\r\n".encode()
                message = await message_of(log.append([b"a"], 0))
                assert expected in message
                assert "with args" not in message

        run(test())

    @pytest.mark.parametrize(
        "url",
        [
            *("hunter2", "http://me:hunter2@host", "redis://:hunter2#x@host", "redis://host?password=hunter2&socket=1"),
            *("redis://me:1/hunter2@host:1/0", "valkey://host/zero"),
        ],
    )
    def test_malformed_urls(self, prefix: str, url: str) -> None:
        message = self.message_at_start(url, prefix)
        assert "is not a valid URL: write redis://USER:PASSWORD@HOST:PORT/DATABASE" in message
        assert "hunter2" not in message

    def test_a_missing_ca_file(self, prefix: str) -> None:
        url = "rediss://:hunter2@localhost?ssl_ca_certs=/missing.pem"
        assert self.message_at_start(url, prefix) == (
            "the store rediss://***@localhost cannot be used: ssl_ca_certs: /missing.pem is not a file"
        )

    @pytest.mark.parametrize(
        ("url", "masked"),
        [
            ("redis://host:1/2", "redis://host:1/2"),
            ("rediss://me:p@ss?x@host:1/2?ssl_ca_certs=ca.pem", "rediss://***@host:1/2"),
            ("unix:///run/redis.sock?password=x", "unix:///run/redis.sock"),
            ("secret", "***"),
        ],
    )
    def test_masked_urls(self, url: str, masked: str) -> None:
        assert mask_url(url) == masked


class TestTransports:
    def test_a_unix_socket(self, tmp_path: Path, prefix: str) -> None:
        async def test() -> None:
            async with connected(f"unix://{tmp_path}/socket", prefix) as log:
                await log.append([b"a"], 0)

        with running(tmp_path, f"unixsocket {tmp_path}/socket"):
            run(test())

    def test_tls_with_a_ca_file(self, tmp_path: Path, prefix: str) -> None:
        ca = trustme.CA()
        certificate = ca.issue_cert("localhost")
        ca.cert_pem.write_to_path(tmp_path / "ca.pem")
        certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        port = free_port()
        options = (
            f"tls-port {port}",
            "tls-auth-clients no",
            f"tls-cert-file {tmp_path}/cert.pem",
            f"tls-key-file {tmp_path}/key.pem",
        )

        async def test() -> None:
            url = f"valkeys://localhost:{port}"
            async with connected(f"{url}?ssl_ca_certs={tmp_path}/ca.pem", prefix) as log:
                await log.append([b"a"], 0)
            message = await message_of(connect(url, prefix, CONFIG, 0.3))
            assert "is unreachable" in message
            assert "certificate verify failed" in message

        with running(tmp_path, *options):
            run(test())


@pytest.mark.parametrize(("environment", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_server_is_skipped_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, environment: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", environment)
    with pytest.raises(outcome, match="neither redis-server nor valkey-server is installed"):
        find_program()
