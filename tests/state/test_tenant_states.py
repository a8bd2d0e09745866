"""The states of tenants in memory."""

from mock_atoms.core.tenancy import caller_for
from mock_atoms.state.store import TenantState
from mock_atoms.state.tenant_states import TenantStates


def state_of(token: str) -> TenantState:
    return TenantState(caller_for(token).tenant)


def test_a_restored_state_replaces_the_present_one_and_may_evict_another() -> None:
    states, removed = TenantStates(max_tenants=2, max_bytes=10**9), list[TenantState]()
    states.on_removal = removed.append
    old, other, new, third = (state_of(token) for token in ("a", "b", "a", "c"))
    for state in (old, other, new, third):
        states.restore(state)
    assert removed == [old, other]
    assert [*states] == [new, third]
    assert new.version > old.version
    assert states.find(None, None) == [new, third]
