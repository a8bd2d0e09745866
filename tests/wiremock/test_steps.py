"""The work of a pattern is bounded: counted in steps, never in time."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NoReturn, SupportsIndex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, RequestHead
from mock_atoms.wiremock import patterns
from mock_atoms.wiremock.candidate import Candidate
from mock_atoms.wiremock.json_matching import MAX_PATTERN_VALUES, JsonEquality
from mock_atoms.wiremock.json_path import load_library
from mock_atoms.wiremock.patterns import PatternScan, RequestPattern, nearest, parse_pattern
from mock_atoms.wiremock.steps import MAX_PATTERN_STEPS, StepCounter

CREDENTIALS = Credentials(b"k" * 32)
TOO_MANY = "the pattern takes more than 25,000 steps: use fewer or shorter operators, or several patterns"


def exchange(
    body: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None, url: str = "/", method: str = "POST"
) -> Exchange:
    masked, digests = CREDENTIALS.mask_headers(headers or [], None)
    head = RequestHead(UNAUTHENTICATED_TENANT, digests, method, url, "http", "1.1", "127.0.0.1", masked, ())
    arrived = datetime(2026, 1, 31, tzinfo=UTC)
    return Exchange(head, arrived, 0.0, "127.0.0.1", 1, body=body, is_body_complete=True)


def sent(value: object) -> Exchange:
    return exchange(json.dumps(value).encode())


def body_pattern(operator: str, operand: object, **options: object) -> dict[str, Any]:
    return {"bodyPatterns": [{operator: operand, **options}]}


def matches(pattern: object, candidate: Exchange) -> bool:
    return parse_pattern(pattern, CREDENTIALS).matches(candidate)


def steps(pattern: object, compared: Exchange) -> int:
    """Return how many steps it takes to compare a pattern that does not exceed the limit."""
    candidate = Candidate(compared)
    for condition in parse_pattern(pattern, CREDENTIALS).conditions:
        condition.is_met(candidate)
    return MAX_PATTERN_STEPS - candidate.remaining


def problem(action: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        action()
    return str(caught.value)


SLOW_PART = "a" * 48 + "b" + "a" * 49
"""CPython compares most of it at each position of a short text of `a`."""
BOTH = {"ignoreArrayOrder": True, "ignoreExtraElements": True}


@pytest.mark.parametrize(
    ("make_pattern", "make_body"),
    [
        (lambda n: body_pattern("equalToJson", [{}] * n, **BOTH), lambda n: [{"a": i} for i in range(n)]),
        (
            lambda n: body_pattern("equalToJson", [{"a": i} for i in range(n)], **BOTH),
            lambda n: [{"a": i, "b": 0} for i in reversed(range(n))],
        ),
        (
            lambda n: body_pattern("equalToJson", [{"a": 0, "b": i} for i in range(n)], **BOTH),
            lambda n: [{"a": 0, "b": i, "c": i} for i in reversed(range(n))],
        ),
        (
            lambda n: body_pattern("equalToJson", [{"a": 0}] * n, **BOTH),
            lambda n: [{"a": 0, "b": i} for i in range(n)],
        ),
        (lambda n: body_pattern("equalToJson", [*range(n)], **BOTH), lambda n: [*reversed(range(2 * n))]),
        (lambda n: body_pattern("equalToJson", [*range(n)]), lambda n: [*range(n)]),
        (lambda _: body_pattern("matchesJsonPath", "$..x"), lambda n: [[i] for i in range(n)]),
        (lambda _: body_pattern("matchesJsonPath", "$[?@.a == 1]"), lambda n: [{"a": 0} for _ in range(n)]),
        (lambda _: body_pattern("matchesJsonPath", "$[?match(@.a, '(a+)+b')]"), lambda n: {"a": "a" * n}),
        (lambda _: body_pattern("matchesJsonPath", "$[?@.a =~ /(a+)+b/i]"), lambda n: {"a": "a" * n}),
        (lambda _: body_pattern("matches", "(a+)+b"), lambda n: "a" * n),
    ],
    ids=[
        *("any objects", "reversed objects", "one rare member", "alike objects", "scalars", "ordered"),
        *("descendants", "filter", "match()", "=~", "matches"),
    ],
)
def test_the_work_is_linear(make_pattern: Callable[[int], object], make_body: Callable[[int], object]) -> None:
    one, two = (steps(make_pattern(n), sent(make_body(n))) for n in (400, 800))
    assert one < two <= 2.1 * one


def test_items_that_match_several_others_are_paired() -> None:
    pattern = [*({f"k{n}": 0} for n in range(100)), {"first": 0}, [1]]
    body = [{"first": 0, "k0": 0}, *({f"k{n}": 0, f"k{n + 1}": 0} for n in range(100)), [1, 2]]
    assert matches(body_pattern("equalToJson", pattern, **BOTH), sent(body))
    assert not matches(body_pattern("equalToJson", [*pattern, {"k1": 0}, {"k1": 0}], **BOTH), sent([*body, {}, {}]))


@pytest.mark.parametrize(
    ("pattern", "body"),
    [
        (body_pattern("equalToJson", [[i] for i in range(200)], **BOTH), [[i, 0] for i in reversed(range(300))]),
        (body_pattern("matchesJsonPath", "$..a..a..a..x"), json.loads('{"a":' * 60 + "[0]" + "}" * 60)),
        (body_pattern("matchesJsonPath", "$" + "[0,0]" * 20), json.loads("[" * 30 + "]" * 30)),
        (body_pattern("matchesJsonPath", "$..[?count($..*) > 3]"), [[i] for i in range(200)]),
        (body_pattern("matchesJsonPath", "$..[?$[0] == $[1]]"), [[0] * 1_000, [0] * 1_000, *range(1_000)]),
        (body_pattern("matchesJsonPath", "$[?@ in $[0]]"), [[*range(2_000)], *range(2_000)]),
        (body_pattern("matchesJsonPath", "$[?match(@.a, @.a)]"), [{"a": f"a{i}"} for i in range(200)]),
        (
            body_pattern("matchesJsonPath", {"expression": "$..*", "matchesJsonPath": "$..x"}),
            [[i] for i in range(1_000)],
        ),
        (body_pattern("and", [{"not": {"matches": f"(a+)+b{i}"}} for i in range(10)]), "a" * 60_000),
        ({"bodyPatterns": [{"doesNotContain": SLOW_PART}] * 300}, "a" * 29_999),
        (body_pattern("matchesJsonPath", f"$.b[?'{SLOW_PART}' in $.a]"), {"a": "a" * 29_999, "b": [*range(300)]}),
        (body_pattern("matchesJsonPath", f"$.b[?$.a contains '{SLOW_PART}']"), {"a": "a" * 29_999, "b": [*range(300)]}),
    ],
    ids=[
        *("lists", "descents", "selectors", "root queries", "containers", "in", "expressions", "texts", "matches"),
        *("doesNotContain", "in a text", "text contains"),
    ],
)
def test_a_pattern_that_takes_too_long_is_an_error(pattern: object, body: object) -> None:
    parsed = parse_pattern(pattern, CREDENTIALS)
    assert problem(lambda: parsed.matches(sent(body))).endswith(TOO_MANY)


@pytest.mark.parametrize(
    ("text", "part", "expected_length"),
    [
        ("a" * 2_499, "a" * 100 + "b" + "a" * 20, None),
        ("a" * 2_499, "a" * 1_000 + "b" + "a" * 200, 30_000),
        ("a" * 29_999, SLOW_PART, 30_000),
        ("a" * 60_000, SLOW_PART, 60_000),
        ("a" * 60_000, "a" * 29_000 + "b" + "a" * 29_000, 232_004),
        ("a" * 1_000, "a" * 58_000, None),
    ],
)
def test_texts_are_so_long_that_a_search_is_linear(text: str, part: str, expected_length: int | None) -> None:
    lengths = []

    class Text(str):
        __slots__ = ()

        def ljust(self, width: SupportsIndex, fill: str = " ", /) -> str:
            long_text = super().ljust(width, fill)
            lengths.append(len(long_text))
            return long_text

    assert not StepCounter().contains(Text(text), part)
    assert lengths == ([] if expected_length is None else [expected_length])


@pytest.mark.parametrize("length", [100, 10_000])
def test_a_part_is_found_anywhere_in_a_text(length: int) -> None:
    steps = StepCounter()
    text = "".join(map(chr, range(1_000, 1_000 + length)))
    for part in ("", text, text[:90], text[5:95], text[-90:]):
        assert steps.contains(text, part)
    for part in (f"{text} ", f"{text[-90:]} ", f"{text[-90:]}{' ' * 10}", " " * 90, text[:90][::-1]):
        assert not steps.contains(text, part)


def test_members_that_may_be_extra_are_not_visited() -> None:
    class Members(dict[str, object]):
        def keys(self) -> NoReturn:
            raise AssertionError

        __iter__ = items = values = keys

    equal = JsonEquality(ignore_extra_elements=True)
    assert equal({"a": 1}, Members(a=1, b=2), StepCounter())
    assert not equal({"a": 1, "c": 2}, Members(a=1, b=2, d=3), StepCounter())
    assert not JsonEquality()({"a": 1}, Members(a=1, b=2), StepCounter())


def test_each_json_operand_counts() -> None:
    pattern = {"bodyPatterns": [{"equalToJson": {}, "ignoreExtraElements": True}] * 100}
    assert 1_000 < steps(pattern, sent({"a": 1})) < 2_000


def test_nested_lists_are_compared_once_on_each_level() -> None:
    def nested(value: object, levels: int) -> object:
        for _ in range(levels):
            value = [value]
        return value

    def steps_of(levels: int) -> int:
        pattern = body_pattern("equalToJson", nested({"a": [1]}, levels), **BOTH)
        return steps(pattern, sent(nested({"a": [2], "b": "é" * 500}, levels)))

    one, two = steps_of(15), steps_of(30)
    assert one < two <= 2.1 * one


@pytest.mark.parametrize(
    ("headers", "min_steps", "max_steps"),
    [
        ([(b"x", b"a" * 500)], 3, 3),
        ([(b"x", b"a" * 251)] * 2, 10, 30),
        ([(b"x", b"a" * 29_999)], 150, 200),
        ([(b"y", b"")] * 5_000, 253, 253),
    ],
    ids=["short", "two values", "long", "many headers"],
)
def test_a_scan_counts_the_search_of_long_headers(
    headers: list[tuple[bytes, bytes]], min_steps: int, max_steps: int
) -> None:
    scan = PatternScan(parse_pattern({"headers": {"x": {"contains": SLOW_PART}}}, CREDENTIALS))
    is_match, compared_steps = scan.compare(exchange(headers=headers))
    assert not is_match
    assert min_steps <= compared_steps <= max_steps


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (body_pattern("equalTo", "a" * 100_001), "/: too large: at most 100,000 characters"),
        ({"headers": {"a" * 100_001: {"absent": True}}}, "/: too large: at most 100,000 characters"),
        (body_pattern("equalTo", [int("1" * 4_000)] * 40), "/: too large: at most 100,000 characters"),
        (body_pattern("or", [{"absent": True}] * 2_500), "/: too large: at most 5,000 values"),
        (body_pattern("equalToJson", f"[{'0,' * 5_000}0]"), "/bodyPatterns/0/equalToJson: too large: at most 5,000"),
        (body_pattern("and", [{"matches": "a"}] * 100), f"/: {TOO_MANY}"),
        (body_pattern("contains", " ".join(map(str, range(9_000)))), f"/: {TOO_MANY}"),
        (body_pattern("contains", "sk_" * 9_000), f"/: {TOO_MANY}"),
        (body_pattern("and", [{"matchesJsonPath": "$" + ".a" * 90}] * 20), f"/: {TOO_MANY}"),
        (body_pattern("and", [{"contains": "a b c d " * 5_000}] * 3), "/: too large: at most 100,000 characters"),
        (
            body_pattern("matchesJsonPath", "$" + ".a" * 100),
            "/bodyPatterns/0/matchesJsonPath: not a JSONPath: more than 200 names, numbers and signs",
        ),
        (
            body_pattern("matchesJsonPath", "$[?match(@.a, '(?=x)')]"),
            "/bodyPatterns/0/matchesJsonPath: lookahead `(?=` is not supported: join simpler filters with &&, || and !",
        ),
        (
            body_pattern("matchesJsonPath", "$[?@.a =~ /(a)\\1/]"),
            "/bodyPatterns/0/matchesJsonPath: a backreference `\\1` is not supported: join simpler filters",
        ),
        (body_pattern("matchesJsonPath", "$.a | $.b"), "/bodyPatterns/0/matchesJsonPath: not a JSONPath: unexpected"),
        (body_pattern("matchesJsonPath", "$.a & $.b"), "/bodyPatterns/0/matchesJsonPath: not a JSONPath: unexpected"),
        (body_pattern("matchesJsonPath", "$[?_.steps]"), "/bodyPatterns/0/matchesJsonPath: not a JSONPath: unexpected"),
        (
            body_pattern("matchesJsonPath", "$[?" + "!" * 190 + "@.a"),
            "/bodyPatterns/0/matchesJsonPath: not a JSONPath: unexpected",
        ),
    ],
)
def test_a_pattern_that_is_too_large_is_an_error(pattern: object, message: str) -> None:
    assert problem(lambda: parse_pattern(pattern, CREDENTIALS)).startswith(message)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("$.a[$.key]", {"a": {"x": 1}, "key": "x"}, True),
        ("$.a[$.key]", {"a": {"x": 1}, "key": "y"}, False),
        ("^[0].a", {"a": 1}, True),
        ("$.~a", {"a": 1}, True),
        ("$[?@.a =~ /A/i]", [{"a": "a"}], True),
        ("$[?@.a =~ /A/a]", [{"a": "a"}], False),
        ("$[?@.a =~ 'A']", [{"a": "a"}], False),
        ("$[?search(@.a, @.b)]", [{"a": "xay", "b": "a"}], True),
        ("$[?search(@.a, @.b)]", [{"a": "xay", "b": "("}], False),
        ("$[?search(@.a, 'a')]", [{"a": 1}], False),
        ("$[?search(@.a, 'a') && match(@.a, 'a')]", [{"a": "a"}], True),
        ("$[?length(@.a) == 2]", [{"a": [1, 2]}], True),
        ("$[?@.a == $[0].a]", [{"a": {"b": [1]}}], True),
        ("$[?@.a in [1, 2]]", [{"a": 2}], True),
        ("$[?@.a contains 'b']", [{"a": "abc"}], True),
        ("$..[?@.b]", {"a": [{"b": 1}]}, True),
        ("$..b", {"a": [{"b": 1}]}, True),
    ],
)
def test_extensions_of_json_path_are_supported(path: str, body: object, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches(body_pattern("matchesJsonPath", path), sent(body)) is expected


def test_expressions_in_the_data_are_compiled_once() -> None:
    pattern = parse_pattern(body_pattern("matchesJsonPath", "$[?match(@.a, @.b)]"), CREDENTIALS)
    assert pattern.matches(sent([{"a": "x", "b": f"y{number % 60}"} for number in range(200)] + [{"a": "x", "b": "x"}]))
    assert not pattern.matches(sent([{"a": "x", "b": f"z{number % 60}"} for number in range(200)]))


def test_a_descendant_segment_finds_values_from_top_to_bottom() -> None:
    body = {"a": [{"x": 1}, {"x": 2}], "x": 0}
    pattern = body_pattern("matchesJsonPath", {"expression": "$..x", "equalToJson": [0, 1, 2]})
    assert matches(pattern, sent(body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[" * 99 + b"0" + b"]" * 99, True),
        (b"[" * 100 + b"0" + b"]" * 100, False),
        (b"[" + b"0," * (MAX_PATTERN_VALUES - 2) + b"0]", True),
        (b"[" + b"0," * (MAX_PATTERN_VALUES - 1) + b"0]", False),
    ],
    ids=["100 levels", "101 levels", "5,000 values", "5,001 values"],
)
def test_a_body_with_too_many_levels_or_values_is_no_json(body: bytes, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches(body_pattern("matchesJsonPath", "$[0]"), exchange(body)) is expected
    assert not matches(body_pattern("equalToJson", [], ignoreArrayOrder=True), exchange(body))


def test_the_body_is_parsed_once_for_all_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed_texts: list[str] = []

    def loads(text: str) -> object:
        parsed_texts.append(text)
        return json.JSONDecoder().decode(text)

    pattern = parse_pattern(
        {"bodyPatterns": [{"matchesJsonPath": "$.a"}, {"matchesJsonPath": "$.b"}, {"equalToJson": {"a": 1, "b": 2}}]},
        CREDENTIALS,
    )
    monkeypatch.setattr("mock_atoms.wiremock.candidate.json.loads", loads)
    assert pattern.matches(exchange(b'{"a":1,"b":2}'))
    assert parsed_texts.count('{"a":1,"b":2}') == 1


def test_the_headers_are_indexed_once_for_all_conditions() -> None:
    compared = exchange(headers=[(b"x", b"y")] * 5_000)
    one, many = (steps({"headers": {f"a{i}": {"absent": True} for i in range(n)}}, compared) for n in (2, 500))
    assert many - one < 1_000


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"bodyPatterns": [{"not": {"matchesJsonPath": "$.a"}}]}, ["mock_atoms.wiremock.json_path_engine"]),
        ({"bodyPatterns": [{"contains": "a"}]}, []),
        ({"bodyPatterns": [{"matchesJsonPath": "$.a"}] * 2_500}, []),
        (None, []),
    ],
    ids=["JSONPath", "no JSONPath", "too large", "null"],
)
def test_the_json_path_library_is_loaded_if_a_pattern_needs_it(
    pattern: object, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr("mock_atoms.wiremock.json_path.import_module", loaded.append)
    asyncio.run(load_library(pattern))
    assert loaded == expected


def test_a_near_miss_compares_the_first_values_and_characters_alone() -> None:
    pattern = parse_pattern({"headers": {"x": {"equalTo": "a" * 600}}}, CREDENTIALS)
    values = [(b"x", b"b")] * 5
    [(far, _)] = run_without_pauses(nearest(pattern, [exchange(headers=[*values, (b"x", b"a" * 599)])], 1))
    [(near, _)] = run_without_pauses(
        nearest(pattern, [exchange(headers=[*values[1:], (b"x", b"a" * 500 + b"b" * 99)])], 1)
    )
    assert far == 1.0
    assert near == pytest.approx(0.1)


def test_a_secret_that_is_empty_is_no_near_miss_of_itself() -> None:
    pattern = parse_pattern({"headers": {"Authorization": {"contains": "…"}}}, CREDENTIALS)
    assert 0 <= pattern.distance(exchange(headers=[(b"Authorization", b"")])) <= 1


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"x", b"X", b"cookie", b"authorization", b"content-type"]) | st.binary(max_size=5),
        st.binary(max_size=30) | st.just(b'session=\xff; a="b"; =; ;'),
    ),
    max_size=4,
)
BODIES = (
    st.binary(max_size=40)
    | st.sampled_from(
        [
            *(
                b"9" * 5_000,
                b"[" * 5_000,
                b"1e999",
                b"-Infinity",
                b"NaN",
                b'"\\ud800"',
                b'{"a": "\\udfff"}',
                b"[1e400]",
            ),
            *(b'{"a": [NaN, 1, true]}', b'{"\\ud800": 1}', b"\xed\xa0\x80", b"1" * 4_300, b'[{"a": {"a": []}}]'),
        ]
    )
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abx") | st.text(max_size=2), inner),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
VALID_OPERATORS: list[dict[str, Any]] = [
    {"equalTo": "x"},
    {"equalTo": "X", "caseInsensitive": True},
    {"contains": ""},
    {"doesNotContain": "é"},
    {"matches": ".*"},
    {"doesNotMatch": "(a+)+b"},
    {"absent": True},
    *({"equalToJson": text, **BOTH} for text in ("{}", "[]", "[{}]", "[[]]", '{"a": []}', "1", "1.5", "true", "null")),
    *({"equalToJson": text, "ignoreArrayOrder": True} for text in ("[1, 1.0]", '{"a": [true, 1]}', "9" * 400)),
    *(
        {"matchesJsonPath": path}
        for path in (
            *("$", "$..*", "$.a", "$[?@.a]", "$..[?@.a == @.b]", "$..[?@ < 1]", "$[?length(@) > 1]", "$..a..a"),
            *(
                "$[?match(@, @)]",
                "$[?search(@.a, '.')]",
                "$[?@.a =~ /./]",
                "$..[?@ in $]",
                "$..[?@ contains 1]",
                "$..~",
            ),
            *("$[::-1]", "$[?typeof(@) == 'string']", "$[?@ == $]", "$['\\ud800']", "$[-1]", "$[1:9:3]", "$[?!@.a]"),
        )
    ),
    {"matchesJsonPath": {"expression": "$..*", "equalToJson": [], **BOTH}},
    {"matchesJsonPath": {"expression": "$..a", "matchesJsonPath": "$..*"}},
    {"not": {"or": [{"contains": "b"}, {"and": [{"absent": True}, {"equalTo": ""}]}]}},
]
NAMES = st.sampled_from(["x", "cookie", "authorization", "session", "a", "\xff", ""])


@pytest.mark.slow
@given(
    st.sampled_from(VALID_OPERATORS),
    NAMES,
    HEADERS,
    BODIES,
    st.tuples(
        st.text(st.characters(max_codepoint=0xFF), max_size=20).map(lambda text: f"/{text}"),
        st.sampled_from(["GET", "post", "\xff", ""]),
    ),
)
@settings(max_examples=400, deadline=None)
def test_any_recorded_exchange_can_be_compared(
    operator: dict[str, Any], name: str, headers: list[tuple[bytes, bytes]], body: bytes, line: tuple[str, str]
) -> None:
    sent = exchange(body, headers, *line)
    is_text = not {"equalToJson", "matchesJsonPath", "matches", "doesNotMatch", "not"} & operator.keys()
    plain_name = name if is_text or name not in ("authorization", "cookie", "session") else "x"
    pattern = parse_pattern(
        {
            "method": {"noneOf": ["PUT"]},
            "urlPathTemplate": "/{a}.{b}",
            "pathParameters": {"a": operator},
            "headers": {plain_name: operator},
            "cookies": {plain_name: operator},
            "queryParameters": {name: {"hasExactly": [operator]}},
            "bodyPatterns": [operator],
        },
        CREDENTIALS,
    )
    is_match = pattern.matches(sent)
    assert is_match is (pattern.differences(sent) == []) is (pattern.distance(sent) == 0)
    assert len(run_without_pauses(nearest(pattern, [sent], 3))) == (not is_match)


def test_exchanges_that_share_a_head_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    repeated, other = exchange(b"1"), exchange(b"1", method="GET")
    sent = [repeated, replace(repeated, body=b"2"), other, replace(other), replace(repeated)]

    def selected_and_compared(pattern: object) -> tuple[list[int], int]:
        parsed = parse_pattern(pattern, CREDENTIALS)
        compared: list[Exchange] = []
        compare = RequestPattern.compare

        def count(self: RequestPattern, each: Exchange) -> tuple[bool, int]:
            compared.append(each)
            return compare(self, each)

        with monkeypatch.context() as patch:
            patch.setattr(RequestPattern, "compare", count)
            selected = run_without_pauses(parsed.select(sent))
        return [sent.index(each) for each in selected], len(compared)

    assert selected_and_compared({"method": "POST"}) == ([0, 1, 4], 2)
    assert selected_and_compared(body_pattern("equalTo", "1")) == ([0, 2, 3, 4], 5)
    monkeypatch.setattr(patterns, "MAX_SHARED_HEADS", 1)
    assert selected_and_compared({"method": "POST"}) == ([0, 1, 4], 3)
