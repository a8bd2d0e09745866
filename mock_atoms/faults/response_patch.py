"""Patches of the API's own response."""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from mock_atoms.core.json_parsing import JsonSizeError, parse_json_steps
from mock_atoms.core.json_pointer import parse_pointer
from mock_atoms.core.json_stream import dump_json, lazy_lists, render_json, render_steps
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import ConfigError, StrictModel
from mock_atoms.core.slices import Steps
from mock_atoms.faults.effects import HeaderFields

MAX_ALTERED_VALUES = 1_000
"""Maximum number of values of a patch."""
MAX_VISITED = 20_000
"""Maximum number of keys and items that a patch visits in one response."""
MAX_PATCH_DEPTH = 500
"""Maximum number of levels above a value that a patch writes. Python can render about a thousand."""
MAX_ADDED_BYTES = 1024 * 1024
"""Maximum size of the values that a patch writes into one response."""


class PatchError(Exception):
    """A response is too large for a patch, or it would visit or write too much of it. The message has the fix."""


def _check_pointer(pointer: str) -> str:
    if not re.fullmatch(r"(/[^/]+)+", pointer):
        raise ValueError(f"{quote_value(pointer)} is not a JSON pointer such as /data/0/name or /data/*/name")
    return pointer


class ResponsePatch(StrictModel):
    """A patch of the API's own response, regardless of its status. In a rule it is the key `alter`.

    Attributes:
        values: new values by JSON pointer, in which `*` matches every key or item. Existing values are replaced,
            missing keys of an object are added, and missing items of an array are ignored.
        headers: headers to add or replace, each with one value or several.
    """

    values: Annotated[
        dict[Annotated[str, AfterValidator(_check_pointer)], Any], Field(max_length=MAX_ALTERED_VALUES)
    ] = {}
    headers: HeaderFields = {}

    @model_validator(mode="after")
    def _check_content(self) -> "ResponsePatch":
        if not self.values and not self.headers:
            raise ValueError("must have values or headers")
        try:
            dump_json(self.values).encode()
        except (ValueError, RecursionError) as error:
            raise ValueError(f"cannot be sent: {error}") from None
        return self

    def apply_steps(self, body: bytes) -> Steps[bytes]:
        """Return `body` with the new values; unchanged if there are none, or if it is not JSON, or nested too deep.

        Raises:
            PatchError: the values of `body` need too much memory, see `parse_json_steps`. Or it would visit more than
                `MAX_VISITED` values, write more than `MAX_ADDED_BYTES` bytes, or nest values too deep.
        """
        if not self.values:
            return body
        try:
            content = yield from parse_json_steps(body)
        except JsonSizeError as error:
            problem = str(error).removeprefix("not JSON: ")
            raise PatchError(f"`alter` cannot change so large a response ({problem}): use a smaller response") from None
        except ConfigError:
            return body
        limits = _Limits()
        for pointer, value in self.values.items():
            *parents, last = parse_pointer(pointer)
            if len(parents) > MAX_PATCH_DEPTH:
                raise PatchError("`alter` nests values too deep: use shorter pointers")
            text = render_json(value)
            for container in (yield from _find_containers(content, parents, limits)):
                is_new_key = isinstance(container, dict) and last != "*"
                for key in [last] if is_new_key else _matching_keys(container, last):
                    limits.count(len(text))
                    container[key] = json.loads(text)  # later pointers may lead into it
                    yield
        return (yield from render_steps(lazy_lists(content)))


class _Limits:
    """Counts what one patch does. Nested wildcards could grow a response without end."""

    def __init__(self) -> None:
        self._visited = self._added_bytes = 0

    def count(self, added_bytes: int = 0) -> None:
        """Count one value that is visited, or written with `added_bytes` bytes."""
        self._visited += 1
        self._added_bytes += added_bytes
        if self._visited > MAX_VISITED:
            raise PatchError(
                f"`alter` visits more than {MAX_VISITED} values: use fewer wildcards, or a smaller response"
            )
        if self._added_bytes > MAX_ADDED_BYTES:
            raise PatchError(
                f"`alter` writes more than {MAX_ADDED_BYTES} bytes: use fewer wildcards, or smaller values"
            )


def _matching_keys(container: dict[str, Any] | list[Any], pattern: str) -> list[Any]:
    """Return the keys or indexes of `container` that one part of a pointer matches."""
    if isinstance(container, dict):
        return list(container) if pattern == "*" else [pattern] if pattern in container else []
    if pattern == "*":
        return list(range(len(container)))
    is_index = re.fullmatch(r"0|[1-9]\d{0,8}", pattern, re.ASCII) is not None and int(pattern) < len(container)
    return [int(pattern)] if is_index else []


def _find_containers(content: Any, parents: list[str], limits: _Limits) -> Steps[list[Any]]:  # noqa: ANN401 - any JSON
    """Return the objects and arrays that the parts `parents` of a pointer lead to."""
    limits.count()
    found = [content]
    for part in parents:
        containers, found = found, []
        for container in containers:
            if isinstance(container, dict | list):
                for key in _matching_keys(container, part):
                    limits.count()
                    found.append(container[key])
            yield
    return [value for value in found if isinstance(value, dict | list)]
