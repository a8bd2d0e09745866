"""Stores, and requests that they count."""

from collections.abc import Mapping

from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import Counters, Evaluate, Evaluation, RuleCounter
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.state.memory_store import MAX_STORE_BYTES, MAX_TENANTS, MemoryStore
from mock_atoms.state.store import Store
from tests.helpers.exchanges import exchange

RULE = parse_fault({"fault": "500"})


def memory_store(max_tenants: int = MAX_TENANTS, max_bytes: int = MAX_STORE_BYTES) -> MemoryStore:
    """Return a store with a journal that is off."""
    return MemoryStore(MemoryJournal(0, Credentials(b"key")), Generator("atoms"), max_tenants, max_bytes)


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
                counter.window_used - (not is_triggered),
            )
            evaluated.append((ActiveRule(rule_id, RULE, (False, 0)), before, is_triggered))
        return Evaluation(None, evaluated)

    return evaluate


async def count_request(store: Store, tenant: Tenant, counters: Mapping[str, RuleCounter] | None = None) -> int:
    """Count a request of `tenant`, and return its number. It leaves these counters."""
    await store.begin(tenant, exchange(0, None, tenant=tenant), None if counters is None else leaving(counters))
    return (await store.load(tenant)).requests
