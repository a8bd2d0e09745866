"""The fault engine: which rules strike a request.

No clock, no I/O, and no randomness but what follows from (seed, rule, tenant, n).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from mock_atoms.core.tenancy import AuthenticatedCaller, Tenant, magic_word
from mock_atoms.data.personas import find_persona
from mock_atoms.faults.expressions import ExpressionError, RequestedFault, parse_expression
from mock_atoms.faults.rulebook import ActiveRule, RuleBook
from mock_atoms.faults.rules import ConnectionFault, FaultResponse, RateLimit, ResponsePatch, Rule, RuleSchedule

_KNOWN_WORDS = 1_000  # of magic keys, which need not be parsed anew for each request
_CHANCES = 1 << 53  # as many as a float from 0 to 1 can tell apart


class RuleCounter(NamedTuple):
    """How far one rule is with one tenant.

    Attributes:
        asked: how often it was asked.
        struck: how often it struck.
        since: when the window of its rate limit began, in seconds.
        used: how many requests that window has let through.
    """

    evaluated: int = 0
    triggered: int = 0
    window_start: float = 0.0
    window_used: int = 0


class FaultRequest(NamedTuple):
    """A request as the engine sees it.

    Attributes:
        caller: who sent it.
        method: HTTP method.
        path: path below the base path.
        moment: when it came, in seconds since 1970.
    """

    caller: AuthenticatedCaller
    method: str
    path: str
    moment: float = 0.0


Counters = dict[str, RuleCounter]
"""By rule id, of one tenant."""


@dataclass(frozen=True, slots=True)
class FaultDecision:
    """What befalls one request.

    Attributes:
        rule_ids: ids of the rules that strike, in order of precedence.
        delay_ms: how long the answer is held back.
        respond: what is answered in place of the API.
        connection: what becomes of the connection.
        alter: what is changed in the API's own answer. Where all three are `None`, it stays as it is.
        facts: headers of `respond` that hold for this one answer, by lower-case name.
    """

    rule_ids: tuple[str, ...]
    delay_ms: float = 0.0
    respond: FaultResponse | None = None
    connection: ConnectionFault | None = None
    alter: ResponsePatch | None = None
    extra_headers: Mapping[str, str] = field(default_factory=dict)


PREFER_RULE = "prefer"
KEY_RULE = "key"
ERROR_RATE_RULE = "error-rate"


def error_rate_rule(share: float) -> Rule:
    """Return the rule by which a share of what had no answer so far is answered 500."""
    return Rule(when=RuleSchedule(probability=share), respond=FaultResponse(status=500))


def _rule_of_word(word: str) -> Rule | None:
    """Return the rule that the word of a magic key is short for, `None` where it is no expression."""
    try:
        return parse_expression(word)
    except ExpressionError:
        return None


class FaultEngine:
    """The decision which of the rules in force strike a request.

    Args:
        seed: what the seeded choices derive from.
        book: the rules in force.
    """

    def __init__(self, seed: str, book: RuleBook) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self._book = book
        self._rule_of_word = lru_cache(_KNOWN_WORDS)(_rule_of_word)

    def is_unknown_magic_key(self, token: str) -> bool:
        """Tell whether `token` looks like a magic key, and its word is neither a persona nor an expression."""
        word = magic_word(token)
        return word is not None and find_persona(token) is None and self._rule_of_word(word) is None

    def magic_key_rule(self, token: str) -> Rule | None:
        """Return the rule that `token` itself is short for, if it is a magic key with a fault expression."""
        word = magic_word(token)
        return None if word is None else self._rule_of_word(word)

    def has_no_matching_rule(self, tenant: Tenant, method: str, path: str) -> bool:
        """Tell whether no rule in force is asked about such a request, whatever its token is short for."""
        candidates = self._book.candidates(tenant)
        return not (candidates and any(entry.rule.match(tenant, method, path) for entry in candidates))

    def decide(
        self, request: FaultRequest, preference: RequestedFault | None, counters: Counters
    ) -> FaultDecision | None:
        """Tell what befalls a request, and count it in `counters`.

        A `Prefer` header decides alone. Else the caller's magic key is asked first, then the rules in their order:
        the first strike that holds back gives the delay, the first that answers gives the answer and ends the
        search. A rule that could add nothing is not asked, so its counter stays.

        Args:
            request: the request.
            preference: what the request itself asks for.
            counters: those of the caller's tenant; updated in place.
        """
        if preference is not None:
            if preference == RequestedFault():
                return None
            asked_ms = preference.delay.milliseconds(0.0) if preference.delay else 0.0
            return FaultDecision((PREFER_RULE,), asked_ms, preference.respond, preference.connection, preference.alter)
        triggered: list[str] = []
        delay_ms: float | None = None
        tenant = request.caller.tenant
        for entry in self._candidates(request.caller):
            rule_id, rule = entry.id, entry.rule
            if not rule.is_terminal and delay_ms is not None:
                continue
            if not rule.match(tenant, request.method, request.path):
                continue
            count = _in_window(rule.when.limit, counters.get(rule_id, RuleCounter()), request.moment)
            hit = self._strikes(rule.when, rule_id, tenant, count)
            counters[rule_id] = RuleCounter(
                count.evaluated + 1, count.triggered + hit, count.window_start, count.window_used + (not hit)
            )
            entry.evaluated += 1
            entry.triggered += hit
            if not hit:
                continue
            triggered.append(rule_id)
            if rule.delay is not None and delay_ms is None:
                delay_ms = rule.delay.milliseconds(self._chance("delay", rule_id, tenant, count.evaluated))
            if rule.is_terminal:
                extra_headers = _limit_headers(rule.when.limit, count, request.moment)
                return FaultDecision(
                    tuple(triggered), delay_ms or 0.0, rule.respond, rule.connection, rule.alter, extra_headers
                )
        return FaultDecision(tuple(triggered), delay_ms or 0.0) if triggered else None

    def _candidates(self, caller: AuthenticatedCaller) -> list[ActiveRule]:
        entries = self._book.candidates(caller.tenant)
        rule = self.magic_key_rule(caller.token)
        return entries if rule is None else [ActiveRule(KEY_RULE, rule, (False, 0)), *entries]

    def _strikes(self, when: RuleSchedule, rule_id: str, tenant: Tenant, count: RuleCounter) -> bool:
        return (
            count.evaluated >= when.after
            and (count.evaluated - when.after + 1) % when.every == 0
            and (when.times is None or count.triggered < when.times)
            and (when.limit is None or count.window_used >= when.limit.requests)
            and self._chance("strike", rule_id, tenant, count.evaluated) < when.probability
        )

    def _chance(self, purpose: str, rule_id: str, tenant: Tenant, n: int) -> float:
        """Return a number from 0 to below 1 that follows from the seed and the arguments alone."""
        data = f"{purpose}\0{rule_id}\0{n}\0".encode() + tenant.key
        digest = blake2b(data, digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") % _CHANCES / _CHANCES


def _in_window(limit: RateLimit | None, count: RuleCounter, now: float) -> RuleCounter:
    """Return `count` as of `now`: the first request, one after the window's end, or a clock set back opens a window."""
    if limit is None or (count.evaluated and count.window_start <= now < count.window_start + limit.seconds):
        return count
    return count._replace(window_start=now, window_used=0)


def _limit_headers(limit: RateLimit | None, count: RuleCounter, now: float) -> dict[str, str]:
    """Return what a refused client is told: when the window ends, as a wait and as a moment, both in whole seconds."""
    if limit is None:
        return {}
    end = count.window_start + limit.seconds
    return {
        "retry-after": str(max(1, math.ceil(end - now))),
        "x-ratelimit-limit": str(limit.requests),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(math.ceil(end)),
    }
