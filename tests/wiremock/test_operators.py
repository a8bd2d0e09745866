"""What a request pattern may ask of one value, and what of it is refused."""

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_atoms.core.masking import mask_token
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, RequestHead
from mock_atoms.wiremock.candidate import Candidate
from mock_atoms.wiremock.json_matching import JsonEquality
from mock_atoms.wiremock.operands import OperandContext
from mock_atoms.wiremock.operators import Matcher, parse_matcher
from mock_atoms.wiremock.steps import StepCounter

CREDENTIALS = Credentials(b"k" * 32)
KEY = "sk_verysecret_token"
BOOK = '{"name": "Emma", "tags": ["a", "b"], "size": 3, "none": null, "empty": [], "blank": "", "deep": {"x": true}}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)


def exchange(*headers: str) -> Exchange:
    pairs = [header.partition(": ") for header in headers]
    masked_headers, digests = CREDENTIALS.mask_headers(
        [(name.lower().encode(), value.encode()) for name, _, value in pairs], None
    )
    arrived = datetime(2026, 1, 31, tzinfo=UTC)
    head = RequestHead(UNAUTHENTICATED_TENANT, digests, "GET", "/", "http", "1.1", "127.0.0.1", masked_headers, ())
    return Exchange(head, arrived, 0.0, "127.0.0.1", 1)


def matcher(operator: object) -> Matcher:
    return parse_matcher(operator, OperandContext("/here", CREDENTIALS, StepCounter()))


