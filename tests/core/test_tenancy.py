import pytest

from mock_atoms.core.tenancy import (
    UNAUTHENTICATED_TENANT,
    AuthenticatedCaller,
    Tenant,
    UnauthenticatedCaller,
    caller_for,
    identify,
    magic_word,
)

Headers = list[tuple[bytes, bytes]]


def who(headers: Headers, allowed: frozenset[str] | None = None) -> AuthenticatedCaller | UnauthenticatedCaller:
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
def test_a_bearer_header_names_the_caller(value: bytes, token: str) -> None:
    assert who([(b"authorization", value)]) == caller_for(token)


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
def test_any_other_authorization_is_nobody_whatever_the_cookie(value: bytes) -> None:
    headers = [(b"authorization", value), (b"cookie", b"session=sk_acme")]
    assert who(headers) == UnauthenticatedCaller("malformed-authorization")


def test_two_authorization_headers_are_nobody() -> None:
    headers = [(b"authorization", b"Bearer sk_a"), (b"authorization", b"Bearer sk_a")]
    assert who(headers) == UnauthenticatedCaller("malformed-authorization")


def test_no_credentials_are_nobody() -> None:
    assert who([(b"accept", b"*/*")]) == UnauthenticatedCaller("missing-credentials")


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
def test_the_session_cookie_counts_without_a_header(cookies: list[bytes], token: str) -> None:
    assert who([(b"cookie", cookie) for cookie in cookies]) == caller_for(token)


@pytest.mark.parametrize("cookie", [b"", b"session", b"session=", b"sessions=sk_acme", b"session=a b"])
def test_another_or_an_unusable_cookie_is_nobody(cookie: bytes) -> None:
    assert who([(b"cookie", cookie)]) == UnauthenticatedCaller("missing-credentials")


def test_the_cookie_has_the_name_of_the_settings() -> None:
    assert identify([(b"cookie", b"sid=sk_acme; session=sk_x")], "sid", None) == caller_for("sk_acme")


def test_only_allowed_tokens_are_valid_when_there_is_a_list() -> None:
    allowed = frozenset({"sk_acme"})
    assert who([(b"authorization", b"Bearer sk_acme")], allowed) == caller_for("sk_acme")
    assert who([(b"authorization", b"Bearer sk_mock_one")], allowed) == UnauthenticatedCaller("unknown-token")


@pytest.mark.parametrize("token", [b"sk_mock_revoked", b"sk_mock_revoked.test-1"])
def test_a_revoked_key_is_nobody(token: bytes) -> None:
    assert who([(b"authorization", b"Bearer " + token)]) == UnauthenticatedCaller("revoked-token")


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


def test_a_caller_never_shows_its_token() -> None:
    caller = caller_for("sk_verysecret_token")
    assert "verysecret" not in repr(caller)
    assert caller.tenant != caller_for("sk_verysecret_tokem").tenant


def test_a_test_id_makes_a_tenant_apart() -> None:
    def tenant(*headers: tuple[bytes, bytes]) -> Tenant:
        return who([(b"authorization", b"Bearer sk_verysecret"), *headers]).tenant

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


def test_nobody_too_has_tests() -> None:
    nobody = who([(b"x-test-id", b"one")])
    assert isinstance(nobody, UnauthenticatedCaller)
    assert nobody.tenant.test_id == "one"
    assert nobody.tenant.token_digest == UNAUTHENTICATED_TENANT.token_digest
    assert nobody.tenant.key != UNAUTHENTICATED_TENANT.key
