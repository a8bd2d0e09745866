import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.masking import (
    MAX_MAGIC_KEY_LENGTH,
    MAX_QUOTED_LENGTH,
    is_magic_key,
    mask_json,
    mask_text,
    mask_token,
    quote_value,
)
from mock_atoms.core.tenancy import mask_test_id
from mock_atoms.core.unescaping import MAX_LAYERS
from mock_atoms.journal.credentials import Credentials
from tests.helpers.secrets import ENCODINGS, MAGIC_KEYS, PIECES, SECRETS, Encoding, find_secret


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
        ("sk_SK", "`sk_SK`"),
        ("sk_SK1", "`sk_…#f9e23a`"),
    ],
)
def test_a_quoted_value_is_masked_and_escaped(value: object, quoted: str) -> None:
    assert quote_value(value) == quoted


def test_a_long_quoted_value_is_cut() -> None:
    assert quote_value("\u202a" * 1_000_000) == f"`{'U+202A' * MAX_QUOTED_LENGTH}…`"
    assert quote_value("-" * (MAX_QUOTED_LENGTH - 1) + "sk_verysecret") == (
        f"`{'-' * (MAX_QUOTED_LENGTH - 1)}sk_ver…#38c9cb…`"
    )


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
        "sk_mock_test.ask-risk_level-disk_2_fullName",
        "sk_mock_test.task_",
        r"sk_mock_a\_b",
        "sk_mock_100%25",
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
        "sk_mock_one.sk_mock_two",
        "sk_mock_sk_mock_live_a",
        "sk_mock_testsk_live_abcdef",
        "sk_mock_task_live_abcdef",
        "sk_mock_testsk_4f1b6a8d",
        "sk_mock_testsk_abcdefghijklm",
        "sk_mock_test.task_a_b_c_d_e_f_g_h_i",
        "sk_mock_test%73k_live_a",
        "sk_mock_test.%2573%256B%255Flive_a",
        r"sk_mock_test.\u0073k_live_a",
        f"sk_mock_%{'25' * 10}61",
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
        ("k=sk%5Fverysecret&l=%73%6b%5f%76erysecret", "k=sk_ver…#38c9cb&l=sk_ver…#38c9cb"),
        ("k=sk%25255Fverysecret+sk_mock_1", "k=sk_verysec…#37394c"),
        (r'{"k": "\u0073k_verysecret\/\"é\""}', r'{"k": "sk_ver…#38c9cb\/\"é\""}'),
        (r'{"k": "{\"k\":\"\\u0073k_verysecret\"}"}', r'{"k": "{\"k\":\"sk_ver…#38c9cb\"}"}'),
        (r"sk\x5fverysecret sk\137verysecret s\k_verysecret", "sk_ver…#38c9cb sk_ver…#38c9cb sk_ver…#38c9cb"),
        ("s\0k\0_\0v\0e\0r\0y\0s\0e\0c\0r\0e\0t\0", "sk_ver…#38c9cb"),
        ("asksk_live_a 1sk_verysecret _sk_verysecret", "asksk_l…#01b32d 1sk_ver…#38c9cb _sk_ver…#38c9cb"),
        ("task_id task_4 ask_a_b_c desk_userName disk_full2", "task_id task_4 ask_a_b_c desk_userName disk_full2"),
        (r'"\nsk_verysecret\u0020sk_verysecret"', r'"\nsk_ver…#38c9cb\u0020sk_ver…#38c9cb"'),
        ("sk_ver…#38c9cb", "sk_ver…#38c9cb"),
        ("sk_verysecret…", "sk_ver…#38c9cb…"),
        ("sk_verysecret…#38c9cb", "sk_ver…#38c9cb"),
    ],
)
def test_text_that_looks_like_a_key_is_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    ("text", "limit", "masked"),
    [
        ("abcdef", 3, "abc"),
        ("ab sk_verysecret cd", 2, "ab"),
        ("ab sk_verysecret cd", 3, "ab "),
        ("ab sk_verysecret cd", 4, "ab sk_ver…#38c9cb"),
        ("ab sk%5Fverysecret cd", 18, "ab sk_ver…#38c9cb"),
        ("ab sk%5Fverysecret cd", 20, "ab sk_ver…#38c9cb c"),
    ],
)
def test_a_key_across_the_limit_is_masked_as_a_whole(text: str, limit: int, masked: str) -> None:
    assert mask_text(text, limit=limit) == masked


