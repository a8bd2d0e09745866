"""The index of the journal: queries return what a scan of all exchanges returns."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT, caller_for, tenant_for
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.journal.memory_journal import MemoryJournal
from mock_atoms.journal.query import JournalQuery
from tests.helpers.exchanges import exchange

CREDENTIALS = Credentials(b"key")
LIST = "/atoms/v1/audience"
TOKENS = st.sampled_from([None, "sk_acme", "sk_other"])
TEST_IDS = st.sampled_from([None, "one", "two", " one "])
QUERIES = st.builds(
    lambda token, test_id, fields: replace(JournalQuery.of_tenant(CREDENTIALS, token, test_id), **fields),
    TOKENS,
    TEST_IDS,
    st.fixed_dictionaries(
        {},
        optional={
            "method": st.sampled_from(["GET", "get", "POST"]),
            "path": st.sampled_from([LIST, f"{LIST}/", f"{LIST}/{{id}}"]),
            "is_failed": st.booleans(),
            "statuses": st.sampled_from([range(200, 201), range(500, 600)]),
            "is_unmatched": st.booleans(),
        },
    ),
)


def recorded_exchange(
    token: str | None, other: str | None, test_ids: list[str], fields: dict[str, Any], *, is_valid: bool
) -> Exchange:
    """Return an exchange as the server records it.

    Args:
        token: the caller's token.
        other: another credential in the request.
        test_ids: values of `X-Test-Id`; the first one counts.
        fields: other fields.
        is_valid: whether the token is valid.
    """
    test_id = next(iter(test_ids), None)
    if token is not None and is_valid:
        tenant = caller_for(token, test_id).tenant
    else:
        tenant = tenant_for(UNAUTHENTICATED_TENANT.token_digest, "-", test_id)
    headers = [(b"X-Test-Id", value.encode()) for value in test_ids]
    headers += [] if other is None else [(b"x-api-key", other.encode())]
    masked, digests = CREDENTIALS.mask_headers(headers, token)
    return exchange(0, fields.pop("status", 200), tenant=tenant, credential_digests=digests, headers=masked, **fields)


EXCHANGES = st.builds(
    recorded_exchange,
    TOKENS,
    TOKENS,
    st.lists(st.sampled_from(["one", "two", " one ", ""]), max_size=2),
    st.fixed_dictionaries(
        {"method": st.sampled_from(["GET", "POST"]), "url": st.sampled_from([LIST, f"{LIST}?a=1", f"{LIST}/1"])},
        optional={
            "status": st.sampled_from([200, 500, None]),
            "reason": st.sampled_from(["unmocked-route", "unknown-token"]),
            "id": st.sampled_from(["1", "2"]),
        },
    ),
    is_valid=st.booleans(),
)


class Recording:
    """A journal of at most five exchanges, and beside it the list of what it should hold."""

    def __init__(self) -> None:
        self.journal = MemoryJournal(5, CREDENTIALS)
        self.expected: list[Exchange] = []

    def apply(self, step: Exchange | tuple[str, int]) -> None:
        """Record an exchange, or change one."""
        if isinstance(step, Exchange):
            self.journal.add(step)
            self.expected = [*self.expected, step][-5:]
            return
        change, number = step
        chosen = self.expected[number : number + 1]
        if change == "remove":
            assert asyncio.run(self.journal.remove(chosen)) == chosen
            self.expected = [each for each in self.expected if each not in chosen]
        elif change == "clear":
            assert asyncio.run(self.journal.clear())[: len(self.expected)] == self.expected
            self.expected = []
        else:
            for each in chosen:
                each.body = b"x" * 1_000
                asyncio.run(self.journal.update(each))

    def check(self, query: JournalQuery, start: int) -> None:
        """Assert that the journal agrees with a scan of the list."""
        found = asyncio.run(self.journal.candidates(query.key_sets, start))
        assert [each for each in found if query.matches(each)] == [
            each for each in self.expected if query.matches(each) and each.position >= start
        ]


CHANGES = st.tuples(st.sampled_from(["remove", "remove", "clear", "update"]), st.integers(0, 4))


@given(st.lists(EXCHANGES | EXCHANGES | CHANGES, max_size=25), QUERIES, st.integers(0, 20))
def test_a_query_finds_what_a_scan_finds(
    steps: list[Exchange | tuple[str, int]], query: JournalQuery, start: int
) -> None:
    recording = Recording()
    for step in steps:
        recording.apply(step)
    assert [*recording.journal] == recording.expected
    recording.check(query, 0)
    recording.check(query, start)
    recording.apply(("clear", 0))
    assert recording.journal.size_bytes == 0
    assert not recording.journal._by_key  # noqa: SLF001 - an index without exchanges is empty
    assert not recording.journal._by_id  # noqa: SLF001 - the same


def test_exchanges_of_some_tokens_are_found_in_their_order() -> None:
    journal = MemoryJournal(100, CREDENTIALS)
    tokens = ["sk_a", "sk_b", "sk_a", *(f"sk_{number}" for number in range(50)), "sk_b", "sk_a"]
    for token in tokens:
        journal.add(recorded_exchange(token, None, [], {}, is_valid=True))
    keys = frozenset(map(CREDENTIALS.digest, ("sk_a", "sk_b", "sk_none")))
    assert [each.position for each in asyncio.run(journal.candidates((keys,)))] == [0, 1, 2, 53, 54]
    assert [each.position for each in asyncio.run(journal.candidates((keys,), 2))] == [2, 53, 54]


def test_the_latest_exchange_with_an_id_is_found_until_it_is_removed() -> None:
    journal = MemoryJournal(5, CREDENTIALS)
    older, newer = exchange(0, 200, id="1"), exchange(1, 200, id="1")
    for each in (older, newer):
        journal.add(each)
    assert asyncio.run(journal.find("1")) is newer
    asyncio.run(journal.remove([older]))
    assert asyncio.run(journal.find("1")) is newer
    asyncio.run(journal.remove([newer]))
    assert asyncio.run(journal.find("1")) is None


def test_a_watcher_is_called_for_its_key_alone() -> None:
    journal = MemoryJournal(5, CREDENTIALS)
    calls: list[str] = []
    unwatch = [
        journal.watch(lambda _exchange: calls.append("all"), None),
        journal.watch(lambda _exchange: calls.append("acme"), CREDENTIALS.digest("sk_acme")),
        journal.watch(lambda _exchange: calls.append("acme again"), CREDENTIALS.digest("sk_acme")),
    ]
    acme = recorded_exchange("sk_acme", None, [], {}, is_valid=True)
    journal.add(acme)
    journal.add(recorded_exchange("sk_other", None, [], {}, is_valid=True))
    assert calls == ["all", "acme", "acme again", "all"]
    unwatch.pop()()
    asyncio.run(journal.update(acme))
    assert calls[4:] == ["all", "acme"]
    for end in unwatch:
        end()
    asyncio.run(journal.update(acme))
    assert len(calls) == 6


def test_clearing_forgets_all_exchanges_together(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal(10, CREDENTIALS)
    exchanges = [exchange(number, 200) for number in range(10)]
    for each in exchanges:
        journal.add(each)
    monkeypatch.delattr(MemoryJournal, "_release")  # forgets one, which takes too long for thousands
    assert asyncio.run(journal.clear())[:10] == exchanges
    asyncio.run(journal.update(exchanges[0]))  # it has no weight
    assert (journal.size_bytes, asyncio.run(journal.count()), journal.removals) == (0, 0, 1)
    journal.add(exchanges[0])
    assert [*journal] == exchanges[:1]
