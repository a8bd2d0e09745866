"""Patches of the API's own response."""

import json
import re
from copy import deepcopy
from typing import Annotated, Any

from pydantic import AfterValidator, model_validator

from mock_atoms.contract.schemas import render_json
from mock_atoms.core.json_pointer import parse_pointer
from mock_atoms.core.masking import quote_value
from mock_atoms.core.parsing import StrictModel
from mock_atoms.faults.effects import HeaderFields


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

    values: dict[Annotated[str, AfterValidator(_check_pointer)], Any] = {}
    headers: HeaderFields = {}

    @model_validator(mode="after")
    def _check_content(self) -> "ResponsePatch":
        if not self.values and not self.headers:
            raise ValueError("must have values or headers")
        try:
            render_json(self.values)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"cannot be sent: {error}") from None
        return self

    def apply(self, body: bytes) -> bytes:
        """Return `body` with the new values; unchanged if it is not JSON."""
        try:
            content = json.loads(body)
        except ValueError:
            return body
        for pointer, value in self.values.items():
            *parents, last = parse_pointer(pointer)
            for container in _find_containers(content, parents):
                is_new_key = isinstance(container, dict) and last != "*"
                for key in [last] if is_new_key else _matching_keys(container, last):
                    container[key] = deepcopy(value)  # later pointers may lead into it
        return render_json(content)


def _matching_keys(container: object, pattern: str) -> list[Any]:
    """Return the keys or indexes of `container` that one part of a pointer matches."""
    if isinstance(container, dict):
        return list(container) if pattern == "*" else [pattern] if pattern in container else []
    if isinstance(container, list):
        return [index for index in range(len(container)) if pattern in ("*", str(index))]
    return []


def _find_containers(content: Any, parents: list[str]) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the objects and arrays that the parts `parents` of a pointer lead to."""
    found = [content]
    for pattern in parents:
        found = [container[key] for container in found for key in _matching_keys(container, pattern)]
    return [value for value in found if isinstance(value, dict | list)]
