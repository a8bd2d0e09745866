import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.masking import MAX_MAGIC_KEY_LENGTH, is_magic_key, mask_text, mask_token, mask_url, quote_value
from mock_atoms.core.tenancy import mask_test_id
from mock_atoms.journal.credentials import Credentials


@pytest.mark.parametrize("token", ["k", "sk", "sk_acme", "sk_live_0123456789abcdef0123456789abcdef"])
def test_a_masked_token_shows_at_most_half_of_it(token: str) -> None:
    masked = mask_token(token)
    visible = masked.partition("…")[0]
    assert token not in masked
    assert len(visible) <= min(10, len(token) / 2)
    assert token.startswith(visible)


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("a b", "`a b`"),
        ("a\u202ab", "`aU+202Ab`"),
        ("", "an empty text"),
        (["é", 1], '`["é", 1]`'),
        ("sk_verysecret", "`sk_ver…#38c9cb`"),
    ],
)
def test_a_quoted_value_is_masked_and_escaped(value: object, quoted: str) -> None:
    assert quote_value(value) == quoted


def test_masks_tell_similar_tokens_apart() -> None:
    assert mask_token("sk_acme_long_token_1") != mask_token("sk_acme_long_token_2")


@pytest.mark.parametrize(
    "token",
    [
        "sk_mock_",
        "sk_mock_500x2",
        "sk_mock_delay250+429.test-42",
        "sk_mock_limit10/60.me",
        "sk_mock_test.test_task_1.0123abcd",
        "sk_mock_one.sk_mock_two",
        "sk_mock_" + "x" * (MAX_MAGIC_KEY_LENGTH - 8),
    ],
)
def test_a_magic_key_stays_whole(token: str) -> None:
    assert is_magic_key(token)
    assert mask_token(token) == token
    assert mask_text(f"key {token}", token) == f"key {token}"
    assert mask_text(f"{token}…#123456") == f"{token}…#123456"


@pytest.mark.parametrize(
    "token",
    [
        "sk_live_a",
        "SK_MOCK_one",
        "xsk_mock_one",
        "sk_mock_one.sk_live_a",
        "sk_mock_one%3Ask_live_a",
        "sk_mock_sk_live_a",
        "sk_mock_500_sk_live_a",
        "sk_mock_500sk_live_a",
        "sk_mock_500.my_sk_live_a",
        "sk_mock_test.%73k_live_a",
        "sk_mock_test.sk%5Flive_a",
        "sk_mock_one two",
        "sk_mock_one,two",
        "sk_mock_one;two",
        'sk_mock_one"',
        "sk_mock_ö",
        "sk_mock_\x1b",
        "sk_mock_one\n",
        "sk_mock_" + "x" * (MAX_MAGIC_KEY_LENGTH - 7),
    ],
)
def test_a_token_that_is_no_magic_key_is_masked(token: str) -> None:
    assert not is_magic_key(token)
    assert token not in mask_token(token)
    assert mask_text(f"key {mask_token(token)}") == f"key {mask_token(token)}"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nothing to hide", "nothing to hide"),
        ("key sk_verysecret, sk_verysecret", "key sk_ver…#38c9cb, sk_ver…#38c9cb"),
        ("sk_mock_500x2.me, sk_verysecret", "sk_mock_500x2.me, sk_ver…#38c9cb"),
        ("sk_verysecret&sk_mock_500x2.me", "sk_ver…#38c9cb&sk_mock_500x2.me"),
        ("'sk_verysecret'/x", "'sk_ver…#38c9cb'/x"),
        ("sk_\udcff\udcff", "sk…#172370"),
        ("task_id=abcdef&risk_level=high", "task_id=abcdef&risk_level=high"),
        ("?q=sk_verysecret&r=1", "?q=sk_ver…#38c9cb&r=1"),
        ("%3Ask_verysecret", "%3Ask_ver…#38c9cb"),
        (r'"\nsk_verysecret\u0020sk_verysecret"', r'"\nsk_ver…#38c9cb\u0020sk_ver…#38c9cb"'),
        ("sk_ver…#38c9cb", "sk_ver…#38c9cb"),
        ("sk_verysecret…", "sk_ver…#38c9cb…"),
        ("sk_verysecret…#38c9cb", "sk_ver…#38c9cb"),
    ],
)
def test_text_that_looks_like_a_key_is_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_masking_a_long_text_that_resembles_a_key_is_fast() -> None:
    assert mask_text("sk_" * 100_000 + "…").startswith("sk_sk_sk_s…#")


