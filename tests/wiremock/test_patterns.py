"""Which exchanges of the journal a request pattern means, how near the others come, and that no credential shows."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mock_atoms.core.masking import mask_text, mask_token, mask_url
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT, caller_for
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, RequestHead
from mock_atoms.wiremock.patterns import Difference, RequestPattern, mask_pattern, nearest, parse_pattern

CREDENTIALS = Credentials(b"k" * 32)
KEY = "sk_verysecret_token"
OTHER_KEY = "sk_verysecret_tokem"
MAGIC_KEY = "sk_mock_delay1+500.me"
TOKEN = "callers-verysecret-token"


def exchange(
    url: str = "/audience", *headers: str, body: str = "", method: str = "GET", token: str | None = None
) -> Exchange:
    pairs = [header.partition(": ") for header in headers]
    shown, secrets = CREDENTIALS.mask_headers([(name.encode(), value.encode()) for name, _, value in pairs], token)
    tenant = caller_for(token).tenant if token else UNAUTHENTICATED_TENANT
    return Exchange(
        RequestHead(tenant, secrets, method, mask_url(url, token), "http", "1.1", "127.0.0.1", shown),
        id=url,
        arrived_at=datetime(2026, 1, 31, tzinfo=UTC),
        started=0.0,
        client_address="127.0.0.1",
        client_port=1,
        body=mask_text(body, token).encode(),
        is_body_complete=True,
    )


def means(pattern: object, sent: Exchange) -> bool:
    parsed = parse_pattern(pattern, CREDENTIALS)
    met = parsed.matches(sent)
    assert met is (parsed.differences(sent) == []) is (parsed.distance(sent) == 0)
    return met


NULLS: dict[str, None] = dict.fromkeys(
    (
        "method",
        "url",
        "urlPattern",
        "urlPath",
        "urlPathPattern",
        "urlPathTemplate",
        "pathParameters",
        "queryParameters",
        "headers",
        "cookies",
        "bodyPatterns",
        "scheme",
        "formParameters",
    )
)


@pytest.mark.parametrize("pattern", [{}, NULLS, {"headers": {}, "pathParameters": {}, "bodyPatterns": []}])
def test_a_pattern_that_asks_nothing_means_everything(pattern: object) -> None:
    assert means(pattern, exchange())
    assert means(pattern, exchange("/x?y=z", "A: b", body="c", method="BREW"))


@pytest.mark.parametrize(
    ("asked", "method", "meant"),
    [
        ("GET", "GET", True),
        ("get", "GET", True),
        ("GET", "get", True),
        ("GET", "POST", False),
        ("ANY", "BREW", True),
        ("any", "GET", True),
        ({"oneOf": ["get", "POST"]}, "GET", True),
        ({"oneOf": ["get", "POST"]}, "post", True),
        ({"oneOf": ["get", "POST"]}, "PUT", False),
        ({"oneOf": []}, "GET", False),
        ({"noneOf": ["get", "POST"]}, "GET", False),
        ({"noneOf": ["get", "POST"]}, "PUT", True),
        ({"noneOf": []}, "GET", True),
    ],
)
def test_a_method_is_meant_in_any_case(asked: object, method: str, meant: bool) -> None:  # noqa: FBT001 - a table
    assert means({"method": asked}, exchange(method=method)) is meant


@pytest.mark.parametrize(
    ("pattern", "url", "meant"),
    [
        ({"url": "/audience?page=1"}, "/audience?page=1", True),
        ({"url": "/audience"}, "/audience?page=1", False),
        ({"url": "/audience?page=1"}, "/audience?page=2", False),
        ({"url": "/audience"}, "/audience/", False),
        ({"urlPattern": r"/audience\?page=\d+"}, "/audience?page=12", True),
        ({"urlPattern": "/audience"}, "/audience?page=1", False),
        ({"urlPattern": "/.*=1"}, "/audience?page=1", True),
        ({"urlPath": "/audience"}, "/audience?page=1", True),
        ({"urlPath": "/audience"}, "/audience/1", False),
        ({"urlPath": "/a%20b"}, "/a%20b", True),
        ({"urlPathPattern": "/audience/[0-9]+"}, "/audience/12?page=1", True),
        ({"urlPathPattern": "/audience"}, "/audience/12", False),
        ({"urlPathTemplate": "/audience/{id}"}, "/audience/12?page=1", True),
        ({"urlPathTemplate": "/audience/{id}"}, "/audience/", False),
        ({"urlPathTemplate": "/audience/{id}"}, "/audience/1/members", False),
        ({"urlPathTemplate": "/audience/{id}/members/{member}"}, "/audience/1/members/2", True),
        ({"urlPathTemplate": "/a.b"}, "/axb", False),
        ({"urlPathTemplate": "/a.b"}, "/a.b", True),
    ],
)
def test_each_url_field_looks_at_its_part_of_the_url(pattern: object, url: str, meant: bool) -> None:  # noqa: FBT001 - a table
    assert means(pattern, exchange(url)) is meant


@pytest.mark.parametrize(
    ("asked", "url", "meant"),
    [
        ({"id": {"equalTo": "12"}}, "/audience/12/members/x", True),
        ({"id": {"equalTo": "12"}, "who": {"matches": "x+"}}, "/audience/12/members/xx", True),
        ({"id": {"equalTo": "12"}, "who": {"matches": "x+"}}, "/audience/12/members/xy", False),
        ({"id": {"equalTo": "a%2Fb%20c"}}, "/audience/a%2Fb%20c/members/x", True),
        ({"id": {"doesNotContain": "1"}}, "/audience/2/members/x", True),
        ({"id": {"doesNotContain": "1"}}, "/audience/12/members/x", False),
        ({"id": {"hasExactly": [{"equalTo": "12"}]}}, "/audience/12/members/x", True),
        ({"id": {"absent": True}}, "/audience/12/members/x", False),
        ({"id": {"absent": True}}, "/audience", False),
    ],
)
def test_a_path_parameter_is_what_stands_at_its_name(asked: object, url: str, meant: bool) -> None:  # noqa: FBT001 - a table
    pattern = {"urlPathTemplate": "/audience/{id}/members/{who}", "pathParameters": asked}
    assert means(pattern, exchange(url)) is meant


@pytest.mark.parametrize(
    ("asked", "query", "meant"),
    [
        ({"q": {"equalTo": "a b&c"}}, "q=a+b%26c", True),
        ({"q": {"equalTo": "a b&c"}}, "q=a%20b%26c", True),
        ({"q": {"equalTo": "é"}}, "q=%C3%A9", True),
        ({"a b": {"equalTo": "1"}}, "a+b=1", True),
        ({"q": {"equalTo": ""}}, "q=", True),
        ({"q": {"equalTo": ""}}, "q", True),
        ({"q": {"absent": True}}, "q=", False),
        ({"q": {"absent": True}}, "p=1", True),
        ({"q": {"absent": True}}, "", True),
        ({"Q": {"equalTo": "1"}}, "q=1", False),
        ({"q": {"equalTo": "1"}, "p": {"equalTo": "2"}}, "p=2&q=1", True),
        ({"q": {"equalTo": "1"}, "p": {"equalTo": "2"}}, "p=3&q=1", False),
        ({"q": {"equalTo": "2"}}, "q=1&q=2", True),
        ({"q": {"not": {"equalTo": "2"}}}, "q=1&q=2", True),
        ({"q": {"not": {"equalTo": "2"}}}, "q=2&q=2", False),
        ({"q": {"hasExactly": [{"equalTo": "2"}, {"equalTo": "1"}]}}, "q=1&q=2", True),
        ({"q": {"hasExactly": [{"equalTo": "1"}]}}, "q=1&q=2", False),
        ({"q": {"hasExactly": [{"equalTo": "1"}, {"equalTo": "3"}]}}, "q=1&q=2", False),
        ({"q": {"hasExactly": [{"absent": True}]}}, "p=1", False),
        ({"q": {"includes": [{"equalTo": "1"}]}}, "q=1&q=2", True),
        ({"q": {"includes": [{"equalTo": "1"}, {"contains": "3"}]}}, "q=1&q=2", False),
        ({"q": {"includes": [{"doesNotContain": "1"}]}}, "p=1", False),
    ],
)
def test_a_query_parameter_is_decoded_and_may_have_several_values(
    asked: object,
    query: str,
    meant: bool,  # noqa: FBT001 - a table
) -> None:
    assert means({"queryParameters": asked}, exchange(f"/audience?{query}")) is meant


@pytest.mark.parametrize(
    ("asked", "headers", "meant"),
    [
        ({"accept": {"equalTo": "text/html"}}, ["Accept: text/html"], True),
        ({"ACCEPT": {"equalTo": "text/html"}}, ["accept: text/html"], True),
        ({"Accept": {"equalTo": "TEXT/html"}}, ["accept: text/html"], False),
        ({"Accept": {"equalTo": "TEXT/html", "caseInsensitive": True}}, ["accept: text/html"], True),
        ({"Accept": {"contains": "html"}}, ["Accept: text/plain", "accept: text/html"], True),
        ({"Accept": {"includes": [{"contains": "html"}]}}, ["Accept: text/plain", "accept: text/html"], True),
        ({"Accept": {"hasExactly": [{"contains": "html"}]}}, ["Accept: text/plain", "accept: text/html"], False),
        ({"Accept": {"absent": True}}, ["Accept-Encoding: br"], True),
        ({"Accept": {"absent": True}}, ["Accept: */*"], False),
        ({"Accept": {"doesNotContain": "html"}}, [], True),
        ({"Accept": {"equalTo": ""}}, [], False),
        ({"X": {"equalTo": "é"}}, ["X: é"], True),
        ({"X": {"equalToJson": {"a": 1}}}, ['X: {"a":1}'], True),
        ({"X": {"matchesJsonPath": "$.a"}}, ['X: {"a":1}'], True),
        ({"Authorization": {"absent": True}}, ["Accept: */*"], True),
        ({"Authorization": {"absent": True}}, ["Authorization: Bearer sk_a"], False),
    ],
)
def test_a_header_has_a_name_in_any_case(asked: object, headers: list[str], meant: bool) -> None:  # noqa: FBT001 - a table
    assert means({"headers": asked}, exchange("/audience", *headers)) is meant


@pytest.mark.parametrize(
    ("asked", "headers", "meant"),
    [
        ({"theme": {"equalTo": "dark"}}, ["Cookie: a=1; theme=dark"], True),
        ({"theme": {"equalTo": "dark"}}, ["Cookie: a=1", 'cookie: theme="dark"'], True),
        ({"Theme": {"equalTo": "dark"}}, ["Cookie: theme=dark"], False),
        ({"theme": {"matches": "d.+"}}, ["Cookie: theme=dark"], True),
        ({"theme": {"includes": [{"equalTo": "a"}, {"equalTo": "b"}]}}, ["Cookie: theme=a; theme=b"], True),
        ({"theme": {"absent": True}}, ["Cookie: a=1; ; =x"], True),
        ({"theme": {"equalTo": ""}}, ["Cookie: theme="], True),
        ({"theme": {"absent": True}}, ["Cookie: theme"], True),
        ({"session": {"absent": True}}, ["Cookie: theme=dark"], True),
        ({"session": {"absent": True}}, ["Cookie: session=verysecret"], False),
    ],
)
def test_a_cookie_is_asked_by_its_name(asked: object, headers: list[str], meant: bool) -> None:  # noqa: FBT001 - a table
    assert means({"cookies": asked}, exchange("/audience", *headers)) is meant


@pytest.mark.parametrize(
    ("asked", "body", "meant"),
    [
        ([{"equalTo": "text"}], "text", True),
        ([{"contains": "t"}, {"contains": "x"}], "text", True),
        ([{"contains": "t"}, {"contains": "y"}], "text", False),
        ([{"equalToJson": {"a": [1, 2]}, "ignoreArrayOrder": True}], '{"a": [2, 1]}', True),
        ([{"matchesJsonPath": {"expression": "$.a", "equalTo": "é"}}], '{"a": "é"}', True),
        ([{"absent": True}], "", True),
        ([{"absent": True}], "text", False),
        ([{"not": {"absent": True}}], "", False),
        ([{"matches": ".*"}], "", False),
        ([{"equalTo": ""}], "", False),
        ([{"doesNotContain": ""}], "", True),
    ],
)
def test_a_body_is_what_all_of_its_patterns_ask(asked: object, body: str, meant: bool) -> None:  # noqa: FBT001 - a table
    assert means({"bodyPatterns": asked}, exchange(body=body, method="POST")) is meant


def test_a_pattern_matches_magic_keys_which_are_kept_whole() -> None:
    sent = exchange(f"/a?key={MAGIC_KEY}", f"Cookie: session={quote(MAGIC_KEY)}", body=f'{{"key": "{MAGIC_KEY}"}}')
    assert means({"url": f"/a?key={MAGIC_KEY}"}, sent)
    assert means({"urlPattern": r"/a\?key=sk_mock_delay.+"}, sent)
    assert means({"cookies": {"session": {"equalTo": MAGIC_KEY}}}, sent)
    assert means({"cookies": {"session": {"contains": "sk_mock_delay1"}}}, sent)
    assert means({"bodyPatterns": [{"equalToJson": {"key": MAGIC_KEY}}, {"matches": ".*sk_mock_delay.*"}]}, sent)
    assert not means({"cookies": {"session": {"equalTo": f"{MAGIC_KEY}2"}}}, sent)


def test_a_pattern_means_what_has_all_parts() -> None:
    pattern = {"method": "POST", "urlPath": "/audience", "headers": {"A": {"equalTo": "b"}}}
    assert means(pattern, exchange("/audience", "A: b", method="POST"))
    assert not means(pattern, exchange("/audience", "A: c", method="POST"))
    assert not means(pattern, exchange("/audiences", "A: b", method="POST"))
    assert not means(pattern, exchange("/audience", "A: b", method="PUT"))


@pytest.mark.parametrize(
    ("header", "asked", "meant"),
    [
        (f"Authorization: Bearer {KEY}", {"equalTo": f"Bearer {KEY}"}, True),
        (f"Authorization: Bearer {KEY}", {"equalTo": f"bearer {KEY}"}, False),
        (f"Authorization: Bearer {KEY}", {"equalTo": f"bearer {KEY}", "caseInsensitive": True}, True),
        (f"Authorization: Bearer {KEY}", {"equalTo": f"Basic {KEY}"}, False),
        (f"Authorization: Bearer {KEY}", {"equalTo": KEY}, False),
        (f"Authorization: Bearer {KEY}", {"equalTo": f"Bearer {OTHER_KEY}"}, False),
        (f"Authorization: Bearer {KEY}", {"equalTo": f"Bearer {mask_token(KEY)}"}, True),
        (f"Authorization: Bearer {KEY}", {"not": {"equalTo": f"Bearer {OTHER_KEY}"}}, True),
        (f"Authorization: Bearer {KEY}", {"not": {"equalTo": f"Bearer {KEY}"}}, False),
        (f"Authorization: Bearer {KEY}", {"includes": [{"equalTo": f"Bearer {KEY}"}]}, True),
        (f"Authorization: Bearer {KEY}", {"contains": KEY}, True),
        (f"Authorization: Bearer {KEY}", {"contains": f"Bearer {KEY}"}, True),
        (f"Authorization: Bearer {KEY}", {"contains": f"Basic {KEY}"}, False),
        (f"Authorization: Bearer {KEY}", {"contains": "Bearer "}, True),
        (f"Authorization: Bearer {KEY}", {"contains": "sk_"}, True),
        (f"Authorization: Bearer {KEY}", {"contains": OTHER_KEY}, False),
        (f"Authorization: Bearer {KEY}", {"doesNotContain": KEY}, False),
        (f"Authorization: Bearer {KEY}", {"doesNotContain": OTHER_KEY}, True),
        ("Authorization: Bearer a", {"equalTo": "Bearer a"}, True),
        ("Authorization: Bearer a", {"equalTo": "Bearer b"}, False),
        ("Authorization: Bearer zq", {"contains": "zq"}, True),
        ("Authorization: Bearer zq", {"contains": "qz"}, False),
        ("Authorization: Bearer a", {"contains": "4f"}, False),
        ("Authorization: Basic dXNlcjpwYXNz", {"equalTo": "Basic dXNlcjpwYXNz"}, True),
        ("Authorization: Basic dXNlcjpwYXNz", {"equalTo": "Basic dXNlcjpwYXNy"}, False),
        ("Proxy-Authorization: Basic dXNlcjpwYXNz", {"contains": "dXNlcjpwYXNz"}, True),
        ("X-API-Key: verysecret", {"equalTo": "verysecret"}, True),
        ("X-API-Key: verysecret", {"equalTo": "verysecreT"}, False),
        ("X-API-Key: verysecret", {"contains": "verysecret"}, True),
        ("X-API-Key: verysecret", {"contains": "other"}, False),
        ("Api-Key: k", {"equalTo": "k"}, True),
        ("Api-Key: k", {"equalTo": "j"}, False),
        ("X-API-Key: ", {"equalTo": ""}, True),
        ("Cookie: session=verysecret", {"equalTo": "session=verysecret"}, True),
        ("Cookie: session=verysecret", {"equalTo": "session=other"}, False),
        ("Cookie: a=1; session=verysecret; b=2", {"equalTo": "a=1; session=verysecret; b=2"}, True),
        ("Cookie: a=1; session=verysecret", {"contains": "session=verysecret"}, True),
        ("Cookie: a=1; session=verysecret", {"contains": "session=other"}, False),
        ("Cookie: a=1; session=verysecret", {"contains": "verysecret"}, True),
        ("Cookie: a=1; session=verysecret", {"contains": "a=1"}, True),
        (f"Cookie: a={KEY}; session=verysecret", {"contains": f"a={KEY}"}, True),
        (f"Cookie: a={KEY}", {"equalTo": f"a={KEY}"}, True),
        ("Cookie: a=1", {"equalTo": "a=1"}, True),
        (f"Authorization: Bearer {MAGIC_KEY}", {"equalTo": f"Bearer {MAGIC_KEY}"}, True),
        (f"Authorization: Bearer {MAGIC_KEY}", {"equalTo": f"Bearer {MAGIC_KEY}2"}, False),
        (f"Authorization: Bearer {MAGIC_KEY}", {"contains": "delay1+500"}, True),
        (f"Authorization: Bearer {MAGIC_KEY}", {"contains": "sk_mock_one"}, False),
        (f"Cookie: a=1; session={MAGIC_KEY}", {"contains": f"session={MAGIC_KEY}"}, True),
        (f"Cookie: session={quote(MAGIC_KEY)}", {"equalTo": f"session={quote(MAGIC_KEY)}"}, True),
        (f"Cookie: session={quote(MAGIC_KEY)}", {"equalTo": f"session={MAGIC_KEY}"}, True),
    ],
)
def test_a_header_that_is_a_credential_is_found_by_the_real_one_alone(
    header: str,
    asked: object,
    meant: bool,  # noqa: FBT001 - a table
) -> None:
    assert means({"headers": {header.partition(":")[0].lower(): asked}}, exchange("/", header)) is meant


@pytest.mark.parametrize(
    ("cookie", "asked", "meant"),
    [
        ("verysecret", {"equalTo": "verysecret"}, True),
        ("verysecret", {"equalTo": "verysecreT"}, False),
        ("verysecret", {"contains": "verysecret"}, True),
        ("verysecret", {"contains": "other"}, False),
        ("verysecret", {"doesNotContain": "verysecret"}, False),
        ("a", {"equalTo": "a"}, True),
        ("a", {"equalTo": "b"}, False),
        ("s%3Asigned", {"equalTo": "s:signed"}, True),
        (f'"{KEY}"', {"equalTo": KEY}, True),
        (KEY, {"hasExactly": [{"equalTo": KEY}]}, True),
        (KEY, {"matches": ".+"}, True),
    ],
)
def test_a_session_cookie_is_found_by_the_real_one_alone(cookie: str, asked: object, meant: bool) -> None:  # noqa: FBT001 - a table
    sent = exchange("/", f"Cookie: a=1; session={cookie}; b=2")
    assert means({"cookies": {"session": asked}}, sent) is meant


def test_a_credential_counts_where_it_stands() -> None:
    sent = exchange("/", f"Authorization: Bearer {KEY}", "X-API-Key: other", "Cookie: session=verysecret")
    assert not means({"headers": {"X-API-Key": {"contains": KEY}}}, sent)
    assert not means(
        {"headers": {"Authorization": {"contains": "verysecret"}}}, exchange("/", "Cookie: session=verysecr")
    )
    assert means({"headers": {"Authorization": {"doesNotContain": "other"}}}, sent)
    assert not means({"headers": {"Cookie": {"contains": KEY}}}, sent)


@pytest.mark.parametrize(
    "expression",
    [
        ".*",
        ".+",
        "Bearer .+",
        "Bearer .*",
        r"Bearer \S+",
        r"Bearer\s.+",
        r"Bearer\s+.+",
        r"^Bearer \S*$",
    ],
)
def test_an_expression_that_tells_nothing_of_a_credential_may_be_asked(expression: str) -> None:
    sent = exchange("/", "Authorization: Bearer a")
    assert means({"headers": {"Authorization": {"matches": expression}}}, sent)
    assert not means({"headers": {"Authorization": {"doesNotMatch": expression}}}, sent)
    assert not means({"headers": {"Authorization": {"matches": expression}}}, exchange())


TOLD = "credentials are kept masked, and an expression such as 'Bearer .+' is all that can be told of them: "


def nested(depth: int, key: str = "not") -> object:
    operator: object = {"equalTo": "x"}
    for _ in range(depth):
        operator = {key: operator if key == "not" else [operator]}
    return operator


@pytest.mark.parametrize(
    ("pattern", "pointer", "problem"),
    [
        ({"headers": {"Authorization": {"matches": "Bearer sk_.+"}}}, "/headers/Authorization/matches", TOLD),
        ({"headers": {"authorization": {"doesNotMatch": KEY}}}, "/headers/authorization/doesNotMatch", TOLD),
        ({"headers": {"X-API-KEY": {"matches": "("}}}, "/headers/X-API-KEY/matches", TOLD),
        ({"headers": {"Cookie": {"matches": ".*session=a.*"}}}, "/headers/Cookie/matches", TOLD),
        ({"headers": {"Api-Key": {"not": {"matches": "a.*"}}}}, "/headers/Api-Key/not/matches", TOLD),
        ({"headers": {"Api-Key": {"and": [{"matches": "a"}]}}}, "/headers/Api-Key/and/0/matches", TOLD),
        ({"headers": {"Api-Key": {"includes": [{"matches": "a"}]}}}, "/headers/Api-Key/includes/0/matches", TOLD),
        ({"cookies": {"session": {"matches": "a.*"}}}, "/cookies/session/matches", TOLD),
        (
            {"headers": {"Authorization": {"equalToJson": {}}}},
            "/headers/Authorization/equalToJson",
            "credentials are kept masked: use equalTo or contains",
        ),
        (
            {"cookies": {"session": {"matchesJsonPath": "$"}}},
            "/cookies/session/matchesJsonPath",
            "credentials are kept masked: use equalTo or contains",
        ),
    ],
)
def test_what_cannot_be_told_of_a_credential_is_refused(pattern: object, pointer: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pattern(pattern, CREDENTIALS)
    assert caught.value.pointer == pointer
    assert caught.value.problem.startswith(problem)
    assert "verysecret" not in str(caught.value)


SENT_IN: list[tuple[dict[str, Any], str, str]] = [
    ({"url": "/audience?q={secret}"}, "/audience?q={secret}", ""),
    ({"url": "/audience?q={secret}&r=1"}, "/audience?q={secret}&r=1", ""),
    ({"urlPath": "/audience/{secret}"}, "/audience/{secret}", ""),
    ({"urlPath": "/audience/{secret}"}, "/audience/{secret}?page=1", ""),
    ({"urlPathTemplate": "/audience/{secret}/{id}"}, "/audience/{secret}/1", ""),
    (
        {"urlPathTemplate": "/audience/{id}", "pathParameters": {"id": {"equalTo": "{secret}"}}},
        "/audience/{secret}",
        "",
    ),
    ({"queryParameters": {"q": {"equalTo": "{secret}"}}}, "/audience?q={secret}", ""),
    ({"queryParameters": {"q": {"equalTo": "{secret}"}}}, "/audience?q={secret}&r=1", ""),
    ({"queryParameters": {"r": {"equalTo": "1"}}}, "/audience?q={secret}&r=1", ""),
    ({"queryParameters": {"q": {"contains": "{secret}"}}}, "/audience?q=of%20{secret}", ""),
    ({"bodyPatterns": [{"equalTo": "{secret}"}]}, "/audience", "{secret}"),
    ({"bodyPatterns": [{"equalTo": "of {secret} too"}]}, "/audience", "of {secret} too"),
    ({"bodyPatterns": [{"contains": "{secret}"}]}, "/audience", '{"key": "{secret}"}'),
    ({"bodyPatterns": [{"contains": "{secret}"}]}, "/audience", "key={secret}&a=b"),
    ({"bodyPatterns": [{"equalToJson": {"key": "{secret}"}}]}, "/audience", '{"key": "{secret}"}'),
    (
        {"bodyPatterns": [{"matchesJsonPath": {"expression": "$.key", "equalTo": "{secret}"}}]},
        "/audience",
        '{"key": "{secret}"}',
    ),
    (
        {"bodyPatterns": [{"matchesJsonPath": "$[?@.key == '{secret}']"}]},
        "/audience",
        '[{"key": "{secret}"}]',
    ),
]


@pytest.mark.parametrize(("pattern", "url", "body"), SENT_IN)
@pytest.mark.parametrize("secret", [KEY, TOKEN], ids=["key", "token"])
def test_a_key_and_the_token_of_the_caller_are_found_wherever_they_were_sent(
    secret: str, pattern: object, url: str, body: str
) -> None:
    def sent(text: str) -> Exchange:
        return exchange(
            url.replace("{secret}", text),
            f"Authorization: Bearer {TOKEN}",
            body=body.replace("{secret}", text),
            token=TOKEN,
        )

    asked = json.loads(json.dumps(pattern).replace("{secret}", secret))
    assert "verysecret" not in f"{sent(secret).url} {sent(secret).body_text}"
    assert means(asked, sent(secret))
    if "{secret}" in json.dumps(pattern):
        assert not means(asked, sent(secret[:-1]))


FIELDS = ", ".join(list(NULLS)[:11])
A_METHOD = 'give a method, ANY, {"oneOf": […]} or {"noneOf": […]}'
AN_OPERATOR = 'give an operator such as {"equalTo": "…"}'


@pytest.mark.parametrize(
    ("pattern", "pointer", "problem"),
    [
        (None, "/", "give a request pattern, such as {}"),
        ([], "/", "give a request pattern, such as {}"),
        ("/audience", "/", "give a request pattern, such as {}"),
        ({"urlPattern": f"/audience/{KEY}"}, "/urlPattern", "keys are kept masked: use equalTo or contains"),
        ({"bodyPatterns": [nested(37)]}, "/", "nested too deeply"),
        ({"headers": {"A": {"absent": json.loads("[" * 500 + "]" * 500)}}}, "/", "nested too deeply"),
        ({"path": "/x"}, "/path", f"not supported here; a pattern has {FIELDS}"),
        ({"basicAuth": {}}, "/basicAuth", "not supported here; a pattern has method, "),
        ({"formParameters": {}}, "/formParameters", "not supported here; a pattern has method, "),
        ({"a/b~": 1}, "/a~1b~0", "not supported here; a pattern has method, "),
        ({"method": 1}, "/method", A_METHOD),
        ({"method": ["GET"]}, "/method", A_METHOD),
        ({"method": {}}, "/method", A_METHOD),
        ({"method": {"oneOf": "GET"}}, "/method", A_METHOD),
        ({"method": {"oneOf": [1]}}, "/method", A_METHOD),
        ({"method": {"anyOf": ["GET"]}}, "/method", A_METHOD),
        ({"method": {"oneOf": ["GET"], "noneOf": ["PUT"]}}, "/method", A_METHOD),
        ({"url": 1}, "/url", "give text"),
        ({"urlPattern": ["/x"]}, "/urlPattern", "give text"),
        ({"urlPathTemplate": 1, "pathParameters": {"id": {"equalTo": "1"}}}, "/urlPathTemplate", "give text"),
        ({"url": "/x", "urlPath": "/x"}, "/urlPath", "give one of url, urlPath"),
        ({"urlPathTemplate": "/x", "urlPattern": "/x"}, "/urlPattern", "give one of urlPathTemplate, urlPattern"),
        ({"urlPattern": "("}, "/urlPattern", "not a regular expression: missing )"),
        ({"urlPathPattern": "*"}, "/urlPathPattern", "not a regular expression: nothing to repeat"),
        ({"urlPathPattern": "a{99999999999}"}, "/urlPathPattern", "not a regular expression: the repetition number"),
        ({"urlPattern": "(" * 5_000 + ")" * 5_000}, "/urlPattern", "not a regular expression: "),
        ({"urlPathTemplate": "/{id}/{id}"}, "/urlPathTemplate", "a name stands twice"),
        ({"pathParameters": {"id": {"equalTo": "1"}}}, "/pathParameters", "give urlPathTemplate too"),
        ({"urlPath": "/x", "pathParameters": {"id": {"absent": True}}}, "/pathParameters", "give urlPathTemplate too"),
        (
            {"urlPathTemplate": "/{id}", "pathParameters": {"ID": {"equalTo": "1"}}},
            "/pathParameters/ID",
            "urlPathTemplate has no such name",
        ),
        (
            {"urlPathTemplate": "/{id}", "pathParameters": {"a/b~": {"equalTo": "1"}}},
            "/pathParameters/a~1b~0",
            "urlPathTemplate has no such name",
        ),
        (
            {"urlPathTemplate": "/{id}", "pathParameters": {"id": {"equalTo": 1}}},
            "/pathParameters/id/equalTo",
            "give text",
        ),
        ({"pathParameters": []}, "/pathParameters", "give names and operators"),
        ({"queryParameters": "q"}, "/queryParameters", "give names and operators"),
        ({"headers": [{"Accept": "x"}]}, "/headers", "give names and operators"),
        ({"cookies": 1}, "/cookies", "give names and operators"),
        ({"headers": {"Accept": "text/html"}}, "/headers/Accept", AN_OPERATOR),
        ({"headers": {"Accept": None}}, "/headers/Accept", AN_OPERATOR),
        ({"headers": {"a/b~": {"equals": "x"}}}, "/headers/a~1b~0/equals", "no such operator or option here; there"),
        ({"queryParameters": {"q": {"equalTo": 1}}}, "/queryParameters/q/equalTo", "give text"),
        ({"queryParameters": {"q": {"hasExactly": "1"}}}, "/queryParameters/q/hasExactly", "give a list of operators"),
        ({"headers": {"A": {"includes": {}}}}, "/headers/A/includes", "give a list of operators"),
        ({"headers": {"A": {"includes": ["x"]}}}, "/headers/A/includes/0", AN_OPERATOR),
        ({"cookies": {"c": {"hasExactly": [{"matches": "("}]}}}, "/cookies/c/hasExactly/0/matches", "not a regular"),
        ({"headers": {"A": {"includes": [], "hasExactly": []}}}, "/headers/A/includes", "no such operator or option"),
        ({"headers": {"A": {"not": {"includes": []}}}}, "/headers/A/not/includes", "no such operator or option here"),
        ({"bodyPatterns": {"equalTo": "x"}}, "/bodyPatterns", "give a list of operators"),
        ({"bodyPatterns": ["x"]}, "/bodyPatterns/0", AN_OPERATOR),
        ({"bodyPatterns": [{"absent": True}, {"includes": []}]}, "/bodyPatterns/1/includes", "no such operator or op"),
        ({"bodyPatterns": [{"equalToJson": "{"}]}, "/bodyPatterns/0/equalToJson", "not JSON: "),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_place(pattern: object, pointer: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pattern(pattern, CREDENTIALS)
    assert caught.value.pointer == pointer
    assert caught.value.problem.startswith(problem)


def test_a_difference_says_what_is_asked_and_what_is_there() -> None:
    pattern = parse_pattern(
        {
            "method": {"oneOf": ["PUT", "PATCH"]},
            "urlPathTemplate": "/audience/{id}",
            "pathParameters": {"id": {"equalTo": "1"}},
            "queryParameters": {"page": {"equalTo": "2"}, "size": {"includes": [{"equalTo": "1"}, {"absent": True}]}},
            "headers": {"Accept": {"contains": "html"}, "Host": {"equalTo": "x"}},
            "cookies": {"theme": {"equalTo": "dark"}},
            "bodyPatterns": [{"absent": True}, {"equalTo": "other"}],
        },
        CREDENTIALS,
    )
    sent = exchange("/audience?page=1&page=3", "Accept: text/plain", "Host: x", body="text", method="POST")
    assert pattern.differences(sent) == [
        Difference("method", "oneOf PUT, PATCH", "POST"),
        Difference("urlPathTemplate", "/audience/{id}", "/audience"),
        Difference("pathParameters.id", "equalTo '1'", None),
        Difference("queryParameters.page", "equalTo '2'", "1, 3"),
        Difference("queryParameters.size", "includes equalTo '1', absent", None),
        Difference("headers.Accept", "contains 'html'", "text/plain"),
        Difference("cookies.theme", "equalTo 'dark'", None),
        Difference("bodyPatterns[0]", "absent", "text"),
        Difference("bodyPatterns[1]", "equalTo 'other'", "text"),
    ]


@pytest.mark.parametrize(
    ("pattern", "distance"),
    [
        ({}, 0),
        ({"method": "GET"}, 0),
        ({"method": {"noneOf": ["GET"]}}, 1),
        ({"method": {"noneOf": ["GET"]}, "urlPath": "/audience"}, 0.5),
        ({"method": {"noneOf": ["GET"]}, "urlPath": "/audience", "headers": {"A": {"absent": True}}}, 1 / 3),
        ({"headers": {"A": {"equalTo": "b"}}}, 1),
        ({"urlPath": "/audiences"}, 1 - 0.9 * 18 / 19),
        ({"urlPath": "#"}, 1),
        ({"bodyPatterns": [{"equalTo": "x" * 2_000}]}, 1),
    ],
)
def test_the_distance_is_the_mean_of_all_parts(pattern: object, distance: float) -> None:
    assert parse_pattern(pattern, CREDENTIALS).distance(exchange("/audience")) == pytest.approx(distance)


def test_what_is_alike_behind_a_thousand_characters_is_never_as_near_as_what_fits() -> None:
    pattern = parse_pattern({"bodyPatterns": [{"equalTo": "x" * 2_000}]}, CREDENTIALS)
    assert pattern.distance(exchange(body="x" * 1_999 + "y")) == pytest.approx(0.1)


def near(pattern: object, exchanges: list[Exchange], count: int) -> list[str]:
    return [found.id for _, found in nearest(parse_pattern(pattern, CREDENTIALS), exchanges, count)]


def test_the_nearest_come_first_and_what_is_meant_is_left_out() -> None:
    exchanges = [exchange(url) for url in ("/x", "/audience/12", "/audience/1", "/audienc/1", "/audience/1/members")]
    assert near({"urlPath": "/audience/1"}, exchanges, 2) == ["/audience/12", "/audienc/1"]
    assert near({"urlPath": "/audience/1"}, exchanges, 9)[2:] == ["/audience/1/members", "/x"]
    assert near({"urlPath": "/audience/1"}, exchanges, 0) == []
    assert near({"urlPath": "/audience/1"}, [], 3) == []
    assert near({}, exchanges, 3) == []


def test_of_the_equally_near_the_newest_come_first() -> None:
    exchanges = [exchange(f"/audience?page={number}") for number in range(100)]
    assert near({"method": "PUT"}, exchanges, 3) == ["/audience?page=99", "/audience?page=98", "/audience?page=97"]
    assert len(near({"method": "PUT"}, exchanges, 90)) == 90


def test_who_misses_fewer_parts_is_nearer_however_many_there_are() -> None:
    pattern = {"method": "POST", "urlPath": "/audience", "headers": {"A": {"matches": "b"}}}
    fewest = exchange("/audience", "A: c", method="POST")
    others = [exchange(f"/audience/{number}", "A: c") for number in range(100)]
    assert near(pattern, [fewest, *others], 1) == ["/audience"]


def test_the_distance_of_the_nearest_is_told_with_them() -> None:
    pattern = parse_pattern({"urlPath": "/audience", "method": "PUT"}, CREDENTIALS)
    [(distance, found)] = nearest(pattern, [exchange()], 3)
    assert (distance, found.id) == (pattern.distance(found), "/audience")
    assert 0 < distance < 1


def test_of_a_body_that_has_not_come_yet_nothing_can_be_told() -> None:
    sent = exchange(body="text")
    sent.is_body_complete = False
    pattern = parse_pattern({"bodyPatterns": [{"doesNotContain": "z"}]}, CREDENTIALS)
    assert not pattern.matches(sent)
    assert parse_pattern({"method": "GET"}, CREDENTIALS).matches(sent)
    sent.ended = 1.0  # no more will come
    assert pattern.matches(sent)


def test_operators_may_be_nested_far_enough() -> None:
    deep = {"bodyPatterns": [nested(36)]}
    assert means(deep, exchange(body="x"))
    assert mask_pattern(deep, CREDENTIALS) == deep


LEAKS: list[dict[str, Any]] = [
    {"url": f"/audience?q={KEY}"},
    {"urlPath": f"/audience/{KEY}"},
    {"urlPathTemplate": f"/{KEY}/{{id}}"},
    {"method": KEY},
    {"method": {"oneOf": [KEY]}},
    {"queryParameters": {"q": {"equalTo": KEY}}},
    {"queryParameters": {KEY: {"equalTo": "1"}}},
    {"headers": {"Authorization": {"equalTo": f"Bearer {KEY}"}}},
    {"headers": {"authorization": {"equalTo": "Basic verysecret"}}},
    {"headers": {"Authorization": {"contains": "verysecret"}}},
    {"headers": {"Proxy-Authorization": {"not": {"equalTo": ""}}, "X-API-KEY": {"equalTo": "verysecret"}}},
    {"headers": {"Api-Key": {"and": [{"equalTo": "verysecret"}, {"or": [{"contains": "verysecret"}]}]}}},
    {"headers": {"Api-Key": {"hasExactly": [{"equalTo": "verysecret"}]}}},
    {"headers": {"Cookie": {"equalTo": "a=1; session=verysecret"}}},
    {"headers": {"Cookie": {"contains": "session=verysecret"}}},
    {"headers": {"Cookie": {"contains": "verysecret"}}},
    {"headers": {"X-Other": {"contains": KEY}}},
    {"headers": {KEY: {"contains": "x"}}},
    {"cookies": {"session": {"equalTo": "verysecret"}}},
    {"cookies": {"session": {"includes": [{"equalTo": "verysecret"}]}}},
    {"cookies": {"theme": {"equalTo": KEY}}},
    {"bodyPatterns": [{"equalToJson": {"a": [KEY]}}]},
    {"bodyPatterns": [{"equalToJson": {KEY: 1}}]},
    {"bodyPatterns": [{"matchesJsonPath": {"expression": f"$['{KEY}']", "equalTo": KEY}}]},
    {"bodyPatterns": [{"contains": f"of {KEY}!"}], "headers": {"A": {"absent": [KEY]}}},
]


@pytest.mark.parametrize("pattern", LEAKS)
def test_no_whole_credential_shows(pattern: dict[str, Any]) -> None:
    parsed = parse_pattern(pattern, CREDENTIALS)
    sent = exchange("/x?r=1", "Authorization: Bearer other", "Cookie: session=other", "X-Other: y", body="{}")
    assert nearest(parsed, [sent], 1)[0][1] is sent
    assert "verysecret" not in f"{parsed.differences(sent)}"
    assert "verysecret" not in f"{[(part.field, part.said, part.wanted) for part in parsed.parts]}"
    assert "verysecret" not in json.dumps(mask_pattern(pattern, CREDENTIALS))


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ({}, {}),
        (NULLS, NULLS),
        ({"headers": {"Accept": {"equalTo": "x", "caseInsensitive": True}}}, None),
        ({"method": {"oneOf": ["GET"]}, "bodyPatterns": [{"equalToJson": {"a": [1, None, 2.5, False]}}]}, None),
        ({"headers": {"Authorization": {"matches": "Bearer .+"}}}, None),
        ({"headers": {"Authorization": {"absent": "(absent)"}}}, None),
        ({"headers": {"Cookie": {"equalTo": "theme=dark"}}}, None),
        (
            {"headers": {"Authorization": {"equalTo": f"Bearer {KEY}"}}},
            {"headers": {"Authorization": {"equalTo": f"Bearer {mask_token(KEY)}"}}},
        ),
        (
            {"headers": {"Cookie": {"equalTo": "a=1; session=verysecret"}}},
            {"headers": {"Cookie": {"equalTo": f"a=1; session={mask_token('verysecret')}"}}},
        ),
        (
            {"cookies": {"session": {"equalTo": "verysecret"}, "theme": {"equalTo": "dark"}}},
            {"cookies": {"session": {"equalTo": mask_token("verysecret")}, "theme": {"equalTo": "dark"}}},
        ),
        ({"url": f"/audience?q={KEY}"}, {"url": f"/audience?q={mask_token(KEY)}"}),
    ],
)
def test_a_pattern_is_shown_as_it_was_given_but_for_credentials(pattern: Any, shown: Any) -> None:  # noqa: ANN401 - JSON
    given_text = json.dumps(pattern)
    assert mask_pattern(pattern, CREDENTIALS) == (pattern if shown is None else shown)
    assert json.dumps(pattern) == given_text


TEXTS = st.text(max_size=8) | st.text("$.[]?@*()=~<>!&|'/{}+\\^-0123456789abenx \n", max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
FIELD_NAMES = st.sampled_from(
    [*NULLS, "oneOf", "noneOf", "hasExactly", "includes", "expression", "Authorization", "id"]
)
OPERATORS = st.sampled_from(
    [
        "equalTo",
        "contains",
        "doesNotContain",
        "matches",
        "doesNotMatch",
        "absent",
        "equalToJson",
        "matchesJsonPath",
        "not",
        "and",
        "or",
        "caseInsensitive",
        "ignoreArrayOrder",
        "ignoreExtraElements",
    ]
)
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELD_NAMES | OPERATORS | TEXTS, inner, max_size=3),
    max_leaves=12,
)
ONE_OPERATOR = st.recursive(
    st.dictionaries(
        st.sampled_from(["equalTo", "contains", "matches", "matchesJsonPath"]), TEXTS, min_size=1, max_size=1
    )
    | st.builds(lambda wanted, order: {"equalToJson": wanted, "ignoreArrayOrder": order}, ANY_JSON, st.booleans())
    | st.builds(lambda path, wanted: {"matchesJsonPath": {"expression": path, "contains": wanted}}, TEXTS, TEXTS),
    lambda inner: st.builds(lambda one: {"not": one}, inner) | st.builds(lambda all_: {"or": all_}, st.lists(inner)),
    max_leaves=4,
)
NAMED = st.dictionaries(st.sampled_from(["A", "Cookie", "x-api-key", "session", "q", "id"]), ONE_OPERATOR, max_size=3)
PATTERNS = ANY_JSON | st.fixed_dictionaries(
    {},
    optional={
        "method": TEXTS | st.builds(lambda names: {"noneOf": names}, st.lists(TEXTS)),
        "urlPathPattern": TEXTS,
        "urlPathTemplate": TEXTS,
        "queryParameters": NAMED,
        "headers": NAMED,
        "cookies": NAMED,
        "bodyPatterns": st.lists(ONE_OPERATOR, max_size=2),
    },
)
SENT = [
    exchange(),
    exchange(
        "/audience/1?q=a&q=%5B", "A: x", f"X-API-Key: {KEY}", "Cookie: session=1; a=b", body='{"a": [1, {"b": "x"}]}'
    ),
    exchange(method="POST", body='["a", {"b": "x", "c": 7}, null, 1.5, true]'),
    exchange(method="PUT", body="no JSON"),
]


def outcome(pattern: object) -> RequestPattern | ConfigError:
    try:
        return parse_pattern(pattern, CREDENTIALS)
    except ConfigError as error:
        return error


@given(PATTERNS)
@settings(max_examples=500, deadline=None)
@example({"bodyPatterns": [{"matches": "[[a]"}]})
@example({"urlPattern": "[a--b]"})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b =~ /(/]"}]})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b =~ /[[a]/]"}]})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b == 1e999]"}]})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b contains @.c]"}]})
def test_any_json_is_a_pattern_that_can_be_applied_or_is_refused(pattern: object) -> None:
    parsed = outcome(pattern)
    if isinstance(parsed, ConfigError):
        assert parsed.pointer
        assert parsed.problem
        return
    for sent in SENT:
        met = parsed.matches(sent)
        assert met is (not parsed.differences(sent))
        assert 0 <= parsed.distance(sent) <= 1
    assert all(0 < distance <= 1 for distance, _ in nearest(parsed, SENT, 3))
    json.dumps(mask_pattern(pattern, CREDENTIALS), allow_nan=False)
