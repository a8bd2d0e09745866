"""Request patterns without credentials, as responses show them."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from mock_atoms.core.masking import mask_json_steps, mask_text_steps, mask_token
from mock_atoms.core.slices import Steps
from mock_atoms.journal.credentials import Credentials

_CREDENTIAL_FREE_OPERATORS = {"absent", "matches", "doesNotMatch"}
"""Operators whose operands contain no credentials: `parse_pattern` rejects those that would."""


_MASK = re.compile("…#[0-9a-f]{6}")


def mask_pattern(pattern: Any, credentials: Credentials) -> Steps[Any]:  # noqa: ANN401 - any JSON
    """Return the JSON of a valid pattern with credentials masked."""
    masked = yield from mask_json_steps(pattern)
    for name, operator in (pattern.get("headers") or {}).items():
        mask_operand = partial(_mask_header_operand, name, credentials)
        masked_name = yield from mask_text_steps(name)
        masked["headers"][masked_name] = yield from _mask_operands(operator, mask_operand)
    for name, operator in (pattern.get("cookies") or {}).items():
        if credentials.is_session_cookie(name):
            masked_name = yield from mask_text_steps(name)
            masked["cookies"][masked_name] = yield from _mask_operands(operator, _mask_cookie_operand)
    return masked


def _mask_header_operand(name: str, credentials: Credentials, text: str) -> Steps[str]:
    if _MASK.search(text):
        return (yield from mask_text_steps(text))  # a mask of the mask would match nothing
    # Part of a cookie without its name could be any part of a session key.
    is_part_of_cookie = name.lower() == "cookie" and text and "=" not in text
    return mask_token(text) if is_part_of_cookie else (yield from credentials.mask_header_steps(name, text))


def _mask_cookie_operand(text: str) -> Steps[str]:
    return (yield from mask_text_steps(text)) if _MASK.search(text) else mask_token(text)


def _mask_operands(value: Any, mask: Callable[[str], Steps[str]]) -> Steps[Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return (yield from mask(value))
    if isinstance(value, dict):
        masked = {}
        for key, item in value.items():
            mask_item = mask_text_steps if key in _CREDENTIAL_FREE_OPERATORS else mask
            masked[(yield from mask_text_steps(key))] = yield from _mask_operands(item, mask_item)
            yield
        return masked
    if isinstance(value, list):
        items = []
        for item in value:
            items.append((yield from _mask_operands(item, mask)))
            yield
        return items
    return value
