"""Request patterns without credentials, as responses show them."""

import re
from collections.abc import Callable, Container
from functools import partial
from typing import Any

from mock_atoms.core.masking import mask_text, mask_token
from mock_atoms.journal.credentials import Credentials

_CREDENTIAL_FREE_OPERATORS = {"absent", "matches", "doesNotMatch"}
"""Operators whose operands contain no credentials: `parse_pattern` rejects those that would."""


_MASK = re.compile("…#[0-9a-f]{6}")


def mask_pattern(pattern: Any, credentials: Credentials) -> Any:  # noqa: ANN401 - any JSON
    """Return the JSON of a valid pattern with credentials masked."""
    masked = _map_texts(pattern, mask_text)
    for name, operator in (pattern.get("headers") or {}).items():
        mask_operand = partial(_mask_header_operand, name, credentials)
        masked["headers"][mask_text(name)] = _map_texts(operator, mask_operand, _CREDENTIAL_FREE_OPERATORS)
    for name, operator in (pattern.get("cookies") or {}).items():
        if credentials.is_session_cookie(name):
            masked["cookies"][mask_text(name)] = _map_texts(operator, _mask_cookie_operand, _CREDENTIAL_FREE_OPERATORS)
    return masked


def _mask_header_operand(name: str, credentials: Credentials, text: str) -> str:
    if _MASK.search(text):
        return mask_text(text)  # a mask of the mask would match nothing
    # Part of a cookie without its name could be any part of a session key.
    is_part_of_cookie = name.lower() == "cookie" and text and "=" not in text
    return mask_token(text) if is_part_of_cookie else credentials.mask_header(name, text)


def _mask_cookie_operand(text: str) -> str:
    return mask_text(text) if _MASK.search(text) else mask_token(text)


def _map_texts(value: Any, mask: Callable[[str], str], exempt_keys: Container[str] = ()) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {
            mask_text(key): _map_texts(item, mask_text if key in exempt_keys else mask, exempt_keys)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_map_texts(item, mask, exempt_keys) for item in value]
    return value
