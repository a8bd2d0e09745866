import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.regex import Regex, RegexError


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a.c", "abc", True),
        ("a.c", "xabc", False),
        ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True),
        ("(?i)emma", "EMMA", True),
        ("(a+)+b", "a" * 50_000, False),
        ("(?<name>a)(?P<other>b)", "ab", True),
        (r"\w+", "é", False),
        (r"\p{L}+", "é", True),
        (r"a\Z", "a", True),
        (r"\e", "\x1b", True),
        (r"\u00e9", "é", True),
        (r"[\u00e9]", "é", True),
        (r"a\Rb", "a\r\nb", True),
        (r"\h", "\t", True),
        (r"[\h]", " ", True),
        (r"\p{Alpha}", "a", True),
        (r"[\p{Alpha}_]", "_", True),
        (r"\P{Digit}", "a", True),
        (r"\p{IsAlphabetic}", "é", True),
        (r"\p{IsLatin}", "é", True),
        ("[]a]", "]", True),
        ("[^]a]", "]", False),
        (r"[a\]b]", "]", True),
        ("[[:alpha:]]", "a", True),
        ("[?+]+?", "+?", True),
        (r"\++", "++", True),
        (r"\Qa.b+\E", "a.b+", True),
        (r"\Q((", "((", True),
        ("a&&b", "a&&b", True),
        (".", "\ud800", True),
    ],
)
def test_an_expression_matches_the_complete_text(pattern: str, text: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert Regex(pattern).fullmatch(text) is expected


def test_the_dot_can_match_line_ends() -> None:
    assert Regex("a.c", is_dot_all=True).fullmatch("a\nc")


def test_an_expression_can_match_a_part() -> None:
    assert Regex("b").search("abc")
    assert not Regex("x").search("abc")


NOT_SUPPORTED = "is not supported"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a(?=b)", f"lookahead `(?=` {NOT_SUPPORTED}"),
        ("a(?!b)", f"lookahead `(?!` {NOT_SUPPORTED}"),
        ("(?<=a)b", f"lookbehind `(?<=` {NOT_SUPPORTED}"),
        ("(?<!a)b", f"lookbehind `(?<!` {NOT_SUPPORTED}"),
        ("(?>a)", f"an atomic group `(?>` {NOT_SUPPORTED}"),
        ("(a)?(?(1)b)", f"a conditional group `(?(` {NOT_SUPPORTED}"),
        ("(?P<a>b)(?P=a)", f"a backreference `(?P=` {NOT_SUPPORTED}"),
        (r"(a)\1", rf"a backreference `\1` {NOT_SUPPORTED}"),
        (r"(?<a>b)\k<a>", rf"a backreference `\k` {NOT_SUPPORTED}"),
        ("a++", f"a possessive quantifier `++` {NOT_SUPPORTED}"),
        ("a{2}+", f"a possessive quantifier `{{2}}+` {NOT_SUPPORTED}"),
        ("(?#note)a", f"a comment `(?#` {NOT_SUPPORTED}"),
        ("[a&&b]", r"`&&` in a character class is not supported: write \[ and \& for the characters"),
        ("[a[b]]", r"`[` in a character class is not supported: write \[ and \& for the characters"),
        ("(", "not a regular expression: missing ): ("),
        ("\\", "not a regular expression: trailing \\"),
        (r"\_é\é", "not a regular expression: invalid escape sequence: \\é"),
        ("\ud800", "not a regular expression: half of a surrogate pair"),
        ("a" * 1_001, "1,001 characters of a regular expression: at most 1,000"),
        ("a{600}b{1,401}", "repetitions such as {100} add up to 1,001: at most 1,000"),
        (r"\pL" * 21, r"21 classes such as \p{L}: at most 20"),
        (r"\p{L}" * 6, "7,180 instructions of RE2: at most 5,000, so repeat less or use fewer classes"),
    ],
)
def test_what_cannot_be_matched_in_linear_time_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(RegexError) as caught:
        Regex(pattern)
    assert str(caught.value) == message


def test_the_longest_expression_is_accepted() -> None:
    assert Regex("a" * 1_000).fullmatch("a" * 1_000)
    assert Regex("a{1000}").fullmatch("a" * 1_000)
    assert Regex(r"[\p{L}\p{N}]" * 2).fullmatch("é1")


def test_the_steps_of_a_match_grow_with_the_text_and_the_expression() -> None:
    text = "a" * 10_000
    assert Regex("(a+)+b").steps(2 * text) < 2 * Regex("(a+)+b").steps(text)
    assert Regex("(a{10})+b").steps(text) < Regex("(a{400})+b").steps(text)


@given(st.text("()[]{}?*+|\\^$.,&:<=!#PQEpLZkhuR1a-", max_size=12), st.text("a1]\\\ud800é\n"))
def test_any_expression_is_applied_or_refused(pattern: str, text: str) -> None:
    try:
        regex = Regex(pattern)
    except RegexError:
        return
    assert regex.fullmatch(text) <= regex.search(text)


def test_invalid_expressions_are_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RegexError):
        Regex("(")
    assert capfd.readouterr() == ("", "")
