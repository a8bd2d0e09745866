"""The index of the active rules: finds the rules that match a request without a look at the others."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from operator import attrgetter
from typing import Any, NamedTuple

from mock_atoms.core.http_text import PATH_PARAMETER, PathTemplate
from mock_atoms.core.slices import Divisible
from mock_atoms.core.template_index import TemplateIndex, template_key
from mock_atoms.core.tenancy import Tenant
from mock_atoms.faults.rules import Rule


@dataclass(slots=True, eq=False)
class ActiveRule:
    """A rule that is evaluated for requests.

    Attributes:
        id: its id.
        rule: the rule.
        position: its precedence: whether it is a startup rule, and a number. Lower positions come first.
        evaluated: number of requests it was evaluated for.
        triggered: number of requests it triggered for.
    """

    id: str
    rule: Rule
    position: tuple[bool, int]
    evaluated: int = 0
    triggered: int = 0

    @property
    def is_startup_rule(self) -> bool:
        """Whether it comes from the settings of the server."""
        return self.position[0]

    def as_json(self) -> dict[str, Any]:
        """Return its JSON in the control API, without defaults. It can be parsed again."""
        return {"id": self.id, **self.rule.as_json(), "evaluated": self.evaluated, "triggered": self.triggered}


by_position = attrgetter("position")
_Rules = dict[str, ActiveRule]
"""Rules by id."""


class _Template(NamedTuple):
    """The rules with one path template.

    Attributes:
        matches: matches a path.
        rules: the rules.
    """

    matches: Callable[[str], object]
    rules: _Rules


@dataclass(slots=True, eq=False)
class _Bucket:
    """The rules of one token, one test and one method, by path.

    Attributes:
        literals: rules without a parameter in their path.
        templates: rules with a parameter in their path.
        index: the templates by the paths that they may match.
    """

    literals: dict[str | None, _Rules] = field(default_factory=dict)
    templates: dict[str, _Template] = field(default_factory=dict)
    index: TemplateIndex[_Template] = field(default_factory=TemplateIndex)

    def add(self, active_rule: ActiveRule) -> None:
        path = _path_of(active_rule.rule)
        if path is None or not PATH_PARAMETER.search(path):
            self.literals.setdefault(path, {})[active_rule.id] = active_rule
            return
        key = _without_names(path)
        if key not in self.templates:
            self.templates[key] = _Template(PathTemplate(path, trailing_slash=True).match, {})
            self.index.add(template_key(path), key, self.templates[key])
        self.templates[key].rules[active_rule.id] = active_rule

    def remove(self, active_rule: ActiveRule) -> None:
        path = _path_of(active_rule.rule)
        if path is None or not PATH_PARAMETER.search(path):
            del self.literals[path][active_rule.id]
            if not self.literals[path]:
                del self.literals[path]
            return
        key = _without_names(path)
        rules = self.templates[key].rules
        del rules[active_rule.id]
        if not rules:
            del self.templates[key]
            self.index.remove(template_key(path), key)

    def matching(self, path: str) -> Iterator[ActiveRule]:
        for literal_path in (None, path, path[:-1]) if path.endswith("/") else (None, path):
            if rules := self.literals.get(literal_path):
                yield from rules.values()
        if self.templates:
            for template in self.index.find(path.removesuffix("/")):
                if template.matches(path):
                    yield from template.rules.values()


_BucketKey = tuple[bytes | None, bytes | None, str | None]
"""Digest of the token, digest of the test id, and method; `None` for any."""


class RuleIndex(Divisible):
    """Active rules by token, test, method and path."""

    def __init__(self) -> None:
        self._buckets: dict[_BucketKey, _Bucket] = {}

    def add(self, active_rule: ActiveRule) -> None:
        """Add a rule."""
        self._buckets.setdefault(_bucket_key(active_rule.rule), _Bucket()).add(active_rule)

    def remove(self, active_rule: ActiveRule) -> None:
        """Remove a rule."""
        key = _bucket_key(active_rule.rule)
        bucket = self._buckets[key]
        bucket.remove(active_rule)
        if not (bucket.literals or bucket.templates):
            del self._buckets[key]

    def parts(self) -> list[Any]:
        """Return the rules of each token, test and method."""
        return list(self._buckets.values())

    def matching(self, tenant: Tenant, method: str, api_path: str) -> list[ActiveRule]:
        """Return the rules that match a request, in order of precedence."""
        if not self._buckets:
            return []
        tests = (None,) if tenant.test_digest is None else (None, tenant.test_digest)
        methods = (None, method, "GET") if method == "HEAD" else (None, method)
        matching: list[ActiveRule] = []
        for key in product((None, tenant.token_digest), tests, methods):
            bucket = self._buckets.get(key)
            if bucket is not None:
                matching += bucket.matching(api_path)
        matching.sort(key=by_position)
        return matching


def _bucket_key(rule: Rule) -> _BucketKey:
    return rule.match.token_digest, rule.match.test_digest, rule.match.method


def _path_of(rule: Rule) -> str | None:
    """Return the path of a rule. A trailing slash makes no difference."""
    return rule.match.path and rule.match.path.rstrip("/")


def _without_names(template: str) -> str:
    """Return a path template with a space, which no path has, for each parameter: their names make no difference."""
    return PATH_PARAMETER.sub(" ", template)