@pytest.mark.parametrize("text", ["Zz/secret+0123==", "Zz%2Fsecret%2B0123%3D%3D", "Zz%2fsecret%2b0123%3d%3d"])
def test_a_percent_encoded_token_is_masked(text: str) -> None:
    assert mask_text(f"key={text}&a=b", "Zz/secret+0123==") == f"key={mask_token('Zz/secret+0123==')}&a=b"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("/a/sk_mock_500x2.me?key=sk_verysecret&b=1", "/a/sk_mock_500x2.me?key=sk_ver…#38c9cb&b=1"),
        ("/a?key=sk_mock_delay1%2B500", "/a?key=sk_mock_delay1%2B500"),
        ("/a?key=sk%5Fmock_500&b=sk%5Fverysecret", "/a?key=sk%5Fmock_500&b=sk_ver…#38c9cb"),
        ("/a?key=sk_mock_1%20sk%5Fverysecret", "/a?key=sk_mock_1%…#aeb71a"),
    ],
)
def test_a_url_shows_magic_keys_and_masks_all_others(url: str, masked: str) -> None:
    assert mask_url(url, "sk_mock_delay1+500") == masked


SUFFIXES = st.text("abcXYZ019_.+~-", min_size=6, max_size=20)
SECRETS = SUFFIXES.map("sk_live_{}".format)
MAGIC_KEYS = SUFFIXES.filter(lambda suffix: "sk_" not in suffix).map("sk_mock_{}".format)
SEPARATORS = st.sampled_from(
    [" ", "/", "?", "&", "&a=", "'", '"', "`", "_", ", ", "; ", "(", "\n", "%20", "%2C", ".", ":", "="]
)


@given(st.lists(st.tuples(st.booleans(), MAGIC_KEYS, SECRETS, SEPARATORS), min_size=1, max_size=5), st.booleans())
def test_no_secret_beside_magic_keys_survives(
    parts: list[tuple[bool, str, str, str]],
    is_encoded: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    text = "".join((magic_key if is_magic else secret) + separator for is_magic, magic_key, secret, separator in parts)
    if is_encoded:
        text = text.replace("_", "%5F")
    secrets = {secret for is_magic, _, secret, _ in parts if not is_magic}
    masked = [
        mask_url(text, None),
        *([] if is_encoded else [mask_text(text), mask_token(text), mask_test_id(text) or ""]),
        *([] if is_encoded else [Credentials(b"").mask_header("Authorization", f"Bearer {text}")]),
        *([] if is_encoded else [Credentials(b"").mask_header("Cookie", f"a={text}; session={text}")]),
    ]
    assert not [(secret, shown) for secret in secrets for shown in masked if secret in shown.replace("%5F", "_")]


@given(st.lists(MAGIC_KEYS, min_size=1), st.sampled_from([" ", "/", "?", "&", '"', ", ", "; ", "\n"]))
def test_magic_keys_stay_whole_in_any_text(keys: list[str], separator: str) -> None:
    text = separator.join(keys)
    assert mask_text(text) == mask_text(text, keys[0]) == text
    assert mask_url(text, keys[0]) == text
    for header in ("Authorization", "X-Api-Key", "Cookie", "X-Other"):
        for value in (keys[0], f"Bearer {keys[0]}", f"session={keys[0]}", f"a=b; session={keys[0]}"):
            if header in ("Cookie", "X-Other") or "=" not in value:
                assert Credentials(b"").mask_header(header, value) == value
