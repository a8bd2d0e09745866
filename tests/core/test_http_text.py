import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_atoms.core.http_text import (
    PATH_PARAMETER,
    PathTemplate,
    cookie_values,
    decode_text,
    parse_cookies,
    parse_query,
    unquote,
)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/audience/{id}/members", "/audience/a1/members", ["a1"]),
        ("/audience/{id}/members", "/audience/%2F/members", ["%2F"]),
        ("/audience/{id}/members", "/audience//members", None),
        ("/audience/{id}/members", "/audience/a/1/members", None),
        ("/audience/{id}/members", "/audience/a1/members/", None),
        ("/audience/{id}/members", "/audience/a1/membersX", None),
        ("/audience/{id}/members", "/audience", None),
        ("/a", "/a", []),
        ("/v{major}.{minor}", "/v1.2", ["1", "2"]),
        ("/v{major}.{minor}", "/v1.2.3", ["1.2", "3"]),
        ("/v{major}.{minor}", "/v.2", None),
        ("/v{major}.{minor}", "/v1.", None),
        ("/v{major}.{minor}", "/v1", None),
        ("/v{major}.{minor}", "/1.2", None),
        ("/{a}-{b}-{c}!", "/1-2-3-4!", ["1-2", "3", "4"]),
        ("/{a}-{b}-{c}!", "/1-2-3-4", None),
        ("/{a}--{b}", "/---", None),
        ("/{a}--{b}", "/1--{b}", ["1", "{b}"]),
        ("/{a}{", "/1{", ["1"]),
    ],
)
def test_a_path_template_matches_one_segment_per_parameter(template: str, path: str, values: list[str] | None) -> None:
    assert PathTemplate(template).match(path) == values


@pytest.mark.parametrize("template", ["/a.b", "/a.b/"])
def test_a_path_template_may_allow_a_trailing_slash(template: str) -> None:
    pattern = PathTemplate(template, trailing_slash=True)
    assert pattern.match("/a.b") == []
    assert pattern.match("/a.b/") == []
    assert pattern.match("/a.b//") is None
    assert pattern.match("/axb") is None
    assert PathTemplate("/", trailing_slash=True).match("") == []


@given(
    st.lists(st.sampled_from(["{a}", "x", "xy", "/", "-"]), max_size=8).map("".join),
    st.text("xy/-", max_size=12),
    st.booleans(),
)
def test_a_path_template_matches_as_the_regular_expression_does(template: str, path: str, slash: bool) -> None:  # noqa: FBT001 - an option
    if "}{" in template:
        with pytest.raises(ValueError, match="no text between its parameters: write one such as"):
            PathTemplate(template)
        return
    literals = PATH_PARAMETER.split(template.rstrip("/") if slash else template)
    match = re.fullmatch("([^/]+)".join(map(re.escape, literals)) + ("/?" if slash else ""), path)
    assert PathTemplate(template, trailing_slash=slash).match(path) == (match and [*match.groups()])


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("a=1&b=2", {"a": ["1"], "b": ["2"]}),
        ("a=1&b=2&a=3", {"a": ["1", "3"], "b": ["2"]}),
        ("a=&b", {"a": [""], "b": [""]}),
        ("first+name=J%C3%BCrgen+M", {"first name": ["Jürgen M"]}),
        ("a=1;b=2", {"a": ["1;b=2"]}),
        ("a=%FF", {"a": ["\ufffd"]}),
    ],
)
def test_a_query_string_is_decoded(text: str, parameters: dict[str, list[str]]) -> None:
    assert parse_query(text) == parameters


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a&" * 999 + "a=1&b", [""] * 999 + ["1"]),
        ("a&" * 32_000, [""] * 1_000),
        ("&" * 999 + "a=1&a=2", ["1"]),
    ],
)
def test_a_query_has_at_most_1000_parameters(text: str, values: list[str]) -> None:
    assert parse_query(text) == {"a": values}


@given(st.text(alphabet="%0aEfFcC3=_zé\n\r +") | st.text())
def test_escapes_are_decoded_as_in_urllib(text: str) -> None:
    assert unquote(text) == urllib.parse.unquote(text)


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    assert unquote("%41\ud800") == "A\ufffd\ufffd\ufffd"


def test_malformed_escapes_are_decoded_without_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.parse.unquote_to_bytes", None)
    assert unquote("%" * 60_000) == "%" * 60_000
    assert unquote("%zz%41" * 10_000) == "%zzA" * 10_000


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", []),
        ("session=sk_acme", [("session", "sk_acme")]),
        (' theme = "dark" ;session=sk%5Facme', [("theme", "dark"), ("session", "sk%5Facme")]),
        ("a=1; a=2", [("a", "1"), ("a", "2")]),
        ("a=b=c", [("a", "b=c")]),
        ("no value; ;session=", [("session", "")]),
        ("{bad name}=1; session=sk_acme", [("{bad name}", "1"), ("session", "sk_acme")]),
    ],
)
def test_a_cookie_header_has_these_cookies(header: str, cookies: list[tuple[str, str]]) -> None:
    assert parse_cookies(header) == cookies
    for name in ("session", "a", "theme", "no value"):
        assert cookie_values(header, name) == [value for cookie, value in cookies if cookie == name]


def test_other_cookies_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def parse(header: str) -> list[tuple[str, str]]:
        parsed.append(header)
        return parse_cookies(header)

    monkeypatch.setattr("mock_atoms.core.http_text.parse_cookies", parse)
    assert cookie_values("a=b;" * 16_000 + " session=c", "session") == ["c"]
    assert parsed == [" session=c"]


@pytest.mark.parametrize(("data", "text"), [(b"", ""), ("é".encode(), "é"), (b"\xe9", "é")])
def test_bytes_are_utf8_or_else_latin1(data: bytes, text: str) -> None:
    assert decode_text(data) == text
