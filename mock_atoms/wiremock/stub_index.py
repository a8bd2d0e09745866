"""The index of stubs: finds those that may match a request without a look at the others."""

import re
from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_atoms.core.http_text import PATH_PARAMETER
from mock_atoms.core.slices import Divisible

if TYPE_CHECKING:
    from mock_atoms.wiremock.stubs import Stub

_PLAIN_START = re.compile(r"[A-Za-z0-9/_~%=&-]*")
"""The characters at the start of a regular expression that match themselves."""
_REPETITIONS = tuple("?*+{")

Shape = tuple[int, ...]
"""Number of segments of a path template, and the positions of those with a parameter."""


class StubKey(NamedTuple):
    """Where the index keeps a stub.

    Attributes:
        method: the only method that it matches, in upper case; `None` if there are others.
        path: the only path that it matches; `None` if there are others.
        shape: the shape of its path template; `None` if it has none.
        literals: the segments of its path template, empty ones in place of those with a parameter.
        start: the start of all URLs that it matches, if neither path nor template says more.
    """

    method: str | None
    path: str | None = None
    shape: Shape | None = None
    literals: tuple[str, ...] = ()
    start: str = ""


def stub_key(pattern: dict[str, Any]) -> StubKey:
    """Return where the index keeps a stub with this valid request pattern."""
    method = pattern.get("method")
    key = StubKey(method.upper() if isinstance(method, str) and method.upper() not in ("ANY", "GET_OR_HEAD") else None)
    if (path := pattern.get("urlPath")) is not None:
        return key._replace(path=path)
    if (url := pattern.get("url")) is not None:
        return key._replace(path=url.partition("?")[0])
    if (template := pattern.get("urlPathTemplate")) is not None:
        segments = template.split("/")
        positions = [number for number, segment in enumerate(segments) if PATH_PARAMETER.search(segment)]
        return key._replace(shape=(len(segments), *positions), literals=_without(segments, positions))
    regex = pattern.get("urlPathPattern") or pattern.get("urlPattern") or ""
    return key._replace(start=_plain_start(regex))


def _without(segments: list[str], positions: list[int] | Shape) -> tuple[str, ...]:
    literals = [*segments]
    for position in positions:
        literals[position] = ""
    return tuple(literals)


def _plain_start(regex: str) -> str:
    """Return a text that every text starts with that the regular expression matches."""
    if "|" in regex:
        return ""
    match = _PLAIN_START.match(regex.removeprefix("^"))
    start = match[0] if match else ""
    rest = regex.removeprefix("^")[len(start) :]
    return start[:-1] if rest.startswith(_REPETITIONS) else start


by_precedence = attrgetter("precedence")
_Stubs = dict[str, "Stub"]
"""Stubs by id."""


class _Bucket:
    """The stubs of one method."""

    def __init__(self) -> None:
        self.paths: dict[str, _Stubs] = {}
        self.templates: dict[Shape, dict[tuple[str, ...], _Stubs]] = {}
        self.starts: dict[int, dict[str, _Stubs]] = {}

    def group(self, key: StubKey) -> tuple[dict[Any, _Stubs], object]:
        """Return the groups of stubs that one belongs to, and its key in them."""
        if key.path is not None:
            return self.paths, key.path
        if key.shape is not None:
            return self.templates.setdefault(key.shape, {}), key.literals
        return self.starts.setdefault(len(key.start), {}), key.start

    def drop_empty(self, key: StubKey) -> None:
        """Remove the groups of stubs that one with this key belonged to."""
        if key.shape is not None:
            del self.templates[key.shape]
        elif key.path is None:
            del self.starts[len(key.start)]

    def find(self, path: str) -> Iterator["Stub"]:
        yield from self.paths.get(path, {}).values()
        if self.templates:
            segments = path.split("/")
            for (length, *positions), groups in self.templates.items():
                if length == len(segments):
                    yield from groups.get(_without(segments, positions), {}).values()
        for length, groups_by_start in self.starts.items():
            yield from groups_by_start.get(path[:length], {}).values()


class StubIndex(Divisible):
    """Stubs by method and path."""

    def __init__(self) -> None:
        self._buckets: dict[str | None, _Bucket] = {}

    def add(self, stub: "Stub") -> None:
        """Add a stub."""
        groups, key = self._buckets.setdefault(stub.key.method, _Bucket()).group(stub.key)
        groups.setdefault(key, {})[stub.id] = stub

    def remove(self, stub: "Stub") -> None:
        """Remove a stub."""
        bucket = self._buckets[stub.key.method]
        groups, key = bucket.group(stub.key)
        del groups[key][stub.id]
        if not groups[key]:
            del groups[key]
        if not groups:
            bucket.drop_empty(stub.key)

    def parts(self) -> list[Any]:
        """Return the stubs of each method."""
        return list(self._buckets.values())

    def may_have(self, path: str) -> bool:
        """Return whether a stub may match a path or a path template, with any method."""
        return any(True for bucket in self._buckets.values() for _ in bucket.find(path))

    def find(self, method: str, *paths: str) -> list["Stub"]:
        """Return the stubs that may match a request, in order of precedence.

        Args:
            method: its method.
            paths: its path, with and without masked credentials.
        """
        found: _Stubs = {}
        for key in (method.upper(), None):
            bucket = self._buckets.get(key)
            if bucket is not None:
                for path in paths:
                    found.update((stub.id, stub) for stub in bucket.find(path))
        return sorted(found.values(), key=by_precedence) if len(found) > 1 else [*found.values()]
