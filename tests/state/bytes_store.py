"""A second store: each tenant's state is bytes, as it would be in a database that several servers share."""

import json
from collections.abc import Callable
from typing import TypeVar

from mock_atoms.contract.schemas import render_json
from mock_atoms.core.tenancy import Tenant
from mock_atoms.faults.rulebook import CapacityError
from mock_atoms.state.snapshot import export_tenant, import_tenant
from mock_atoms.state.store import TenantState

T = TypeVar("T")


class BytesStore:
    """Keeps no object: what `read` and `update` are given is read anew for each call, and written after it."""

    def __init__(self, max_tenants: int = 10, max_bytes: int = 10**9) -> None:
        self._max_tenants = max_tenants
        self._max_bytes = max_bytes
        self._kept: dict[bytes, bytes] = {}

    def use(self, state: TenantState) -> None:
        raise AssertionError(state)

    async def read(self, tenant: Tenant, query: Callable[[TenantState], T]) -> T:
        state = self._read(tenant)
        result = query(state)
        self._write(self._read(tenant))
        return result

    async def update(self, tenant: Tenant, change: Callable[[TenantState], T]) -> T:
        # As a store does that finds that somebody came between, and begins again.
        change(self._read(tenant))
        state = self._read(tenant)
        result = change(state)
        self._write(state)
        return result

    async def update_all(self, change: Callable[[TenantState], None]) -> None:
        for state in await self.tenants():
            change(state)
            self._kept[state.tenant.key] = render_json(export_tenant(state))

    async def reset(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> None:
        for state in await self.tenants():
            if state.tenant.belongs_to(token_digest, test_digest):
                del self._kept[state.tenant.key]

    async def tenants(self) -> list[TenantState]:
        return [import_tenant(json.loads(kept)) for kept in self._kept.values()]

    async def replace_all(self, states: list[TenantState]) -> None:
        if sum(state.size_bytes for state in states) > self._max_bytes:
            raise CapacityError("too large")
        self._kept = {state.tenant.key: render_json(export_tenant(state)) for state in states[-self._max_tenants :]}

    def _read(self, tenant: Tenant) -> TenantState:
        kept = self._kept.get(tenant.key)
        return TenantState(tenant) if kept is None else import_tenant(json.loads(kept))

    def _write(self, state: TenantState) -> None:
        self._kept.pop(state.tenant.key, None)
        self._kept[state.tenant.key] = render_json(export_tenant(state))
        while len(self._kept) > self._max_tenants or (len(self._kept) > 1 and self._size() > self._max_bytes):
            del self._kept[next(iter(self._kept))]

    def _size(self) -> int:
        return sum(import_tenant(json.loads(kept)).size_bytes for kept in self._kept.values())
