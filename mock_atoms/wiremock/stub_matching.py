"""Comparison of one request with stubs: which match, and which nearly do."""

from collections.abc import Iterable

from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.slices import Steps
from mock_atoms.journal.exchange import Exchange
from mock_atoms.wiremock.patterns import RequestPattern, keep_largest
from mock_atoms.wiremock.steps import STEPS_PER_PAUSE
from mock_atoms.wiremock.stubs import Stub

_MAX_RANKED = 50
"""Number of stubs whose texts are compared to rank near misses."""


def select_by_head(stubs: Iterable[Stub], exchange: Exchange) -> Steps[list[Stub]]:
    """Return the stubs that match a request apart from its body, up to the first that matches in any case."""
    selected = []
    total_steps = 0
    for stub in stubs:
        is_match, steps = _compare(stub.head_pattern, exchange)
        total_steps += steps
        if is_match:
            selected.append(stub)
            if stub.scenario is None and stub.body_pattern is None:
                break
        if total_steps >= STEPS_PER_PAUSE:
            total_steps = 0
            yield
    return selected


def select_by_body(stubs: Iterable[Stub], exchange: Exchange) -> Steps[list[Stub]]:
    """Return those of the selected stubs that match the body too, up to the first without a scenario."""
    selected = []
    for stub in stubs:
        is_match = stub.body_pattern is None
        if stub.body_pattern is not None:
            is_match, _ = _compare(stub.body_pattern, exchange)
            yield
        if is_match:
            selected.append(stub)
            if stub.scenario is None:
                break
    return selected


def _compare(pattern: RequestPattern, exchange: Exchange) -> tuple[bool, int]:
    """Return whether a request matches, and the steps of work. One that takes too many does not match."""
    try:
        return pattern.compare(exchange)
    except ConfigError:
        return False, STEPS_PER_PAUSE


def nearest_stubs(stubs: Iterable[Stub], exchange: Exchange, count: int) -> Steps[list[tuple[float, Stub]]]:
    """Return the `count` stubs that nearly match a request, with their distances, nearest first."""
    likely: list[tuple[float, int, Stub]] = []
    for position, stub in enumerate(stubs):
        try:
            failures = stub.pattern.failures(exchange)
        except ConfigError:
            continue
        if failures:
            keep_largest(likely, (-failures / len(stub.pattern.conditions), -position, stub), max(count, _MAX_RANKED))
        yield
    ranked = []
    for _, position, stub in likely:
        try:
            distance = stub.pattern.distance(exchange)
        except ConfigError:
            distance = 1.0  # too many steps
        ranked.append((distance, -position, stub))
        yield
    return [(distance, stub) for distance, _, stub in sorted(ranked, key=lambda item: item[:2])[:count]]
