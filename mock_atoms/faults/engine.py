"""The fault engine: decides which rules trigger for a request.

Pure: no clock, no I/O, and no randomness except what follows from seed, rule, tenant and request number.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple

from mock_atoms.core.masking import MAX_MAGIC_KEY_LENGTH
from mock_atoms.core.tenancy import AuthenticatedCaller, Tenant, magic_word
from mock_atoms.data.personas import find_persona
from mock_atoms.faults.effects import ConnectionFault, FaultResponse
from mock_atoms.faults.expressions import ExpressionError, parse_expression
from mock_atoms.faults.prefer import RequestedFault
from mock_atoms.faults.response_patch import ResponsePatch
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.faults.rules import RateLimit, Rule, RuleSchedule

_MAX_PARSED_WORDS = 1_000
_CHANCES = 1 << 53  # as many as there are floats of equal distance from 0 to 1
PREFER_RULE = "prefer"
KEY_RULE = "key"
ERROR_RATE_RULE = "error-rate"


class RuleCounter(NamedTuple):
    """Counters of one rule for one tenant.

    Attributes:
        evaluated: number of requests the rule was evaluated for.
        triggered: number of requests it triggered for.
        window_start: start of the current rate limit window, in seconds since 1970.
        window_used: number of requests that passed in that window.
    """

    evaluated: int = 0
    triggered: int = 0
    window_start: float = 0.0
    window_used: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return its JSON in an exported state."""
        return {
            "evaluated": self.evaluated,
            "triggered": self.triggered,
            "windowStart": self.window_start,
            "windowUsed": self.window_used,
        }


_NEW_COUNTER = RuleCounter()
COUNTER_BYTES = 200
"""Estimated memory of a counter of one rule for one tenant."""
Counters = dict[str, RuleCounter]
"""Counters of one tenant by rule id."""


class FaultRequest(NamedTuple):
    """A request as the engine sees it.

    Attributes:
        caller: the caller.
        method: HTTP method.
        api_path: path below the base path.
        timestamp: time of arrival, in seconds since 1970.
    """

    caller: AuthenticatedCaller
    method: str
    api_path: str
    timestamp: float = 0.0


class FaultDecision(NamedTuple):
    """The faults of one request. The API responds unless `respond` or `connection` is set.

    Attributes:
        rule_ids: ids of the triggered rules, in order of precedence.
        delay_ms: delay before the response.
        respond: response in place of the API's.
        connection: broken connection in place of a response.
        patch: applied to the API's own response.
        extra_headers: headers of this one response besides those of `respond`, by lower-case name.
    """

    rule_ids: tuple[str, ...]
    delay_ms: float = 0.0
    respond: FaultResponse | None = None
    connection: ConnectionFault | None = None
    patch: ResponsePatch | None = None
    extra_headers: Mapping[str, str] = MappingProxyType({})


class Evaluation(NamedTuple):
    """The result of the rules for one request.

    Attributes:
        decision: the faults; `None` if there are none.
        evaluated: each evaluated rule, its counter before the request, and whether it triggered.
    """

    decision: FaultDecision | None
    evaluated: Sequence[tuple[ActiveRule, RuleCounter, bool]] = ()

    def apply(self, counters: Counters) -> FaultDecision | None:
        """Update the counters of the rules and of the tenant. Return the decision."""
        for active, counter, is_triggered in self.evaluated:
            counters[active.id] = RuleCounter(
                counter.evaluated + 1,
                counter.triggered + is_triggered,
                counter.window_start,
                counter.window_used + (not is_triggered and active.rule.when.limit is not None),
            )
            active.evaluated += 1
            active.triggered += is_triggered
        return self.decision


Evaluate = Callable[[Counters], Evaluation | None]
"""Evaluates the rules that match one request now, with the counters of its tenant. Returns `None` if there are none.

It changes nothing, so it may be repeated.
"""


def error_rate_rule(rate: float) -> Rule:
    """Return the rule that responds with 500 to a share `rate` of the requests, from 0 to 1."""
    return Rule(when=RuleSchedule(probability=rate), respond=FaultResponse(status=500))


def _parse_magic_word(word: str) -> Rule | None:
    try:
        return parse_expression(word)
    except ExpressionError:
        return None


