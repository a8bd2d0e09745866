"""Errors of validation in plain words."""

import re
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, TypeAdapter, with_config
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from mock_atoms.core import patterns
from mock_atoms.core.parsing import ConfigError, StrictModel, parse_item, parse_model


class Leaf(StrictModel):
    model_config = ConfigDict(alias_generator=to_camel)
    test_id: str = ""
    color: str = ""


@with_config(ConfigDict(extra="forbid"))
class Shape(TypedDict, total=False):
    name: str
    leaf: Leaf


class Wide(StrictModel):
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0
    f: int = 0
    g: int = 0
    h: int = 0
    i: int = 0
    j: int = 0
    k: int = 0
    l: int = 0  # noqa: E741 - the twelfth key
    m: int = 0


class Pair(StrictModel):
    first: Leaf
    second: int


class Tree(StrictModel):
    leaf: Leaf | None = None
    leaves: list[Leaf] | None = None
    by_name: dict[str, Leaf] | None = None
    shapes: list[Annotated[Shape, "a shape"]] | None = None
    pair: tuple[Leaf, Leaf] | None = None
    either: Leaf | Wide = Leaf()
    wide: Wide = Wide()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"shape": 1}, "/shape: unknown key. Did you mean `shapes`?"),
        ({"x": 1}, "/x: unknown key: the keys are leaf, leaves, by_name, shapes, pair, either, wide"),
        ({"leaf": {"colour": 1}}, "/leaf/colour: unknown key. Did you mean `color`?"),
        ({"leaf": {"testid": 1}}, "/leaf/testid: unknown key. Did you mean `testId`?"),
        ({"leaves": [{}, {"x": 1}]}, "/leaves/1/x: unknown key: the keys are testId, color"),
        ({"by_name": {"a": {"x": 1}}}, "/by_name/a/x: unknown key: the keys are testId, color"),
        ({"shapes": [{"nam": 1}]}, "/shapes/0/nam: unknown key. Did you mean `name`?"),
        ({"shapes": [{"leaf": {"colr": 1}}]}, "/shapes/0/leaf/colr: unknown key. Did you mean `color`?"),
        ({"pair": [{"x": 1}, {}]}, "/pair/0/x: unknown key"),
        ({"either": {"x": 1}}, "/either/Leaf/x: unknown key"),
        ({"wide": {"zz": 1}}, "/wide/zz: unknown key: the keys are a, b, c, d, e, f, g, h, i, j, k, l, …"),
    ],
)
def test_an_unknown_key_comes_with_the_valid_ones(value: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_model(Tree, value)
    assert str(caught.value) == message


def test_the_keys_may_differ_from_those_of_the_model() -> None:
    with pytest.raises(ConfigError, match=r"^/a/x: unknown key: the keys are fault, leaf$"):
        parse_model(Tree, {"x": 1}, "/a", keys=("fault", "leaf"))
    with pytest.raises(ConfigError, match=r"^/leaf/x: unknown key: the keys are testId, color$"):
        parse_model(Tree, {"leaf": {"x": 1}}, keys=("fault", "leaf"))


def test_an_unknown_key_of_an_item_comes_with_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"^/3/nam: unknown key\. Did you mean `name`\?$"):
        parse_item(TypeAdapter(Shape), {"nam": "a"}, "/3")


def test_the_first_hundred_characters_of_a_key_are_compared() -> None:
    known = "a" * 100
    with pytest.raises(ConfigError, match=rf": unknown key\. Did you mean `{known}`\?$"):
        parse_model(Leaf, {"a" * 100_000: 1}, keys=(known,))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"first": {}, "secnod": 1}, "/secnod: unknown key. Did you mean `second`?"),
        ({"first": {"x": 1}}, "/first/x: unknown key: the keys are testId, color"),
        ({"second": 1}, "/first: is missing"),
    ],
)
def test_an_unknown_key_is_named_instead_of_a_missing_one(value: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_model(Pair, value)
    assert str(caught.value) == message


def test_no_pattern_repeats_a_class_of_unicode_a_number_of_times() -> None:
    """Such a pattern costs pydantic 50 ms and 9 MiB."""
    counted = re.compile(r"(\\[wWdDsS]|\[\^?[^]]*\\[wWdDsS][^]]*\]|\[\^[^]]*\])\{")
    assert counted.search(r"^[\w.:-]{1,100}$")
    assert [pattern for pattern in patterns.PATTERN_ERRORS if counted.search(pattern)] == []
