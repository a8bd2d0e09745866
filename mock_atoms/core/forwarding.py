"""The public prefix of the server's paths: a proxy in front of it may strip the first segments of each path."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

PREFIX_HEADER = "X-Forwarded-Prefix"
_RAW_PREFIX_HEADER = PREFIX_HEADER.lower().encode()
PREFIX_KEY = "mock_atoms.prefix"
"""Key of the part of the path that the server itself has removed (ASGI's `root_path`) in a scope."""
_MAX_PREFIX_LENGTH = 200
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?")


def public_prefix(scope: Mapping[str, Any]) -> str:
    """Return the path before the server's own paths, such as `/mock`, or an empty string.

    It consists of `X-Forwarded-Prefix` and ASGI's `root_path`. Several prefixes are joined, the outermost first. Since
    any client can send that header, only plain segments are accepted; a header with anything else is ignored.
    """
    return _forwarded_prefix(scope["headers"]) + str(scope.get(PREFIX_KEY, ""))


def strip_root_path(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scope whose paths are below its `root_path`, as if the server were not mounted."""
    root_path = scope["root_path"].rstrip("/")
    raw_path: bytes | None = scope.get("raw_path")
    return {
        **scope,
        "root_path": "",
        PREFIX_KEY: root_path,
        "path": scope["path"].removeprefix(root_path) or "/",
        "raw_path": raw_path and (raw_path.removeprefix(root_path.encode()) or b"/"),
    }


def with_public_prefix(document: Mapping[str, Any], scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return an OpenAPI document whose first server, which is this one, has the public prefix."""
    this, *others = document["servers"]
    url = (public_prefix(scope) + this["url"]).rstrip("/") or "/"
    return {**document, "servers": [{**this, "url": url}, *others]}


def _forwarded_prefix(headers: Iterable[tuple[bytes, bytes]]) -> str:
    values = [value.decode("latin-1") for name, value in headers if name == _RAW_PREFIX_HEADER]
    if not values:
        return ""
    prefixes = [prefix.strip() for prefix in ",".join(values).split(",")]
    is_valid = sum(map(len, prefixes)) <= _MAX_PREFIX_LENGTH and all(map(_PREFIX.fullmatch, prefixes))
    return "".join(prefix.rstrip("/") for prefix in prefixes) if is_valid else ""
