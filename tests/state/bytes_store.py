"""A second store, which keeps the state of each tenant as bytes, like a database that several servers share."""

import json
from collections.abc import Callable, Collection
from typing import TypeVar

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.json_stream import json_pieces
from mock_atoms.core.slices import Steps, run_without_pauses
from mock_atoms.core.tenancy import Tenant
from mock_atoms.state.snapshot import export_tenant
from mock_atoms.state.snapshot_parsing import parse_tenant
from mock_atoms.state.store import TenantState

T = TypeVar("T")


class BytesStore:
    """Keeps no objects: each call reads a new state, and writes it afterwards."""

    def __init__(self, max_tenants: int = 10, max_bytes: int = 10**9) -> None:
        self._max_tenants = max_tenants
        self._max_bytes = max_bytes
        self._states: dict[bytes, bytes] = {}

    async def read(self, tenant: Tenant, query: Callable[[TenantState], T]) -> T:
        state = self._read(tenant)
        result = query(state)
        self._write(self._read(tenant))
        return result

    async def update(self, tenant: Tenant, change: Callable[[TenantState], T]) -> T:
        # As if a concurrent change was detected: the first result is dropped.
        change(self._read(tenant))
        state = self._read(tenant)
        result = change(state)
        self._write(state)
        return result

    def remove_counters(
        self, rule_ids: Collection[str], token_digest: bytes | None = None, test_digest: bytes | None = None
    ) -> Steps[None]:
        for state in map(_from_bytes, list(self._states.values())):
            if state.tenant.belongs_to(token_digest, test_digest):
                for rule_id in rule_ids:
                    state.counters.pop(rule_id, None)
                self._states[state.tenant.key] = _to_bytes(state)
            yield

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> list[TenantState]:
        removed = [state for state in await self.tenants() if state.tenant.belongs_to(token_digest, test_digest)]
        for state in removed:
            del self._states[state.tenant.key]
        return removed

    async def tenants(self) -> list[TenantState]:
        return [_from_bytes(data) for data in self._states.values()]

    async def replace_all(self, states: list[TenantState]) -> list[TenantState]:
        if sum(state.size_bytes for state in states) > self._max_bytes:
            raise CapacityError("too large")
        replaced = await self.tenants()
        self._states = {state.tenant.key: _to_bytes(state) for state in states[-self._max_tenants :]}
        return replaced

    def _read(self, tenant: Tenant) -> TenantState:
        data = self._states.get(tenant.key)
        return TenantState(tenant) if data is None else _from_bytes(data)

    def _write(self, state: TenantState) -> None:
        self._states.pop(state.tenant.key, None)
        self._states[state.tenant.key] = _to_bytes(state)
        while len(self._states) > self._max_tenants or (len(self._states) > 1 and self._size_bytes() > self._max_bytes):
            del self._states[next(iter(self._states))]

    def _size_bytes(self) -> int:
        return sum(_from_bytes(data).size_bytes for data in self._states.values())


def _to_bytes(state: TenantState) -> bytes:
    return "".join(json_pieces(export_tenant(state))).encode()


def _from_bytes(data: bytes) -> TenantState:
    return run_without_pauses(parse_tenant(json.loads(data)))