def matches(operator: object, value: str | None) -> bool:
    return matcher(operator).matches(value, Candidate(exchange()))


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ({"equalTo": "Emma"}, "Emma", True),
        ({"equalTo": "Emma"}, "emma", False),
        ({"equalTo": "Emma"}, "Emma ", False),
        ({"equalTo": "EMMA", "caseInsensitive": True}, "emma", True),
        ({"equalTo": "emma", "caseInsensitive": True}, "EMMA", True),
        ({"equalTo": "Emma", "caseInsensitive": False}, "emma", False),
        ({"equalTo": ""}, "", True),
        ({"equalTo": ""}, "x", False),
        ({"contains": "mm"}, "Emma", True),
        ({"contains": "MM"}, "Emma", False),
        ({"contains": ""}, "Emma", True),
        ({"doesNotContain": "mm"}, "Emma", False),
        ({"doesNotContain": "x"}, "Emma", True),
        ({"matches": "E.+"}, "Emma", True),
        ({"matches": "mm"}, "Emma", False),
        ({"matches": "Emm|Emma"}, "Emma", True),
        ({"matches": "a.b"}, "a\nb", True),
        ({"matches": "a"}, "a\n", False),
        ({"matches": "(?i)emma"}, "Emma", True),
        ({"matches": ".*"}, "", True),
        ({"doesNotMatch": "E.+"}, "Emma", False),
        ({"doesNotMatch": "mm"}, "Emma", True),
        ({"absent": True}, "", False),
        ({"absent": False}, "Emma", False),
        ({"not": {"equalTo": "Emma"}}, "Emma", False),
        ({"not": {"equalTo": "Emma"}}, "Otto", True),
        ({"not": {"not": {"contains": "m"}}}, "Emma", True),
        ({"and": [{"contains": "E"}, {"contains": "a"}]}, "Emma", True),
        ({"and": [{"contains": "E"}, {"contains": "x"}]}, "Emma", False),
        ({"or": [{"contains": "x"}, {"contains": "a"}]}, "Emma", True),
        ({"or": [{"contains": "x"}, {"contains": "y"}]}, "Emma", False),
        ({"and": [{"or": [{"equalTo": "x"}, {"equalTo": "Emma"}]}, {"not": {"absent": True}}]}, "Emma", True),
    ],
)
def test_an_operator_matches_texts(operator: object, value: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches(operator, value) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ({"equalTo": ""}, False),
        ({"equalTo": "", "caseInsensitive": True}, False),
        ({"contains": ""}, False),
        ({"matches": ".*"}, False),
        ({"equalToJson": None}, False),
        ({"matchesJsonPath": "$"}, False),
        ({"matchesJsonPath": {"expression": "$", "absent": True}}, True),
        ({"absent": True}, True),
        ({"absent": False}, True),
        ({"absent": "(absent)"}, True),
        ({"doesNotContain": "x"}, True),
        ({"doesNotMatch": ".*"}, True),
        ({"not": {"equalTo": "x"}}, True),
        ({"not": {"absent": True}}, False),
        ({"not": {"matchesJsonPath": "$.a"}}, True),
        ({"and": [{"doesNotContain": "x"}, {"absent": True}]}, True),
        ({"and": [{"absent": True}, {"equalTo": "x"}]}, False),
        ({"or": [{"absent": True}, {"equalTo": "x"}]}, True),
    ],
)
def test_an_absent_value_matches_negative_operators_alone(operator: object, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches(operator, None) is expected


@pytest.mark.parametrize(
    ("expected", "value", "options", "is_equal"),
    [
        ({"a": 1, "b": [True, None]}, '{"b":[true,null],"a":1}', {}, True),
        ('{"a": 1}', '{"a":1}', {}, True),
        ('"text"', '"text"', {}, True),
        ("null", "null", {}, True),
        (None, "null", {}, True),
        (None, "{}", {}, False),
        (1, "1", {}, True),
        (1, "1.0", {}, True),
        ([1], "[1.0]", {"ignoreArrayOrder": True}, True),
        (1.0, "1.0", {}, True),
        (1, "true", {}, False),
        (False, "0", {}, False),
        ("1", "1", {}, True),
        ('"1"', "1", {}, False),
        ({"a": 1}, "", {}, False),
        ({"a": 1}, '{"a": 1', {}, False),
        ([], "[" * 200_000, {}, False),
        ([], "9" * 5_000, {}, False),
        ({"a": 1}, '{"a": 1, "b": 2}', {}, False),
        ({"a": 1}, '{"a": 1, "b": 2}', {"ignoreExtraElements": True}, True),
        ({"a": 1, "b": 2}, '{"a": 1}', {"ignoreExtraElements": True}, False),
        ({"a": {"x": 1}}, '{"a": {"x": 1, "y": 2}}', {"ignoreExtraElements": True}, True),
        ({"a": {"x": 1}}, '{"a": {"x": 2, "y": 2}}', {"ignoreExtraElements": True}, False),
        ([1, 2], "[1, 2, 3]", {}, False),
        ([1, 2], "[1, 2, 3]", {"ignoreExtraElements": True}, True),
        ([1, 3], "[1, 2, 3]", {"ignoreExtraElements": True}, False),
        ([1, 2, 3], "[1, 2]", {"ignoreExtraElements": True}, False),
        ([1, 2], "[2, 1]", {}, False),
        ([1, 2], "[2, 1]", {"ignoreArrayOrder": True}, True),
        ([1, 1, 2], "[1, 2, 2]", {"ignoreArrayOrder": True}, False),
        ([1, 2], "[2, 1, 3]", {"ignoreArrayOrder": True}, False),
        ([1, 3], "[3, 2, 1]", {"ignoreArrayOrder": True, "ignoreExtraElements": True}, True),
        ([1], '{"0": 1}', {"ignoreArrayOrder": True}, False),
        ({"a": [[1, 2], [3]]}, '{"a": [[3], [2, 1]]}', {"ignoreArrayOrder": True}, True),
    ],
)
def test_json_is_compared_by_value(
    expected: object,
    value: str,
    options: dict[str, bool],
    is_equal: bool,  # noqa: FBT001 - a table
) -> None:
    assert matches({"equalToJson": expected, **options}, value) is is_equal


@pytest.mark.parametrize(
    ("expected", "actual", "is_equal"),
    [
        ([{"a": 1}, {"b": 2}], [{"a": 1, "b": 2}, {"a": 1}], True),
        ([{"a": 1}, {"a": 1}, {"b": 2}], [{"a": 1, "b": 2}, {"a": 1}, {"a": 1, "c": 3}], True),
        ([{"a": 1}, {"b": 2}], [{"a": 1, "b": 2}, {"c": 3}], False),
        ([{}, {"a": 1}, {"a": 1, "b": 2}], [{"a": 1, "b": 2}, {"a": 1}, {}], True),
        ([0] * 1_000, [0] * 1_000, True),
        (
            [*({f"k{n}": 0} for n in range(1_000)), {"first": 0}],
            [{"first": 0, "k0": 0}, *({f"k{n}": 0, f"k{n + 1}": 0} for n in range(1_000))],
            True,
        ),
    ],
    ids=["one pairing", "one item moves", "one item for two", "smallest first", "many identical", "all items move"],
)
def test_items_of_unordered_lists_are_paired(expected: object, actual: object, is_equal: bool) -> None:  # noqa: FBT001 - a table
    assert (
        JsonEquality(ignore_array_order=True, ignore_extra_elements=True)(expected, actual, StepCounter()) is is_equal
    )


@given(JSON, st.booleans(), st.booleans())
def test_any_json_is_equal_to_itself(value: object, unordered: bool, extra: bool) -> None:  # noqa: FBT001 - a table
    assert JsonEquality(unordered, extra)(value, value, StepCounter())


@given(JSON, st.randoms(use_true_random=False))
def test_shuffled_lists_are_equal_if_order_is_ignored(value: object, chance: random.Random) -> None:
    def shuffled(part: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(part, list):
            return chance.sample([shuffled(item) for item in part], len(part))
        return {key: shuffled(item) for key, item in part.items()} if isinstance(part, dict) else part

    assert JsonEquality(ignore_array_order=True)(value, shuffled(value), StepCounter())


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4))
def test_unordered_equality_is_symmetric(one: list[object], other: list[object]) -> None:
    equal = JsonEquality(ignore_array_order=True)
    assert equal(one, other, StepCounter()) is equal(other, one, StepCounter())
    assert equal([one, other], [other, one], StepCounter())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", True),
        ("$.name", True),
        ("$.blank", True),
        ("$.none", False),
        ("$.empty", False),
        ("$.missing", False),
        ("$.name.first", False),
        ("$.tags[1]", True),
        ("$.tags[2]", False),
        ("$.tags[*]", True),
        ("$.empty[*]", False),
        ("$.deep.x", True),
        ("$..x", True),
        ("$..y", False),
        ("$[?@.x]", False),
        ("$[?(@.x == true)]", False),
        ("$[?(@.x == false)]", False),
        ("$.tags[?@ == 'b']", True),
        ("$.tags[?@ == 'c']", False),
        ("$[?match(@.name, 'E.*')]", True),
        ("$[?(@.name == 'Emma')]", True),
        ("$[?(@.name == 'Ann')]", False),
        ("$[?(@.size > 2)].tags[0]", True),
        ("$[ ?@.missing]", False),
    ],
)
def test_a_json_path_matches_if_it_finds_something(path: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches({"matchesJsonPath": path}, BOOK) is expected


@pytest.mark.parametrize(
    ("path", "inner", "expected"),
    [
        ("$.name", {"equalTo": "Emma"}, True),
        ("$.name", {"equalTo": "emma", "caseInsensitive": True}, True),
        ("$.name", {"contains": "x"}, False),
        ("$.name", {"doesNotContain": "x"}, True),
        ("$.size", {"equalTo": "3"}, True),
        ("$.size", {"equalToJson": 3}, True),
        ("$.size", {"equalToJson": 3.0}, True),
        ("$.deep.x", {"equalTo": "true"}, True),
        ("$.deep", {"equalTo": '{"x":true}'}, True),
        ("$.deep", {"equalToJson": {"x": True}}, True),
        ("$.deep", {"matchesJsonPath": "$.x"}, True),
        ("$.deep", {"matchesJsonPath": {"expression": "$.x", "equalTo": "false"}}, False),
        ("$.tags", {"equalTo": "b"}, True),
        ("$.tags", {"equalTo": "c"}, False),
        ("$.tags", {"equalToJson": ["a", "b"]}, True),
        ("$.tags", {"equalToJson": ["b", "a"], "ignoreArrayOrder": True}, True),
        ("$.tags", {"equalToJson": ["b", "a"]}, False),
        ("$.tags[*]", {"equalTo": "b"}, True),
        ("$.tags[*]", {"equalToJson": ["a", "b"]}, True),
        ("$.tags[0]", {"or": [{"equalTo": "b"}, {"equalTo": "a"}]}, True),
        ("$.empty", {"equalToJson": []}, True),
        ("$.blank", {"absent": True}, False),
        ("$.blank", {"equalTo": ""}, True),
        ("$.none", {"absent": True}, True),
        ("$.none", {"not": {"absent": True}}, False),
        ("$.name", {"not": {"absent": True}}, True),
        ("$.missing", {"absent": True}, True),
        ("$.missing", {"equalTo": "null"}, False),
        ("$.missing", {"doesNotContain": "x"}, False),
        ("$.empty", {"absent": True}, True),
        ("$..y", {"absent": True}, True),
        ("$.name", {"absent": True}, False),
    ],
)
def test_an_inner_operator_tests_what_a_json_path_finds(path: str, inner: dict[str, object], expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches({"matchesJsonPath": {"expression": path, **inner}}, BOOK) is expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("$", "", False),
        ("$.a", "<a/>", False),
        ("$.a", "[" * 200_000, False),
        ("$", "5", True),
        ("$", "null", False),
        ("$.a", "5", False),
        ("$[0]", '"[1]"', False),
        ("$[?@.b contains @.c]", '[{"b": "text", "c": 7}]', False),
        ("$[?@.b in @.c]", '[{"b": 7, "c": "text"}]', False),
        ("$[?@.b =~ @.c]", '[{"b": "x", "c": "("}]', False),
        ("$[?match(@.b, @.c)]", '[{"b": "x", "c": "("}]', False),
        ("$[?@.b < 3]", '[{"b": "x"}]', False),
        ("$[?length(@.b) > 3]", '[{"b": 5}]', False),
    ],
)
def test_a_json_path_that_cannot_be_applied_finds_nothing(path: str, value: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert matches({"matchesJsonPath": path}, value) is expected
    assert not matches({"matchesJsonPath": {"expression": path, "equalTo": "no"}}, value)


KNOWN = "equalTo, contains, doesNotContain, matches, doesNotMatch, absent, equalToJson, matchesJsonPath, not, and, or"
UNKNOWN_OPERATOR = f"unknown operator or option; the operators are {KNOWN}"
NO_OPERATOR = 'not an operator: write one such as {"equalTo": "…"}'


@pytest.mark.parametrize(
    ("operator", "pointer", "problem"),
    [
        (None, "", NO_OPERATOR),
        ({"matches": f".*{KEY}.*"}, "/matches", "keys are masked: use equalTo or contains with the complete key"),
        (
            {"matches": "a(?!b)"},
            "/matches",
            "lookahead `(?!` is not supported: join simpler expressions with and, or and",
        ),
        ({"doesNotMatch": KEY}, "/doesNotMatch", "keys are masked: use equalTo or contains"),
        ("x", "", NO_OPERATOR),
        ([], "", NO_OPERATOR),
        ({}, "", "expected one operator; join several with and"),
        ({"equalTo": "x", "contains": "y"}, "", "expected one operator; join several with and"),
        ({"equals": "x"}, "/equals", UNKNOWN_OPERATOR),
        ({"matchesJsonSchema": {}}, "/matchesJsonSchema", UNKNOWN_OPERATOR),
        ({"equalTo": "x", "a/b~c": 1}, "/a~1b~0c", UNKNOWN_OPERATOR),
        ({"contains": "x", "caseInsensitive": True}, "/caseInsensitive", UNKNOWN_OPERATOR),
        ({"caseInsensitive": True}, "/caseInsensitive", UNKNOWN_OPERATOR),
        ({"equalTo": "x", "ignoreArrayOrder": True}, "/ignoreArrayOrder", UNKNOWN_OPERATOR),
        ({"equalToJson": {}, "ignoreExtra": True}, "/ignoreExtra", UNKNOWN_OPERATOR),
        ({"equalTo": 1}, "/equalTo", "expected a string"),
        ({"equalTo": None}, "/equalTo", "expected a string"),
        ({"contains": ["x"]}, "/contains", "expected a string"),
        ({"doesNotContain": 1}, "/doesNotContain", "expected a string"),
        ({"matches": {}}, "/matches", "expected a string"),
        ({"doesNotMatch": True}, "/doesNotMatch", "expected a string"),
        ({"equalTo": "x", "caseInsensitive": "yes"}, "/caseInsensitive", "expected true or false"),
        ({"equalToJson": {}, "ignoreArrayOrder": 1}, "/ignoreArrayOrder", "expected true or false"),
        ({"equalToJson": {}, "ignoreExtraElements": "no"}, "/ignoreExtraElements", "expected true or false"),
        ({"matches": "("}, "/matches", "not a regular expression: missing ): ("),
        ({"doesNotMatch": "*"}, "/doesNotMatch", "not a regular expression: no argument for repetition operator: *"),
        (
            {"matches": "a{99999999999}"},
            "/matches",
            "repetitions such as {100} add up to 99,999,999,999: at most 1,000",
        ),
        ({"matches": "(" * 500 + ")" * 501}, "/matches", "1,001 characters of a regular expression: at most 1,000"),
        ({"equalToJson": "{"}, "/equalToJson", "not JSON: Expecting property name enclosed in double quotes: line 1 c"),
        ({"equalToJson": "[" * 200_000}, "/equalToJson", "not JSON: "),
        ({"equalToJson": "9" * 5_000}, "/equalToJson", "not JSON: Exceeds the limit"),
        ({"equalToJson": json.loads("[" * 300 + "]" * 300)}, "/equalToJson", "nested too deeply"),
        ({"equalToJson": '{"a":' * 300 + "1" + "}" * 300}, "/equalToJson", "nested too deeply"),
        ({"equalToJson": float("nan")}, "/equalToJson", "not JSON: Out of range float values"),
        ({"equalToJson": "[Infinity]"}, "/equalToJson", "not JSON: Out of range float values"),
        (
            {"equalToJson": {"id": "${json-unit.any-string}"}},
            "/equalToJson",
            "${json-unit.…} placeholders are not supported: use matchesJsonPath",
        ),
        (
            {"equalToJson": '["${json-unit.ignore}"]'},
            "/equalToJson",
            "${json-unit.…} placeholders are not supported: use matchesJsonPath",
        ),
        ({"equalToJson": '"\\udfff"'}, "/equalToJson", "not JSON: half of a surrogate pair, which UTF-8 cannot encode"),
        ({"matchesJsonPath": 1}, "/matchesJsonPath", "expected a JSONPath such as $.name"),
        ({"matchesJsonPath": {"equalTo": "x"}}, "/matchesJsonPath/expression", "expected a JSONPath such as $.name"),
        (
            {"matchesJsonPath": {"expression": 1, "equalTo": "x"}},
            "/matchesJsonPath/expression",
            "expected a JSONPath such",
        ),
        ({"matchesJsonPath": {"expression": "$"}}, "/matchesJsonPath", "expected one operator; join several with and"),
        ({"matchesJsonPath": {"expression": "$", "equals": "x"}}, "/matchesJsonPath/equals", UNKNOWN_OPERATOR),
        ({"matchesJsonPath": {"expression": "$", "matches": "("}}, "/matchesJsonPath/matches", "not a regular expre"),
        ({"matchesJsonPath": "$["}, "/matchesJsonPath", "not a JSONPath: unexpected end of query"),
        ({"matchesJsonPath": {"expression": "$[", "equalTo": ""}}, "/matchesJsonPath/expression", "not a JSONPath: "),
        ({"matchesJsonPath": "$.a.length()"}, "/matchesJsonPath", "not a JSONPath: unexpected token '('"),
        ({"matchesJsonPath": "$[99999999999999999999]"}, "/matchesJsonPath", "not a JSONPath: index out of range"),
        (
            {"matchesJsonPath": f"$[?{'(' * 5_000}@.a{')' * 5_000}]"},
            "/matchesJsonPath",
            "10,007 characters of a JSONPath: at most 2,000",
        ),
        ({"matchesJsonPath": "$[?@.a =~ /(/]"}, "/matchesJsonPath", "not a JSONPath: "),
        ({"matchesJsonPath": "$[?@.a == 1e999]"}, "/matchesJsonPath", "not a JSONPath: "),
        ({"not": "x"}, "/not", NO_OPERATOR),
        ({"not": {"equalTo": 1}}, "/not/equalTo", "expected a string"),
        ({"and": {"equalTo": "x"}}, "/and", "expected a list of operators"),
        ({"and": []}, "/and", "expected a list of operators"),
        ({"or": None}, "/or", "expected a list of operators"),
        ({"and": [{"equalTo": "x"}, {"or": [{"equals": "x"}]}]}, "/and/1/or/0/equals", UNKNOWN_OPERATOR),
        ({"or": ["x"]}, "/or/0", NO_OPERATOR),
    ],
)
def test_an_invalid_operator_is_an_error_with_a_pointer(operator: object, pointer: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        matcher(operator)
    assert caught.value.pointer == f"/here{pointer}"
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize(
    ("operator", "description", "expected"),
    [
        ({"equalTo": "x"}, "equalTo `x`", "x"),
        ({"equalTo": "x", "caseInsensitive": True}, "equalTo (caseInsensitive) `x`", "x"),
        ({"contains": "x"}, "contains `x`", "x"),
        ({"doesNotContain": "x"}, "doesNotContain `x`", None),
        ({"matches": "x.*"}, "matches `x.*`", None),
        ({"doesNotMatch": "x.*"}, "doesNotMatch `x.*`", None),
        ({"absent": "(absent)"}, "absent", None),
        ({"equalToJson": '{"a":1}'}, 'equalToJson {"a": 1}', '{"a": 1}'),
        ({"matchesJsonPath": "$.a"}, "matchesJsonPath `$.a`", None),
        ({"matchesJsonPath": {"expression": "$.a", "contains": "x"}}, "matchesJsonPath `$.a` contains `x`", None),
        ({"not": {"equalTo": "x"}}, "not equalTo `x`", None),
        ({"and": [{"contains": "x"}, {"contains": "y"}]}, "(contains `x` and contains `y`)", None),
        ({"or": [{"contains": "x"}, {"absent": True}]}, "(contains `x` or absent)", None),
    ],
)
def test_an_operator_describes_itself(operator: object, description: str, expected: str | None) -> None:
    assert matcher(operator)[::2] == (description, expected)


@pytest.mark.parametrize(
    "operator",
    [
        {"equalTo": KEY},
        {"contains": f"of {KEY}"},
        {"doesNotContain": KEY},
        {"equalToJson": {"a": KEY}},
        {"equalToJson": {KEY: 1}},
        {"equalToJson": json.dumps([KEY])},
        {"matchesJsonPath": f"$[?@.a == '{KEY}']"},
        {"matchesJsonPath": {"expression": f"$['{KEY}']", "equalTo": KEY}},
        {"not": {"equalTo": KEY}},
        {"and": [{"equalTo": KEY}, {"or": [{"contains": KEY}]}]},
    ],
)
def test_descriptions_contain_no_whole_key(operator: object) -> None:
    parsed = matcher(operator)
    assert "verysecret" not in parsed.description
    assert "verysecret" not in (parsed.expected or "")


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ({"equalTo": KEY}, mask_token(KEY)),
        ({"equalTo": f"of {KEY}!"}, f"of {mask_token(f'{KEY}!')}"),
        ({"equalTo": mask_token(KEY)}, mask_token(KEY)),
        ({"contains": KEY}, f"of {mask_token(KEY)}, too"),
        ({"contains": f"of {KEY}"}, f"because of {mask_token(KEY)}"),
        ({"equalToJson": {"a": KEY}}, f'{{"a": "{mask_token(KEY)}"}}'),
        ({"equalToJson": {KEY: 1}}, f'{{"{mask_token(KEY)}": 1}}'),
        ({"equalToJson": json.dumps([KEY])}, f'["{mask_token(KEY)}"]'),
        ({"matchesJsonPath": {"expression": "$.a", "equalTo": KEY}}, f'{{"a": "{mask_token(KEY)}"}}'),
        ({"matchesJsonPath": f"$[?@.a == '{KEY}']"}, f'[{{"a": "{mask_token(KEY)}"}}]'),
    ],
)
def test_an_operator_finds_masked_credentials(operator: object, value: str) -> None:
    assert matches(operator, value)
    assert not matches(operator, value.replace("…#", "…#0"))


@pytest.mark.parametrize("text", [f'{KEY[:-1]}"quoted', "sk_ab\u0001bbbbbbbbbbbb", f"{KEY}\\", f"{KEY}\n{KEY}"])
def test_json_with_a_key_and_escapes_stays_json(text: str) -> None:
    assert "verysecret" not in matcher({"equalToJson": {"a": text}}).description


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=3), JSON)
@settings(max_examples=50)
def test_equal_json_matches_however_it_is_written(expected: dict[str, object], other: object) -> None:
    for sent in (json.dumps(expected), json.dumps(expected, ensure_ascii=False, indent=1)):
        assert matches({"equalToJson": expected}, sent)
        assert matches({"equalToJson": json.dumps(expected)}, sent)
    assert not matches({"equalToJson": [expected, other]}, json.dumps(expected))
