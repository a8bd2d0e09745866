"""The state that a reset restores, if it is not that of the settings."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mock_atoms.core.slices import Steps
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.state.store import StoreContent
from mock_atoms.state.tenant_states import TenantStates
from mock_atoms.wiremock.scenarios import Scenario

Scope = tuple[bytes | None, bytes | None]
"""Digests of token and test; `None` for all."""


def is_within(scope: Scope, token_digest: bytes | None, test_digest: bytes | None) -> bool:
    """Return whether the tenant or the rule of `scope` belongs to a token, a test or both."""
    return token_digest in (None, scope[0]) and test_digest in (None, scope[1])


class Present(NamedTuple):
    """What a store has.

    Attributes:
        rules: the active rules.
        states: the states of tenants.
        scenarios: the scenarios by name.
    """

    rules: RuleBook
    states: TenantStates
    scenarios: Mapping[str, Scenario]


class StartPoint:
    """The state that a reset restores. It is parsed for each reset, because a store modifies its parts.

    Args:
        parse: parses it.

    Attributes:
        is_replaced: whether an import has replaced its fixtures.
    """

    def __init__(self, parse: Callable[[], Steps[StoreContent]]) -> None:
        self.parse = parse
        self.is_replaced = False
        self._positions: dict[str, tuple[bool, int]] = {}
        self._scopes: set[Scope] = set()

    def note(self, content: StoreContent) -> None:
        """Note what the state has, once its rules have their positions."""
        self.is_replaced = False
        self._positions = {rule.id: rule.position for rule in content.rules if not rule.is_startup_rule}
        self._scopes = {
            *((state.tenant.token_digest, state.tenant.test_digest) for state in content.tenants),
            *((rule.rule.match.token_digest, rule.rule.match.test_digest) for rule in content.rules),
        }

    def has(self, token_digest: bytes | None, test_digest: bytes | None) -> bool:
        """Return whether it has anything of one token, one test or both."""
        is_complete = token_digest is None and test_digest is None
        return is_complete or any(is_within(scope, token_digest, test_digest) for scope in self._scopes)

    def restore(
        self,
        content: StoreContent,
        token_digest: bytes | None,
        test_digest: bytes | None,
        present: Present,
    ) -> tuple[list[ActiveRule], list[Any]]:
        """Restore what the state has of one token, one test or both. Its startup rules have never gone.

        Args:
            content: the state, parsed.
            token_digest: digest of the token.
            test_digest: digest of the test.
            present: what the store has.

        Returns:
            The restored rules, and the rest of the content, which is no longer needed.
        """
        restored = []
        rest: list[Any] = []
        for rule in content.rules:
            position = self._positions.get(rule.id)
            scope = (rule.rule.match.token_digest, rule.rule.match.test_digest)
            if position is not None and is_within(scope, token_digest, test_digest):
                present.rules.restore(rule, position)
                restored.append(rule)
        for state in content.tenants:
            tenant = state.tenant
            if is_within((tenant.token_digest, tenant.test_digest), token_digest, test_digest):
                if self.is_replaced and state.initial_data is None and tenant.token_digest in content.fixtures:
                    state.initial_data = content.fixtures[tenant.token_digest].initial_data
                state.scenarios = {
                    name: (present.scenarios[name].generation, reached)
                    for name, (_, reached) in state.scenarios.items()
                    if name in present.scenarios
                }
                present.states.restore(state)
            else:
                rest.append(state)
        return restored, rest
