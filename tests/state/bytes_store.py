"""A second store, which keeps the state of each tenant as bytes, like a database that several servers share."""

import json
from collections import defaultdict
from collections.abc import Collection

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.json_stream import json_pieces
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.core.tenancy import Tenant
from mock_atoms.data.generator import Generator
from mock_atoms.faults.engine import Evaluate, FaultDecision
from mock_atoms.journal.exchange import Exchange
from mock_atoms.state.operations import DataOperation
from mock_atoms.state.snapshot import export_tenant
from mock_atoms.state.snapshot_parsing import parse_tenant
from mock_atoms.state.store import TenantState, next_version

GENERATOR = Generator("atoms")


class BytesStore:
    """Keeps no objects: each call reads a new state, and writes it afterwards."""

    def __init__(self, max_tenants: int = 10, max_bytes: int = 10**9) -> None:
        self._max_tenants = max_tenants
        self._max_bytes = max_bytes
        self._states: dict[bytes, bytes] = {}
        self._versions: defaultdict[bytes, int] = defaultdict(next_version)

    async def load(self, tenant: Tenant) -> TenantState:
        state = self._read(tenant)
        self._write(state)
        return state

    async def begin(self, tenant: Tenant, exchange: Exchange, evaluate: Evaluate | None) -> FaultDecision | None:
        state = self._read(tenant)
        evaluation = None
        if evaluate is not None:
            evaluate(state.counters)  # as if a concurrent change was detected
            evaluation = evaluate(state.counters)
            evaluation.apply(state.counters)
        state.requests += 1
        exchange.id = GENERATOR.request_id(state.tenant.key, state.requests)
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

    def remove_counters(
        self, rule_ids: Collection[str], token_digest: bytes | None = None, test_digest: bytes | None = None
    ) -> Steps[None]:
        for state in map(_from_bytes, list(self._states.values())):
            if _belongs_to(state.tenant, token_digest, test_digest):
                for rule_id in rule_ids:
                    state.counters.pop(rule_id, None)
                self._states[state.tenant.key] = _to_bytes(state)
            yield

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> list[TenantState]:
        tenants = await self.tenants()
        removed = [state for state in tenants if _belongs_to(state.tenant, token_digest, test_digest)]
        for state in removed:
            self._delete(state.tenant.key)
        return removed

    async def tenants(self) -> list[TenantState]:
        return [_from_bytes(data) for data in self._states.values()]

    async def replace_all(self, states: list[TenantState]) -> list[TenantState]:
        if sum(state.size_bytes for state in states) > self._max_bytes:
            raise CapacityError("too large")
        replaced = await self.tenants()
        self._versions.clear()
        self._states = {state.tenant.key: _to_bytes(state) for state in states[-self._max_tenants :]}
        return replaced

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


def _to_bytes(state: TenantState) -> bytes:
    return "".join(json_pieces(export_tenant(state))).encode()


def _from_bytes(data: bytes) -> TenantState:
    return run_without_pauses(parse_tenant(json.loads(data)))


def _belongs_to(tenant: Tenant, token_digest: bytes | None, test_digest: bytes | None) -> bool:
    return token_digest in (None, tenant.token_digest) and test_digest in (None, tenant.test_digest)
