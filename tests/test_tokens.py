import pytest

from mock_atoms.tokens import mask, redact


@pytest.mark.parametrize("token", ["k", "sk", "sk_acme", "sk_live_0123456789abcdef0123456789abcdef"])
def test_a_masked_token_shows_half_of_it_at_most(token: str) -> None:
    shown = mask(token).partition("…")[0]
    assert token not in mask(token)
    assert len(shown) <= min(10, len(token) / 2)
    assert token.startswith(shown)


def test_masks_tell_alike_tokens_apart() -> None:
    assert mask("sk_acme_long_token_1") != mask("sk_acme_long_token_2")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide", "nothing to hide"),
        ("key sk_verysecret, sk_verysecret", "key sk_ver…#38c9cb, sk_ver…#38c9cb"),
        ("'sk_verysecret'/x", "'sk_ver…#38c9cb'/x"),
        ("sk_\udcff\udcff", "sk…#172370"),
    ],
)
def test_what_looks_like_a_key_is_masked(text: str, shown: str) -> None:
    assert redact(text) == shown
