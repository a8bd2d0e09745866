"""The state of one mock server: `MockAtoms` owns all of it."""

import asyncio
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_atoms.caching.response_cache import ResponseCache
from mock_atoms.core.body_memory import BodyMemory
from mock_atoms.core.delays import ShutdownSignal
from mock_atoms.core.errors import CapacityError
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings
from mock_atoms.core.slices import Slices, free, run_without_pauses
from mock_atoms.core.tenancy import digest_test_id, digest_token
from mock_atoms.core.timestamps import MonotonicClock, WallClock, clock_since_1970
from mock_atoms.data.fixtures import Fixtures, FixtureSet
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import ERROR_RATE_RULE, FaultEngine, error_rate_rule
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_path import check_rule_path
from mock_atoms.faults.rulebook import MAX_STARTUP_RULES, RuleBook
from mock_atoms.faults.rules import Rule
from mock_atoms.journal.access_log import AccessLog, log_exchange
from mock_atoms.journal.calls import AttemptCounter
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, share_response_head
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.journal.metrics import Metrics
from mock_atoms.journal.query import JournalQuery
from mock_atoms.journal.recorder import ExchangeRecorder
from mock_atoms.journal.request_reader import RequestReader
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.repositories import Repositories
from mock_atoms.state.start_point import StartPoint
from mock_atoms.state.tenant_data import Readings
from mock_atoms.wiremock.stub_book import StubBook
from mock_atoms.wiremock.stub_folder import BodyFiles, read_stubs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mock_atoms.data.fixture_files import FixtureFile
    from mock_atoms.journal.journal import Journal
    from mock_atoms.state.shared_log import SharedLog
    from mock_atoms.state.start_state import StartState
    from mock_atoms.state.store import Store
    from mock_atoms.wiremock.stubs import Stub


async def _do_nothing() -> None:
    """Do nothing."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FileReload(NamedTuple):
    """A reload of fixtures and stubs.

    Attributes:
        at: its time.
        error: why the previous files are still in use; `None` if the new ones are.
    """

    at: datetime
    error: str | None


class MockAtoms:
    """The state of one mock server. Several servers in one process do not affect each other.

    Args:
        settings: the settings of the server.
        clock: the monotonic clock.
        now: the wall clock.
        log: receives each finished exchange.
        shared_log: carries all changes to the servers that share the state; by default that of the setting `store`.

    Attributes:
        shutdown_signal: ends all waits shortly before the grace period is over.
        end_of_streams: ends all event streams as soon as the server stops.
        after_reset: called after a complete reset.
        last_reload: the last reload of fixtures and stubs; `None` if there was none.

    Raises:
        ConfigError: a fault, a fixture file or the start state is invalid.
        StoreUnavailableError: the shared store cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        clock: MonotonicClock = time.monotonic,
        now: WallClock = _utc_now,
        log: AccessLog = log_exchange,
        shared_log: "SharedLog | None" = None,
    ) -> None:
        start_state = _read_start_state(settings)
        self.settings = settings = settings if start_state is None else start_state.adapt(settings)
        self.is_shared = shared_log is not None or settings.is_shared
        self.clock = clock = clock_since_1970(clock, now) if self.is_shared else clock
        self.now = now
        self._started = clock()
        self.slices = Slices(clock)
        self.generator = Generator(settings.seed)
        self.generator.prepare(settings.locale)
        self.fixtures = Fixtures(self.generator, settings.locale, _read_fixtures(settings))
        startup_rules = _startup_rules(settings)
        rules = RuleBook(startup_rules)
        self.fault_engine = FaultEngine(settings.seed, rules)
        if shared_log is None and self.is_shared:
            from mock_atoms.state.shared_store import open_shared_log  # noqa: PLC0415 - most servers share nothing

            shared_log = open_shared_log(settings)
        self.body_files = BodyFiles(settings.stubs)
        self.journal: Journal
        self.store: Store
        if shared_log is None:
            credentials = Credentials(secrets.token_bytes(32), settings.session_cookie)
            self.journal = MemoryJournal(settings.journal_size, credentials)
            self.stubs = StubBook(_read_stubs(settings, credentials))
            start = None
            if start_state is not None:
                start = StartPoint(partial(start_state.content, credentials))
            self.store = MemoryStore(
                self.journal, self.generator, rules, self.fixtures, self.slices, stubs=self.stubs, start=start
            )
        else:
            self._share(shared_log, rules)
        self.repositories = Repositories(
            self.store, self.fixtures, self.generator, self.creation_time, self.slices, readings=_readings(settings)
        )
        self.attempt_counter = AttemptCounter(self.journal.holds)
        self.response_cache = ResponseCache()
        self.metrics = Metrics()
        self.request_reader = RequestReader(
            settings, self.journal.credentials, clock=clock, now=now, key=secrets.token_bytes(32)
        )
        self.recorder = ExchangeRecorder(self.journal, self.attempt_counter, self.metrics, clock, log)
        self.body_memory = BodyMemory()
        self.shutdown_signal = ShutdownSignal()
        self.end_of_streams = ShutdownSignal()
        self.after_reset: Callable[[], Awaitable[None]] = _do_nothing
        self.last_reload: FileReload | None = None
        if start_state is not None:
            try:
                with ThreadPoolExecutor(1) as thread:  # the caller may run an event loop
                    thread.submit(asyncio.run, self.store.reset()).result()
            except CapacityError as error:
                raise ConfigError(f"{settings.state}: {error}") from None
        _check_paths(startup_rules, settings, self.stubs)

    def _share(self, shared_log: "SharedLog", rules: RuleBook) -> None:
        """Keep a copy of the state that is in a shared log."""
        from mock_atoms.state.replica import Replica  # noqa: PLC0415 - most servers share nothing
        from mock_atoms.state.replicated_journal import ReplicatedJournal  # noqa: PLC0415 - the same
        from mock_atoms.state.replicated_store import ReplicatedStore  # noqa: PLC0415 - the same

        replica = Replica(shared_log)
        credentials = Credentials(shared_log.secret, self.settings.session_cookie)
        self.journal = journal = ReplicatedJournal(self.settings.journal_size, credentials, replica)
        journal.on_foreign_end = self._note_foreign_end
        self.stubs = StubBook(_read_stubs(self.settings, credentials))
        self.store = ReplicatedStore(
            journal,
            self.generator,
            rules,
            self.fixtures,
            self.slices,
            replica=replica,
            engine=self.fault_engine,
            now=self.now,
            tenant_ttl=self.settings.tenant_ttl,
            stubs=self.stubs,
        )

    def _note_foreign_end(self, exchange: Exchange) -> None:
        self.metrics.count(exchange)
        self.attempt_counter.number(exchange)

    @property
    def max_recorded_body(self) -> int:
        """Number of response body bytes that the journal keeps."""
        return 0 if self.journal.is_off else self.settings.journal_body

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return self.clock() - self._started

    def creation_time(self) -> datetime:
        """Return the creation time of what a client creates now."""
        return self.settings.now or self.now()

    async def reset(self, token: str | None = None, test_id: str | None = None) -> None:
        """Reset everything, or only one token, one test id, or one test id of one token."""
        if token is None and test_id is None:
            released = await self._forget_requests()
            share_response_head.cache_clear()  # they would keep the memory around them from being returned
            await self.store.reset()
            if self.settings.state is not None:  # its parsing took a while: requests may have arrived meanwhile
                released += await self._forget_requests()
            await self.slices.run(free(released))
            await self.after_reset()
            return
        token_digest = None if token is None else digest_token(token)
        test_digest = None if test_id is None else digest_test_id(test_id)
        query = JournalQuery.of_tenant(self.journal.credentials, token, test_id)
        candidates = await self.journal.candidates(query.key_sets)
        await self.store.reset(token_digest, test_digest)
        selected = await self.slices.run(query.select(candidates))
        await self.slices.run(free(await self.journal.remove(selected)))

    async def _forget_requests(self) -> list[Any]:
        """Forget all requests, and return what is no longer kept."""
        released: list[Any] = [*self.response_cache.clear(), *self.request_reader.clear(), *await self.journal.clear()]
        self.attempt_counter.clear()
        return released

    async def reload(self) -> None:
        """Read the fixture and stub files again.

        Tenants without changes have the new data from now on; the others keep theirs until they are reset.

        Raises:
            ConfigError: a file is invalid, or there are too many stubs. Nothing has changed.
        """
        files, stubs = await asyncio.to_thread(self._read_files)
        try:
            released = await self.store.replace_files(files, stubs)
        except CapacityError as error:
            raise ConfigError(f"{self.settings.stubs}: {error}") from None
        released += self.response_cache.clear()
        await self.slices.run(free(released))

    def _read_files(self) -> "tuple[FixtureSet, list[Stub]]":
        files = FixtureSet.of(_read_fixtures(self.settings), self.fixtures.files)
        return files, _read_stubs(self.settings, self.journal.credentials)

    async def clear_journal(self) -> None:
        """Remove all exchanges from the journal."""
        await self.slices.run(free(await self.journal.clear()))


