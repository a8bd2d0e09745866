import pytest

from mock_atoms.core.masking import mask_text, mask_token


@pytest.mark.parametrize("token", ["k", "sk", "sk_acme", "sk_live_0123456789abcdef0123456789abcdef"])
def test_a_masked_token_shows_half_of_it_at_most(token: str) -> None:
    shown = mask_token(token).partition("…")[0]
    assert token not in mask_token(token)
    assert len(shown) <= min(10, len(token) / 2)
    assert token.startswith(shown)


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("sk_mock_", "sk_m"),
        ("sk_mock_500x2", "sk_mock"),
        ("sk_mock_500x2.test-42", "sk_mock_500x2.t"),
        ("sk_mock_test.test_the_list_recovers.0123abcd", "sk_mock_test.test_the_list_recovers.01"),
        (f"sk_mock_{'x' * 100}", f"sk_mock_{'x' * 56}"),
    ],
)
def test_of_a_masked_magic_key_the_end_alone_is_missing(token: str, shown: str) -> None:
    assert mask_token(token).partition("…")[0] == shown
    assert mask_text(f"key {mask_token(token)}") == f"key {mask_token(token)}"


def test_masks_tell_alike_tokens_apart() -> None:
    assert mask_token("sk_acme_long_token_1") != mask_token("sk_acme_long_token_2")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide", "nothing to hide"),
        ("key sk_verysecret, sk_verysecret", "key sk_ver…#38c9cb, sk_ver…#38c9cb"),
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
def test_what_looks_like_a_key_is_masked(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_a_long_text_of_what_is_nearly_a_key_takes_no_time() -> None:
    assert mask_text("sk_" * 100_000 + "…").startswith("sk_sk_sk_s…#")


@pytest.mark.parametrize("text", ["Zz/secret+0123==", "Zz%2Fsecret%2B0123%3D%3D", "Zz%2fsecret%2b0123%3d%3d"])
def test_a_token_is_concealed_percent_encoded_too(text: str) -> None:
    assert mask_text(f"key={text}&a=b", "Zz/secret+0123==") == f"key={mask_token('Zz/secret+0123==')}&a=b"
