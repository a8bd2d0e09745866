"""WireMock's request patterns: which requests match, and how near the others come."""

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import heappush, heappushpop
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from mock_atoms.core.masking import mask_text
from mock_atoms.core.slices import Steps
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, RequestHead
from mock_atoms.journal.query import KeySets
from mock_atoms.wiremock.candidate import Candidate
from mock_atoms.wiremock.conditions import (
    URL_FIELDS,
    Condition,
    body_conditions,
    method_condition,
    named_condition,
    url_condition,
)
from mock_atoms.wiremock.json_matching import MAX_PATTERN_DEPTH, size_problem
from mock_atoms.wiremock.models import Difference
from mock_atoms.wiremock.operands import OperandContext
from mock_atoms.wiremock.required_keys import required_key_sets
from mock_atoms.wiremock.steps import MAX_PATTERN_STEPS, STEPS_PER_PAUSE, StepCounter

Item = TypeVar("Item", bound=tuple[float, int, object])
_MAP_FIELDS = ("pathParameters", "queryParameters", "headers", "cookies")
_FIELDS = ("method", *URL_FIELDS, *_MAP_FIELDS, "bodyPatterns")
_UNSUPPORTED_FIELDS = {
    *("scheme", "host", "port", "clientIp", "basicAuth", "basicAuthCredentials", "formParameters"),
    *("multipartPatterns", "customMatcher"),
}
"""Other fields of WireMock. Its clients may send `null` for them."""
_QUERY_PARAMETERS = ("token", "testId", "path", "status")
"""Names of query parameters of the control API that callers may write into the body."""
_WEIGHTS = {"method": 2, **dict.fromkeys(URL_FIELDS, 20)}
"""How much a field counts for the distance; others count 1. Another method is nearer than another path."""
MAX_COMPARED_CHARACTERS = 500
MAX_COMPARED_VALUES = 5
_MIN_RANKED = 50
MAX_SHARED_HEADS = 1_000
"""Number of heads whose result a scan keeps."""
_EXCHANGE_STEPS = 3  # to look at an exchange at all


class RequestPattern(NamedTuple):
    """A request pattern. It matches exchanges that meet all conditions.

    Attributes:
        conditions: the conditions.
        key_sets: sets of index keys. Each exchange that matches has a key of each set.
    """

    conditions: tuple[Condition, ...]
    key_sets: KeySets = ()

    def matches(self, exchange: Exchange) -> bool:
        """Return whether `exchange` matches. It does not if a condition needs a body that is still arriving."""
        is_match, _ = self.compare(exchange)
        return is_match

    def compare(self, exchange: Exchange) -> tuple[bool, int]:
        """Return whether `exchange` matches, and how many steps of work that took."""
        candidate = Candidate(exchange)
        is_match = exchange.ended_at is not None or not self.awaits_body(exchange)
        if is_match:
            for condition in self.conditions:
                if not condition.is_met(candidate):
                    is_match = False
                    break
        return is_match, _EXCHANGE_STEPS + MAX_PATTERN_STEPS - candidate.remaining

    def matches_route(self, exchange: Exchange) -> bool:
        """Return whether the method matches, and the path template if the pattern has one."""
        candidate = Candidate(exchange)
        fields = ("method", "urlPathTemplate")
        return all(condition.is_met(candidate) for condition in self.conditions if condition.field in fields)

    def select(self, exchanges: Iterable[Exchange]) -> Steps[list[Exchange]]:
        """Return the exchanges that match, in their order."""
        scan = PatternScan(self)
        selected = []
        total_steps = 0
        for exchange in exchanges:
            is_match, steps = scan.compare(exchange)
            if is_match:
                selected.append(exchange)
            total_steps += steps
            if total_steps >= STEPS_PER_PAUSE:
                total_steps = 0
                yield
        return selected

    def awaits_body(self, exchange: Exchange) -> bool:
        """Return whether a condition needs a body that is still arriving."""
        is_arriving = exchange.ended_at is None and not exchange.is_body_complete
        return is_arriving and any(condition.needs_body for condition in self.conditions)

    def differences(self, exchange: Exchange) -> list[Difference]:
        """Return the conditions that `exchange` does not meet."""
        candidate = Candidate(exchange)
        return [
            {
                "field": condition.field,
                "expected": mask_text(condition.description),
                "actual": ", ".join(values) if values else None,
            }
            for condition in self.conditions
            if not condition.is_met(candidate)
            for values in [condition.values(candidate)]
        ]

    def distance(self, exchange: Exchange) -> float:
        """Return how far `exchange` is from matching, from 0 (it matches) to 1 (it differs in everything).

        The URL counts more than the method, and the method more than other fields.
        """
        candidate = Candidate(exchange)
        weights = [_WEIGHTS.get(condition.field, 1) for condition in self.conditions]
        distances = [_distance(condition, candidate) for condition in self.conditions]
        weighted = (weight * distance for weight, distance in zip(weights, distances, strict=True))
        return sum(weighted) / max(1, sum(weights))

    def failures(self, exchange: Exchange) -> int:
        """Return how many conditions `exchange` does not meet."""
        candidate = Candidate(exchange)
        return sum(not condition.is_met(candidate) for condition in self.conditions)


