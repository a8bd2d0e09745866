"""The active fault rules: startup rules from the settings, and rules created since."""

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.slices import Divisible, Steps
from mock_atoms.core.tenancy import Tenant
from mock_atoms.core.tenant_index import TenantIndex
from mock_atoms.faults.rule_index import ActiveRule, RuleIndex, by_position
from mock_atoms.faults.rules import Rule

MAX_RULES = 10_000
"""Maximum number of active rules besides the startup rules."""
MAX_TENANT_RULES = 500
"""Maximum number of these rules for one pair of token and test id, where each may be any. A request has four pairs."""
MAX_STARTUP_RULES = 1_000
"""Maximum number of startup rules."""
MAX_COUNTERS = MAX_RULES + MAX_STARTUP_RULES + 1
"""Maximum number of rules that a tenant can have counters of: the active rules, and that of its magic key."""
MAX_RULES_BYTES = 64 * 1024 * 1024
"""Maximum memory of these rules, approximately."""


class RuleSet(Divisible):
    """Active rules by id, and their indexes.

    Attributes:
        by_id: the rules.
        index: the rules by what they match.
        by_tenant: their ids by token and test.
        created_by_tenant: number of rules besides the startup rules by digest of the token and of the test id.
        created_count: number of rules besides the startup rules.
        created_bytes: memory of these rules, approximately.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, ActiveRule] = {}
        self.index = RuleIndex()
        self.by_tenant: TenantIndex[str] = TenantIndex()
        self.created_by_tenant: dict[tuple[bytes | None, bytes | None], int] = {}
        self.created_count = self.created_bytes = 0

    def add(self, active_rule: ActiveRule) -> None:
        """Add a rule."""
        self.by_id[active_rule.id] = active_rule
        self.index.add(active_rule)
        match = active_rule.rule.match
        self.by_tenant.add(active_rule.id, match.token_digest, match.test_digest)
        self._count(active_rule, 1)

    def remove(self, rule_id: str) -> ActiveRule | None:
        """Remove and return the rule with this id; `None` if there is none."""
        active_rule = self.by_id.get(rule_id)
        if active_rule is None:
            return None
        self.index.remove(active_rule)
        match = active_rule.rule.match
        self.by_tenant.remove(rule_id, match.token_digest, match.test_digest)
        del self.by_id[rule_id]
        self._count(active_rule, -1)
        return active_rule

    def check_room(self, rule: Rule) -> None:
        """Check that one more rule can have the token and the test id of `rule`. A request evaluates all in one step.

        Raises:
            CapacityError: there are too many.
        """
        if self.created_by_tenant.get(_tenant_key(rule), 0) >= MAX_TENANT_RULES:
            raise CapacityError(
                f"there are already {MAX_TENANT_RULES} rules with this token (or none) and this testId (or none): "
                "delete those of finished tests, or give each test its own token or testId"
            )

    def parts(self) -> list[Any]:
        """Return the rules and the index."""
        return [*self.by_id.values(), self.index]

    def _count(self, active_rule: ActiveRule, change: int) -> None:
        if active_rule.is_startup_rule:
            return
        self.created_count += change
        self.created_bytes += change * active_rule.rule.size_bytes
        key = _tenant_key(active_rule.rule)
        self.created_by_tenant[key] = self.created_by_tenant.get(key, 0) + change
        if not self.created_by_tenant[key]:
            del self.created_by_tenant[key]


class RuleBook:
    """The active rules in order of precedence, indexed by token and test.

    Rules created since the start come first, in order of creation.

    Args:
        startup_rules: rules from the settings, by id. Only `replace_all` can remove them.
    """

    def __init__(self, startup_rules: Mapping[str, Rule]) -> None:
        self._startup_rules = dict(startup_rules)
        self._rules = RuleSet()
        self._last_number = 0
        self.reset()

    def reset(self) -> RuleSet:
        """Restore the startup rules, with all counters at 0. Return the rules that were active before."""
        startup_rules = RuleSet()
        for number, (rule_id, rule) in enumerate(self._startup_rules.items()):
            startup_rules.add(ActiveRule(rule_id, rule, (True, number)))
        return self.replace_all(startup_rules)

    def prepare(self, rules: Sequence[ActiveRule]) -> Steps[RuleSet]:
        """Return `rules`, in order of precedence, for `replace_all`. They may have startup rules.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        created = [active_rule.rule.size_bytes for active_rule in rules if not active_rule.is_startup_rule]
        _check_capacity(len(created), sum(created))
        if len(rules) - len(created) > MAX_STARTUP_RULES:
            raise CapacityError(f"there can be at most {MAX_STARTUP_RULES} rules with atStart: leave out others")
        prepared = RuleSet()
        for number, rule in enumerate(rules):
            if not rule.is_startup_rule:
                prepared.check_room(rule.rule)
            rule.position = (True, number) if rule.is_startup_rule else self._next_position()
            prepared.add(rule)
            yield
        return prepared

    def replace_all(self, rules: RuleSet) -> RuleSet:
        """Replace all rules, including the startup rules, and return those that were active before."""
        previous, self._rules = self._rules, rules
        return previous

    def add(self, rule: Rule) -> ActiveRule:
        """Activate `rule`, after those created before it.

        Its id follows from its content, so its random choices do not depend on the other rules.

        Raises:
            CapacityError: there are too many, or they are too large.
        """
        rules = self._rules
        _check_capacity(rules.created_count + 1, rules.created_bytes + rule.size_bytes)
        rules.check_room(rule)
        content = json.dumps(rule.as_json(), sort_keys=True).encode()
        base_id = f"rule-{blake2b(content, digest_size=4).hexdigest()}"
        rule_id, copies = base_id, 1
        while rule_id in rules.by_id:
            copies += 1
            rule_id = f"{base_id}-{copies}"
        active_rule = ActiveRule(rule_id, rule, self._next_position())
        rules.add(active_rule)
        return active_rule

    def restore(self, rule: ActiveRule, position: tuple[bool, int]) -> None:
        """Activate a rule that was active before, with its id and its counts, unless there is one with its id."""
        if rule.id not in self._rules.by_id:
            rule.position = position
            self._rules.add(rule)

    def get(self, rule_id: str) -> ActiveRule | None:
        """Return the rule with this id, or `None` if there is none."""
        return self._rules.by_id.get(rule_id)

    def remove(self, rule_id: str) -> ActiveRule | None:
        """Remove and return the rule with this id; `None` if there is none."""
        return self._rules.remove(rule_id)

    def created_ids(self, token_digest: bytes | None = None, test_digest: bytes | None = None) -> list[str]:
        """Return the ids of the rules created since the start: all, or those of one token, one test or both."""
        rules = self._rules
        is_any = token_digest is None and test_digest is None
        ids = rules.by_id if is_any else rules.by_tenant.find(token_digest, test_digest)
        return [rule_id for rule_id in ids if not rules.by_id[rule_id].is_startup_rule]

    def __iter__(self) -> Iterator[ActiveRule]:
        return iter(sorted(self._rules.by_id.values(), key=by_position))

    def matching(self, tenant: Tenant, method: str, api_path: str) -> list[ActiveRule]:
        """Return the rules that match a request of `tenant`, in order of precedence."""
        return self._rules.index.matching(tenant, method, api_path)

    def _next_position(self) -> tuple[bool, int]:
        self._last_number += 1
        return False, self._last_number


def _tenant_key(rule: Rule) -> tuple[bytes | None, bytes | None]:
    return rule.match.token_digest, rule.match.test_digest


def _check_capacity(count: int, size_bytes: int) -> None:
    if count > MAX_RULES:
        raise CapacityError(f"there can be at most {MAX_RULES} rules: delete those of finished tests")
    if size_bytes > MAX_RULES_BYTES:
        raise CapacityError(
            f"the rules need about {size_bytes} bytes; the maximum is {MAX_RULES_BYTES}: delete those of finished tests"
        )
