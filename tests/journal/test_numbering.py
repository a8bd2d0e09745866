"""Attempt numbers of some exchanges: the same as in the retry report of all."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT, caller_for, tenant_for
from mock_atoms.journal.calls import is_attributable
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.journal.numbering import caller_keys, number_attempts
from tests.helpers.exchanges import calls_of, exchange

CREDENTIALS = Credentials(b"key")


def sent(
    pause: float, duration: float, status: int | None, caller: tuple[str | None, bool, str | None], url: str
) -> tuple[float, Exchange]:
    """Return a pause, and an exchange after it. The caller is a token, whether it is valid, and a test id."""
    token, is_valid, test_id = caller
    reason = None
    if token is not None and is_valid:
        tenant = caller_for(token, test_id).tenant
    else:
        tenant = tenant_for(UNAUTHENTICATED_TENANT.token_digest, "-", test_id)
        reason = "missing-credentials" if token is None else "unknown-token"
    masked, digests = CREDENTIALS.mask_headers(
        [(b"x-api-key", b"shared"), (b"x-test-id", (test_id or "").encode())], token
    )
    fields = {"tenant": tenant, "credential_digests": digests, "headers": masked, "url": url, "reason": reason}
    return pause, exchange(0, status, duration, client_port=1, **fields)


EXCHANGES = st.lists(
    st.builds(
        sent,
        st.sampled_from([0.0, 0.1, 2.0]),
        st.sampled_from([0.01, 3.0]),
        st.sampled_from([200, 500, 500, None]),
        st.tuples(st.sampled_from([None, "sk_acme", "sk_other"]), st.booleans(), st.sampled_from([None, "t"])),
        st.sampled_from(["/a", "/b"]),
    ),
    max_size=20,
)


@given(EXCHANGES, st.sets(st.integers(0, 19)))
def test_the_numbers_of_some_exchanges_are_those_of_all(pauses: list[tuple[float, Exchange]], chosen: set[int]) -> None:
    journal = MemoryJournal(100, CREDENTIALS)
    now = 0.0
    for pause, each in pauses:
        now += pause
        each.started_at += now
        each.ended_at = None if each.ended_at is None else each.ended_at + now
        journal.add(each)
    expected = dict.fromkeys(journal, 1)
    for call in calls_of(*filter(is_attributable, journal)):
        expected.update((attempt, number) for number, attempt in enumerate(call.attempts, 1))
    selected = [each for number, each in enumerate(journal) if number in chosen]
    keys = caller_keys(selected)
    candidates = asyncio.run(journal.candidates((keys,))) if keys else []
    numbered = run_without_pauses(number_attempts(selected, candidates))
    assert numbered == [(each, expected[each]) for each in selected]