class PatternScan:
    """Compares a pattern with many exchanges. Those that share a head are compared once if their bodies do not matter.

    Exchanges whose headers do not contain a text that the pattern requires are not compared further.

    Args:
        pattern: the pattern.
    """

    def __init__(self, pattern: RequestPattern) -> None:
        self._pattern = pattern
        self._needs_body = any(condition.needs_body for condition in pattern.conditions)
        self._texts = [
            (condition.header, condition.contained)
            for condition in pattern.conditions
            if condition.header and condition.contained is not None
        ]
        self._matches_by_head: dict[RequestHead, bool] = {}

    def compare(self, exchange: Exchange) -> tuple[bool, int]:
        """Return the same as `RequestPattern.compare`, with fewer steps for a head that was compared before."""
        is_match = self._matches_by_head.get(exchange.head)
        if is_match is not None:
            return is_match, 1
        for header, text in self._texts:
            if not text.may_be_in(header, exchange.head):
                return False, _EXCHANGE_STEPS + len(exchange.head.headers) // 20
        is_match, steps = self._pattern.compare(exchange)
        if not self._needs_body and len(self._matches_by_head) < MAX_SHARED_HEADS:
            self._matches_by_head[exchange.head] = is_match
        return is_match, steps


def _distance(condition: Condition, candidate: Candidate) -> float:
    if condition.is_met(candidate):
        return 0.0
    if condition.expected is None:
        return 1.0
    expected = _parts(condition.expected)
    values = condition.values(candidate)[:MAX_COMPARED_VALUES]
    candidate.count_steps(10 + sum(min(len(value), MAX_COMPARED_CHARACTERS) for value in values) // 5)
    similarities = (_similarity(expected, _parts(value)) for value in values)
    return 1.0 - max(similarities, default=0.0) * 0.9  # never 0, which is for matches


def _parts(text: str) -> Counter[str]:
    """Count the characters and the adjacent pairs of a text. To compare these takes linear time."""
    text = text[:MAX_COMPARED_CHARACTERS]
    return Counter([*text, *map("".join, pairwise(text))])


def _similarity(one: Counter[str], other: Counter[str]) -> float:
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def keep_largest(kept: list[Item], item: Item, count: int) -> None:
    """Add an item to a heap. Then remove the smallest one if there are more than `count`."""
    if len(kept) < count:
        heappush(kept, item)
    else:
        heappushpop(kept, item)


def nearest(pattern: RequestPattern, exchanges: Iterable[Exchange], count: int) -> Steps[list[tuple[float, Exchange]]]:
    """Return the `count` exchanges nearest to `pattern` that do not match it, with their distances, nearest first."""
    # Comparing texts is slow: only those with the fewest failures are compared; of equal ones, the newest.
    likely: list[tuple[int, int, Exchange]] = []
    for position, exchange in enumerate(exchanges):
        failures = pattern.failures(exchange)
        if failures:
            keep_largest(likely, (-failures, position, exchange), max(count, _MIN_RANKED))
        yield
    ranked = []
    for _, position, exchange in likely:
        ranked.append((pattern.distance(exchange), -position, exchange))
        yield
    return [(distance, exchange) for distance, _, exchange in sorted(ranked)[:count]]


def parse_pattern(value: object, credentials: Credentials) -> RequestPattern:
    """Parse a request pattern.

    Raises:
        ConfigError: the pattern is invalid or not supported.
    """
    context = OperandContext("", credentials, StepCounter())
    if problem := size_problem(value, MAX_PATTERN_DEPTH):
        raise context.error(problem)
    fields = _supported_fields(value, context)
    conditions = [method_condition(fields["method"], context)] if "method" in fields else []
    conditions += [url_condition(field, fields[field], context) for field in URL_FIELDS if field in fields]
    template = fields.get("urlPathTemplate")
    for field in _MAP_FIELDS:
        operators = fields.get(field, {})
        if not isinstance(operators, Mapping):
            raise context.at(field).error("expected names with operators")
        if field == "pathParameters" and operators and template is None:
            raise context.at(field).error("pathParameters needs urlPathTemplate: give both")
        conditions += [named_condition(field, name, operators[name], context, template) for name in operators]
    conditions += body_conditions(fields.get("bodyPatterns", []), context)
    return RequestPattern(tuple(conditions), required_key_sets(fields.get("headers", {}), credentials))


def _supported_fields(value: object, context: OperandContext) -> dict[str, Any]:
    """Return the fields of a pattern that are not `null`."""
    if not isinstance(value, Mapping):
        raise context.error("not a request pattern: write one such as {}")
    for key, field in value.items():
        if key not in _FIELDS and not (field is None and key in _UNSUPPORTED_FIELDS):
            hint = f"write {key} as a query parameter of find, count or remove; " if key in _QUERY_PARAMETERS else ""
            raise context.at(key).error(f"unsupported field; {hint}the fields are {', '.join(_FIELDS)}")
    fields = {key: field for key, field in value.items() if field is not None}
    urls = [key for key in fields if key in URL_FIELDS]
    if len(urls) > 1:
        raise context.at(urls[1]).error(f"conflicting fields: give only one of {', '.join(urls)}")
    return fields