@pytest.mark.parametrize("escaped", ["%61", r"\u0061"])
def test_text_with_too_many_layers_of_escapes_is_masked(escaped: str) -> None:
    for _ in range(MAX_LAYERS - 1):
        escaped = escaped.replace("%", "%25").replace("\\", "\\\\")
    assert mask_text(f"x={escaped} y=%20") == f"x={escaped} y=%20"
    too_deep = escaped.replace("%", "%25").replace("\\", "\\\\")
    masked = mask_text(f"x={too_deep} y=%20")
    assert masked.startswith("x=")
    assert masked.endswith("y=%20")
    assert too_deep not in masked


def test_a_mask_shows_nothing_that_ends_a_string_a_parameter_or_a_line() -> None:
    for character in '"\\&;\n\x1b\u202e\u2028<':
        assert mask_token(f"sk{character}_verysecret").startswith("sk…#")


def test_json_is_masked_in_names_and_texts() -> None:
    value = {"sk_verysecret": [1, None, {"a": "x sk_verysecret"}]}
    assert mask_json(value) == {"sk_ver…#38c9cb": [1, None, {"a": "x sk_ver…#38c9cb"}]}


def test_masking_a_long_text_that_resembles_a_key_is_fast() -> None:
    assert mask_text("sk_" * 100_000 + "…").startswith("sk_sk_sk_s…#")


@pytest.mark.parametrize("beside", ["sk_mock_000000", "sk_mock_", "sk_mock_test.", "sk_live_a"])
@pytest.mark.parametrize("token", ["Zz/live_000000", "Zz_live_000000"])
def test_the_caller_s_token_is_masked_behind_a_magic_prefix(beside: str, token: str) -> None:
    text = f"{beside}{token}"
    for value in (text, f"Bearer {text}", f"a={text}; session={text}"):
        for header in ("Authorization", "X-Api-Key", "Cookie", "X-Other"):
            assert token not in Credentials(b"").mask_header(header, value, token)
        assert token not in mask_text(value, token)


@pytest.mark.parametrize("text", ["Zz/secret+0123==", "Zz%2Fsecret%2B0123%3D%3D", "Zz%2fsecret%2b0123%3d%3d"])
def test_a_percent_encoded_token_is_masked(text: str) -> None:
    assert mask_text(f"key={text}&a=b", "Zz/secret+0123==") == f"key={mask_token('Zz/secret+0123==')}&a=b"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("/a/sk_mock_500x2.me?key=sk_verysecret&b=1", "/a/sk_mock_500x2.me?key=sk_ver…#38c9cb&b=1"),
        ("/a?key=sk_mock_delay1%2B500", "/a?key=sk_mock_delay1%2B500"),
        ("/a?key=sk%5Fmock_500&b=sk%5Fverysecret", "/a?key=sk%5Fmock_500&b=sk_ver…#38c9cb"),
        ("/a?key=sk_mock_1%20sk%5Fverysecret%20b", "/a?key=sk_mock_1%20sk_ver…#38c9cb%20b"),
    ],
)
def test_a_url_shows_magic_keys_and_masks_all_others(url: str, masked: str) -> None:
    assert mask_text(url, "sk_mock_delay1+500") == masked


@given(st.lists(PIECES, min_size=1, max_size=6), SECRETS, ENCODINGS, st.integers(0, 6), st.booleans())
def test_no_secret_survives_in_any_encoding(
    pieces: list[str],
    secret: str,
    encodings: list[Encoding],
    position: int,
    is_own: bool,  # noqa: FBT001 - drawn by Hypothesis
) -> None:
    token = f"Zz/{secret[3:]}" if is_own else None
    hidden = token or secret
    text = "".join([*pieces[:position], hidden, *pieces[position:]])
    for encode in encodings:
        text = encode(text)
    shown = [
        mask_text(text, token),
        mask_test_id(text, token) or "",
        Credentials(b"").mask_header("X-Other", text, token),
        Credentials(b"").mask_header("Authorization", f"Bearer {text}", token),
        Credentials(b"").mask_header("Cookie", f"a={text}; session={text}", token),
    ]
    assert [found for each in shown for found in find_secret(hidden, each)] == []


@given(st.lists(MAGIC_KEYS, min_size=1), st.sampled_from([" ", "/", "?", "&", '"', ", ", "; ", "\n"]))
def test_magic_keys_stay_whole_in_any_text(keys: list[str], separator: str) -> None:
    text = separator.join(keys)
    assert mask_text(text) == mask_text(text, keys[0]) == text
    assert mask_text(text, keys[0]) == text
    for header in ("Authorization", "X-Api-Key", "Cookie", "X-Other"):
        for value in (keys[0], f"Bearer {keys[0]}", f"session={keys[0]}", f"a=b; session={keys[0]}"):
            if header in ("Cookie", "X-Other") or "=" not in value:
                assert Credentials(b"").mask_header(header, value) == value
