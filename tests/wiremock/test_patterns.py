"""Which exchanges of the journal a request pattern matches, how near the others come, and that no credential shows."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mock_atoms.core.masking import mask_text, mask_token
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT, caller_for
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, RequestHead
from mock_atoms.wiremock.models import Difference
from mock_atoms.wiremock.pattern_masking import mask_pattern
from mock_atoms.wiremock.patterns import RequestPattern, nearest, parse_pattern
from tests.helpers.profiling import calls_by_step

CREDENTIALS = Credentials(b"k" * 32)
KEY = "sk_verysecret_token"
OTHER_KEY = "sk_verysecret_tokem"
MAGIC_KEY = "sk_mock_delay1+500.me"
TOKEN = "callers-verysecret-token"


def exchange(
    url: str = "/audience", *headers: str, body: str = "", method: str = "GET", token: str | None = None
) -> Exchange:
    pairs = [header.partition(": ") for header in headers]
    masked_headers, digests = CREDENTIALS.mask_headers(
        [(name.lower().encode(), value.encode()) for name, _, value in pairs], token
    )
    tenant = caller_for(token).tenant if token else UNAUTHENTICATED_TENANT
    return Exchange(
        RequestHead(tenant, digests, method, mask_text(url, token), "http", "1.1", "127.0.0.1", masked_headers, ()),
        id=url,
        arrived_at=datetime(2026, 1, 31, tzinfo=UTC),
        started_at=0.0,
        client_address="127.0.0.1",
        client_port=1,
        body=mask_text(body, token).encode(),
        is_body_complete=True,
    )


def matches(pattern: object, sent: Exchange) -> bool:
    parsed = parse_pattern(pattern, CREDENTIALS)
    is_match = parsed.matches(sent)
    assert is_match is (parsed.differences(sent) == []) is (parsed.distance(sent) == 0)
    assert run_without_pauses(parsed.select([sent])) == [sent] * is_match
    return is_match


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
def test_an_empty_pattern_matches_everything(pattern: object) -> None:
    assert matches(pattern, exchange())
    assert matches(pattern, exchange("/x?y=z", "A: b", body="c", method="BREW"))


@pytest.mark.parametrize(
    ("value", "method", "expected"),
    [
        ("GET", "GET", True),
        ("get", "GET", True),
        ("GET", "get", True),
        ("GET", "POST", False),
        ("m-search", "M-SEARCH", True),
        ("ANY", "BREW", True),
        ("any", "GET", True),
        ("UNSUBSCRIBE", "UNSUBSCRIBE", True),
        ("A" * 20, "A" * 20, True),
        ({"oneOf": ["get", "POST"]}, "GET", True),
        ({"oneOf": ["get", "POST"]}, "post", True),
        ({"oneOf": ["get", "POST"]}, "PUT", False),
        ({"oneOf": []}, "GET", False),
        ({"noneOf": ["get", "POST"]}, "GET", False),
        ({"noneOf": ["get", "POST"]}, "PUT", True),
        ({"noneOf": []}, "GET", True),
    ],
)
def test_methods_match_in_any_case(value: object, method: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches({"method": value}, exchange(method=method)) is expected


@pytest.mark.parametrize(
    ("pattern", "url", "expected"),
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
def test_url_fields_match_their_part_of_the_url(pattern: object, url: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches(pattern, exchange(url)) is expected


@pytest.mark.parametrize(
    ("operators", "url", "expected"),
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
def test_path_parameters_match_their_segment(operators: object, url: str, expected: bool) -> None:  # noqa: FBT001 - a table
    pattern = {"urlPathTemplate": "/audience/{id}/members/{who}", "pathParameters": operators}
    assert matches(pattern, exchange(url)) is expected


@pytest.mark.parametrize(
    ("operators", "query", "expected"),
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
def test_query_parameters_are_decoded_and_may_have_several_values(
    operators: object,
    query: str,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    assert matches({"queryParameters": operators}, exchange(f"/audience?{query}")) is expected


@pytest.mark.parametrize(
    ("operators", "headers", "expected"),
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
def test_header_names_match_in_any_case(operators: object, headers: list[str], expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches({"headers": operators}, exchange("/audience", *headers)) is expected


@pytest.mark.parametrize(
    ("operators", "headers", "expected"),
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
def test_cookies_match_by_name(operators: object, headers: list[str], expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches({"cookies": operators}, exchange("/audience", *headers)) is expected


@pytest.mark.parametrize(
    ("operators", "body", "expected"),
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
def test_a_body_matches_all_body_patterns(operators: object, body: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches({"bodyPatterns": operators}, exchange(body=body, method="POST")) is expected


def test_a_pattern_matches_magic_keys_which_are_kept_whole() -> None:
    sent = exchange(f"/a?key={MAGIC_KEY}", f"Cookie: session={quote(MAGIC_KEY)}", body=f'{{"key": "{MAGIC_KEY}"}}')
    assert matches({"url": f"/a?key={MAGIC_KEY}"}, sent)
    assert matches({"urlPattern": r"/a\?key=sk_mock_delay.+"}, sent)
    assert matches({"cookies": {"session": {"equalTo": MAGIC_KEY}}}, sent)
    assert matches({"cookies": {"session": {"contains": "sk_mock_delay1"}}}, sent)
    assert matches({"bodyPatterns": [{"equalToJson": {"key": MAGIC_KEY}}, {"matches": ".*sk_mock_delay.*"}]}, sent)
    assert not matches({"cookies": {"session": {"equalTo": f"{MAGIC_KEY}2"}}}, sent)


@pytest.mark.parametrize(
    "operator", [{"equalToJson": {"a": 1234567}}, {"matchesJsonPath": "$[?@.a == 1234567]"}, {"equalToJson": 1234567}]
)
def test_a_token_that_is_a_number_is_no_json_once_it_is_masked(operator: object) -> None:
    assert not matches({"bodyPatterns": [operator]}, exchange(body='{"a": 1234567}', token="1234567"))
    assert not matches({"bodyPatterns": [operator]}, exchange(body='{"b": 1}', token="1234567"))


def test_a_pattern_matches_if_all_conditions_are_met() -> None:
    pattern = {"method": "POST", "urlPath": "/audience", "headers": {"A": {"equalTo": "b"}}}
    assert matches(pattern, exchange("/audience", "A: b", method="POST"))
    assert not matches(pattern, exchange("/audience", "A: c", method="POST"))
    assert not matches(pattern, exchange("/audiences", "A: b", method="POST"))
    assert not matches(pattern, exchange("/audience", "A: b", method="PUT"))


@pytest.mark.parametrize(
    ("header", "operators", "expected"),
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
def test_a_credential_header_matches_the_real_credential_alone(
    header: str,
    operators: object,
    expected: bool,  # noqa: FBT001 - a table
) -> None:
    assert matches({"headers": {header.partition(":")[0].lower(): operators}}, exchange("/", header)) is expected


@pytest.mark.parametrize(
    ("cookie", "operators", "expected"),
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
def test_a_session_cookie_matches_the_real_session_alone(cookie: str, operators: object, expected: bool) -> None:  # noqa: FBT001 - a table
    sent = exchange("/", f"Cookie: a=1; session={cookie}; b=2")
    assert matches({"cookies": {"session": operators}}, sent) is expected


def test_a_credential_matches_only_in_its_own_field() -> None:
    sent = exchange("/", f"Authorization: Bearer {KEY}", "X-API-Key: other", "Cookie: session=verysecret")
    assert not matches({"headers": {"X-API-Key": {"contains": KEY}}}, sent)
    assert not matches(
        {"headers": {"Authorization": {"contains": "verysecret"}}}, exchange("/", "Cookie: session=verysecr")
    )
    assert matches({"headers": {"Authorization": {"doesNotContain": "other"}}}, sent)
    assert not matches({"headers": {"Cookie": {"contains": KEY}}}, sent)


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
def test_expressions_that_reveal_no_credential_are_supported(expression: str) -> None:
    sent = exchange("/", "Authorization: Bearer a")
    assert matches({"headers": {"Authorization": {"matches": expression}}}, sent)
    assert not matches({"headers": {"Authorization": {"doesNotMatch": expression}}}, sent)
    assert not matches({"headers": {"Authorization": {"matches": expression}}}, exchange())


TOLD = "credentials are masked, so that only expressions such as 'Bearer .+' are supported: "


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
            "credentials are masked: use equalTo or contains",
        ),
        (
            {"cookies": {"session": {"matchesJsonPath": "$"}}},
            "/cookies/session/matchesJsonPath",
            "credentials are masked: use equalTo or contains",
        ),
    ],
)
def test_operators_that_would_reveal_a_credential_are_errors(pattern: object, pointer: str, problem: str) -> None:
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
def test_keys_and_the_callers_token_match_wherever_they_were_sent(
    secret: str, pattern: object, url: str, body: str
) -> None:
    def sent(text: str) -> Exchange:
        return exchange(
            url.replace("{secret}", text),
            f"Authorization: Bearer {TOKEN}",
            body=body.replace("{secret}", text),
            token=TOKEN,
        )

    operators = json.loads(json.dumps(pattern).replace("{secret}", secret))
    assert "verysecret" not in f"{sent(secret).url} {sent(secret).body_text}"
    assert matches(operators, sent(secret))
    if "{secret}" in json.dumps(pattern):
        assert not matches(operators, sent(secret[:-1]))


FIELDS = ", ".join(list(NULLS)[:11])
A_METHOD = 'expected a method such as GET (at most 20 letters), ANY, {"oneOf": ["GET"]} or {"noneOf": ["GET"]}'
SIMPLER_URL = "write a simpler one, or use urlPathTemplate with pathParameters and queryParameters"
NO_OPERATOR = 'not an operator: write one such as {"equalTo": "…"}'


@pytest.mark.parametrize(
    ("pattern", "pointer", "problem"),
    [
        (None, "/", "not a request pattern: write one such as {}"),
        ([], "/", "not a request pattern: write one such as {}"),
        ("/audience", "/", "not a request pattern: write one such as {}"),
        (
            {"urlPattern": f"/audience/{KEY}"},
            "/urlPattern",
            "keys are masked: use url or urlPath with the complete key",
        ),
        ({"urlPattern": "/a(?=b)"}, "/urlPattern", f"lookahead `(?=` is not supported: {SIMPLER_URL}"),
        ({"urlPathPattern": "/(a)/\\1"}, "/urlPathPattern", f"a backreference `\\1` is not supported: {SIMPLER_URL}"),
        ({"urlPattern": "("}, "/urlPattern", "not a regular expression: missing ): ("),
        ({"bodyPatterns": [nested(37)]}, "/", "nested too deeply"),
        ({"headers": {"A": {"absent": json.loads("[" * 500 + "]" * 500)}}}, "/", "nested too deeply"),
        ({"color": "/x"}, "/color", f"unsupported field; the fields are {FIELDS}"),
        ({"token": "x"}, "/token", "unsupported field; write token as a query parameter of find, count or remove; the"),
        ({"basicAuth": {}}, "/basicAuth", "unsupported field; the fields are method, "),
        ({"formParameters": {}}, "/formParameters", "unsupported field; the fields are method, "),
        ({"a/b~": 1}, "/a~1b~0", "unsupported field; the fields are method, "),
        ({"method": 1}, "/method", A_METHOD),
        ({"method": ["GET"]}, "/method", A_METHOD),
        ({"method": ""}, "/method", A_METHOD),
        ({"method": "G T"}, "/method", A_METHOD),
        ({"method": KEY}, "/method", A_METHOD),
        ({"method": "A" * 21}, "/method", A_METHOD),
        ({"method": {"oneOf": ["GET", "PÜT"]}}, "/method", A_METHOD),
        ({"method": {"oneOf": ["GET", "A" * 21]}}, "/method", A_METHOD),
        ({"method": {"noneOf": ["GET\n"]}}, "/method", A_METHOD),
        ({"method": {}}, "/method", A_METHOD),
        ({"method": {"oneOf": "GET"}}, "/method", A_METHOD),
        ({"method": {"oneOf": [1]}}, "/method", A_METHOD),
        ({"method": {"anyOf": ["GET"]}}, "/method", A_METHOD),
        ({"method": {"oneOf": ["GET"], "noneOf": ["PUT"]}}, "/method", A_METHOD),
        ({"url": 1}, "/url", "expected a string"),
        ({"urlPattern": ["/x"]}, "/urlPattern", "expected a string"),
        ({"urlPathTemplate": 1, "pathParameters": {"id": {"equalTo": "1"}}}, "/urlPathTemplate", "expected a string"),
        ({"url": "/x", "urlPath": "/x"}, "/urlPath", "conflicting fields: give only one of url, urlPath"),
        (
            {"urlPathTemplate": "/x", "urlPattern": "/x"},
            "/urlPattern",
            "conflicting fields: give only one of urlPath",
        ),
        ({"urlPattern": "("}, "/urlPattern", "not a regular expression: missing )"),
        (
            {"urlPathPattern": "*"},
            "/urlPathPattern",
            "not a regular expression: no argument for repetition operator: *",
        ),
        (
            {"urlPathPattern": "a{99999999999}"},
            "/urlPathPattern",
            "repetitions such as {100} add up to 99,999,999,999: at most 1,000",
        ),
        ({"urlPattern": "(" * 500 + ")" * 501}, "/urlPattern", "1,001 characters of a regular expression"),
        ({"urlPathTemplate": "/{id}/{id}"}, "/urlPathTemplate", "a parameter name is duplicated"),
        (
            {"urlPathTemplate": "/{a}{b}"},
            "/urlPathTemplate",
            "{a}{b} has no text between its parameters: write one such as {a}-{b}",
        ),
        (
            {"pathParameters": {"id": {"equalTo": "1"}}},
            "/pathParameters",
            "pathParameters needs urlPathTemplate",
        ),
        (
            {"urlPath": "/x", "pathParameters": {"id": {"absent": True}}},
            "/pathParameters",
            "pathParameters needs urlPathTemplate",
        ),
        (
            {"urlPathTemplate": "/{id}", "pathParameters": {"ID": {"equalTo": "1"}}},
            "/pathParameters/ID",
            "urlPathTemplate has no parameter of this name",
        ),
        (
            {"urlPathTemplate": "/{id}", "pathParameters": {"a/b~": {"equalTo": "1"}}},
            "/pathParameters/a~1b~0",
            "urlPathTemplate has no parameter of this name",
        ),
        (
            {"urlPathTemplate": "/{id}", "pathParameters": {"id": {"equalTo": 1}}},
            "/pathParameters/id/equalTo",
            "expected a string",
        ),
        ({"pathParameters": []}, "/pathParameters", "expected names with operators"),
        ({"queryParameters": "q"}, "/queryParameters", "expected names with operators"),
        ({"headers": [{"Accept": "x"}]}, "/headers", "expected names with operators"),
        ({"cookies": 1}, "/cookies", "expected names with operators"),
        ({"headers": {"Accept": "text/html"}}, "/headers/Accept", NO_OPERATOR),
        ({"headers": {"Accept": None}}, "/headers/Accept", NO_OPERATOR),
        ({"headers": {"a/b~": {"equals": "x"}}}, "/headers/a~1b~0/equals", "unknown operator or option; the"),
        ({"queryParameters": {"q": {"equalTo": 1}}}, "/queryParameters/q/equalTo", "expected a string"),
        (
            {"queryParameters": {"q": {"hasExactly": "1"}}},
            "/queryParameters/q/hasExactly",
            "expected a list of operators",
        ),
        ({"headers": {"A": {"includes": {}}}}, "/headers/A/includes", "expected a list of operators"),
        ({"headers": {"A": {"includes": ["x"]}}}, "/headers/A/includes/0", NO_OPERATOR),
        ({"cookies": {"c": {"hasExactly": [{"matches": "("}]}}}, "/cookies/c/hasExactly/0/matches", "not a regular"),
        ({"headers": {"A": {"includes": [], "hasExactly": []}}}, "/headers/A/includes", "unknown operator or option"),
        ({"headers": {"A": {"not": {"includes": []}}}}, "/headers/A/not/includes", "unknown operator or option"),
        ({"bodyPatterns": {"equalTo": "x"}}, "/bodyPatterns", "expected a list of operators"),
        ({"bodyPatterns": ["x"]}, "/bodyPatterns/0", NO_OPERATOR),
        ({"bodyPatterns": [{"absent": True}, {"includes": []}]}, "/bodyPatterns/1/includes", "unknown operator or op"),
        ({"bodyPatterns": [{"equalToJson": "{"}]}, "/bodyPatterns/0/equalToJson", "not JSON: "),
    ],
)
def test_an_invalid_pattern_is_an_error_with_a_pointer(pattern: object, pointer: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pattern(pattern, CREDENTIALS)
    assert caught.value.pointer == pointer
    assert caught.value.problem.startswith(problem)


def test_a_difference_shows_expected_and_actual_value() -> None:
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
        Difference(field="method", expected="oneOf PUT, PATCH", actual="POST"),
        Difference(field="urlPathTemplate", expected="/audience/{id}", actual="/audience"),
        Difference(field="pathParameters.id", expected="equalTo `1`", actual=None),
        Difference(field="queryParameters.page", expected="equalTo `2`", actual="1, 3"),
        Difference(field="queryParameters.size", expected="includes equalTo `1`, absent", actual=None),
        Difference(field="headers.Accept", expected="contains `html`", actual="text/plain"),
        Difference(field="cookies.theme", expected="equalTo `dark`", actual=None),
        Difference(field="bodyPatterns[0]", expected="absent", actual="text"),
        Difference(field="bodyPatterns[1]", expected="equalTo `other`", actual="text"),
    ]


@pytest.mark.parametrize(
    ("pattern", "distance"),
    [
        ({}, 0),
        ({"method": "GET"}, 0),
        ({"method": {"noneOf": ["GET"]}}, 1),
        ({"method": {"noneOf": ["GET"]}, "urlPath": "/audience"}, 2 / 22),
        ({"method": {"noneOf": ["GET"]}, "urlPath": "/audience", "headers": {"A": {"absent": True}}}, 2 / 23),
        ({"headers": {"A": {"equalTo": "b"}}}, 1),
        ({"urlPath": "/audiences"}, 1 - 0.9 * 17 / 18),
        ({"urlPath": "#"}, 1),
        ({"bodyPatterns": [{"equalTo": "x" * 2_000}]}, 1),
    ],
)
def test_the_distance_is_the_weighted_mean_of_all_conditions(pattern: object, distance: float) -> None:
    assert parse_pattern(pattern, CREDENTIALS).distance(exchange("/audience")) == pytest.approx(distance)


def test_long_similar_texts_are_never_as_near_as_a_match() -> None:
    pattern = parse_pattern({"bodyPatterns": [{"equalTo": "x" * 2_000}]}, CREDENTIALS)
    assert pattern.distance(exchange(body="x" * 1_999 + "y")) == pytest.approx(0.1)


def near(pattern: object, exchanges: list[Exchange], count: int) -> list[str]:
    return [found.id for _, found in run_without_pauses(nearest(parse_pattern(pattern, CREDENTIALS), exchanges, count))]


def test_near_misses_are_sorted_by_distance_without_matches() -> None:
    exchanges = [exchange(url) for url in ("/x", "/audience/12", "/audience/1", "/audienc/1", "/audience/1/members")]
    assert near({"urlPath": "/audience/1"}, exchanges, 2) == ["/audience/12", "/audienc/1"]
    assert near({"urlPath": "/audience/1"}, exchanges, 9)[2:] == ["/audience/1/members", "/x"]
    assert near({"urlPath": "/audience/1"}, exchanges, 0) == []
    assert near({"urlPath": "/audience/1"}, [], 3) == []
    assert near({}, exchanges, 3) == []


def test_equally_near_misses_are_sorted_by_age() -> None:
    exchanges = [exchange(f"/audience?page={number}") for number in range(100)]
    assert near({"method": "PUT"}, exchanges, 3) == ["/audience?page=99", "/audience?page=98", "/audience?page=97"]
    assert len(near({"method": "PUT"}, exchanges, 90)) == 90


def test_a_step_to_find_near_misses_does_not_depend_on_their_number() -> None:
    def most_calls(number: int) -> int:
        exchanges = [exchange(f"/audience/{position:03}") for position in range(number)]
        return max(calls_by_step(nearest(parse_pattern({"urlPath": "/audience"}, CREDENTIALS), exchanges, 3)))

    assert most_calls(60) == most_calls(600)


def test_fewer_failed_conditions_win_among_many_exchanges() -> None:
    pattern = {"method": "POST", "urlPath": "/audience", "headers": {"A": {"matches": "b"}}}
    fewest = exchange("/audience", "A: c", method="POST")
    others = [exchange(f"/audience/{number}", "A: c") for number in range(100)]
    assert near(pattern, [fewest, *others], 1) == ["/audience"]


def test_near_misses_come_with_their_distance() -> None:
    pattern = parse_pattern({"urlPath": "/audience", "method": "PUT"}, CREDENTIALS)
    [(distance, found)] = run_without_pauses(nearest(pattern, [exchange()], 3))
    assert (distance, found.id) == (pattern.distance(found), "/audience")
    assert 0 < distance < 1


def test_a_body_that_is_still_arriving_never_matches() -> None:
    sent = exchange(body="text")
    sent.is_body_complete = False
    pattern = parse_pattern({"bodyPatterns": [{"doesNotContain": "z"}]}, CREDENTIALS)
    assert not pattern.matches(sent)
    assert parse_pattern({"method": "GET"}, CREDENTIALS).matches(sent)
    sent.ended_at = 1.0  # no more will come
    assert pattern.matches(sent)


def masked(pattern: object) -> Any:  # noqa: ANN401 - any JSON
    return run_without_pauses(mask_pattern(pattern, CREDENTIALS))


def test_operators_may_be_nested_40_levels() -> None:
    deep = {"bodyPatterns": [nested(36)]}
    assert matches(deep, exchange(body="x"))
    assert masked(deep) == deep


@pytest.mark.parametrize(
    "field",
    [("bodyPatterns", 0), ("headers", "X-A"), ("headers", "Cookie"), ("cookies", "a"), ("cookies", "session")],
)
def test_a_step_to_mask_a_pattern_does_not_depend_on_the_number_of_keys(field: tuple[str, str | int]) -> None:
    def calls(number: int) -> list[int]:
        operator = {"and": [{"contains": f"{'sk_a1 ' * number}…#123456"}]}
        where, name = field
        pattern = {where: [operator] if isinstance(name, int) else {name: operator}}
        return calls_by_step(mask_pattern(pattern, CREDENTIALS))

    few, many = calls(1_000), calls(4_000)
    assert max(many) < 1.1 * max(few)
    assert len(few) < len(many)


LEAKS: list[dict[str, Any]] = [
    {"url": f"/audience?q={KEY}"},
    {"urlPath": f"/audience/{KEY}"},
    {"urlPathTemplate": f"/{KEY}/{{id}}"},
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
def test_masked_patterns_contain_no_whole_credential(pattern: dict[str, Any]) -> None:
    parsed = parse_pattern(pattern, CREDENTIALS)
    sent = exchange("/x?r=1", "Authorization: Bearer other", "Cookie: session=other", "X-Other: y", body="{}")
    assert run_without_pauses(nearest(parsed, [sent], 1))[0][1] is sent
    assert "verysecret" not in f"{parsed.differences(sent)}"
    assert "verysecret" not in f"{[(part.field, part.description, part.expected) for part in parsed.conditions]}"
    assert "verysecret" not in json.dumps(masked(pattern))


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
def test_masking_changes_credentials_alone(pattern: Any, shown: Any) -> None:  # noqa: ANN401 - JSON
    given_text = json.dumps(pattern)
    assert masked(pattern) == (pattern if shown is None else shown)
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


@pytest.mark.slow
@given(PATTERNS)
@settings(max_examples=500, deadline=None)
@example({"bodyPatterns": [{"matches": "[[a]"}]})
@example({"urlPattern": "[a--b]"})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b =~ /(/]"}]})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b =~ /[[a]/]"}]})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b == 1e999]"}]})
@example({"bodyPatterns": [{"matchesJsonPath": "$[?@.b contains @.c]"}]})
def test_any_json_is_a_usable_pattern_or_an_error(pattern: object) -> None:
    parsed = outcome(pattern)
    if isinstance(parsed, ConfigError):
        assert parsed.pointer
        assert parsed.problem
        return
    for sent in SENT:
        is_match = parsed.matches(sent)
        assert is_match is (not parsed.differences(sent))
        assert 0 <= parsed.distance(sent) <= 1
    assert all(0 < distance <= 1 for distance, _ in run_without_pauses(nearest(parsed, SENT, 3)))
    json.dumps(masked(pattern), allow_nan=False)


INVISIBLE = "a\u202ab"
SHOWN = "aU+202Ab"


@pytest.mark.parametrize(
    ("pattern", "field", "expected"),
    [
        ({"url": f"/{INVISIBLE}"}, "url", f"/{SHOWN}"),
        ({"urlPath": f"/{INVISIBLE}"}, "urlPath", f"/{SHOWN}"),
        ({"urlPattern": f"/{INVISIBLE}"}, "urlPattern", f"/{SHOWN}"),
        ({"urlPathPattern": f"/{INVISIBLE}"}, "urlPathPattern", f"/{SHOWN}"),
        ({"urlPathTemplate": f"/{INVISIBLE}"}, "urlPathTemplate", f"/{SHOWN}"),
        ({"headers": {INVISIBLE: {"equalTo": INVISIBLE}}}, f"headers.{SHOWN}", f"equalTo `{SHOWN}`"),
        ({"cookies": {INVISIBLE: {"contains": INVISIBLE}}}, f"cookies.{SHOWN}", f"contains `{SHOWN}`"),
        ({"queryParameters": {INVISIBLE: {"matches": INVISIBLE}}}, f"queryParameters.{SHOWN}", f"matches `{SHOWN}`"),
        (
            {"queryParameters": {INVISIBLE: {"includes": [{"equalTo": INVISIBLE}]}}},
            f"queryParameters.{SHOWN}",
            f"includes equalTo `{SHOWN}`",
        ),
        ({"bodyPatterns": [{"and": [{"equalTo": INVISIBLE}]}]}, "bodyPatterns[0]", f"equalTo `{SHOWN}`"),
        ({"bodyPatterns": [{"equalToJson": [INVISIBLE]}]}, "bodyPatterns[0]", SHOWN),
        ({"bodyPatterns": [{"matchesJsonPath": f"$['{INVISIBLE}']"}]}, "bodyPatterns[0]", SHOWN),
        (
            {"bodyPatterns": [{"matchesJsonPath": {"expression": f"$['{INVISIBLE}']", "equalTo": INVISIBLE}}]},
            "bodyPatterns[0]",
            f"equalTo `{SHOWN}`",
        ),
    ],
)
def test_differences_show_invisible_characters(pattern: object, field: str, expected: str) -> None:
    (difference,) = parse_pattern(pattern, CREDENTIALS).differences(exchange())
    assert difference["field"] == field
    assert expected in difference["expected"]
    assert "\u202a" not in difference["expected"]


@pytest.mark.parametrize("operator", ["contains", "equalTo"])
def test_a_text_in_one_of_several_headers_is_found_with_and_without_the_callers_token(operator: str) -> None:
    sent = exchange("/audience", "Accept: */*", f"X-Copy: {TOKEN}", "X-Other: some text", token=TOKEN)
    assert matches({"headers": {"X-Copy": {operator: TOKEN}}}, sent)
    assert matches({"headers": {"X-Other": {operator: "some text"}}}, sent)
    assert not matches({"headers": {"X-Other": {operator: TOKEN}}}, sent)
    assert not matches({"headers": {"X-Other": {operator: "other text"}}}, sent)
