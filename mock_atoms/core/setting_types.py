"""Types of settings, and the parsing of their texts."""

import json
import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints

from mock_atoms.core.addresses import CONTROL_PREFIX
from mock_atoms.core.patterns import HOST, ORIGIN, TOKEN
from mock_atoms.core.timestamps import parse_timestamp

RESERVED_SEGMENTS = {CONTROL_PREFIX.removeprefix("/"), "docs", "docs-assets", "openapi.json"}
"""First path segments that the server uses itself: the control API and the documentation."""


def validate_base_path(value: str) -> str:
    """Return a base path without its trailing slash."""
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise ValueError("a base path is / or looks like /atoms/v1")
    if path.partition("/")[2].partition("/")[0] in RESERVED_SEGMENTS:
        raise ValueError("the server uses this path itself; choose another one, such as /atoms/v1")
    return path


def _validate_locale(value: str) -> str:
    from faker.config import AVAILABLE_LOCALES  # noqa: PLC0415 - slow, and needed for other locales only

    name = value.replace("-", "_")
    if name in AVAILABLE_LOCALES:
        return name
    language = name.partition("_")[0]
    similar = sorted(locale for locale in AVAILABLE_LOCALES if locale.partition("_")[0] == language)
    raise ValueError(f"faker has no such locale; choose one such as {', '.join(similar) or 'en_US'}")


def parse_now(value: object) -> object:
    """Return the timestamp that `value` names."""
    return parse_timestamp(value.isoformat() if isinstance(value, datetime) else str(value))


def _validate_text(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("not valid text") from None
    return value


def _split(value: object, separators: str) -> object:
    """Split text, or each text of a list, and drop empty items."""
    if isinstance(value, str):
        return [item for item in map(str.strip, re.split(f"[{separators}]", value)) if item]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _split(separators[0].join(value), separators)
    return value


def split_tokens(value: object) -> object:
    """Split text at commas."""
    return _split(value, ",")


def split_addresses(value: object) -> object:
    """Split text at semicolons and commas."""
    return _split(value, ";,")


def parse_faults(value: object) -> object:
    """Split the text of several faults, or parse it as JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        return [value]
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"not a JSON list: {error}") from None
    faults = _split(value, ";")
    if not faults:
        raise ValueError("no fault: write one such as 500x2, or leave the setting out")
    return faults


CampaignStatus = Literal["draft", "scheduled", "processing", "running", "paused", "completed", "failed"]
Locale = Annotated[str, AfterValidator(_validate_locale)]
Text = Annotated[str, AfterValidator(_validate_text)]
Token = Annotated[str, StringConstraints(pattern=TOKEN)]
Host = Annotated[Text, StringConstraints(pattern=HOST)]
Origin = Annotated[str, StringConstraints(pattern=ORIGIN)]
