"""Which requests the response cache may serve."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mock_atoms.caching.eligibility import is_cacheable
from mock_atoms.contract.operations import EXPORT_LOGS, EXPORT_RESULTS, RequestedOperation
from mock_atoms.core.tenancy import UnauthenticatedCaller, caller_for
from mock_atoms.journal.exchange import Exchange, RequestContext, RequestHead

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CALLER = caller_for("sk_acme")
URL = "/atoms/v1/audience"


def request_context(method: str = "GET") -> RequestContext:
    head = RequestHead(CALLER.tenant, (), method, URL, "http", "1.1", "x", (), ())
    exchange = Exchange(head, NOON, 0.0, "", 0)
    return RequestContext(exchange, CALLER, URL, b"", "/audience", has_credential_in_url=False)


NOT_CACHEABLE: dict[str, Callable[[], RequestContext]] = {
    "a HEAD request": lambda: request_context("HEAD"),
    "a path outside the base path": lambda: replace(request_context(), api_path=None),
    "an unauthenticated caller": lambda: replace(
        request_context(), caller=UnauthenticatedCaller("missing-credentials")
    ),
    "an export of results": lambda: replace(
        request_context(), operation=RequestedOperation(EXPORT_RESULTS.name, "67c400000000000000000001")
    ),
    "an export of call logs": lambda: replace(
        request_context(), operation=RequestedOperation(EXPORT_LOGS.name, "67c400000000000000000001")
    ),
    "a credential in the URL": lambda: replace(request_context(), has_credential_in_url=True),
}


@pytest.mark.parametrize("context", NOT_CACHEABLE.values(), ids=NOT_CACHEABLE)
def test_the_cache_never_serves(context: Callable[[], RequestContext]) -> None:
    assert not is_cacheable(context())


def test_the_cache_serves_a_get_of_an_authenticated_caller() -> None:
    assert is_cacheable(request_context())
