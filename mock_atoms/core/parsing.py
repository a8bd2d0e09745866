"""Validation of settings, files and request bodies, with errors in plain words."""

import re
from collections.abc import Collection, Mapping
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from mock_atoms.core.json_pointer import format_pointer
from mock_atoms.core.masking import mask_text, mask_token, quote_value, show_text
from mock_atoms.core.patterns import MASKED_TOKEN, PATTERN_ERRORS, TOKEN
from mock_atoms.core.printable import show_invisible
from mock_atoms.core.slices import Steps, free
from mock_atoms.core.suggestions import did_you_mean

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")
Schema = Mapping[str, Any]
"""A core schema of pydantic."""
MAX_KEYS = 1_000
"""Maximum number of keys of an object that `parse_model` validates."""
_MAX_LISTED_KEYS = 12
"""Maximum number of valid keys in a message."""
_MAX_COMPARED_CHARACTERS = 100
"""Maximum number of characters of an unknown key that are compared with the valid ones."""
_MESSAGES = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_unicode": "must be valid text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("list_type", "tuple_type", "frozen_set_type"), "must be a list"),
    **dict.fromkeys(("model_type", "dict_type", "typed_dict_type", "model_attributes_type"), "must be an object"),
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} items",
    "greater_than_equal": "must be at least {ge:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
}
"""Messages by pydantic's type of an error."""


class StrictModel(BaseModel):
    """Base of models that reject unknown keys. Their validators are built on first use."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ConfigError(ValueError):
    """An invalid setting, file or request body. Its text is one line with the place and the fix; keys are masked.

    Args:
        problem: what is wrong, and how to fix it.
        pointer: JSON pointer to the invalid value; `/` for the root, empty if there is no place to name.
    """

    def __init__(self, problem: str, pointer: str = "") -> None:
        self.problem = mask_text(" ".join(problem.split()))
        self.pointer = show_text(pointer)
        super().__init__(show_invisible(f"{self.pointer}: {self.problem}" if pointer else self.problem))


def describe_error(error: ErrorDetails, schema: Schema | None = None, keys: Collection[str] = ()) -> str:
    """Return an error of pydantic in plain words.

    Args:
        error: the error.
        schema: core schema of the value; its keys are suggested in place of an unknown one.
        keys: keys of the value, if they differ from those of the schema.
    """
    if error["type"] == "extra_forbidden":
        *path, key = error["loc"]
        return f"unknown key{_suggest_key(str(key), keys if keys and not path else _keys_at(path, schema or {}))}"
    context = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch" and context["pattern"] in PATTERN_ERRORS:
        problem = PATTERN_ERRORS[context["pattern"]]
        return _describe_invalid_token(error["input"], problem) if context["pattern"] == TOKEN else problem
    if error["type"] == "literal_error":
        return f"must be {context['expected']}".replace("'", "`")
    message = _MESSAGES.get(error["type"])
    return error["msg"].removeprefix("Value error, ") if message is None else message.format(**context)


def _suggest_key(key: str, known_keys: Collection[str]) -> str:
    suggestion = did_you_mean(key[:_MAX_COMPARED_CHARACTERS], known_keys)
    if suggestion or not known_keys:
        return suggestion and f".{suggestion}"
    more = ", …" if len(known_keys) > _MAX_LISTED_KEYS else ""
    return f": the keys are {', '.join(islice(known_keys, _MAX_LISTED_KEYS))}{more}"


def _keys_at(path: list[int | str], schema: Schema, definitions: Schema | None = None) -> Collection[str]:
    """Return the keys of the object at `path`; empty if the schema does not determine them, as in a union."""
    if "definitions" in schema:
        definitions = {definition["ref"]: definition for definition in schema["definitions"]}
    if "schema_ref" in schema:
        return _keys_at(path, (definitions or {})[schema["schema_ref"]], definitions)
    if "schema" in schema:
        return _keys_at(path, schema["schema"], definitions)
    if "fields" in schema:
        fields = {field.get("validation_alias", name): field for name, field in schema["fields"].items()}
        return _keys_at(path[1:], fields[path[0]], definitions) if path else fields
    items = schema.get("items_schema", schema.get("values_schema"))
    return _keys_at(path[1:], items, definitions) if isinstance(items, dict) else ()


def _describe_invalid_token(token: str, problem: str) -> str:
    masked = quote_value(token if re.match(MASKED_TOKEN, token) else mask_token(token))
    if "…" in token:
        return f"{masked} is a masked token: use the complete one"
    hint = "; leave out `Bearer`" if token.startswith("Bearer ") else ""
    return f"{problem}, unlike {masked}{hint}" if token else problem


def parse_model(model: type[Model], value: object, pointer: str = "", keys: Collection[str] = ()) -> Model:
    """Return `value` as an instance of `model`.

    Args:
        model: the model.
        value: the value.
        pointer: JSON pointer to the value.
        keys: keys to name in an error, if they differ from those of the model.

    Raises:
        ConfigError: a field is invalid; the error names it by JSON pointer.
    """
    if isinstance(value, Mapping) and len(value) > MAX_KEYS:  # pydantic makes an error of each unknown one
        raise ConfigError(f"has {len(value)} keys: at most {MAX_KEYS}", pointer or "/")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise config_error(error, pointer, model.__pydantic_core_schema__, keys) from None


def parse_items(adapter: TypeAdapter[Item], values: list[Any], pointer: str) -> Steps[list[Item]]:
    """Return the items of a long list, each validated in one step.

    Args:
        adapter: validates an item.
        values: the items.
        pointer: JSON pointer to the list.

    Raises:
        ConfigError: an item is invalid; the error names its field by JSON pointer.
    """
    items = []
    for number, value in enumerate(values):
        try:
            items.append(parse_item(adapter, value, f"{pointer}/{number}"))
        except ConfigError:
            yield from free(items)
            raise
        yield
    return items


def parse_item(adapter: TypeAdapter[Item], value: object, pointer: str) -> Item:
    """Return `value` as the type of `adapter`.

    Raises:
        ConfigError: a field is invalid; the error names it by JSON pointer, below `pointer`.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise config_error(error, pointer, adapter.core_schema) from None


def config_error(
    error: ValidationError, pointer: str, schema: Schema | None = None, keys: Collection[str] = ()
) -> ConfigError:
    """Return the first problem of a validation, with the JSON pointer to the field, below `pointer`.

    Prefer an unknown key to a missing one of the same object, because it is probably that one, misspelt.

    Args:
        error: the error.
        pointer: JSON pointer to the value.
        schema: as in `describe_error`.
        keys: the same.
    """
    first, *others = error.errors(include_url=False)
    if first["type"] == "missing":
        siblings = (other for other in others if other["loc"][:-1] == first["loc"][:-1])
        first = next((sibling for sibling in siblings if sibling["type"] == "extra_forbidden"), first)
    return ConfigError(describe_error(first, schema, keys), pointer + format_pointer(first["loc"]) or "/")
