import pytest

from mock_atoms.core.forwarding import public_prefix, with_public_prefix


@pytest.mark.parametrize(
    ("values", "prefix"),
    [
        ([], ""),
        (["/mock"], "/mock"),
        (["/mock/"], "/mock"),
        (["/"], ""),
        ([""], ""),
        (["/team-a/mock.v1_~"], "/team-a/mock.v1_~"),
        (["/outer, /inner"], "/outer/inner"),
        (["/outer", "/inner/"], "/outer/inner"),
        (["/" + "a" * 199], "/" + "a" * 199),
    ],
)
def test_the_header_names_the_prefix(values: list[str], prefix: str) -> None:
    headers = [(b"x-forwarded-prefix", value.encode()) for value in values]
    assert public_prefix({"headers": headers}) == prefix


@pytest.mark.parametrize(
    "value",
    [
        "mock",
        "//evil.test",
        "/a//b",
        "/a/../b",
        "/.",
        "https://evil.test",
        "/<script>",
        '/"',
        "/a b",
        "/a%0d%0a",
        "/a\\b",
        "/\xe9",
        "/a, evil",
        "/a?b",
        "/" + "a" * 200,
    ],
)
def test_other_values_are_ignored(value: str) -> None:
    assert public_prefix({"headers": [(b"x-forwarded-prefix", value.encode("latin-1"))]}) == ""


def test_only_the_first_server_has_the_prefix() -> None:
    document = {"servers": [{"url": "/"}, {"url": "https://example.com"}]}
    scope = {"headers": [(b"x-forwarded-prefix", b"/mock")]}
    assert with_public_prefix(document, scope) == {"servers": [{"url": "/mock"}, {"url": "https://example.com"}]}
    assert with_public_prefix(document, {"headers": []}) == document
