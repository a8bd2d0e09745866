"""Stores, and requests that they count."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import Any, TypeVar

from mock_atoms.core.slices import Slices
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.fixtures import Fixtures
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import Counters, Evaluate, Evaluation, FaultEngine, RuleCounter
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.state.memory_store import MemoryStore
from mock_atoms.state.replica import Replica
from mock_atoms.state.replicated_journal import ReplicatedJournal
from mock_atoms.state.replicated_store import ReplicatedStore
from mock_atoms.state.store import Store, StoreContent, TenantState
from tests.helpers.exchanges import exchange
from tests.helpers.shared_log import MemoryLog

RULE = parse_fault({"fault": "500"})


AnyStore = TypeVar("AnyStore", bound=Store)


def make_store(
    store_class: Callable[..., AnyStore],
    rules: RuleBook | None = None,
    fixtures: Fixtures | None = None,
    slices: Slices | None = None,
    **limits: int,
) -> AnyStore:
    """Return a store with a journal that is off, and without startup rules unless `rules` has some."""
    generator = Generator("atoms")
    return store_class(
        MemoryJournal(0, Credentials(b"key")),
        generator,
        RuleBook({}) if rules is None else rules,
        Fixtures(generator, "en_US") if fixtures is None else fixtures,
        Slices(monotonic) if slices is None else slices,
        **limits,
    )


def replicated_store(
    _journal: MemoryJournal,
    generator: Generator,
    rules: RuleBook,
    fixtures: Fixtures,
    slices: Slices,
    **limits: int,
) -> ReplicatedStore:
    """Return the store of a server that shares an empty log."""
    replica = Replica(MemoryLog(page_size=2))
    journal = ReplicatedJournal(0, Credentials(b"key"), replica)
    engine = FaultEngine("atoms", rules)
    options: dict[str, Any] = {"replica": replica, "engine": engine, "tenant_ttl": 100.0, **limits}
    return ReplicatedStore(journal, generator, rules, fixtures, slices, now=lambda: datetime.now(UTC), **options)


def memory_store(**options: Any) -> MemoryStore:  # noqa: ANN401 - those of `make_store`
    """Return a memory store with a journal that is off."""
    return make_store(MemoryStore, **options)


def content_of(tenants: list[TenantState]) -> StoreContent:
    """Return content without rules and fixtures."""
    return StoreContent([], {}, tenants)


def leaving(counters: Mapping[str, RuleCounter]) -> Evaluate:
    """Return the evaluation of a request after which its tenant has these counters."""

    def evaluate(_before: Counters) -> Evaluation:
        evaluated = []
        for rule_id, counter in counters.items():
            is_triggered = counter.triggered > 0
            before = RuleCounter(
                counter.evaluated - 1,
                counter.triggered - is_triggered,
                counter.window_start,
                counter.window_used,
            )
            evaluated.append((ActiveRule(rule_id, RULE, (False, 0)), before, is_triggered))
        return Evaluation(None, evaluated)

    return evaluate


async def count_request(store: Store, tenant: Tenant, counters: Mapping[str, RuleCounter] | None = None) -> int:
    """Count a request of `tenant`, and return its number. It leaves these counters."""
    await store.begin(tenant, exchange(0, None, tenant=tenant), None if counters is None else leaving(counters))
    return (await store.load(tenant)).requests
