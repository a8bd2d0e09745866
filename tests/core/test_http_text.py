import pytest

from mock_atoms.core.http_text import compile_path_template, decode_text, parse_cookies, parse_query


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/audience/a1/members", ("a1",)),
        ("/audience/%2F/members", ("%2F",)),
        ("/audience//members", None),
        ("/audience/a/1/members", None),
        ("/audience/a1/members/", None),
        ("/audience/a1/membersX", None),
    ],
)
def test_a_path_template_matches_one_segment_per_parameter(path: str, values: tuple[str, ...] | None) -> None:
    match = compile_path_template("/audience/{id}/members").fullmatch(path)
    assert (match and match.groups()) == values


@pytest.mark.parametrize("template", ["/a.b", "/a.b/"])
def test_a_path_template_may_allow_a_trailing_slash(template: str) -> None:
    pattern = compile_path_template(template, trailing_slash=True)
    assert pattern.fullmatch("/a.b")
    assert pattern.fullmatch("/a.b/")
    assert not pattern.fullmatch("/a.b//")
    assert not pattern.fullmatch("/axb")


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


@pytest.mark.parametrize(("data", "text"), [(b"", ""), ("é".encode(), "é"), (b"\xe9", "é")])
def test_bytes_are_utf8_or_else_latin1(data: bytes, text: str) -> None:
    assert decode_text(data) == text
