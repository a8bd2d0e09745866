import pytest

from mock_atoms.core.tenancy import (
    UNAUTHENTICATED_TENANT,
    AuthenticatedCaller,
    Tenant,
    UnauthenticatedCaller,
    caller_for,
    digest_test_id,
    identify,
    identify_steps,
    is_digest_of_test_id,
    magic_word,
)

Headers = list[tuple[bytes, bytes]]


def caller_of(headers: Headers, allowed: frozenset[str] | None = None) -> AuthenticatedCaller | UnauthenticatedCaller:
    return identify(headers, "session", allowed)


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer sk_acme", "sk_acme"),
        (b"bearer sk_acme", "sk_acme"),
        (b"BEARER   sk_acme", "sk_acme"),
        (b" Bearer sk_acme\t", "sk_acme"),
        (b"Bearer !#$%&'()*+-./:;<=>?@[]^_`{|}~", "!#$%&'()*+-./:;<=>?@[]^_`{|}~"),
        (b"Bearer " + b"k" * 4000, "k" * 4000),
    ],
)
def test_a_bearer_header_identifies_the_caller(value: bytes, token: str) -> None:
    assert caller_of([(b"authorization", value)]) == caller_for(token)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"Bearer",
        b"Bearer ",
        b"Bearer\tsk_acme",
        b"Bearersk_acme",
        b"Bearer sk_a sk_b",
        b"Bearer sk_a,sk_b",
        b"Bearer sk_a, Bearer sk_b",
        b"Bearer sk_\x00acme",
        b"Bearer sk_\x7facme",
        b"Bearer sk_\xe9",
        b"Basic c2s6YWNtZQ==",
        b"Token sk_acme",
        b"sk_acme",
        b"Bearer: sk_acme",
    ],
)
def test_a_malformed_authorization_is_unauthenticated_despite_a_cookie(value: bytes) -> None:
    headers = [(b"authorization", value), (b"cookie", b"session=sk_acme")]
    assert caller_of(headers) == UnauthenticatedCaller("malformed-authorization")


def test_two_authorization_headers_are_unauthenticated() -> None:
    headers = [(b"authorization", b"Bearer sk_a"), (b"authorization", b"Bearer sk_a")]
    assert caller_of(headers) == UnauthenticatedCaller("malformed-authorization")


def test_a_request_without_credentials_is_unauthenticated() -> None:
    assert caller_of([(b"accept", b"*/*")]) == UnauthenticatedCaller("missing-credentials")


@pytest.mark.parametrize(
    ("cookies", "token"),
    [
        ([b"session=sk_acme"], "sk_acme"),
        ([b"theme=dark; session=sk_acme; x=1"], "sk_acme"),
        ([b"theme=dark", b'session="sk_acme"'], "sk_acme"),
        ([b"session=s%3Ask_acme.sig"], "s:sk_acme.sig"),
        ([b"session=; session=sk_second"], "sk_second"),
        ([b"session=a%20b; session=sk_second"], "sk_second"),
    ],
)
def test_the_session_cookie_identifies_the_caller_if_there_is_no_header(cookies: list[bytes], token: str) -> None:
    assert caller_of([(b"cookie", cookie) for cookie in cookies]) == caller_for(token)


@pytest.mark.parametrize("cookie", [b"", b"session", b"session=", b"sessions=sk_acme", b"session=a b"])
def test_a_request_without_a_valid_session_cookie_is_unauthenticated(cookie: bytes) -> None:
    assert caller_of([(b"cookie", cookie)]) == UnauthenticatedCaller("missing-credentials")


def test_the_settings_name_the_session_cookie() -> None:
    assert identify([(b"cookie", b"sid=sk_acme; session=sk_x")], "sid", None) == caller_for("sk_acme")


def test_only_allowed_tokens_are_valid() -> None:
    allowed = frozenset({"sk_acme"})
    assert caller_of([(b"authorization", b"Bearer sk_acme")], allowed) == caller_for("sk_acme")
    assert caller_of([(b"authorization", b"Bearer sk_mock_one")], allowed) == UnauthenticatedCaller("unknown-token")


@pytest.mark.parametrize("token", [b"sk_mock_revoked", b"sk_mock_revoked.test-1"])
def test_a_revoked_key_is_unauthenticated(token: bytes) -> None:
    assert caller_of([(b"authorization", b"Bearer " + token)]) == UnauthenticatedCaller("revoked-token")


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("sk_mock_500x2", "500x2"),
        ("sk_mock_500x2.test-42.b", "500x2"),
        ("sk_mock_", ""),
        ("sk_mock", None),
        ("sk_acme", None),
        ("SK_MOCK_one", None),
    ],
)
def test_a_magic_key_has_a_word(token: str, word: str | None) -> None:
    assert magic_word(token) == word


def test_the_repr_of_a_caller_has_no_token() -> None:
    caller = caller_for("sk_verysecret_token")
    assert "verysecret" not in repr(caller)
    assert caller.tenant != caller_for("sk_verysecret_tokem").tenant


def test_a_test_id_makes_a_separate_tenant() -> None:
    def tenant(*headers: tuple[bytes, bytes]) -> Tenant:
        return caller_of([(b"authorization", b"Bearer sk_verysecret"), *headers]).tenant

    plain, one, other = tenant(), tenant((b"x-test-id", b" one ")), tenant((b"x-test-id", b"other"))
    assert len({plain.key, one.key, other.key}) == 3
    assert plain.token_digest == one.token_digest == other.token_digest
    assert (plain.test_id, one.test_id) == (None, "one")
    assert tenant((b"x-test-id", b"  ")) == plain
    assert tenant((b"x-test-id", "tést".encode())).test_id == "tést"
    assert tenant((b"x-test-id", b"t\xe9st")).test_id == "tést"
    assert tenant((b"x-test-id", b"of sk_verysecret")).test_id == "of sk_ver…#38c9cb"
    longest, longer = tenant((b"x-test-id", b"x" * 200)), tenant((b"x-test-id", b"x" * 201))
    assert (longest.test_id, len(longer.test_id or "")) == ("x" * 200, 218)
    assert tenant((b"x-test-id", b"of sk_mock_one.me")).test_id == "of sk_mock_one.me"


@pytest.mark.parametrize(
    ("digest", "masked_test_id", "fits"),
    [
        (digest_test_id("one").hex(), "one", True),
        (digest_test_id("one").hex(), "other", False),
        (digest_test_id("one").hex(), "of sk_ver…#38c9cb", True),
        (digest_test_id("one").hex(), None, False),
    ],
)
def test_a_digest_fits_its_test_id_and_every_masked_one(digest: str, masked_test_id: str | None, fits: bool) -> None:  # noqa: FBT001 - a table
    assert is_digest_of_test_id(digest, masked_test_id) is fits


def test_an_unauthenticated_request_has_a_tenant_per_test_id() -> None:
    caller = caller_of([(b"x-test-id", b"one")])
    assert isinstance(caller, UnauthenticatedCaller)
    assert caller.tenant.test_id == "one"
    assert caller.tenant.token_digest == UNAUTHENTICATED_TENANT.token_digest
    assert caller.tenant.key != UNAUTHENTICATED_TENANT.key


def test_a_long_test_id_is_masked_in_steps() -> None:
    headers = [(b"authorization", b"Bearer sk_acme"), (b"x-test-id", b"sk_a," * 10_000)]
    assert sum(1 for _ in identify_steps(headers, "session", None)) >= 10
    assert identify(headers, "session", None) == caller_for("sk_acme", "sk_a," * 10_000)
