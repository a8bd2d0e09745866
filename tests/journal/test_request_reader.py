"""Reading of request heads: quick, but with the same result as masking header by header."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core.http_text import Headers
from mock_atoms.core.settings import Settings
from mock_atoms.core.tenancy import AuthenticatedCaller, identify, identify_steps
from mock_atoms.journal import request_reader
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import RequestContext
from mock_atoms.journal.request_reader import MAX_IDENTITY_BYTES, RawRequest, RequestReader

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CREDENTIALS = Credentials(b"key")
TOKENS = ["sk_acme_secret", "secret/token", "%41bcdefg", "short", "sk_mock_500.mine", "sk_mock_revoked", "naïve"]
TEXTS = st.one_of(
    st.sampled_from([*TOKENS, *(f"Bearer {token}" for token in TOKENS), "Token x1234567", "*/*", " padded\t", ""]),
    st.sampled_from([f"a=b; session={token}; c" for token in TOKENS] + ["x%73k_acme_secret", "\\u0073k_acme_secret"]),
    st.text(max_size=20),
)
NAMES = st.sampled_from(
    [
        *("authorization", "cookie", "x-test-id", "proxy-authorization", "x-api-key", "api-key"),
        *("accept", "host", "prefer", "x-secret/token", "x-sk_acme_secret", "ü"),
    ]
)
HEADERS: st.SearchStrategy[Headers] = st.lists(
    st.tuples(
        NAMES.map(lambda name: name.encode("latin-1")),
        TEXTS.flatmap(lambda text: st.sampled_from([text.encode(), text.encode("latin-1", "replace")])),
    ),
    max_size=6,
)


def reader(**options: object) -> RequestReader:
    return RequestReader(Settings(**options), CREDENTIALS, clock=lambda: 0.0, now=lambda: NOON, key=b"k")


def read(
    headers: Headers = (), path: bytes = b"/atoms/v1/audience", *, by: RequestReader | None = None
) -> RequestContext:
    request = RawRequest("GET", path, b"", headers, "http", "1.1", ("127.0.0.1", 80), ("127.0.0.1", 1))
    return (by or reader()).read(request)


@pytest.mark.slow
@given(requests=st.lists(HEADERS, min_size=1, max_size=4))
@settings(max_examples=300)
def test_headers_are_masked_as_one_by_one(requests: list[Headers]) -> None:
    quick = reader(tokens=["sk_acme_secret", "secret/token", "short"])
    for headers in requests * 2:
        caller = identify(headers, "session", frozenset({"sk_acme_secret", "secret/token", "short"}))
        context = read(headers, by=quick)
        head = context.exchange.head
        assert (type(context.caller), context.caller) == (type(caller), caller)
        assert (context.caller.token, context.caller.tenant) == (caller.token, caller.tenant)
        shown_tenant = caller.tenant if isinstance(caller, AuthenticatedCaller) else caller.shown_tenant
        assert head.tenant == shown_tenant
        assert (head.headers, head.credential_digests) == CREDENTIALS.mask_headers(headers, caller.token)


def test_each_session_cookie_is_digested_and_masked_in_a_step() -> None:
    cookie = b";".join(b"session=%d" % number for number in range(1_000))
    assert len(list(CREDENTIALS.mask_headers_steps([(b"cookie", cookie)], None))) >= 2_000


@pytest.mark.parametrize("name", [b"%61", b"cookie", b"api-key"])
def test_a_long_head_is_read_in_many_steps(name: bytes) -> None:
    """No step masks more than one header, or one pair of a cookie."""
    texts = [b"%%61-%d" % number for number in range(2000)]
    for headers in ([(name, text) for text in texts], [(b"cookie", b";session=".join(texts))]):
        request = RawRequest("GET", b"/", b"", headers, "http", "1.1", None, None)
        steps = list(reader().read_steps(request))
        assert len(steps) >= len(texts)


def test_the_caller_of_repeated_headers_is_identified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    identified = []

    def counted(headers: Headers, *rest: object) -> object:
        identified.append(headers)
        return identify_steps(headers, *rest)  # type: ignore[arg-type] # the real arguments

    monkeypatch.setattr(request_reader, "identify_steps", counted)
    by = reader()
    for number in range(3):
        read([(b"authorization", b"Bearer sk_a"), (b"traceparent", b"%d" % number)], by=by)
    assert len(identified) == 1
    for name in (b"authorization", b"x-test-id", b"cookie"):
        read([(b"authorization", b"Bearer sk_a"), (name, b"Bearer sk_b")], by=by)
    assert len(identified) == 4


@pytest.mark.parametrize(
    "headers",
    [
        [(b"cookie", b"x" * MAX_IDENTITY_BYTES)],
        [(b"cookie", b"")] * 20,
        [(b"cookie", b"".join(b"session=%d;" % number for number in range(20)))],
    ],
    ids=["long", "many", "credentials"],
)
def test_a_caller_with_large_headers_is_not_cached(headers: Headers) -> None:
    by = reader()
    first, second = (read(headers, by=by).exchange.head for _ in range(2))
    assert first.headers == second.headers
    assert first.index_keys == second.index_keys
    assert first.headers[0] is not second.headers[0]


def test_a_reset_clears_the_cached_callers() -> None:
    by = reader()
    first = read([(b"x-test-id", b"1")], by=by).exchange.head
    assert len(by.clear()) == 1
    assert read([(b"x-test-id", b"1")], by=by).exchange.head.headers[0] is not first.headers[0]


def test_cached_callers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_reader, "MAX_IDENTITIES", 2)
    by = reader()
    tenants = [read([(b"x-test-id", b"%d" % number)], by=by).caller.tenant for number in (1, 2, 1, 3, 1, 2)]
    assert tenants[0] is tenants[2] is tenants[4]
    assert tenants[1] == tenants[5]
    assert tenants[1] is not tenants[5]


@pytest.mark.parametrize(
    ("path", "operation", "audience_id"),
    [
        (b"/atoms/v1/audience/", "GET /audience", ""),
        (b"/atoms/v1/audience/sk_live_123456789012/members", "GET /audience/{id}/members", "sk_live_12…#"),
        (b"/atoms/v1/audience/a%2Fb", "GET /audience/{id}", "a%2Fb"),
        (b"/atoms/v1/audiences", "", ""),
        (b"/audience", "", ""),
    ],
)
def test_the_operation_follows_from_the_path_as_sent(path: bytes, operation: str, audience_id: str) -> None:
    found = read(path=path).operation
    assert (found.name, found.resource_id.startswith(audience_id)) == (operation, True)


def test_a_token_that_looks_like_a_path_does_not_change_the_operation() -> None:
    context = read([(b"authorization", b"Bearer /audience")])
    assert context.operation.name == "GET /audience"
    assert "/audience" not in context.exchange.url


def test_the_address_of_the_server_replaces_a_missing_host() -> None:
    assert read().exchange.head.host == "127.0.0.1:80"
    assert read([(b"accept", b"*/*"), (b"host", b"a.b")]).exchange.head.host == "a.b"
