"""The states of tenants in memory."""

from mock_atoms.core.slices import run_without_pauses
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


def test_states_of_one_token_are_removed_at_the_same_time_and_then_released_in_steps() -> None:
    states, removed = TenantStates(max_tenants=3, max_bytes=10**9), list[TenantState]()
    states.on_removal = removed.append
    other, *tenants = (caller_for(token, test).tenant for token, test in (("b", None), ("a", "1"), ("a", "2")))
    kept, first, second = (states.use(tenant) for tenant in (other, *tenants))
    token_digest = tenants[0].token_digest
    assert states.remove_all(token_digest, None) == [first, second]
    assert ([*states], states.find(token_digest, None), states.find(None, None)) == ([kept], [], [kept])
    assert (states.get(tenants[0]), states.get(other), first.is_live, removed) == (None, kept, False, [])
    again = states.use(tenants[0])
    assert again is not first
    assert removed == [first]
    steps = states.release_removed()
    next(steps)
    assert (removed, states.get(tenants[0])) == ([first, second], again)
    run_without_pauses(steps)
    assert (removed, [*states]) == ([first, second], [kept, again])


def test_removed_states_make_room_before_others_are_evicted() -> None:
    states = TenantStates(max_tenants=2, max_bytes=10**9)
    kept, gone = (states.use(caller_for(token).tenant) for token in ("a", "b"))
    states.remove_all(gone.tenant.token_digest, None)
    third = states.use(caller_for("c").tenant)
    assert [*states] == [kept, third]
    states.use(caller_for("d").tenant)
    assert states.get(kept.tenant) is None