class FaultEngine:
    """Decides which of the active rules trigger for a request.

    Args:
        seed: seed of the random choices.
        book: the active rules.
    """

    def __init__(self, seed: str, book: RuleBook) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self._book = book
        self._parse_magic_word = lru_cache(_MAX_PARSED_WORDS)(_parse_magic_word)

    def is_unknown_magic_key(self, token: str) -> bool:
        """Return whether `token` looks like a magic key, but has neither a persona nor a fault expression."""
        return magic_word(token) is not None and find_persona(token) is None and self.magic_key_rule(token) is None

    def magic_key_rule(self, token: str) -> Rule | None:
        """Return the rule of the fault expression in a magic key, or `None` if `token` has none or is too long."""
        word = None if len(token) > MAX_MAGIC_KEY_LENGTH else magic_word(token)
        return None if word is None else self._parse_magic_word(word)

    def has_no_matching_rule(self, tenant: Tenant, method: str, api_path: str) -> bool:
        """Return whether no active rule matches such a request. Ignores magic keys."""
        return not self._book.matching(tenant, method, api_path)

    def matching(self, caller: AuthenticatedCaller, method: str, api_path: str) -> list[ActiveRule]:
        """Return the rule of the caller's magic key, if it has one, and the active rules that match such a request."""
        matching = self._book.matching(caller.tenant, method, api_path)
        rule = self.magic_key_rule(caller.token)
        return matching if rule is None else [ActiveRule(KEY_RULE, rule, (False, 0)), *matching]

    def evaluate(
        self,
        request: FaultRequest,
        requested: RequestedFault | None,
        matching: Sequence[ActiveRule],
        counters: Counters,
    ) -> Evaluation:
        """Return the faults of a request, and the counters after it.

        A `Prefer` header decides alone. Otherwise the caller's magic key is evaluated first, then the rules in order
        of precedence. The first triggered delay wins. The first triggered terminal rule ends the search. A rule that
        cannot add anything is not evaluated, so its counters stay.

        Args:
            request: the request.
            requested: the fault that its `Prefer` header requests, if there is one.
            matching: the rules that match it, see `matching`.
            counters: the counters of the caller's tenant. They stay until the caller calls `Evaluation.apply`.
        """
        if requested is not None:
            return Evaluation(_requested_decision(requested))
        evaluated: list[tuple[ActiveRule, RuleCounter, bool]] = []
        triggered_ids: list[str] = []
        delay_ms: float | None = None
        tenant = request.caller.tenant
        for active in matching:
            rule = active.rule
            if delay_ms is not None and not rule.is_terminal:
                continue
            when = rule.when
            counter = counters.get(active.id, _NEW_COUNTER)
            if when.limit is not None:
                counter = _in_window(when.limit, counter, request.timestamp)
            is_triggered = counter.evaluated >= when.after and self._is_triggered(when, active.id, tenant, counter)
            evaluated.append((active, counter, is_triggered))
            if not is_triggered:
                continue
            triggered_ids.append(active.id)
            if rule.delay is not None and delay_ms is None:
                delay_ms = rule.delay.milliseconds(self._chance("delay", active.id, tenant, counter.evaluated))
            if rule.is_terminal:
                decision = FaultDecision(
                    tuple(triggered_ids),
                    delay_ms or 0.0,
                    rule.respond,
                    rule.connection,
                    rule.alter,
                    _rate_limit_headers(rule.when.limit, counter, request.timestamp),
                )
                return Evaluation(decision, evaluated)
        return Evaluation(FaultDecision(tuple(triggered_ids), delay_ms or 0.0) if triggered_ids else None, evaluated)

    def _is_triggered(self, when: RuleSchedule, rule_id: str, tenant: Tenant, counter: RuleCounter) -> bool:
        return (
            (counter.evaluated - when.after + 1) % when.every == 0
            and (when.times is None or counter.triggered < when.times)
            and (when.limit is None or counter.window_used >= when.limit.requests)
            # The purpose is hashed: another text would change which requests fail for a seed.
            and (when.probability == 1 or self._chance("strike", rule_id, tenant, counter.evaluated) < when.probability)
        )

    def _chance(self, purpose: str, rule_id: str, tenant: Tenant, number: int) -> float:
        """Return a random number from 0 to below 1 that follows from the seed and the arguments alone."""
        data = f"{purpose}\0{rule_id}\0{number}\0".encode() + tenant.key
        digest = blake2b(data, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") % _CHANCES / _CHANCES


@dataclass(slots=True, eq=False)
class RuleEvaluator:
    """Evaluates the rules that match one request: an `Evaluate`.

    It finds the rules each time it is called, so that a store can first bring them up to date.

    Attributes:
        engine: the engine.
        caller: the caller.
        method: HTTP method.
        api_path: path below the base path.
        arrived_at: time of arrival.
    """

    engine: FaultEngine
    caller: AuthenticatedCaller
    method: str
    api_path: str
    arrived_at: datetime

    def __call__(self, counters: Counters) -> Evaluation | None:
        """Evaluate the rules that match now; `None` if there are none."""
        matching = self.engine.matching(self.caller, self.method, self.api_path)
        if not matching:
            return None
        request = FaultRequest(self.caller, self.method, self.api_path, self.arrived_at.timestamp())
        return self.engine.evaluate(request, None, matching, counters)


def _requested_decision(requested: RequestedFault) -> FaultDecision | None:
    if not any(requested):
        return None
    delay_ms = requested.delay.milliseconds(0.0) if requested.delay else 0.0
    return FaultDecision((PREFER_RULE,), delay_ms, requested.respond, requested.connection, requested.patch)


def _in_window(limit: RateLimit, counter: RuleCounter, now: float) -> RuleCounter:
    """Return `counter` in the rate limit window at `now`, which may be a new one.

    The first request, a request after the end of a window and a clock that was set back open a new window.
    """
    if counter.evaluated and counter.window_start <= now < counter.window_start + limit.seconds:
        return counter
    return counter._replace(window_start=now, window_used=0)


def _rate_limit_headers(limit: RateLimit | None, counter: RuleCounter, now: float) -> dict[str, str]:
    """Return the headers with the end of the window, as a duration and as a timestamp in full seconds."""
    if limit is None:
        return {}
    end = counter.window_start + limit.seconds
    return {
        "retry-after": str(max(1, math.ceil(end - now))),
        "x-ratelimit-limit": str(limit.requests),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(math.ceil(end)),
    }
