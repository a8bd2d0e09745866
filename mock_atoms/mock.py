"""The state of one mock server: `MockAtoms` owns all of it."""

import secrets
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mock_atoms.caching.fast_path import FastPath
from mock_atoms.caching.response_cache import ResponseCache
from mock_atoms.core.delays import ShutdownSignal
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings
from mock_atoms.core.tenancy import digest_test_id, digest_token
from mock_atoms.core.timestamps import MonotonicClock, WallClock
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import ERROR_RATE_RULE, FaultEngine, error_rate_rule
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import Rule
from mock_atoms.journal.access_log import AccessLog, log_exchange
from mock_atoms.journal.calls import AttemptCounter
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.journal import Journal
from mock_atoms.journal.metrics import Metrics
from mock_atoms.journal.recorder import ExchangeRecorder
from mock_atoms.state.audiences import AudienceRepositories
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.store import Store, TenantState

if TYPE_CHECKING:
    from mock_atoms.data.fixture_files import FixtureFile


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MockAtoms:
    """The state of one mock server. Several live in one process without knowing of each other.

    Args:
        settings: its settings.
        clock: seconds of a clock that only goes forward, for durations.
        now: the time of day.
        store: where state is kept; in memory where none is given.
        log: is told of each exchange.

    Raises:
        ConfigError: a fault or a fixture file cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        clock: MonotonicClock = time.monotonic,
        now: WallClock = _utc_now,
        store: Store | None = None,
        log: AccessLog = log_exchange,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.now = now
        self._started = clock()
        self.generator = Generator(settings.seed)
        self.generator.prepare(settings.locale)
        self.fixtures = Fixtures(self.generator, settings.locale, _files(settings))
        self.store: Store = store or MemoryStore()
        self.repositories = AudienceRepositories(self.store, self.fixtures, self.generator, self._creation_time)
        self.journal = Journal(settings.journal_size, Credentials(secrets.token_bytes(32), settings.session_cookie))
        self.attempts = AttemptCounter()
        self.response_cache = ResponseCache()
        self.metrics = Metrics()
        self.recorder = ExchangeRecorder(self.journal, self.attempts, self.metrics, clock, log)
        self.shutdown_signal = ShutdownSignal()
        self.rules = RuleBook(_rules(settings))
        self.engine = FaultEngine(settings.seed, self.rules)
        self.fast_path = FastPath(
            self.response_cache,
            self.engine,
            self.recorder,
            self.generator,
            clock=clock,
            now=now,
            key=secrets.token_bytes(32),
        )

    @property
    def uptime(self) -> float:
        """For how many seconds it has been there."""
        return self.clock() - self._started

    def _creation_time(self) -> datetime:
        """Return when what a client creates now is said to be created."""
        return self.settings.now or self.now()

    async def reset(self, token: str | None = None, test_id: str | None = None) -> None:
        """Begin anew: forget everything, or what belongs to one token, one test, or one test of one token."""
        if token is None and test_id is None:
            self.rules.reset()
            self.fixtures.import_data(None)
            self.journal.clear()
            await self.store.reset()
            self.response_cache.clear()
            return
        token_digest = None if token is None else digest_token(token)
        test_digest = None if test_id is None else digest_test_id(test_id)
        await self.remove_rules(self.rules.created_ids(token_digest, test_digest))
        self.journal.remove(self.journal.tenant_filter(token, test_id))
        await self.store.reset(token_digest, test_digest)

    async def remove_rules(self, rule_ids: Collection[str]) -> None:
        """Take rules out of force, and forget how often each tenant met them."""
        for rule_id in rule_ids:
            self.rules.remove(rule_id)
        gone = set(rule_ids)

        def forget(state: TenantState) -> None:
            for rule_id in state.counters.keys() & gone:
                del state.counters[rule_id]

        await self.store.update_all(forget)


def _files(settings: Settings) -> "dict[str, FixtureFile]":
    if settings.fixtures is None:
        return {}
    from mock_atoms.data.fixture_files import read_folder  # noqa: PLC0415 - the start is quicker without

    return read_folder(settings.fixtures)


def _rules(settings: Settings) -> dict[str, Rule]:
    rules = {}
    for number, given in enumerate(settings.fault, 1):
        rule_id = f"fault-{number}"
        try:
            rules[rule_id] = parse_fault(given, settings.base_path)
        except ConfigError as error:
            raise ConfigError(f"{rule_id}: {error}") from None
    if settings.error_rate:
        rules[ERROR_RATE_RULE] = error_rate_rule(settings.error_rate)
    return rules
