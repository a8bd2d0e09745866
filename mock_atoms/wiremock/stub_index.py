"""The index of stubs: finds those that may match a request without a look at the others."""

import re
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from mock_atoms.core.slices import Divisible
from mock_atoms.core.template_index import TemplateIndex, TemplateKey, template_key

if TYPE_CHECKING:
    from mock_atoms.wiremock.stubs import Stub

_PLAIN_START = re.compile(r"[A-Za-z0-9/_~%=&-]*")
"""The characters at the start of a regular expression that match themselves."""
_REPETITIONS = tuple("?*+{")


class StubKey(NamedTuple):
    """Where the index keeps a stub.

    Attributes:
        method: the only method that it matches, in upper case; `None` if there are others.
        path: the only path that it matches; `None` if there are others.
        template: the key of its path template; `None` if it has none.
        start: the start of all URLs that it matches, if neither path nor template says more.
    """

    method: str | None
    path: str | None = None
    template: TemplateKey | None = None
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
        return key._replace(template=template_key(template))
    regex = pattern.get("urlPathPattern") or pattern.get("urlPattern") or ""
    return key._replace(start=_plain_start(regex))


def _plain_start(regex: str) -> str:
    """Return a text that every text starts with that the regular expression matches."""
    if "|" in regex:
        return ""
    match = _PLAIN_START.match(regex.removeprefix("^"))
    start = match[0] if match else ""
    rest = regex.removeprefix("^")[len(start) :]
    return start[:-1] if rest.startswith(_REPETITIONS) else start


by_number = attrgetter("number")
_by_priority = attrgetter("priority")
_Stubs = dict[str, "Stub"]
"""Stubs by id."""


def sort_stubs(stubs: Iterable["Stub"]) -> list["Stub"]:
    """Return stubs in order of precedence: by priority, then those that were added last."""
    # Two sorts by a plain attribute call no Python function: thousands of stubs take a millisecond.
    return sorted(sorted(stubs, key=by_number, reverse=True), key=_by_priority)


class StubIndex(Divisible):
    """Stubs by path."""

    def __init__(self) -> None:
        self._paths: dict[str, _Stubs] = {}
        self._templates: TemplateIndex[Stub] = TemplateIndex()
        self._starts: dict[int, dict[str, _Stubs]] = {}

    def add(self, stub: "Stub") -> None:
        """Add a stub."""
        key = stub.key
        if key.path is not None:
            self._paths.setdefault(key.path, {})[stub.id] = stub
        elif key.template is not None:
            self._templates.add(key.template, stub.id, stub)
        else:
            self._starts.setdefault(len(key.start), {}).setdefault(key.start, {})[stub.id] = stub

    def remove(self, stub: "Stub") -> None:
        """Remove a stub."""
        key = stub.key
        if key.path is not None:
            _remove(stub, self._paths, key.path)
        elif key.template is not None:
            self._templates.remove(key.template, stub.id)
        else:
            _remove(stub, self._starts[len(key.start)], key.start)
            if not self._starts[len(key.start)]:
                del self._starts[len(key.start)]

    def parts(self) -> list[Any]:
        """Return the stubs of each path, key of a template and start."""
        return [*self._paths.values(), *self._templates.parts(), *self._starts.values()]

    def may_have(self, path: str) -> bool:
        """Return whether a stub may match a path or a path template, with any method."""
        return any(True for _ in self._find(path))

    def find(self, method: str, *paths: str) -> list["Stub"]:
        """Return the stubs that may match a request, in order of precedence.

        Args:
            method: its method.
            paths: its path, with and without masked credentials.
        """
        methods = (method.upper(), None)
        found = {stub.id: stub for path in paths for stub in self._find(path) if stub.key.method in methods}
        return sort_stubs(found.values())

    def find_by_route(self, method: str, *paths: str) -> Iterator["Stub"]:
        """Return the stubs with the path of a request, or a template of it, in any order; see `find`."""
        methods = (method.upper(), None)
        return (stub for path in paths for stub in self._find_by_path(path) if stub.key.method in methods)

    def _find_by_path(self, path: str) -> Iterator["Stub"]:
        yield from self._paths.get(path, {}).values()
        yield from self._templates.find(path)

    def _find(self, path: str) -> Iterator["Stub"]:
        yield from self._find_by_path(path)
        for length, groups_by_start in self._starts.items():
            yield from groups_by_start.get(path[:length], {}).values()


def _remove(stub: "Stub", groups: dict[str, _Stubs], key: str) -> None:
    del groups[key][stub.id]
    if not groups[key]:
        del groups[key]
