"""Operators on the metadata of stubs."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from mock_atoms.core.slices import Steps
from mock_atoms.core.tenancy import UNAUTHENTICATED_TENANT
from mock_atoms.journal.credentials import Credentials
from mock_atoms.journal.exchange import Exchange, RequestHead
from mock_atoms.wiremock.candidate import Candidate
from mock_atoms.wiremock.json_matching import MAX_PATTERN_DEPTH, size_problem
from mock_atoms.wiremock.operands import OperandContext
from mock_atoms.wiremock.operators import Matcher, parse_matcher
from mock_atoms.wiremock.steps import StepCounter
from mock_atoms.wiremock.stubs import Stub


class MetadataPattern:
    """An operator that is compared with the metadata of stubs.

    Args:
        matcher: the operator.
    """

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher

    def select(self, stubs: Iterable[Stub]) -> Steps[list[Stub]]:
        """Return the stubs with metadata that match, in their order."""
        selected = []
        for stub in stubs:
            if stub.metadata:
                text = json.dumps(stub.metadata, ensure_ascii=False)
                if self._matcher.matches(text, Candidate(_no_exchange())):
                    selected.append(stub)
            yield
        return selected


def _no_exchange() -> Exchange:
    head = RequestHead(UNAUTHENTICATED_TENANT, (), "", "", "", "", "", (), ())
    return Exchange(head, datetime.fromtimestamp(0, UTC), 0.0, "", 0)


def parse_metadata_pattern(value: object, credentials: Credentials) -> MetadataPattern:
    """Parse an operator such as `{"matchesJsonPath": "$.suite"}`.

    Raises:
        ConfigError: it is invalid or not supported.
    """
    context = OperandContext("", credentials, StepCounter())
    if problem := size_problem(value, MAX_PATTERN_DEPTH):
        raise context.error(problem)
    return MetadataPattern(parse_matcher(value, context))
