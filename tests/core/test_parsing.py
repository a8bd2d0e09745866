"""Parsing of JSON: the depth limit, and hostile texts."""

import json

import pytest

from mock_atoms.core.parsing import MAX_JSON_DEPTH, ConfigError, parse_json


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_the_deepest_nesting_is_accepted_and_one_level_more_rejected() -> None:
    assert parse_json(f"[{nested(MAX_JSON_DEPTH - 1)}, 1]")
    with pytest.raises(ConfigError, match=f"nested too deep: at most {MAX_JSON_DEPTH} levels"):
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
