"""The active fault rules: startup rules from the settings, and rules created since."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.owner_index import OwnerIndex
from mock_atoms.core.tenancy import Tenant
from mock_atoms.faults.rule_index import ActiveRule, RuleIndex, by_position
from mock_atoms.faults.rules import Rule

MAX_RULES = 10_000
"""Maximum number of active rules besides the startup rules."""
MAX_STARTUP_RULES = 1_000
"""Maximum number of startup rules."""
MAX_COUNTERS = MAX_RULES + MAX_STARTUP_RULES + 1
"""Maximum number of rules that a tenant can have counters of: the active rules, and that of its magic key."""
MAX_RULES_BYTES = 64 * 1024 * 1024
"""Maximum memory of these rules, approximately."""


class RuleBook:
    """The active rules in order of precedence, indexed by token and test.

    Rules created since the start come first, in order of creation.

    Args:
        startup_rules: rules from the settings, by id. Only `replace_all` can remove them.
    """

    def __init__(self, startup_rules: Mapping[str, Rule]) -> None:
        self._startup_rules = dict(startup_rules)
        self._rules: dict[str, ActiveRule] = {}
        self._index = RuleIndex()
        self._owners: OwnerIndex[str] = OwnerIndex()
        self._last_number = 0
        self._created_count = self._created_bytes = 0
        self.reset()

    def reset(self) -> list[ActiveRule]:
        """Restore the startup rules, with all counters at 0. Return the rules that were active before."""
        removed = [*self._rules.values()]
        self._clear()
        for number, (rule_id, rule) in enumerate(self._startup_rules.items()):
            self._activate(ActiveRule(rule_id, rule, (True, number)))
        return removed

    def replace_all(self, rules: Sequence[ActiveRule]) -> None:
        """Replace all rules, including the startup rules, with `rules` in order of precedence.

        Raises:
            CapacityError: there are too many, or they are too large; nothing has changed.
        """
        created = [active_rule.rule.size_bytes for active_rule in rules if not active_rule.is_startup_rule]
        _check_capacity(len(created), sum(created))
        if len(rules) - len(created) > MAX_STARTUP_RULES:
            raise CapacityError(f"there can be at most {MAX_STARTUP_RULES} rules with atStart: leave out others")
        self._clear()
        for number, rule in enumerate(rules):
            rule.position = (True, number) if rule.is_startup_rule else self._next_position()
            self._activate(rule)

    def add(self, rule: Rule) -> ActiveRule:
        """Activate `rule`, after those created before it.

        Its id follows from its content, so its random choices do not depend on the other rules.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        _check_capacity(self._created_count + 1, self._created_bytes + rule.size_bytes)
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

    def remove(self, rule_id: str) -> ActiveRule | None:
        """Remove and return the rule with this id; `None` if there is none."""
        active_rule = self._rules.pop(rule_id, None)
        if active_rule is None:
            return None
        self._index.remove(active_rule)
        match = active_rule.rule.match
        self._owners.remove(rule_id, match.token_digest, match.test_digest)
        self._count(active_rule, -1)
        return active_rule

    def created_ids(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> list[str]:
        """Return the ids of the rules created since the start: all, or those of one token, one test or both."""
        is_any = token_digest is None and test_digest is None
        ids = self._rules if is_any else self._owners.find(token_digest, test_digest)
        return [rule_id for rule_id in ids if not self._rules[rule_id].is_startup_rule]

    def __iter__(self) -> Iterator[ActiveRule]:
        return iter(sorted(self._rules.values(), key=by_position))

    def matching(self, tenant: Tenant, method: str, api_path: str) -> list[ActiveRule]:
        """Return the rules that match a request of `tenant`, in order of precedence."""
        return self._index.matching(tenant, method, api_path)

    def _activate(self, active_rule: ActiveRule) -> None:
        self._rules[active_rule.id] = active_rule
        self._index.add(active_rule)
        match = active_rule.rule.match
        self._owners.add(active_rule.id, match.token_digest, match.test_digest)
        self._count(active_rule, 1)

    def _count(self, active_rule: ActiveRule, change: int) -> None:
        if not active_rule.is_startup_rule:
            self._created_count += change
            self._created_bytes += change * active_rule.rule.size_bytes

    def _clear(self) -> None:
        self._rules.clear()
        self._index.clear()
        self._owners.clear()
        self._created_count = self._created_bytes = 0

    def _next_position(self) -> tuple[bool, int]:
        self._last_number += 1
        return False, self._last_number


def _check_capacity(count: int, size_bytes: int) -> None:
    if count > MAX_RULES:
        raise CapacityError(f"there can be at most {MAX_RULES} rules: delete those of finished tests")
    if size_bytes > MAX_RULES_BYTES:
        raise CapacityError(
            f"the rules need about {size_bytes} bytes; the maximum is {MAX_RULES_BYTES}: delete those of finished tests"
        )
