"""The index keys of request patterns: all exchanges that match have them."""

from itertools import islice, product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mock_atoms.core.masking import mask_text, mask_token
from mock_atoms.core.tenancy import AuthenticatedCaller, digest_test_id, identify
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock import required_keys
from mock_atoms.wiremock.patterns import parse_pattern
from tests.helpers.exchanges import exchange

CREDENTIALS = Credentials(b"key")
SECRETS = ("sk_acme_secret", "other-secret", "sk_mock_500x2", "authorization", "x-test-id", "ab")
MASKED = tuple(map(mask_token, SECRETS))
TEST_IDS = ("t1", "", " t1 ", "a/b other-secret", "tests::sk_acme_secret", "Ä", "T1")
TEXTS = st.sampled_from(
    [
        *(f"{scheme}{secret}" for scheme in ("Bearer ", "bearer  ", "Basic ", "") for secret in (*SECRETS, *MASKED)),
        *TEST_IDS,
        *map(mask_text, TEST_IDS),
        mask_text("a/b other-secret", "other-secret"),
    ]
)
NAMES = st.sampled_from(["authorization", "x-test-id", "x-api-key", "accept"])
OPERATORS = st.one_of(
    st.builds(lambda text: {"equalTo": text}, TEXTS),
    st.builds(lambda text: {"equalTo": text, "caseInsensitive": True}, TEXTS),
    st.builds(lambda text: {"not": {"equalTo": text}}, TEXTS),
    st.builds(lambda text: {"or": [{"equalTo": text}, {"absent": True}]}, TEXTS),
    st.builds(lambda text: {"includes": [{"equalTo": text}]}, TEXTS),
)


def exchange_with(headers: list[tuple[str, str]]) -> Exchange:
    """Return an exchange with headers as the server records it."""
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    caller = identify(pairs, "session", None)
    tenant = caller.tenant if isinstance(caller, AuthenticatedCaller) else caller.shown_tenant
    masked, digests = CREDENTIALS.mask_headers(pairs, caller.token)
    return exchange(0, 200, tenant=tenant, credential_digests=digests, headers=masked)


def has_keys(pattern: object, sent: Exchange) -> bool:
    """Return whether an exchange has a key of each set of the pattern."""
    key_sets = parse_pattern(pattern, CREDENTIALS).key_sets
    return all(not keys.isdisjoint(sent.head.index_keys) for keys in key_sets)


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=4), st.dictionaries(NAMES, OPERATORS, max_size=2))
@example(
    [("authorization", "Bearer other-secret"), ("x-test-id", "a/b other-secret")],
    {"x-test-id": {"equalTo": "a/b other-secret"}},
)
@example([("authorization", "Bearer sk_mock_500x2")], {"Authorization": {"equalTo": "Bearer sk_mock_500x2"}})
def test_an_exchange_that_matches_has_the_keys(headers: list[tuple[str, str]], operators: dict[str, Any]) -> None:
    sent = exchange_with(headers)
    patterns = [operators, *({name: {"equalTo": value}} for name, value in sent.head.headers)]
    for each in patterns:
        pattern = {"headers": each}
        if parse_pattern(pattern, CREDENTIALS).matches(sent):
            assert has_keys(pattern, sent)


@pytest.mark.parametrize(
    ("headers", "number"),
    [
        ({"Authorization": {"equalTo": "Bearer sk_acme_secret"}}, 1),
        ({"X-Test-Id": {"equalTo": "t1"}, "X-Api-Key": {"equalTo": "sk_acme_secret"}}, 2),
        ({"Authorization": {"equalTo": f"Bearer {MASKED[0]}"}}, 0),
        ({"Authorization": {"equalTo": "Bearer sk_acme_secret", "caseInsensitive": True}}, 0),
        ({"X-Test-Id": {"equalTo": "t1", "caseInsensitive": False}}, 1),
        ({"X-Test-Id": {"equalTo": "t" * 300}}, 1),
        ({"X-Test-Id": {"equalTo": "t" * 301}}, 0),
        ({"X-Test-Id": {"equalTo": "t1"}, "x-test-id": {"equalTo": "t2"}}, 1),
        ({"X-Test-Id": {"equalTo": " ".join(map(str, range(100)))}}, 0),
        ({"X-Test-Id": {"not": {"equalTo": "t1"}}}, 0),
        ({"X-Test-Id": {"matches": "t1"}}, 0),
        ({"Cookie": {"equalTo": "session=sk_acme_secret"}}, 0),
        ({"Accept": {"equalTo": "t1"}}, 0),
        ({}, 0),
    ],
)
def test_only_equality_of_a_test_id_or_a_credential_requires_a_key(headers: dict[str, object], number: int) -> None:
    assert len(parse_pattern({"headers": headers}, CREDENTIALS).key_sets) == number


def test_a_key_excludes_other_tenants() -> None:
    sent = exchange_with([("authorization", "Bearer sk_acme_secret"), ("x-test-id", "t1"), ("x-test-id", "t2")])
    assert digest_test_id("t2") in sent.head.index_keys
    assert has_keys({"headers": {"X-Test-Id": {"equalTo": "t2"}}}, sent)
    assert not has_keys({"headers": {"X-Test-Id": {"equalTo": "t3"}}}, sent)
    assert not has_keys({"headers": {"Authorization": {"equalTo": "Bearer other-secret"}}}, sent)


def test_a_test_id_is_masked_a_bounded_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[int] = []

    def count(text: str, token: str | None = None) -> str:
        masked.append(len(text))
        return mask_text(text, token)

    monkeypatch.setattr(required_keys, "mask_text", count)
    words = " ".join(f"word{number}x" for number in range(15))
    spellings = ("".join(letters) for letters in product(*zip("x-test-id", "X-TEST-ID", strict=True)))
    for text in (f"{words} {'sk_A1,' * 14_000}", words):
        operators = {name: {"equalTo": text} for name in {*islice(spellings, 50)}}
        required_keys.required_key_sets(operators, CREDENTIALS)
    assert sum(masked) < 50 * 300
