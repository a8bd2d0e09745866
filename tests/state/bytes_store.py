"""A second store, which keeps rules and the state of each tenant as bytes, like a database that servers share."""

import json
from collections import defaultdict
from collections.abc import Collection

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.json_stream import json_pieces
from mock_atoms.core.slices import Slices, run_without_pauses
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.fixtures import Fixtures, find_audience_tokens
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import Evaluate, FaultDecision
from mock_atoms.faults.expressions import parse_fault
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import Rule
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.journal import Journal
from mock_atoms.state.operations import DataOperation
from mock_atoms.state.snapshot import export_tenant
from mock_atoms.state.snapshot_parsing import parse_tenant
from mock_atoms.state.store import StoreContent, TenantState, next_version


class BytesStore:
    """Keeps no objects: each call reads new ones, and writes them afterwards."""

    def __init__(
        self,
        journal: Journal,
        generator: Generator,
        rules: RuleBook,
        fixtures: Fixtures,
        _slices: Slices,
        *,
        max_tenants: int = 10,
        max_bytes: int = 10**9,
    ) -> None:
        self._journal = journal
        self._generator = generator
        self._local_rules = rules
        self._fixtures = fixtures
        self._max_tenants = max_tenants
        self._max_bytes = max_bytes
        self._states: dict[bytes, bytes] = {}
        self._versions: defaultdict[bytes, int] = defaultdict(next_version)
        self._rules: list[bytes] = []
        self._write_rules()

    async def load(self, tenant: Tenant) -> TenantState:
        state = self._read(tenant)
        self._write(state)
        return state

    async def begin(self, tenant: Tenant, exchange: Exchange, evaluate: Evaluate | None) -> FaultDecision | None:
        state = self._read(tenant)
        evaluation = None
        if evaluate is not None:
            evaluate(state.counters)  # as if a concurrent change was detected
            self._read_rules()
            evaluation = evaluate(state.counters)
        if evaluation is not None:
            evaluation.apply(state.counters)
            self._write_rules()
        state.requests += 1
        exchange.id = self._generator.request_id(state.tenant.key, state.requests)
        self._journal.add(exchange)
        self._write(state)
        return None if evaluation is None else evaluation.decision

    async def commit(self, tenant: Tenant, operation: DataOperation, version: int | None = None) -> bool:
        state = self._read(tenant)
        if version not in (None, state.version):
            return False
        state.apply(operation)
        self._versions[tenant.key] = state.version
        self._write(state)
        return True

    async def tenants(self) -> list[TenantState]:
        return [_from_bytes(data) for data in self._states.values()]

    async def rules(self) -> list[ActiveRule]:
        return list(self._read_rules())

    async def rule(self, rule_id: str) -> ActiveRule | None:
        return self._read_rules().get(rule_id)

    async def add_rule(self, rule: Rule) -> ActiveRule:
        active_rule = self._read_rules().add(rule)
        self._write_rules()
        return active_rule

    async def remove_rules(self, rule_ids: Collection[str] | None = None) -> None:
        book = self._read_rules()
        removed = [book.remove(rule_id) for rule_id in (book.created_ids() if rule_ids is None else rule_ids)]
        self._write_rules()
        for state in await self.tenants():
            for active_rule in removed:
                if active_rule is not None:
                    state.counters.pop(active_rule.id, None)
            self._states[state.tenant.key] = _to_bytes(state)

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        book = self._read_rules()
        if token_digest is None and test_digest is None:
            book.reset()
            self._fixtures.import_data(None)
        for rule_id in book.created_ids(token_digest, test_digest):
            book.remove(rule_id)
        self._write_rules()
        for state in await self.tenants():
            tenant = state.tenant
            if token_digest in (None, tenant.token_digest) and test_digest in (None, tenant.test_digest):
                self._delete(tenant.key)

    async def export(self) -> StoreContent:
        fixtures = run_without_pauses(self._fixtures.export_data())
        return StoreContent(await self.rules(), fixtures, await self.tenants())

    async def replace_all(self, content: StoreContent) -> None:
        rules = run_without_pauses(self._local_rules.prepare(content.rules))
        if sum(state.size_bytes for state in content.tenants) > self._max_bytes:
            raise CapacityError("too large")
        self._local_rules.replace_all(rules)
        self._write_rules()
        self._fixtures.import_data(content.fixtures, run_without_pauses(find_audience_tokens(content.fixtures)))
        self._versions.clear()
        self._states = {state.tenant.key: _to_bytes(state) for state in content.tenants[-self._max_tenants :]}

    def _read(self, tenant: Tenant) -> TenantState:
        data = self._states.get(tenant.key)
        state = TenantState(tenant) if data is None else _from_bytes(data)
        state.version = self._versions[tenant.key]
        return state

    def _write(self, state: TenantState) -> None:
        self._states.pop(state.tenant.key, None)
        self._states[state.tenant.key] = _to_bytes(state)
        while len(self._states) > self._max_tenants or (len(self._states) > 1 and self._size_bytes() > self._max_bytes):
            self._delete(next(iter(self._states)))

    def _delete(self, key: bytes) -> None:
        del self._states[key], self._versions[key]

    def _size_bytes(self) -> int:
        return sum(_from_bytes(data).size_bytes for data in self._states.values())

    def _read_rules(self) -> RuleBook:
        """Bring the rules of this process up to date, and return them."""
        rules = [_rule_from_bytes(data) for data in self._rules]
        self._local_rules.replace_all(run_without_pauses(self._local_rules.prepare(rules)))
        return self._local_rules

    def _write_rules(self) -> None:
        self._rules = [
            json.dumps(rule.as_json() | {"atStart": rule.is_startup_rule}).encode() for rule in self._local_rules
        ]


def _to_bytes(state: TenantState) -> bytes:
    return "".join(json_pieces(export_tenant(state))).encode()


def _from_bytes(data: bytes) -> TenantState:
    return run_without_pauses(parse_tenant(json.loads(data)))


def _rule_from_bytes(data: bytes) -> ActiveRule:
    content = json.loads(data)
    rule_id, at_start, evaluated, triggered = (content.pop(key) for key in ("id", "atStart", "evaluated", "triggered"))
    return ActiveRule(rule_id, parse_fault(content), (at_start, 0), evaluated, triggered)