def _read_start_state(settings: Settings) -> "StartState | None":
    if settings.state is None:
        return None
    from mock_atoms.state.start_state import StartState  # noqa: PLC0415 - the server starts faster without it

    return StartState(settings.state)


def _read_fixtures(settings: Settings) -> "dict[str, FixtureFile]":
    if settings.fixtures is None or settings.state is not None:
        return {}
    from mock_atoms.data.fixture_folder import read_folder  # noqa: PLC0415 - the server starts faster without it

    return read_folder(settings.fixtures)


def _readings(settings: Settings) -> Readings:
    return Readings(
        active_campaigns=settings.active_campaigns,
        campaign_pace=settings.campaign_pace,
        lists_newest_first=settings.audience_order == "newest",
        search_limit=settings.search_limit,
        deletes_emptied_audiences=settings.delete_emptied_audiences,
    )


def _read_stubs(settings: Settings, credentials: Credentials) -> "list[Stub]":
    if settings.stubs is None or settings.state is not None:
        return []
    return read_stubs(settings.stubs, credentials)


def _startup_rules(settings: Settings) -> dict[str, Rule]:
    rules = {}
    for number, fault in enumerate(settings.fault, 1):
        rule_id = f"fault-{number}"
        try:
            rules[rule_id] = parse_fault(fault)
            run_without_pauses(rules[rule_id].measure())
        except ConfigError as error:
            raise ConfigError(f"{settings.fault_place}, fault {number}: {error}") from None
    if settings.error_rate:
        rules[ERROR_RATE_RULE] = error_rate_rule(settings.error_rate)
    if len(rules) > MAX_STARTUP_RULES:
        raise ConfigError(
            f"{settings.fault_place}: {len(rules)} faults: at most {MAX_STARTUP_RULES}, error rate included"
        )
    return rules


def _check_paths(rules: dict[str, Rule], settings: Settings, stubs: StubBook) -> None:
    """Check the paths of the startup rules. The stubs of files may have some of them."""
    for number, rule in enumerate(rules.values(), 1):
        try:
            check_rule_path(rule.match.path, settings.base_path, stubs.may_have)
        except ConfigError as error:
            raise ConfigError(f"{settings.fault_place}, fault {number}: {error}") from None
