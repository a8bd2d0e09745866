"""The state that a reset restores, if it is not that of the settings."""

from collections.abc import Callable
from typing import Any

from mock_atoms.core.slices import Steps
from mock_atoms.faults.rule_index import ActiveRule
from mock_atoms.faults.rulebook import RuleBook
from mock_atoms.state.store import StoreContent
from mock_atoms.state.tenant_states import TenantStates

Scope = tuple[bytes | None, bytes | None]
"""Digests of token and test; `None` for all."""


def is_within(scope: Scope, token_digest: bytes | None, test_digest: bytes | None) -> bool:
    """Return whether the tenant or the rule of `scope` belongs to a token, a test or both."""
    return token_digest in (None, scope[0]) and test_digest in (None, scope[1])


class StartPoint:
    """The state that a reset restores. It is parsed for each reset, because a store modifies its parts.

    Args:
        parse: parses it.
    """

    def __init__(self, parse: Callable[[], Steps[StoreContent]]) -> None:
        self.parse = parse
        self._positions: dict[str, tuple[bool, int]] = {}
        self._scopes: set[Scope] = set()

    def note(self, content: StoreContent) -> None:
        """Note what the state has, once its rules have their positions."""
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
        rules: RuleBook,
        states: TenantStates,
    ) -> tuple[list[ActiveRule], list[Any]]:
        """Restore what the state has of one token, one test or both. Its startup rules have never gone.

        Args:
            content: the state, parsed.
            token_digest: digest of the token.
            test_digest: digest of the test.
            rules: the active rules.
            states: the states of tenants.

        Returns:
            The restored rules, and the rest of the content, which is no longer needed.
        """
        restored = []
        rest: list[Any] = [data.initial_data for data in content.fixtures.values()]
        for rule in content.rules:
            position = self._positions.get(rule.id)
            scope = (rule.rule.match.token_digest, rule.rule.match.test_digest)
            if position is not None and is_within(scope, token_digest, test_digest):
                rules.restore(rule, position)
                restored.append(rule)
        for state in content.tenants:
            if is_within((state.tenant.token_digest, state.tenant.test_digest), token_digest, test_digest):
                states.restore(state)
            else:
                rest.append(state)
        return restored, rest
