"""The active fault rules: startup rules from the settings, and rules created since."""

import json
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.tenancy import Tenant
from mock_atoms.faults.rules import Rule

MAX_RULES = 10_000
"""Maximum number of active rules besides the startup rules."""


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


_Key = tuple[bytes | None, bytes | None]


class RuleBook:
    """The active rules in order of precedence, indexed by token and test.

    Rules created since the start come first, in order of creation.

    Args:
        startup_rules: rules from the settings, by id. Only `replace_all` can remove them.
    """

    def __init__(self, startup_rules: Mapping[str, Rule]) -> None:
        self._startup_rules = dict(startup_rules)
        self._rules: dict[str, ActiveRule] = {}
        self._index: dict[_Key, list[ActiveRule]] = {}
        self._last_number = 0
        self._startup_count = 0
        self.reset()

    def reset(self) -> None:
        """Restore the startup rules, with all counters at 0."""
        self._rules.clear()
        self._index.clear()
        self._startup_count = len(self._startup_rules)
        for number, (rule_id, rule) in enumerate(self._startup_rules.items()):
            self._activate(ActiveRule(rule_id, rule, (True, number)))

    def replace_all(self, rules: Sequence[ActiveRule]) -> None:
        """Replace all rules, including the startup rules, with `rules` in order of precedence.

        Raises:
            CapacityError: there are too many; nothing has changed.
        """
        startup_count = sum(rule.is_startup_rule for rule in rules)
        _check_capacity(len(rules) - startup_count)
        self._startup_count = startup_count
        self._rules.clear()
        self._index.clear()
        for number, rule in enumerate(rules):
            rule.position = (True, number) if rule.is_startup_rule else self._next_position()
            self._activate(rule)

    def add(self, rule: Rule) -> ActiveRule:
        """Activate `rule`, after those created before it.

        Its id follows from its content, so its random choices do not depend on the other rules.

        Raises:
            CapacityError: there are too many.
        """
        _check_capacity(len(self._rules) - self._startup_count + 1)
        content = json.dumps(rule.as_json(), sort_keys=True).encode()
        base_id = f"rule-{blake2b(content, digest_size=4).hexdigest()}"
        rule_id, copies = base_id, 1
        while rule_id in self._rules:
            copies += 1
            rule_id = f"{base_id}-{copies}"
        active_rule = ActiveRule(rule_id, rule, self._next_position())
        self._activate(active_rule)
        return active_rule

    def get(self, rule_id: str) -> ActiveRule | None:
        """Return the rule with this id, or `None` if there is none."""
        return self._rules.get(rule_id)

    def remove(self, rule_id: str) -> None:
        """Remove the rule with this id."""
        active_rule = self._rules.pop(rule_id)
        key = _key(active_rule.rule)
        self._index[key].remove(active_rule)
        if not self._index[key]:
            del self._index[key]

    def created_ids(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> list[str]:
        """Return the ids of the rules created since the start: all, or those of one token, one test or both."""
        return [
            active_rule.id
            for active_rule in self._rules.values()
            if not active_rule.is_startup_rule
            and (token_digest is None or active_rule.rule.match.token_digest == token_digest)
            and (test_digest is None or active_rule.rule.match.test_digest == test_digest)
        ]

    def __iter__(self) -> Iterator[ActiveRule]:
        return iter(sorted(self._rules.values(), key=_position))

    def candidates(self, tenant: Tenant) -> list[ActiveRule]:
        """Return the rules that can match requests of `tenant`, in order of precedence."""
        if not self._index:
            return []
        keys: list[_Key] = [(tenant.token_digest, None), (None, None)]
        if tenant.test_digest is not None:
            keys += [(tenant.token_digest, tenant.test_digest), (None, tenant.test_digest)]
        buckets = [bucket for key in keys if (bucket := self._index.get(key))]
        if len(buckets) == 1:
            return buckets[0]
        return sorted((active_rule for bucket in buckets for active_rule in bucket), key=_position)

    def _activate(self, active_rule: ActiveRule) -> None:
        self._rules[active_rule.id] = active_rule
        insort(self._index.setdefault(_key(active_rule.rule), []), active_rule, key=_position)

    def _next_position(self) -> tuple[bool, int]:
        self._last_number += 1
        return False, self._last_number


_position = attrgetter("position")


def _key(rule: Rule) -> _Key:
    return rule.match.token_digest, rule.match.test_digest


def _check_capacity(rule_count: int) -> None:
    if rule_count > MAX_RULES:
        raise CapacityError(f"there can be at most {MAX_RULES} rules: delete those of finished tests")
