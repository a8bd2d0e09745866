"""Parsing of JSON: the depth limit, hostile texts, and pieces."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_atoms.core import json_parsing
from mock_atoms.core.json_parsing import (
    JSON_PIECE_BYTES,
    MAX_JSON_DEPTH,
    MAX_JSON_PIECE_BYTES,
    JsonParser,
    parse_json,
    parse_json_steps,
)
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import Steps, run_without_pauses


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.fixture
def tiny_pieces() -> Iterator[None]:
    """Cut JSON texts at almost every comma."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_parsing, "JSON_PIECE_BYTES", 7)
        patch.setattr(json_parsing, "_PART_BYTES", 5)
        yield


def outcome(text: str) -> tuple[Any, str]:
    """Return the value of a text and how it is written again, or the problem with it."""
    try:
        value = parse_json(text.encode())
    except ConfigError as error:
        return None, error.problem
    return value, json.dumps(value)


def outcome_of_python(text: str) -> tuple[Any, str]:
    """Return the same by Python's own parser."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return None, f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    return value, json.dumps(value)


TEXTS = st.text(st.sampled_from('ab"\\,[]{}: \n\0é😀'), max_size=9)
KEYS = st.sampled_from(["a", "b", "\0", "\0\0", "c,", '"'])
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda children: st.lists(children, max_size=5) | st.dictionaries(KEYS, children, max_size=5),
    max_leaves=30,
)
uses_tiny_pieces = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.usefixtures("tiny_pieces")
@uses_tiny_pieces
@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_a_text_in_pieces_has_the_value_of_the_whole_text(
    value: Any,  # noqa: ANN401 - any JSON
    ascii_only: bool,  # noqa: FBT001 - hypothesis passes it by name
    indent: int | None,
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert outcome(text) == outcome_of_python(text)


@pytest.mark.usefixtures("tiny_pieces")
@uses_tiny_pieces
@given(value=VALUES, cut=st.integers(0, 500), inserted=st.sampled_from(["", ",", "]", "}", "x", ":1", '"', "\n,"]))
def test_a_broken_text_in_pieces_has_the_error_of_the_whole_text(value: Any, cut: int, inserted: str) -> None:  # noqa: ANN401 - any JSON
    text = json.dumps(value, indent=1)
    broken = text[:cut] + inserted
    assert outcome(broken) == outcome_of_python(broken)


@pytest.mark.parametrize("piece_bytes", range(1, 50))
@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"x": [1, 2, 3]}, "b": 1, "a": {"y": [1, 2, 3], "z": 4}, "b": [1, 2, 3]}',
        '{"a": 1, "b": [], "c": {"d": "e"}, "a": {"y": [1, 2, 3], "z": 4}}',
        '{"a": {"a": [1, 2, {"a": 3, "b": 4}]}, "a": {"c": 5, "a": [6, 7, 8]}}',
        '[{"b": 1, "c": 2, "b": [[1, 2], [3, 4], {"b": 5, "a": 6, "b": [7, 8, 9]}]}, 10, 11]',
    ],
)
def test_a_duplicated_key_has_its_last_value_in_pieces_too(
    text: str, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_parsing, "JSON_PIECE_BYTES", piece_bytes)
    assert outcome(text) == outcome_of_python(text)


@pytest.mark.usefixtures("tiny_pieces")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b'[1, 2, 3, 4, 5, "\xff"]', "not JSON: not UTF-8"),
        (rb'[1, 2, 3, 4, 5, "\ud800"]', "not JSON: half of a surrogate pair, which UTF-8 cannot encode"),
        ("[1, 2, 3, 4, 5, '\ud800']", "not JSON: half of a surrogate pair, which UTF-8 cannot encode"),
        (
            b"[1, 2, 3, 4, 5, 1" + b"0" * 4_300 + b"]",
            "not JSON: Exceeds the limit (4300 digits) for integer string conversion: value has 4301 digits",
        ),
        (b"[1, 2, 3, 4, 5, NaN]", "not JSON: Out of range float values are not JSON compliant"),
        (b"[1, 2, 3, 4, 5, -1e999]", "not JSON: Out of range float values are not JSON compliant"),
        (b"[1, 2, 3, 4, 5, 1" + b"0" * 400 + b".5]", "not JSON: Out of range float values are not JSON compliant"),
        (b"[1, 2, 3, 4, 5, " + b"1" * 5000 + b"]", "not JSON: Exceeds the limit"),
        (f"[1, 2, 3, 4, 5, {nested(MAX_JSON_DEPTH)}]", "not JSON: nested too deep: at most 100 levels"),
    ],
)
def test_a_value_that_cannot_be_sent_again_is_rejected(text: str | bytes, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_json(text)
    assert error.value.problem.startswith(problem)


def test_numbers_and_words_of_all_kinds_are_accepted() -> None:
    text = '[true, false, null, 1.5, 1e3, 2E-3, -0, "\\ud83d\\ude00"]'
    assert parse_json(text) == [True, False, None, 1.5, 1000.0, 0.002, 0, "😀"]


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]


def test_the_deepest_nesting_is_accepted_and_one_level_more_rejected() -> None:
    assert parse_json(f"[{nested(MAX_JSON_DEPTH - 1)}, 1]")
    with pytest.raises(ConfigError, match=f"not JSON: nested too deep: at most {MAX_JSON_DEPTH} levels"):
        parse_json(nested(MAX_JSON_DEPTH + 1))


@pytest.mark.parametrize("string", ['"[[["', r'"\"[[["', r'"\\"'])
def test_brackets_in_strings_do_not_count(string: str) -> None:
    count = MAX_JSON_DEPTH + 1
    assert parse_json(f"[{','.join([string] * count)}]") == [json.loads(string)] * count


@pytest.mark.parametrize("rest", ['\\"' * 500_000, "\\" * 500_000, '"' * 500_000, "x" * 1_000_000, "\\"])
def test_an_unclosed_string_of_any_length_is_rejected(rest: str) -> None:
    """A check that looks at each quote again would take hours for these."""
    with pytest.raises(ConfigError, match=r"^(/: )?(not JSON|nested too deep)"):
        parse_json("[" * (MAX_JSON_DEPTH + 1) + '"' + rest)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"phone": str(number), "name": "Ada"} for number in range(20_000)]),
        json.dumps({str(number): [number] for number in range(50_000)}),
        json.dumps(["\\\n" * 500_000, 1, 2]),
        json.dumps({"a" * 1_000_000: {"b": ["c" * 1_000_000]}}),
    ],
    ids=["rows", "keys", "escapes", "long texts"],
)
def test_a_large_text_is_parsed_in_many_steps(text: str) -> None:
    assert parse_json(text.encode()) == json.loads(text)
    assert sum(1 for _ in parse_json_steps(text.encode())) >= len(text) // (2 * JSON_PIECE_BYTES)


@pytest.mark.parametrize("text", ["[" + '"' * 1_000_000, "[]" * 500_000, '[1,"' + '"x"' * 300_000 + ",2]"])
def test_a_text_without_commas_is_not_read_to_its_end(text: str) -> None:
    steps = parse_json_steps(text.encode())
    with pytest.raises(ConfigError, match=r"not JSON: (Extra data|Expecting ',' delimiter)"):
        list(islice(steps, 5))


@pytest.mark.parametrize("text", ['["' + "x" * MAX_JSON_PIECE_BYTES + '"]', "[" + " " * MAX_JSON_PIECE_BYTES + "1]"])
def test_a_text_with_too_few_commas_is_rejected(text: str) -> None:
    with pytest.raises(ConfigError, match=f"not JSON: more than {MAX_JSON_PIECE_BYTES} bytes without a comma"):
        parse_json(text + " " * JSON_PIECE_BYTES)
    assert parse_json(json.dumps(["x" * (5 * 1024 * 1024 - 4)]))


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_pieces")
@uses_tiny_pieces
@given(value=st.lists(VALUES, min_size=1) | st.dictionaries(KEYS, VALUES, min_size=1))
def test_items_of_long_lists_are_converted_once_with_their_path(value: Any) -> None:  # noqa: ANN401 - any JSON
    paths: list[tuple[int | str, ...]] = []

    def convert(path: tuple[int | str, ...], item: Any) -> Steps[Any]:  # noqa: ANN401 - any JSON
        yield
        paths.append(path)
        found = value
        for key in path:
            found = found[key]
        assert unwrapped(item) == found
        return ("converted", item)

    parser = JsonParser(convert)
    run_without_pauses(parser.feed(json.dumps(value).encode()))
    assert unwrapped(run_without_pauses(parser.finish())) == value
    assert len(paths) == len(set(paths))


def unwrapped(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a value without the marks of converted items."""
    if isinstance(value, tuple):
        return unwrapped(value[1])
    if isinstance(value, list):
        return [unwrapped(item) for item in value]
    return {key: unwrapped(item) for key, item in value.items()} if isinstance(value, dict) else value


def test_too_many_values_are_refused_before_the_end() -> None:
    text = b"[" + b"{}," * 1_500_000 + b"{}]"
    with pytest.raises(ConfigError, match="not JSON: too many values, which need more than 50331648 bytes of memory"):
        parse_json(text)
    assert len(parse_json(b"[" + b"0," * 700_000 + b"0]")) == 700_001


def test_the_size_grows_with_values_and_not_with_converted_items() -> None:
    def keep(_path: tuple[int | str, ...], item: Any) -> Steps[Any]:  # noqa: ANN401 - any JSON
        yield
        return item

    def drop(_path: tuple[int | str, ...], _item: Any) -> Steps[Any]:  # noqa: ANN401 - any JSON
        yield
        return None

    text = json.dumps({"a": [{"b": 1}] * 50_000, "c": [{}] * 50_000}).encode()
    sizes = []
    for convert in (None, keep, drop):
        parser = JsonParser(convert)
        run_without_pauses(parser.feed(text))
        sizes.append(parser.size_bytes)
    assert sizes[0] == sizes[1] > 100_000 * json_parsing.VALUE_BYTES
    assert sizes[2] < sizes[0] / 5
